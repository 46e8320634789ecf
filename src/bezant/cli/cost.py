"""`bezant cost`: the bill that a document states, beside its own arithmetic and beside a deployment's bill."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from bezant.cli.console import console, write_json
from bezant.cli.topology_model import Model, load, reported_topology, write_text
from bezant.topology.cost.bill import Bill, Discounts, make_bill
from bezant.topology.cost.comparison import ComparedLine, Comparison, compare, range_document
from bezant.topology.cost.money_range import MoneyRange
from bezant.topology.cost.prices import price_list
from bezant.topology.cost.what_if import with_tenants, with_tier
from bezant.topology.loading import load_model
from bezant.topology.rules.rule import Deployment, Finding

app = typer.Typer(help="What the deployment costs, line by line.", invoke_without_command=True)
_COLUMNS = ("stated", "its own arithmetic", "as drawn, list prices")


@app.callback(invoke_without_command=True)
def cost(
    model: Model = "production",
    tenants: Annotated[int | None, typer.Option(help="For so many tenants.")] = None,
    tier: Annotated[Literal["shared", "dedicated"] | None, typer.Option(help="Every tenant in this tier.")] = None,
    spot: Annotated[float, typer.Option(metavar="PERCENT", help="Of the node hours on Spot.")] = 0.0,
    reserved: Annotated[
        float, typer.Option(metavar="PERCENT", help="Of the node, Aurora and cache hours reserved for a year.")
    ] = 0.0,
    region: Annotated[str | None, typer.Option(help="Price the primary region as this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every line as CSV.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw a chart into this file.")] = None,
) -> None:
    """Print the stated bill line by line beside its own arithmetic, what is drawn at list prices, and a deployment."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    with reported_topology(as_json=as_json):
        topology = load(model)
        if tenants is not None:
            topology = with_tenants(topology, tenants)
        if tier is not None:
            topology = with_tier(topology, tier)
        discounts = Discounts(spot_percent=spot, reserved_percent=reserved)
        bill = make_bill(topology, discounts=discounts, price_region=region)
        comparison = compare(load_model("as_documented"), bill)
    assumed = _what_if(tenants, tier, spot, reserved, region)
    if svg is not None:
        from bezant.topology.picture.cost_chart import draw_cost  # noqa: PLC0415 - drawn only when asked

        write_text(draw_cost(comparison), svg, quiet=as_json or as_csv)
    if as_json:
        write_json(json.dumps(_document(comparison, assumed), indent=2, ensure_ascii=False))
    elif as_csv:
        sys.stdout.write(_csv(bill))
    else:
        _print(comparison, assumed)


def _what_if(tenants: int | None, tier: str | None, spot: float, reserved: float, region: str | None) -> dict[str, Any]:
    given: dict[str, Any] = {"tenants": tenants, "tier": tier, "region": region}
    given |= {"spot_percent": spot or None, "reserved_percent": reserved or None}
    return {name: value for name, value in given.items() if value is not None}


def _findings() -> list[Finding]:
    """Return what does not add up in the stated bill."""
    from bezant.topology.rules.registry import ALL_RULES  # noqa: PLC0415 - the rules read the bill

    deployment = Deployment(load_model("as_documented"))
    names = [name for name in ALL_RULES if name.startswith("bill-")]
    return [finding for name in names for finding in ALL_RULES[name].findings(deployment)]


