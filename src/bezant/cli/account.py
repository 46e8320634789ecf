"""`bezant account`: open, list and read accounts."""

from typing import Annotated, Any, Literal

import typer

from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Tenant, Url, connection, facts, rows, show, speak
from bezant.client import BezantClient
from bezant.contracts.money import format_amount

AccountType = Literal["customer", "merchant", "settlement", "fee"]
app = typer.Typer(help="Open, list and read accounts.", no_args_is_help=True)
AccountId = Annotated[str, typer.Argument(help="The account's id.")]


def _money(amount: dict[str, Any] | None) -> str:
    return "unlimited" if amount is None else format_amount(amount["amount_minor"], amount["currency"])


@app.command("open")
def open_account(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    kind: Annotated[AccountType, typer.Option("--type", help="What the account is for.")] = "customer",
    currency: Annotated[str, typer.Option(help="Its currency.")] = "USD",
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Open an account."""

    async def work(client: BezantClient) -> Any:
        return await client.accounts.create({"name": name, "type": kind, "currency": currency})

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda made: facts(
            "Account", {part: made[part] for part in ("id", "name", "type", "currency", "status")}
        ),
    )


@app.command("list")
def list_accounts(
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False
) -> None:
    """List accounts."""

    async def work(client: BezantClient) -> list[Any]:
        return [account async for account in client.accounts.iterate()]

    parts = ["name", "type", "currency", "status", "id"]
    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows("Accounts", parts, [[account[part] for part in parts] for account in found]),
    )


@app.command()
def balance(
    account_id: AccountId,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what is posted, available and pending."""

    async def work(client: BezantClient) -> Any:
        return await client.accounts.get_balance(account_id)

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: facts(
            "Balance", {part: _money(found[part]) for part in ("posted", "available", "pending", "overdraft_limit")}
        ),
    )


@app.command()
def statement(
    account_id: AccountId,
    limit: Annotated[int, typer.Option(help="How many entries.")] = 50,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the account's entries with the balance after each."""

    async def work(client: BezantClient) -> Any:
        return await client.accounts.get_statement(account_id, limit=limit)

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            f"Opening {_money(found['opening_balance'])}, closing {_money(found['closing_balance'])}",
            ["when", "what", "direction", "amount", "balance", "reference"],
            [
                [e["created_at"][:19], e["kind"], e["direction"], _money(e["amount"]), _money(e["balance_after"]),
                 e["reference"]]
                for e in found["entries"]
            ],
        ),
    )  # fmt: skip


def _set_status(
    account_id: str, what: str, *, tenant: str | None, data_dir: Any, url: str | None, as_json: bool
) -> None:
    async def work(client: BezantClient) -> Any:
        return await client.post(f"/v1/accounts/{account_id}/{what}")

    answer = speak(connection(data_dir, url, tenant, as_json=as_json), work)
    show(answer, as_json=as_json, table=lambda found: facts("Account", {"id": found["id"], "status": found["status"]}))


@app.command()
def freeze(
    account_id: AccountId, tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Freeze an account; enforced when this returns."""
    _set_status(account_id, "freeze", tenant=tenant, data_dir=data_dir, url=url, as_json=as_json)


@app.command()
def unfreeze(
    account_id: AccountId, tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Unfreeze an account."""
    _set_status(account_id, "unfreeze", tenant=tenant, data_dir=data_dir, url=url, as_json=as_json)
