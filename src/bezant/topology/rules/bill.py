"""A stated bill: does it add up, are its prices the list's, and is everything in it?"""

from collections.abc import Iterator

from bezant.topology.cost.bill import make_bill
from bezant.topology.cost.prices import price_list
from bezant.topology.model.statements import CostSection, StatedBill
from bezant.topology.rules.rule import Deployment, Found, rule

_ROUNDING = ("rounding_dollars", "rounding_percent")
_DOCUMENT = "the architecture document: Cost Breakdown"


def _differs(deployment: Deployment, stated: float, derived: float) -> bool:
    assumed = deployment.assumptions
    allowed = max(assumed.rounding_dollars, abs(derived) * assumed.rounding_percent / 100)
    return abs(stated - derived) > allowed + 1e-9


def _bill(deployment: Deployment) -> StatedBill | None:
    return deployment.topology.statements.bill


def _place(section: CostSection) -> str:
    return f"statements.bill[{section.section}]"


@rule(
    "bill-line", "error", "Each stated amount is the product of its factors",
    reason="An amount that its own factors do not give was never computed.", source=_DOCUMENT, assumes=_ROUNDING,
)  # fmt: skip
def lines(deployment: Deployment) -> Iterator[Found]:
    """Lines with factors."""
    bill = _bill(deployment)
    for section in bill.sections if bill else ():
        for line in section.lines:
            product = line.product
            if product is not None and _differs(deployment, line.stated, product):
                yield Found(
                    f"{_place(section)}[{line.item}]", f"${line.stated:,.0f} is stated, ${product:,.0f} follow",
                    (f"{line.written} = ${product:,.0f}",), f"${product:,.0f}",
                )  # fmt: skip


@rule(
    "bill-section", "error", "Each section's total is the sum of its lines",
    reason="A total that its lines do not give cannot be planned with.", source=_DOCUMENT, assumes=_ROUNDING,
)  # fmt: skip
def sections(deployment: Deployment) -> Iterator[Found]:
    """Sections against their lines."""
    bill = _bill(deployment)
    for section in bill.sections if bill else ():
        derived = sum(line.stated for line in section.lines)
        if _differs(deployment, section.stated_total, derived):
            terms = " ".join(f"{line.stated:+,.0f}" for line in section.lines).removeprefix("+")
            yield Found(
                _place(section), f"${section.stated_total:,.0f} is stated, its lines sum to ${derived:,.0f}",
                (f"{terms} = {derived:,.0f}, not {section.stated_total:,.0f}",), f"${derived:,.0f}",
            )  # fmt: skip


@rule(
    "bill-total", "error", "The grand total is the sum of the sections",
    reason="A section that was left out is a cost that no one approved.", source=_DOCUMENT, assumes=_ROUNDING,
)  # fmt: skip
def grand_total(deployment: Deployment) -> Iterator[Found]:
    """The total against the sections; and which section explains the difference."""
    bill = _bill(deployment)
    if bill is None:
        return
    derived = sum(section.stated_total for section in bill.sections)
    # to the dollar: whole sections are added, so there is nothing to round
    if abs(bill.stated_total - derived) > deployment.assumptions.rounding_dollars:
        gap = derived - bill.stated_total
        left_out = [section.section for section in bill.sections if abs(section.stated_total - gap) < 1]
        why = (f"the difference of ${gap:,.0f} is the section {left_out[0]}",) if left_out else ()
        terms = " + ".join(f"{section.stated_total:,.0f}" for section in bill.sections)
        yield Found(
            "statements.bill.stated_total", f"${bill.stated_total:,.0f} is stated, the sections sum to ${derived:,.0f}",
            (f"{terms} = {derived:,.0f}", *why), f"${derived:,.0f}",
        )  # fmt: skip


@rule(
    "bill-partial-usage", "error", "Instances are billed for every hour that they exist",
    reason="A reader that is half idle is billed in full; only serverless capacity is billed by use.",
    source="https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/User_DBInstanceBilling.html",
)  # fmt: skip
def partial_usage(deployment: Deployment) -> Iterator[Found]:
    """Lines that count a share of the hours."""
    bill = _bill(deployment)
    for section in bill.sections if bill else ():
        partial = [line for line in section.lines if line.billed_share < 1]
        if not partial:
            continue
        kind = partial[0].price
        peers = [line for line in section.lines if line.price == kind and line.product is not None]
        full = sum((line.product or 0) / line.billed_share for line in peers)
        stated = sum(line.stated for line in peers)
        yield Found(
            f"{_place(section)}[{partial[0].item}]",
            f"${stated:,.0f} is stated for instances that cost ${full:,.0f} at the stated price",
            (" + ".join(f"{(line.product or 0) / line.billed_share:,.0f}" for line in peers) + f" = {full:,.0f}",),
            "all hours of all instances, or fewer instances",
        )  # fmt: skip


