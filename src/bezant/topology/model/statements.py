"""What a document states in words and sums beside its diagrams. Rules derive the same figures and compare."""

import math
from typing import Literal

from pydantic import Field

from bezant.topology.model.base import Count, Dollars, Name, Part, Percentage, Span

Section = Literal[
    "Kubernetes control plane", "Worker nodes", "Aurora PostgreSQL", "Valkey", "Kafka", "Load balancers and NAT",
    "Monitoring", "Data transfer", "Secrets and KMS", "Block storage",
]  # fmt: skip


class CostLine(Part):
    """One line of a stated bill: the factors as printed and the result as printed."""

    item: Name
    factors: tuple[float, ...] = Field((), description="multiplied together they should give the amount; empty: none")
    written: Name = Field(description="the arithmetic as it is printed")
    stated: Dollars
    line: Name | None = Field(None, description="the line of the computed bill that this one speaks of")
    price: Name | None = Field(None, description="the price list's name of the unit price")
    unit_price: Dollars | None = Field(None, description="the unit price as it is printed, in the price list's unit")
    billed_share: float = Field(1, gt=0, le=1, description="the share of the hours that is counted as used")

    @property
    def product(self) -> float | None:
        """The factors multiplied, with the share; None if no factors are printed."""
        return math.prod(self.factors) * self.billed_share if self.factors else None


class CostSection(Part):
    """A section of a stated bill with its total."""

    section: Section
    lines: tuple[CostLine, ...]
    stated_total: Dollars
    in_grand_total: bool = True


class StatedBill(Part):
    """A bill as a document prints it."""

    sections: tuple[CostSection, ...]
    stated_total: Dollars
    stated_optimised: Span | None = None
    spot_discount: Percentage | None = None
    reserved_share: Percentage | None = None
    reserved_discount: Percentage | None = None


class Statements(Part):
    """Figures asserted in prose."""

    average_nodes: Count | None = None
    nodes_by_group: dict[Name, Count] = Field(default_factory=dict)
    rolling_update_minutes: Span | None = None
    onboarding_minutes: Span | None = None
    bill: StatedBill | None = None
    monthly_budget: Dollars | None = Field(None, description="what the deployment may cost, high end of the range")


class Usage(Part):
    """What is metered by the month. Null: not stated, and shown as unknown in every sum."""

    payments_per_month: Count | None
    peak_payments_per_second: float | None = None
    log_gigabytes: Count | None
    custom_metrics: Count | None
    traces_millions: float | None
    inter_zone_gigabytes: Count | None
    cross_region_gigabytes: Count | None
    egress_gigabytes: Count | None
    nat_gigabytes: Count | None
    load_balancer_capacity_units: float | None
    aurora_io_millions: float | None
    kms_requests_millions: float | None
