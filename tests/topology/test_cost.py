"""The bill: what it sums, what it does not know, and what-ifs."""

from collections.abc import Callable

import pytest

from bezant.topology.cost.bill import Bill, Discounts, make_bill
from bezant.topology.cost.comparison import compare
from bezant.topology.cost.money_range import MoneyRange, total
from bezant.topology.cost.prices import price_list
from bezant.topology.cost.what_if import with_tenants, with_tier
from bezant.topology.errors import WhatIfImpossible
from bezant.topology.model.deployment import Topology
from bezant.topology.rules.registry import ALL_RULES
from bezant.topology.rules.rule import Deployment


def amount(bill: Bill, key: str) -> MoneyRange:
    return next(line.amount for line in bill.lines if line.key == key)


def test_every_price_has_a_source_a_confidence_and_a_range() -> None:
    prices = price_list()
    assert prices.as_of
    for name, price in prices.prices.items():
        assert price.source.startswith("https://"), name
        assert price.unit, name
        for region, found in price.regions.items():
            assert 0 < found.low <= found.high, (name, region)
            assert found.confidence != "high" or found.low == found.high, (name, region)


def test_production_has_no_unknown_cost_and_fits_its_budget(production: Topology) -> None:
    bill = make_bill(production)
    assert bill.total.unknown == ()
    assert 0 < bill.total.low <= bill.total.high <= (production.statements.monthly_budget or 0)
    assert bill.per_tenant == bill.total.divided(100)
    assert bill.per_thousand_payments == bill.total.divided(10_000)


def test_the_total_is_the_sum_of_its_lines(production: Topology) -> None:
    bill = make_bill(production)
    assert bill.total == total([line.amount for line in bill.lines])
    assert amount(bill, "nodes.general").high == pytest.approx(6 * 0.192 * 730)


def test_unknown_is_named_and_never_nothing(documented: Topology) -> None:
    bill = make_bill(documented)
    assert amount(bill, "kafka.brokers").entirely_unknown
    assert amount(bill, "kafka.brokers").text() == "unknown"
    assert "Brokers and their storage" in bill.total.unknown
    assert "I/O requests" in bill.total.unknown
    assert any("sa-east-1" in name for name in bill.total.unknown)
    assert "unknown" in bill.total.text()
    assert bill.per_thousand_payments is None


def test_a_price_that_is_not_known_in_a_region_is_unknown(production: Topology) -> None:
    prices = price_list()
    kept = {name: price for name, price in prices.prices.items() if name != "eks.cluster"}
    bill = make_bill(production, prices=prices.model_copy(update={"prices": kept}))
    assert amount(bill, "eks").entirely_unknown
    assert len(bill.total.unknown) == 2


def test_nothing_costs_nothing_even_at_an_unknown_price(with_changes: Callable[..., Topology]) -> None:
    bill = make_bill(with_changes({"usage.nat_gigabytes": 0}))
    assert amount(bill, "nat.data") == MoneyRange()


def test_a_discount_is_taken_once(production: Topology) -> None:
    plain = make_bill(production)
    spot = make_bill(production, discounts=Discounts(spot_percent=50))
    both = make_bill(production, discounts=Discounts(spot_percent=50, reserved_percent=50))
    assert amount(spot, "nodes.general").low == pytest.approx(amount(plain, "nodes.general").low * (1 - 0.5 * 0.7))
    assert amount(spot, "nodes.general").high == pytest.approx(amount(plain, "nodes.general").high * (1 - 0.5 * 0.5))
    assert both.total.high < spot.total.high < plain.total.high
    assert amount(both, "aurora.writers.shared").high < amount(plain, "aurora.writers.shared").high
    assert amount(spot, "aurora.writers.shared") == amount(plain, "aurora.writers.shared")


@pytest.mark.parametrize(("spot", "reserved"), [(60, 41), (101, 0), (-1, 0), (0, 140)])
def test_impossible_discounts_are_refused(spot: float, reserved: float) -> None:
    with pytest.raises(WhatIfImpossible):
        Discounts(spot_percent=spot, reserved_percent=reserved)


def test_all_of_the_nodes_may_be_discounted() -> None:
    Discounts(spot_percent=60, reserved_percent=40)


def test_twice_the_tenants_need_twice_the_clusters_and_secrets(production: Topology) -> None:
    doubled = with_tenants(production, 200)
    assert [tier.clusters for tier in doubled.primary.aurora] == [20, 10, 1]
    assert doubled.secrets.stated_secrets == 23 + 1200
    assert make_bill(doubled).total.low > make_bill(production).total.low
    assert make_bill(doubled).per_tenant.low < make_bill(production).per_tenant.low  # type: ignore[union-attr]
    assert ALL_RULES["quota-aurora-instances"].findings(Deployment(doubled))
    assert not ALL_RULES["writers-in-one-zone"].findings(Deployment(doubled))


def test_the_same_tenants_change_nothing(production: Topology) -> None:
    assert make_bill(with_tenants(production, 100)).total == make_bill(production).total


def test_a_tier_takes_every_tenant(production: Topology, documented: Topology) -> None:
    dedicated = with_tier(production, "dedicated")
    assert [(tier.tier, tier.clusters) for tier in dedicated.primary.aurora] == [("dedicated", 100), ("control", 1)]
    assert dedicated.primary.aurora[0].storage_gigabytes == 3000
    shared = with_tier(documented, "shared")
    assert [(tier.tier, tier.clusters, tier.alternative) for tier in shared.primary.aurora] == [("shared", 1, False)]
    assert make_bill(shared).total.low < make_bill(documented).total.low


def test_a_tier_that_the_model_lacks_is_refused(with_changes: Callable[..., Topology], production: Topology) -> None:
    region = production.primary.model_copy(update={"aurora": production.primary.aurora[1:]})
    without = production.model_copy(update={"regions": (region, *production.regions[1:])})
    with pytest.raises(WhatIfImpossible, match="no shared tier"):
        with_tier(without, "shared")


def test_a_region_without_prices_is_refused(production: Topology) -> None:
    assert make_bill(production, price_region="eu-west-1").total.low != make_bill(production).total.low
    with pytest.raises(WhatIfImpossible, match="us-east-1"):
        make_bill(production, price_region="mars-north-1")


def test_no_tenants_are_refused(production: Topology) -> None:
    with pytest.raises(WhatIfImpossible):
        with_tenants(production, 0)


def test_the_stated_bill_stands_line_by_line_beside_the_others(documented: Topology, production: Topology) -> None:
    comparison = compare(documented, make_bill(production))
    stated = documented.statements.bill
    assert stated is not None
    items = [line.item for section in comparison.sections for line in section.lines if line.stated is not None]
    assert items == [
        line.item
        for name in [section.section for section in comparison.sections]
        for section in stated.sections
        if section.section == name
        for line in section.lines
    ]
    workers = next(section for section in comparison.sections if section.section == "Worker nodes")
    assert workers.total.stated == 3600
    assert workers.total.arithmetic == pytest.approx(496, abs=1)
    assert comparison.total.stated == 20546
    # every line of both bills is in some row, so the sections sum to the totals
    for side in ("drawn", "chosen"):
        rows = [getattr(line, side) for section in comparison.sections for line in section.lines]
        whole = total([row for row in rows if row is not None])
        assert whole.high == pytest.approx(getattr(comparison, side).total.high)