def _print(comparison: Comparison, assumed: dict[str, Any]) -> None:
    prices, chosen = price_list(), comparison.chosen
    title = f"US dollars a month, list prices of {prices.as_of}"
    if assumed:
        title += f"; {chosen.model} with " + ", ".join(f"{name} {value}" for name, value in assumed.items())
    table = Table(title=title, title_justify="left", show_lines=False, pad_edge=False)
    table.add_column("", overflow="fold", ratio=3)
    for column in (*_COLUMNS, chosen.model):
        table.add_column(column, justify="right", overflow="fold", ratio=2)
    for section in comparison.sections:
        for line in section.lines:
            table.add_row("  " + line.item, *_cells(line))
        table.add_row(section.section, *_cells(section.total), style="bold")
        table.add_section()
    table.add_row("Total", *_cells(comparison.total), style="bold")
    _per(table, comparison)
    console.print(table)
    _unknown(comparison.drawn)
    _unknown(chosen)
    low = sum(line.amount.high for line in chosen.lines if line.confidence == "low")
    if low:
        share = low / chosen.total.high * 100
        console.print(
            f"{share:.0f} % of {chosen.model} rests on prices of low confidence", style="dim", highlight=False
        )
    console.print("\nWhat does not add up in the stated bill", style="bold")
    for finding in _findings():
        console.print(Text.assemble("  ", (finding.rule, "red"), f" {finding.summary}"), soft_wrap=True)
        for sentence in finding.arithmetic:
            console.print(f"      {sentence}", style="dim", highlight=False, soft_wrap=True)


def _per(table: Table, comparison: Comparison) -> None:
    drawn, chosen = comparison.drawn, comparison.chosen
    stated = comparison.total.stated
    cells = [_money(stated / drawn.tenants) if stated is not None and drawn.tenants else "", ""]
    cells += [_text(bill.per_tenant, 2) for bill in (drawn, chosen)]
    table.add_row(f"a tenant ({drawn.tenants} / {chosen.tenants})", *cells)
    payments = f"{chosen.payments_per_month:,}" if chosen.payments_per_month else "number not stated"
    table.add_row(
        f"a thousand payments ({payments} a month)", "unknown" if not drawn.payments_per_month else "", "",
        *(_text(bill.per_thousand_payments, 2) for bill in (drawn, chosen)),
    )  # fmt: skip


def _cells(line: ComparedLine) -> tuple[str, str | Text, str, str]:
    stated = "" if line.stated is None else _money(line.stated)
    arithmetic = Text()
    if line.arithmetic is not None:
        arithmetic = Text(_money(line.arithmetic), "red" if line.differs else "")
    elif line.stated is not None:
        arithmetic = Text("none given", "dim")
    drawn = "" if line.drawn is None else line.drawn.text()
    chosen = "" if line.chosen is None else line.chosen.text()
    return stated, arithmetic, drawn, chosen


def _money(amount: float) -> str:
    return f"-${-amount:,.0f}" if amount < 0 else f"${amount:,.0f}"


def _text(amount: MoneyRange | None, digits: int) -> str:
    return "unknown" if amount is None else amount.text(digits)


def _unknown(bill: Bill) -> None:
    if bill.total.unknown:
        names = ", ".join(bill.total.unknown)
        console.print(
            f"{bill.model}: not known, and in no sum: {names}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def _document(comparison: Comparison, assumed: dict[str, Any]) -> dict[str, Any]:
    chosen, prices = comparison.chosen, price_list()
    return {
        "model": chosen.model,
        "what_if": assumed,
        "prices_as_of": prices.as_of,
        "currency": "USD",
        "total": range_document(chosen.total),
        "per_tenant": range_document(chosen.per_tenant),
        "per_thousand_payments": range_document(chosen.per_thousand_payments),
        "stated_total": comparison.total.stated,
        "sections": [
            {
                "section": section.section,
                "lines": [line.as_document() for line in section.lines],
                "total": section.total.as_document(),
            }
            for section in comparison.sections
        ],
        "lines": [line.as_document() for line in chosen.lines],
        "does_not_add_up": [finding.as_document() for finding in _findings()],
    }


def _csv(bill: Bill) -> str:
    out = io.StringIO()
    documents = [line.as_document() | {"as_of": price_list().as_of} for line in bill.lines]
    writer = csv.DictWriter(out, fieldnames=list(documents[0]), lineterminator="\n")
    writer.writeheader()
    for document in documents:
        writer.writerow({name: "unknown" if value is None else value for name, value in document.items()})
    return out.getvalue()
