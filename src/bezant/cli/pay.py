"""`bezant pay`: make a payment, and what can be done to one."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import typer

from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, Connection, DataDir, Tenant, Url, connection, facts, rows, show, speak
from bezant.client import BezantClient
from bezant.client.generated.models import PaymentRequest
from bezant.contracts.currencies import CURRENCIES
from bezant.contracts.money import format_amount

app = typer.Typer(help="Make payments and act on them.", no_args_is_help=True)
PaymentId = Annotated[str, typer.Argument(help="The payment's id.")]
Key = Annotated[str | None, typer.Option("--key", help="The Idempotency-Key; made for you if left out.")]
Amount = Annotated[str | None, typer.Option("--amount", help="A part, in major units; all of it if left out.")]


_MOST_DIGITS = 20


def amount_minor(text: str, currency: str) -> int:
    """Return the minor units of an amount in major units. Raises `typer.BadParameter` for what is not one."""
    try:
        exact = Decimal(text)
        if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
            raise typer.BadParameter(f"{text} is not an amount of money")
        exact = exact.scaleb(CURRENCIES[currency].exponent)
    except KeyError as error:
        raise typer.BadParameter(f"{currency} is not a currency that Bezant knows") from error
    except InvalidOperation as error:
        raise typer.BadParameter(f"{text!r} is not an amount") from error
    if exact != exact.to_integral_value() or exact <= 0:
        raise typer.BadParameter(f"{text} is not a positive amount with {CURRENCIES[currency].exponent} decimals")
    return int(exact)


def _facts(payment: dict[str, Any]) -> dict[str, Any]:
    currency = payment["amount"]["currency"]
    return {
        "id": payment["id"],
        "status": payment["status"],
        "amount": format_amount(payment["amount"]["amount_minor"], currency),
        "captured": format_amount(payment["captured"]["amount_minor"], currency),
        "refunded": format_amount(payment["refunded"]["amount_minor"], currency),
        "reason": payment["reason_code"],
        "risk": f"{payment['risk']['decision']} {payment['risk']['score']} {' '.join(payment['risk']['reasons'])}",
    }


@app.command()
def create(
    source: Annotated[str, typer.Argument(help="The account that pays.")],
    destination: Annotated[str, typer.Argument(help="The account that is paid.")],
    amount: Annotated[str, typer.Argument(help="In major units, e.g. 12.50.")],
    currency: Annotated[str, typer.Argument(help="Its currency.")] = "USD",
    manual: Annotated[bool, typer.Option("--manual", help="Hold the money until it is captured.")] = False,
    reference: Annotated[str, typer.Option(help="Text of your own.")] = "",
    key: Key = None,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make a payment. Exit code 2 when it was declined or failed."""
    body: PaymentRequest = {
        "source_account_id": source,
        "destination_account_id": destination,
        "amount": {"amount_minor": amount_minor(amount, currency), "currency": currency},
        "capture": "manual" if manual else "automatic",
        "reference": reference,
    }

    async def work(client: BezantClient) -> Any:
        return await client.payments.create(body, idempotency_key=key)

    made = speak(connection(data_dir, url, tenant, as_json=as_json), work)
    show(made, as_json=as_json, table=lambda payment: facts("Payment", _facts(payment)))
    raise typer.Exit(2 if made["status"] in ("declined", "failed") else 0)


@app.command("show")
def show_payment(
    payment_id: PaymentId, tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show one payment."""

    async def work(client: BezantClient) -> Any:
        return await client.payments.get(payment_id)

    found = speak(connection(data_dir, url, tenant, as_json=as_json), work)
    show(found, as_json=as_json, table=lambda payment: facts("Payment", _facts(payment)))


@app.command("list")
def list_payments(
    limit: Annotated[int, typer.Option(help="How many.")] = 50, tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List payments, newest first."""

    async def work(client: BezantClient) -> Any:
        return (await client.payments.list(limit=limit))["data"]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Payments",
            ["created", "status", "amount", "reason", "reference", "id"],
            [
                [p["created_at"][:19], p["status"], format_amount(p["amount"]["amount_minor"], p["amount"]["currency"]),
                 p["reason_code"], p["reference"], p["id"]]
                for p in found
            ],
        ),
    )  # fmt: skip


def _act(
    what: Literal["capture", "void", "refund"],
    payment_id: str,
    amount: str | None,
    key: str | None,
    to: Connection,
) -> Any:
    async def work(client: BezantClient) -> Any:
        part = None
        if amount is not None:
            payment = await client.payments.get(payment_id)
            part = amount_minor(amount, payment["amount"]["currency"])
        match what:
            case "capture":
                return await client.payments.capture(payment_id, {"amount_minor": part}, idempotency_key=key)
            case "void":
                return await client.payments.void(payment_id, idempotency_key=key)
            case "refund":
                return await client.payments.refund(payment_id, {"amount_minor": part}, idempotency_key=key)

    return speak(to, work)


@app.command()
def capture(
    payment_id: PaymentId, amount: Amount = None, key: Key = None, tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Capture an authorized payment, in whole or in part."""
    done = _act("capture", payment_id, amount, key, connection(data_dir, url, tenant, as_json=as_json))
    show(done, as_json=as_json, table=lambda payment: facts("Payment", _facts(payment)))


@app.command()
def void(
    payment_id: PaymentId, key: Key = None, tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Release the hold of a payment."""
    done = _act("void", payment_id, None, key, connection(data_dir, url, tenant, as_json=as_json))
    show(done, as_json=as_json, table=lambda payment: facts("Payment", _facts(payment)))


@app.command()
def refund(
    payment_id: PaymentId, amount: Amount = None, key: Key = None, tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Refund a captured payment, in whole or in part."""
    done = _act("refund", payment_id, amount, key, connection(data_dir, url, tenant, as_json=as_json))
    show(
        done, as_json=as_json, table=lambda made: facts("Payment", _facts(made["payment"]) | {"refund": made["status"]})
    )