@rule(
    "bill-list-price", "error", "Stated unit prices are those of the price list",
    reason="A price below the list is a discount that no one has, or a mistake.",
    source="src/bezant/topology/data/prices.yaml", assumes=("rounding_percent",),
)  # fmt: skip
def list_price(deployment: Deployment) -> Iterator[Found]:
    """Unit prices against the primary region's prices."""
    bill, prices = _bill(deployment), price_list()
    region = deployment.topology.primary.name
    slack = deployment.assumptions.rounding_percent / 100
    reported: set[str] = set()
    for section in bill.sections if bill else ():
        for line in section.lines:
            if line.price is None or line.unit_price is None or line.price in reported:
                continue
            listed = prices.find(line.price, region)
            if listed is None or listed.low * (1 - slack) <= line.unit_price <= listed.high * (1 + slack):
                continue
            reported.add(line.price)
            text = f"{listed.low:g}" if listed.low == listed.high else f"{listed.low:g}-{listed.high:g}"
            yield Found(
                f"{_place(section)}[{line.item}]",
                f"{line.price} at ${line.unit_price:g}, the list says ${text} per {prices.prices[line.price].unit}",
                (f"{(line.unit_price / listed.low - 1) * 100:+.0f} % against the list of {prices.as_of} "
                 f"({listed.confidence} confidence, {prices.prices[line.price].source})",),
                f"${text}",
            )  # fmt: skip


@rule(
    "bill-discounts-overlap", "error", "An hour is discounted once",
    reason="A node is either Spot or reserved; the two discounts cannot both be taken of the same hours.",
    source="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-purchasing-options.html",
    assumes=("rounding_dollars",),
)  # fmt: skip
def overlap(deployment: Deployment) -> Iterator[Found]:
    """Discounts in the lines against disjoint shares; and the same discounts again in an optimised total."""
    bill = _bill(deployment)
    if bill is None:
        return
    if None not in (bill.spot_discount, bill.reserved_share, bill.reserved_discount):
        spot, share = (bill.spot_discount or 0) / 100, (bill.reserved_share or 0) / 100
        reserved = (bill.reserved_discount or 0) / 100
        for section in bill.sections:
            base = sum(line.stated for line in section.lines if line.stated > 0)
            taken = -sum(line.stated for line in section.lines if line.stated < 0)
            most = base * ((1 - share) * spot + share * reserved)
            if section.section == "Worker nodes" and taken > most + deployment.assumptions.rounding_dollars:
                yield Found(
                    _place(section), f"${taken:,.0f} is taken off where at most ${most:,.0f} can be",
                    (
                        f"{(1 - share) * 100:g} % Spot at {spot * 100:g} % off + {share * 100:g} % reserved at "
                        f"{reserved * 100:g} % off of ${base:,.0f} = ${most:,.0f}",
                        f"Spot on all of it would be ${base * spot:,.0f}, reserving {share * 100:g} % of it "
                        f"${base * share * reserved:,.0f}",
                    ),
                    "disjoint shares of the hours",
                )  # fmt: skip
    negative = [line for section in bill.sections for line in section.lines if line.stated < 0]
    if negative and bill.stated_optimised is not None and bill.stated_optimised.low < bill.stated_total:
        yield Found(
            "statements.bill.stated_optimised", "the optimised total takes discounts that the total already took",
            (f"already off: {', '.join(f'{line.item} {-line.stated:,.0f}' for line in negative)}; "
             f"then {bill.stated_total:,.0f} becomes {bill.stated_optimised}",),
            "one total at list prices, one with each discount taken once",
        )  # fmt: skip


@rule(
    "bill-omits", "error", "The bill has a line for everything that is drawn",
    reason="What has no line has no budget: the second region, the broker, volumes, I/O.", source=_DOCUMENT,
)  # fmt: skip
def omits(deployment: Deployment) -> Iterator[Found]:
    """Lines of the computed bill that no stated line speaks of."""
    bill = _bill(deployment)
    if bill is None:
        return
    stated = {line.line for section in bill.sections for line in section.lines}
    missing = [line for line in make_bill(deployment.topology).lines if line.key not in stated and line.quantity != 0]
    # load balancer and NAT lines speak of their metered parts too
    missing = [line for line in missing if line.key not in ("alb.lcu", "nat.data")]
    if missing:
        yield Found(
            "statements.bill", f"{len(missing)} things have no line",
            (", ".join(f"{line.item}: {line.amount.text()}" for line in missing),), "a line for each",
        )  # fmt: skip


@rule(
    "budget-exceeded", "error", "The computed bill stays within the budget",
    reason="The high end of the range is what may have to be paid.", source="src/bezant/topology/data/prices.yaml",
)  # fmt: skip
def budget(deployment: Deployment) -> Iterator[Found]:
    """The high end of the computed total against the budget; unknown parts are said."""
    allowed = deployment.topology.statements.monthly_budget
    if allowed is None:
        return
    bill = make_bill(deployment.topology)
    if bill.total.high > allowed:
        yield Found(
            "statements.monthly_budget",
            f"{bill.total.text()} a month against a budget of ${allowed:,.0f}",
            tuple(
                f"{line.item}: {line.amount.text()}" for line in sorted(bill.lines, key=lambda x: -x.amount.high)[:5]
            ),
            "a larger budget or a smaller deployment",
        )
