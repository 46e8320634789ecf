"""`bezant fraud`: rule sets, their trial on past payments, lists, cases, labels."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from bezant.cli import fraud_cases
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Tenant, Url, connection, facts, rows, show, speak
from bezant.client import BezantClient
from bezant.contracts.money import format_amount

app = typer.Typer(help="Work on fraud rules and cases.", no_args_is_help=True)
app.add_typer(fraud_cases.app, name="cases")
RulesFile = Annotated[
    Path, typer.Argument(help="A rule set as JSON or YAML, as PUT /v1/fraud/rules takes it.", exists=True)
]
Note = Annotated[str, typer.Option("--note", help="Why; kept in the history.")]
_ROUTE = "/v1/fraud/rules"


@app.callback()
def fraud() -> None:
    """Work on fraud rules and cases."""


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"{file} is neither JSON nor YAML: {error}") from error
    if not isinstance(document, dict):
        raise typer.BadParameter(f"{file} does not hold an object")
    return document


@app.command("rules")
def show_rules(
    version: Annotated[int | None, typer.Option(help="A version of the history; the active one if left out.")] = None,
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show the rule set that judges, or one of the history."""
    path = _ROUTE if version is None else f"{_ROUTE}/versions/{version}"

    async def work(client: BezantClient) -> Any:
        return await client.get(path)

    show(speak(connection(data_dir, url, tenant, as_json=as_json), work), as_json=as_json, table=_rules)


def _rules(ruleset: dict[str, Any]) -> Any:
    return rows(
        f"Rule set {ruleset['version']} ({ruleset['mode']})",
        ["code", "action", "score", "expression", "enabled"],
        [
            [rule["code"], rule["action"], rule["score"], rule["expression"], "yes" if rule["enabled"] else "no"]
            for rule in ruleset["rules"]
        ],
    )


