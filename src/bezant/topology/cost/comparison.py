"""A stated bill line by line, beside its own arithmetic, what is drawn at list prices, and another model's bill."""

from dataclasses import dataclass
from typing import Any, get_args

from bezant.topology.cost.bill import Bill, BillLine, make_bill
from bezant.topology.cost.money_range import MoneyRange, total
from bezant.topology.model.deployment import Topology
from bezant.topology.model.statements import CostSection, Section

_TIERS = (".shared", ".dedicated", ".control")
_ROUNDING_DOLLARS = 1.0


@dataclass(frozen=True)
class ComparedLine:
    """One row. None: that column has nothing to say here."""

    item: str
    stated: float | None = None
    arithmetic: float | None = None
    drawn: MoneyRange | None = None
    chosen: MoneyRange | None = None

    @property
    def differs(self) -> bool:
        """Tell whether the stated amount is not what its own arithmetic gives, to the dollar."""
        return (
            self.stated is not None
            and self.arithmetic is not None
            and abs(self.stated - self.arithmetic) >= _ROUNDING_DOLLARS
        )

    def as_document(self) -> dict[str, Any]:
        """Return the row as JSON-like data."""
        return {
            "item": self.item, "stated": self.stated,
            "arithmetic": None if self.arithmetic is None else round(self.arithmetic, 2),
            "drawn": range_document(self.drawn), "chosen": range_document(self.chosen),
        }  # fmt: skip


@dataclass(frozen=True)
class ComparedSection:
    """A section's rows and its total."""

    section: Section
    lines: tuple[ComparedLine, ...]
    total: ComparedLine


@dataclass(frozen=True)
class Comparison:
    """All sections and the grand total."""

    drawn: Bill
    chosen: Bill
    sections: tuple[ComparedSection, ...]
    total: ComparedLine


def range_document(amount: MoneyRange | None) -> dict[str, Any] | None:
    """Return an amount as JSON-like data: unknown parts by name, and null where all is unknown."""
    if amount is None:
        return None
    nothing = amount.entirely_unknown
    return {
        "low": None if nothing else round(amount.low, 2),
        "high": None if nothing else round(amount.high, 2),
        "unknown": list(amount.unknown),
    }


def compare(documented: Topology, chosen: Bill) -> Comparison:
    """Compare the bill that `documented` states with what it would cost, and with another deployment's bill."""
    drawn = make_bill(documented)
    stated = {section.section: section for section in documented.statements.bill.sections} if (
        documented.statements.bill
    ) else {}  # fmt: skip
    sections = tuple(_section(name, stated.get(name), drawn, chosen) for name in get_args(Section))
    bill = documented.statements.bill
    whole = ComparedLine(
        "Total",
        bill.stated_total if bill else None,
        sum(section.total.arithmetic or 0 for section in sections),
        drawn.total,
        chosen.total,
    )
    return Comparison(drawn, chosen, sections, whole)


def _section(name: Section, stated: CostSection | None, drawn: Bill, chosen: Bill) -> ComparedSection:
    drawn_lines, chosen_lines = _by_key(drawn, name), _by_key(chosen, name)
    rows, seen = [], set()
    for line in stated.lines if stated else ():
        key = line.line
        if key is not None:
            seen.add(key)
        rows.append(
            ComparedLine(
                line.item, line.stated, line.product,
                _sum(drawn_lines.get(key)) if key else None, _sum(chosen_lines.get(key)) if key else None,
            )
        )  # fmt: skip
    for key in dict.fromkeys((*drawn_lines, *chosen_lines)):
        if key not in seen:
            named = (chosen_lines.get(key) or drawn_lines[key])[0].item
            item = named if len(chosen_lines.get(key, ())) < 2 else _common_name(chosen_lines[key])
            rows.append(ComparedLine(item, drawn=_sum(drawn_lines.get(key)), chosen=_sum(chosen_lines.get(key))))
    # a section without lines of its own arithmetic is what it states
    arithmetic = None
    if stated is not None:
        arithmetic = sum(line.stated if line.product is None else line.product for line in stated.lines)
    return ComparedSection(
        name,
        tuple(rows),
        ComparedLine(
            name, stated.stated_total if stated else None, arithmetic, drawn.section(name), chosen.section(name)
        ),
    )


def _by_key(bill: Bill, section: Section) -> dict[str, list[BillLine]]:
    """Return the lines of a section by key, tiers of a store together."""
    grouped: dict[str, list[BillLine]] = {}
    for line in bill.lines:
        if line.section == section:
            key = line.key
            for tier in _TIERS:
                key = key.replace(tier, "")
            grouped.setdefault(key, []).append(line)
    return grouped


def _sum(lines: list[BillLine] | None) -> MoneyRange | None:
    return total([line.amount for line in lines]) if lines else None


def _common_name(lines: list[BillLine]) -> str:
    """Return one name for the same line of several tiers."""
    quantity = sum(line.quantity or 0 for line in lines)
    words = lines[0].item.split(",")[0].split(" ", 1)[-1]
    region = lines[0].item.rpartition(" (")[2]
    return f"{quantity:g} Aurora {words}" + (f" ({region}" if " (" in lines[0].item else "")
