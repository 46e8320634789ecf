"""`bezant fraud cases`: the queue, work on a case, its decision."""

from typing import Annotated, Any

import typer

from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Tenant, Url, connection, facts, rows, show, speak
from bezant.client import BezantClient
from bezant.contracts.money import format_amount

app = typer.Typer(help="Work on cases.", no_args_is_help=True)
CaseId = Annotated[str, typer.Argument(help="The case's id.")]


def _facts(case: dict[str, Any]) -> Any:
    proposal = case["proposal"]
    return facts(
        "Case",
        {
            "id": case["id"],
            "payment": case["payment_id"],
            "status": case["status"],
            "amount": format_amount(case["amount"]["amount_minor"], case["amount"]["currency"]),
            "score": case["score"],
            "reasons": ", ".join(case["reasons"]) or case["origin"],
            "opened": case["opened_at"],
            "with": case["assignee"],
            "proposed": proposal and f"{proposal['status']} by {proposal['proposed_by']}: {proposal['note']}",
            "decided by": case["decided_by"],
            "note": case["note"],
        },
    )


@app.command("list")
def list_cases(
    status: Annotated[str | None, typer.Option(help="open, approved or declined.")] = "open",
    assignee: Annotated[str | None, typer.Option(help="An actor, or `nobody`.")] = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List cases, oldest first."""

    async def work(client: BezantClient) -> Any:
        return (await client.get("/v1/fraud/cases", status=status, assignee=assignee, limit=limit))["data"]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Cases",
            ["opened", "status", "score", "amount", "reasons", "with", "id"],
            [
                [case["opened_at"][:19], case["status"], case["score"],
                 format_amount(case["amount"]["amount_minor"], case["amount"]["currency"]),
                 ", ".join(case["reasons"]) or case["origin"], case["assignee"], case["id"]]
                for case in found
            ],
        ),
    )  # fmt: skip


def _ask(
    session: tuple[Any, str | None, str | None],
    method: str,
    path: str,
    body: Any = None,
    *,
    as_json: bool,
    table: Any = _facts,
) -> None:  # fmt: skip
    data_dir, url, tenant = session

    async def work(client: BezantClient) -> Any:
        if method == "GET":
            return await client.get(path)
        if method == "PUT":
            return await client.put(path, body)
        return await client.post(path, body)

    show(speak(connection(data_dir, url, tenant, as_json=as_json), work), as_json=as_json, table=table)


@app.command()
def claim(
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Take the gravest open case that nobody has."""
    _ask((data_dir, url, tenant), "POST", "/v1/fraud/cases/claim", as_json=as_json)


@app.command("show")
def show_case(
    case_id: CaseId, tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show one case."""
    _ask((data_dir, url, tenant), "GET", f"/v1/fraud/cases/{case_id}", as_json=as_json)


@app.command()
def assign(
    case_id: CaseId,
    assignee: Annotated[str | None, typer.Argument(help="An actor; nobody if left out.")] = None,
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Give a case to somebody, or back to the queue."""
    path = f"/v1/fraud/cases/{case_id}/assignee"
    _ask((data_dir, url, tenant), "PUT", path, {"assignee": assignee}, as_json=as_json)


@app.command()
def note(
    case_id: CaseId,
    text: Annotated[str, typer.Argument(help="What to write down.")],
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write a note about a case."""
    path = f"/v1/fraud/cases/{case_id}/notes"
    _ask(
        (data_dir, url, tenant), "POST", path, {"note": text}, as_json=as_json,
        table=lambda written: facts("Note", written),
    )  # fmt: skip


@app.command()
def decide(
    case_id: CaseId,
    decision: Annotated[str, typer.Argument(help="approve or decline.")],
    text: Annotated[str, typer.Option("--note", help="Why.")] = "",
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Approve or decline the held payment; a proposal where a second person is needed."""
    path = f"/v1/fraud/cases/{case_id}/decision"
    _ask((data_dir, url, tenant), "POST", path, {"decision": decision, "note": text}, as_json=as_json)