@app.command("history")
def show_history(
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the versions of the rule set, newest first."""

    async def work(client: BezantClient) -> Any:
        return (await client.get(f"{_ROUTE}/versions", limit=200))["data"]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Rule sets",
            ["version", "mode", "created", "by", "note"],
            [[v["version"], v["mode"], (v["created_at"] or "")[:19], v["created_by"], v["note"]] for v in found],
        ),
    )


@app.command("set")
def set_rules(
    file: RulesFile,
    shadow: Annotated[bool, typer.Option("--shadow", help="Judge beside the active one; decide nothing.")] = False,
    note: Note = "",
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let a rule set judge, or judge in shadow. A rule that is not valid is named, and nothing changes."""
    body = _read(file) | {"mode": "shadow" if shadow else "active"} | ({"note": note} if note else {})

    async def work(client: BezantClient) -> Any:
        return await client.put(_ROUTE, body)

    show(speak(connection(data_dir, url, tenant, as_json=as_json), work), as_json=as_json, table=_rules)


@app.command()
def activate(
    version: Annotated[int, typer.Argument(help="A version of the history, or the one in shadow.")],
    note: Note = "",
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Let a version of the history judge, under a new number."""

    async def work(client: BezantClient) -> Any:
        return await client.post(f"{_ROUTE}/versions/{version}/activate", {"note": note})

    show(speak(connection(data_dir, url, tenant, as_json=as_json), work), as_json=as_json, table=_rules)


@app.command()
def shadow(
    end: Annotated[bool, typer.Option("--end", help="End it.")] = False,
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show how the rule set in shadow decides beside the active one."""

    async def work(client: BezantClient) -> Any:
        return await (client.delete if end else client.get)(f"{_ROUTE}/shadow")

    found = speak(connection(data_dir, url, tenant, as_json=as_json), work)
    if not end:
        show(found, as_json=as_json, table=_agreement)


def _agreement(report: dict[str, Any]) -> Any:
    matched = ", ".join(f"{code} {count}" for code, count in report["matched"].items()) or "none"
    return rows(
        f"Shadow {report['rules']['version']}; its rules matched: {matched}",
        ["decided", "shadow says", "payments", "amount"],
        [
            [each["decision"], each["shadow_decision"], each["payments"]["count"], _money(each["payments"])]
            for each in report["agreement"]
        ],
    )


@app.command()
def backtest(
    file: RulesFile,
    since: Annotated[str | None, typer.Option("--from", help="RFC 3339; thirty days ago if left out.")] = None,
    before: Annotated[str | None, typer.Option("--before", help="RFC 3339; now if left out.")] = None,
    limit: Annotated[int | None, typer.Option(help="The newest payments of the range.")] = None,
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show what a rule set would have made of the tenant's past payments. Nothing changes."""
    options = {"from": since, "before": before, "limit": limit}
    body = _read(file) | {name: value for name, value in options.items() if value is not None}

    async def work(client: BezantClient) -> Any:
        return await client.post(f"{_ROUTE}/backtest", body)

    show(speak(connection(data_dir, url, tenant, as_json=as_json), work), as_json=as_json, table=_backtest)


def _money(tally: dict[str, Any]) -> str:
    return f"{format_amount(tally['amount']['amount_minor'], tally['amount']['currency'])}"


def _tallies(tallies: list[dict[str, Any]]) -> str:
    return "; ".join(f"{tally['count']} of {_money(tally)}" for tally in tallies) or "none"


def _backtest(report: dict[str, Any]) -> Any:
    pairs = {
        "payments": f"{report['payments']}: {report['fraud']} fraud, {report['good']} good, "
        f"{report['unknown']} of which nobody said",
        "money saved (fraud let through, now stopped)": _tallies(report["money_saved"]),
        "money lost (fraud stopped, now let through)": _tallies(report["money_lost"]),
        "good payments blocked": _tallies(report["good_payments_blocked"]),
        "unknown payments blocked": _tallies(report["unknown_payments_blocked"]),
        "good or unknown ones newly held": _tallies(report["good_payments_held"]),
        "good or unknown ones newly released": _tallies(report["good_payments_released"]),
    }
    for each in report["decisions"]:
        pairs[f"{each['then']} then, {each['now']} now"] = _tallies(each["payments"])
    for rule in report["rules"]:
        pairs[f"rule {rule['reason']}"] = (
            f"matched {rule['matched']}: {rule['fraud']} fraud, {rule['good']} good, {rule['unknown']} unknown"
        )
    if report["unknown_variables"]:
        pairs["not known of past payments"] = ", ".join(report["unknown_variables"])
    if report["without_features"]:
        pairs["passed over, judged before features were kept"] = report["without_features"]
    if report["truncated"]:
        pairs["there are more"] = f"since {report['oldest']} alone was looked at"
    return facts("Backtest", pairs)


def _list(list_name: str, kind: str, names: list[str], *, remove: bool, note: str) -> dict[str, Any]:
    return {"list": list_name, "remove" if remove else "add": {kind: names}, "note": note}


Kind = Annotated[str, typer.Argument(help="account_ids, device_ids, ips, emails or countries.")]
Names = Annotated[list[str], typer.Argument(help="Whom.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take them off the list.")]


@app.command()
def block(
    kind: Kind, names: Names, remove: Remove = False, note: Note = "",
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Put parties on a block list, or take them off: rules see a match as `blocked`."""
    body = _list("block", kind, names, remove=remove, note=note)
    _change_list(body, (data_dir, url, tenant), as_json=as_json)


@app.command()
def allow(
    kind: Kind, names: Names, remove: Remove = False, note: Note = "",
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Put parties on an allow list, or take them off: their payments are not held for review."""
    body = _list("allow", kind, names, remove=remove, note=note)
    _change_list(body, (data_dir, url, tenant), as_json=as_json)


def _change_list(body: dict[str, Any], session: tuple[Path, str | None, str | None], *, as_json: bool) -> None:
    data_dir, url, tenant = session

    async def work(client: BezantClient) -> Any:
        return await client.post("/v1/fraud/lists", body)

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: facts(
            f"Lists of rule set {found['version']}",
            {
                f"{name} {kind}": ", ".join(sorted(members))
                for name in ("block", "allow")
                for kind, members in found[f"{name}_lists"].items()
                if members
            },
        ),
    )


@app.command()
def label(
    payment_id: Annotated[str, typer.Argument(help="The payment.")],
    what: Annotated[str, typer.Argument(help="fraud or legitimate.")],
    source: Annotated[str, typer.Option(help="review, chargeback, report or other.")] = "other",
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what a payment turned out to be: backtests are measured against it."""

    async def work(client: BezantClient) -> Any:
        return await client.put(f"/v1/fraud/labels/{payment_id}", {"label": what, "source": source, "note": note})

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: facts("Label", found),
    )


@app.command()
def settings(
    second_person: Annotated[str | None, typer.Option(help="never, approvals or always.")] = None,
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show or change which decisions need a second person."""

    async def work(client: BezantClient) -> Any:
        if second_person is None:
            return await client.get("/v1/fraud/settings")
        return await client.put("/v1/fraud/settings", {"second_person": second_person})

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: facts("Reviews", found),
    )


@app.command()
def recount(
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Count velocity anew from the tenant's own history."""

    async def work(client: BezantClient) -> Any:
        return await client.post("/v1/fraud/velocity/recount")

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: facts("Counted", found),
    )
