"""`bezant approvals`: what waits for a second person."""

from typing import Annotated, Any

import typer

from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Tenant, Url, connection, facts, rows, show, speak
from bezant.client import BezantClient

app = typer.Typer(help="What waits for a second person.", no_args_is_help=True)
ApprovalId = Annotated[str, typer.Argument(help="The approval's id.")]
Note = Annotated[str, typer.Option(help="Why; it stands in the audit log.")]


@app.command("list")
def list_approvals(
    status: Annotated[str | None, typer.Option(help="pending, executed, failed, rejected, ...")] = "pending",
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List what was asked for; what is pending unless another status is given."""

    async def work(client: BezantClient) -> list[Any]:
        return [approval async for approval in client.pages("/v1/approvals", status=status)]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Approvals",
            ["id", "action", "of", "asked by", "at", "status", "decided by"],
            [
                [a["id"], a["action"], a["subject"], a["requested_by"], a["requested_at"], a["status"], a["decided_by"]]
                for a in found
            ],
        ),
    )


def _decide(approval_id: str, how: str, note: str, tenant: str | None, data_dir: Any, url: str | None) -> None:
    def work(client: BezantClient) -> Any:
        return client.post(f"/v1/approvals/{approval_id}/{how}", {"note": note})

    decided = speak(connection(data_dir, url, tenant), work)
    show(
        decided, as_json=False, table=lambda one: facts(one["action"], {"status": one["status"], "of": one["subject"]})
    )


@app.command()
def approve(
    approval_id: ApprovalId,
    note: Note = "",
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Approve what somebody else asked for; it is done within seconds."""
    _decide(approval_id, "approve", note, tenant, data_dir, url)


@app.command()
def reject(
    approval_id: ApprovalId,
    note: Note = "",
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Reject what somebody else asked for."""
    _decide(approval_id, "reject", note, tenant, data_dir, url)


@app.command()
def withdraw(
    approval_id: ApprovalId,
    note: Note = "",
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Withdraw what you asked for yourself."""
    _decide(approval_id, "withdraw", note, tenant, data_dir, url)
