"""`bezant topology`: show the deployment, compare two models of it, check it."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bezant.cli.console import console, write_json
from bezant.cli.topology_model import Model, load, reported_topology, write_text
from bezant.cli.topology_values import values
from bezant.cli.visible import visible
from bezant.topology.assumptions import Assumptions, assume
from bezant.topology.rules.rule import Finding

app = typer.Typer(help="The deployment as one typed model: show it, compare it, check it.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
app.command()(values)
_STYLE = {"error": "bold red", "warning": "yellow"}


@app.command()
def show(
    model: Model = "production",
    svg: Annotated[Path | None, typer.Option(help="Draw a picture into this file instead of printing tables.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a deployment: tables, JSON, or a picture with each pod on the node where the scheduler puts it."""
    with reported_topology(as_json=as_json):
        topology = load(model)
    if svg is not None:
        from bezant.topology.picture.deployment import draw_deployment  # noqa: PLC0415 - drawn only when asked

        write_text(draw_deployment(topology), svg, quiet=as_json)
    if as_json:
        write_json(json.dumps(topology.model_dump(mode="json"), indent=2, ensure_ascii=False))
    elif svg is None:
        from bezant.cli.topology_tables import tables  # noqa: PLC0415

        for table in tables(topology):
            console.print(table)


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A model or a YAML file.")] = "as_documented",
    right: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Another.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Compare two deployments, and name the rules that explain a difference. Exit code 0: equal, 1: not, 2: refused."""
    from bezant.topology.difference import differences  # noqa: PLC0415
    from bezant.topology.rules.registry import check as check_topology  # noqa: PLC0415

    with reported_topology(as_json=as_json):
        first, second = load(left), load(right)
        found = differences(first, second, [*check_topology(first), *check_topology(second)])
    if as_json:
        document = {"left": first.name, "right": second.name, "differences": [one.as_document() for one in found]}
        write_json(json.dumps(document, indent=2, ensure_ascii=False))
    elif found:
        table = Table(title=f"{len(found)} differences", title_justify="left")
        for column in ("place", first.name, second.name, "explained by"):
            table.add_column(column, overflow="fold")
        for one in found:
            table.add_row(one.place, _brief(one.left), _brief(one.right), ", ".join(one.rules))
        console.print(table)
    else:
        console.print(f"{left} and {right} are the same deployment", highlight=False)
    raise typer.Exit(1 if found else 0)


def _brief(value: object) -> Text:
    if value is None:
        return Text("not stated", "dim")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Text(visible(text if len(text) <= 90 else text[:87] + "..."))


@app.command()
def check(
    model: Model = "production",
    assumptions: Annotated[
        list[str] | None,
        typer.Option(
            "--assume", metavar="NAME=VALUE", help="Change an assumption; `bezant topology rules` lists them."
        ),
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a deployment, with the arithmetic. Exit code 0: nothing, 1: findings, 2: refused."""
    from bezant.topology.rules.registry import ALL_RULES  # noqa: PLC0415 - `bezant --help` need not load the rules
    from bezant.topology.rules.registry import check as check_topology  # noqa: PLC0415

    with reported_topology(as_json=as_json):
        topology = load(model)
        assumed = assume(_pairs(assumptions or []))
        if unknown := [name for name in only or [] if name not in ALL_RULES]:
            raise typer.BadParameter(f"no rule {', '.join(unknown)}; `bezant topology rules` lists them")
        findings = [one for one in check_topology(topology, assumed) if not only or one.rule in only]
    said = {
        name: rule.stated(topology) for name, rule in ALL_RULES.items() if rule.stated and (not only or name in only)
    }
    stated = {name: sentence for name, sentence in said.items() if sentence}
    counts = Counter(finding.severity for finding in findings)
    rules = len(only) if only else len(ALL_RULES)
    if as_json:
        document = {
            "model": topology.name,
            "rules": rules,
            "errors": counts["error"],
            "warnings": counts["warning"],
            "findings": [finding.as_document() for finding in findings],
            "stated": stated,
            "assumptions": assumed.model_dump(),
        }
        write_json(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            _print(finding, assumed)
        if findings:
            console.print(_summary(findings))
        broken = len({finding.rule for finding in findings})
        if findings:
            console.print(
                Text.assemble(
                    (topology.name, "bold"),
                    f": {broken} of {rules} rules find {counts['error']} errors and {counts['warning']} warnings",
                )
            )
        else:
            console.print(Text(f"{topology.name}: all {rules} rules are kept", "green"))
        for name, sentence in stated.items():
            console.print(Text(f"stated, not measured: {name}: {sentence}"), soft_wrap=True)
    raise typer.Exit(1 if findings else 0)


def _summary(findings: list[Finding]) -> Table:
    table = Table(title="In short", title_justify="left")
    for column in ("severity", "rule", "place", "what is wrong"):
        table.add_column(column, overflow="fold", no_wrap=column in ("severity", "rule"))
    for one in findings:
        table.add_row(Text(one.severity, _STYLE[one.severity]), one.rule, one.place, one.summary)
    return table


def _print(finding: Finding, assumed: Assumptions) -> None:
    style = _STYLE[finding.severity]
    console.print(Text.assemble((finding.severity, style), " ", (finding.rule, "bold"), f"  {finding.summary}"))
    console.print(f"    at    {finding.place}", style="dim", highlight=False)
    for number, line in enumerate(finding.arithmetic):
        label = "since" if number == 0 else "     "
        console.print(f"    {label} {line}", highlight=False, soft_wrap=True)
    console.print(f"    do    {finding.correction}", style="green", highlight=False, soft_wrap=True)
    defaults = Assumptions()
    changed = [f"{name}={getattr(assumed, name)}" for name in finding.assumptions
               if getattr(assumed, name) != getattr(defaults, name)]  # fmt: skip
    if finding.assumptions:
        listed = ", ".join(changed) + " (changed)" if changed else ""
        names = listed or ", ".join(f"{name}={value:g}" for name, value in list(finding.assumptions.items())[:4])
        more = "" if listed or len(finding.assumptions) <= 4 else f" and {len(finding.assumptions) - 4} more"
        console.print(f"    with  {names}{more}", style="dim", highlight=False, soft_wrap=True)
    console.print()


@app.command()
def rules(
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the document of the rules.")] = False,
) -> None:
    """List every rule with its reason, and every assumption with its value."""
    if as_markdown:
        from bezant.topology.rules.document import rules_document  # noqa: PLC0415

        sys.stdout.write(rules_document())
        return
    from bezant.topology.rules.registry import ALL_RULES  # noqa: PLC0415
    from bezant.topology.structure import REFUSALS  # noqa: PLC0415

    assumptions = {
        name: {"value": field.default, "reason": field.description} for name, field in Assumptions.model_fields.items()
    }
    if as_json:
        document = {
            "rules": [
                {"rule": r.name, "severity": r.severity, "title": r.title, "reason": r.reason, "source": r.source,
                 "assumptions": list(r.assumes)}
                for r in ALL_RULES.values()
            ],
            "refusals": REFUSALS,
            "assumptions": assumptions,
        }  # fmt: skip
        write_json(json.dumps(document, indent=2, ensure_ascii=False))
        return
    table = Table(title="Rules", title_justify="left")
    for column in ("rule", "severity", "holds when", "because"):
        table.add_column(column, overflow="fold", no_wrap=column == "rule")
    for one in ALL_RULES.values():
        table.add_row(one.name, one.severity, one.title, one.reason)
    console.print(table)
    refused = Table(title="Refused when a file is read", title_justify="left")
    refused.add_column("rule", no_wrap=True)
    refused.add_column("because", overflow="fold")
    for name, reason in REFUSALS.items():
        refused.add_row(name, reason)
    console.print(refused)
    assumed = Table(title="Assumptions (--assume NAME=VALUE)", title_justify="left")
    for column in ("assumption", "value", "reason"):
        assumed.add_column(column, overflow="fold", no_wrap=column == "assumption")
    for name, entry in assumptions.items():
        assumed.add_row(name, str(entry["value"]), str(entry["reason"]))
    console.print(assumed)


@app.command()
def dump(
    model: Model = "production",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """Print a model as YAML, to keep a variant of one's own."""
    from bezant.topology.loading import dump_topology  # noqa: PLC0415

    with reported_topology():
        _write(dump_topology(load(model)), output)


@app.command()
def schema(output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None) -> None:
    """Print the JSON schema of a topology file."""
    from bezant.topology.loading import json_schema  # noqa: PLC0415

    _write(json_schema(), output)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        write_text(text, output)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise typer.BadParameter(f"--assume takes NAME=VALUE, not {text!r}")
        pairs[name.strip()] = value.strip()
    return pairs
