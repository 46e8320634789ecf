"""The monthly bill of a deployment at list prices, less discounts that are asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bezant.topology.cost.money_range import MoneyRange, total
from bezant.topology.cost.prices import Discount, PriceList, price_list
from bezant.topology.errors import WhatIfImpossible
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.model.statements import Section


@dataclass(frozen=True)
class BillLine:
    """One line: so much of a unit at a price. A quantity or price of None makes the amount unknown."""

    key: str
    section: Section
    item: str
    region: str
    quantity: float | None
    unit: str
    price_low: float | None
    price_high: float | None
    amount: MoneyRange
    confidence: str
    source: str

    def as_document(self) -> dict[str, Any]:
        """Return the line as JSON-like data; unknown numbers are null."""
        unknown = self.amount.entirely_unknown
        return {
            "key": self.key, "section": self.section, "item": self.item, "region": self.region,
            "quantity": self.quantity, "unit": self.unit, "price_low": self.price_low, "price_high": self.price_high,
            "amount_low": None if unknown else round(self.amount.low, 2),
            "amount_high": None if unknown else round(self.amount.high, 2),
            "confidence": self.confidence, "source": self.source,
        }  # fmt: skip


@dataclass(frozen=True)
class Discounts:
    """Shares of node hours on Spot and of node, Aurora and cache hours reserved for a year, per cent."""

    spot_percent: float = 0.0
    reserved_percent: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("spot", self.spot_percent), ("reserved", self.reserved_percent)):
            if not 0 <= value <= 100:
                raise WhatIfImpossible(f"percentage-out-of-range: {name} {value:g} is not 0 to 100 per cent")
        if self.spot_percent + self.reserved_percent > 100:
            raise WhatIfImpossible(
                f"{self.spot_percent:g} % on Spot and {self.reserved_percent:g} % reserved are "
                f"{self.spot_percent + self.reserved_percent:g} % of the nodes: one hour is discounted once"
            )


@dataclass
class Bill:
    """All lines of one deployment."""

    model: str
    lines: list[BillLine]
    tenants: int
    payments_per_month: int | None
    total: MoneyRange = field(init=False)

    def __post_init__(self) -> None:
        self.total = total([line.amount for line in self.lines])

    def section(self, name: Section) -> MoneyRange:
        """Return the sum of a section."""
        return total([line.amount for line in self.lines if line.section == name])

    @property
    def per_tenant(self) -> MoneyRange | None:
        """Dollars a tenant and month; None without tenants."""
        return self.total.divided(self.tenants) if self.tenants else None

    @property
    def per_thousand_payments(self) -> MoneyRange | None:
        """Dollars for a thousand payments; None while their number is unknown."""
        return self.total.divided(self.payments_per_month / 1000) if self.payments_per_month else None


def make_bill(
    topology: Topology,
    *,
    discounts: Discounts | None = None,
    price_region: str | None = None,
    prices: PriceList | None = None,
) -> Bill:
    """Return the bill. `price_region`: price the primary region as if it were that one."""
    writer = _Writer(topology, prices or price_list(), discounts or Discounts(), price_region)
    return Bill(topology.name, list(writer.lines()), topology.tenants, topology.usage.payments_per_month)


class _Writer:
    """Writes the lines of each region."""

    def __init__(self, topology: Topology, prices: PriceList, discounts: Discounts, price_region: str | None) -> None:
        self._topology = topology
        self._prices = prices
        self._discounts = discounts
        self._primary_price_region = price_region or topology.primary.name
        if self._primary_price_region not in prices.regions:
            known = ", ".join(prices.regions)
            raise WhatIfImpossible(f"no prices are known for {self._primary_price_region!r}; known: {known}")

    def lines(self) -> Iterator[BillLine]:
        for region in self._topology.regions:
            yield from self._compute(region)
            yield from self._data(region)
            yield from self._network(region)
            yield from self._pieces(region)
        yield from self._metered(self._topology.primary)

    def _line(  # noqa: PLR0917 - one argument a column
        self, region: Region, key: str, section: Section, item: str, quantity: float | None, price: str,
        *, hours: bool = False, off: MoneyRange | None = None, span: tuple[float, float] = (1.0, 1.0),
    ) -> BillLine:  # fmt: skip
        """Return a line. `off`: shares of the amount taken off (low, high); `span`: the quantity's own range."""
        primary = region.role == "primary"
        where = self._primary_price_region if primary else region.name
        found, known = self._prices.find(price, where), self._prices.prices.get(price)
        name = item if primary else f"{item} ({region.name})"
        full_key = key if primary or key == "eks" else f"{key}@{region.role}"
        amount = MoneyRange(unknown=(name,))
        if quantity == 0:
            amount = MoneyRange()
        elif quantity is not None and found is not None:
            times = quantity * (self._prices.hours_per_month if hours else 1)
            off_low, off_high = (off.low, off.high) if off is not None else (0.0, 0.0)
            amount = MoneyRange(
                times * span[0] * found.low * (1 - off_high), times * span[1] * found.high * (1 - off_low)
            )
        return BillLine(
            full_key, section, name, where, quantity, known.unit if known else "",
            found.low if found else None, found.high if found else None, amount,
            found.confidence if found and quantity is not None else "unknown", known.source if known else "",
        )  # fmt: skip

    def _off(self, reserved: Discount, *, spot: bool) -> MoneyRange:
        """Return what is taken off, as shares of 1: disjoint shares of the hours, each discounted once."""
        by_spot = self._prices.discounts["spot"]
        spot_share = self._discounts.spot_percent / 100 if spot else 0.0
        reserved_share = self._discounts.reserved_percent / 100
        return MoneyRange(
            spot_share * by_spot.low / 100 + reserved_share * reserved.low / 100,
            spot_share * by_spot.high / 100 + reserved_share * reserved.high / 100,
        )

    def _compute(self, region: Region) -> Iterator[BillLine]:
        yield self._line(region, "eks", "Kubernetes control plane", "EKS cluster", 1, "eks.cluster", hours=True)
        zones = len(region.availability_zones)
        off = self._off(self._prices.discounts["reserved_nodes"], spot=True)
        if not region.cluster.node_groups:
            yield self._line(region, "nodes", "Worker nodes", "Worker nodes", None, "ec2.none")
        volumes: float | None = 0.0
        for group in region.cluster.node_groups:
            count = group.nodes_per_zone * zones
            kind = f"ec2.{group.instance_type}"
            item = f"{group.name}: {count} × {group.instance_type}"
            yield self._line(region, f"nodes.{group.name}", "Worker nodes", item, count, kind, hours=True, off=off)
            size = group.volume_gibibytes
            volumes = None if size is None or volumes is None else volumes + size * count
        if region.cluster.node_groups:
            yield self._line(region, "ebs", "Block storage", "Node volumes (gp3)", volumes, "ebs.gp3")
        else:
            yield self._line(region, "ebs", "Block storage", "Node volumes (gp3)", None, "ebs.gp3")

    def _data(self, region: Region) -> Iterator[BillLine]:
        off = self._off(self._prices.discounts["reserved_aurora"], spot=False)
        tiers = [tier for tier in region.aurora if not tier.alternative]
        primary = region.role == "primary"
        if not tiers:
            yield self._line(region, "aurora", "Aurora PostgreSQL", "Aurora", None, "aurora.none")
        for tier in tiers:
            kind, name = f"aurora.{tier.instance_class}", f"{tier.tier} {tier.instance_class}"
            suffix = "" if len(tiers) == 1 else f".{tier.tier}"
            what = "writers" if primary else "instances"
            yield self._line(
                region, f"aurora.writers{suffix}", "Aurora PostgreSQL", f"{tier.clusters} {what}, {name}",
                tier.clusters, kind, hours=True, off=off,
            )  # fmt: skip
            readers = tier.clusters * tier.readers_per_cluster
            if readers:
                yield self._line(
                    region, f"aurora.readers{suffix}", "Aurora PostgreSQL", f"{readers} readers, {name}",
                    readers, kind, hours=True, off=off,
                )  # fmt: skip
        if tiers:
            storage, backup = (
                None if any(getattr(t, unit) is None for t in tiers) else float(sum(getattr(t, unit) for t in tiers))
                for unit in ("storage_gigabytes", "backup_gigabytes")
            )
            yield self._line(region, "aurora.storage", "Aurora PostgreSQL", "Storage", storage, "aurora.storage")
            yield self._line(region, "aurora.backup", "Aurora PostgreSQL", "Backup storage", backup, "aurora.backup")
            io = self._topology.usage.aurora_io_millions
            standard = any(tier.storage == "standard" for tier in tiers)
            if primary and standard:
                yield self._line(region, "aurora.io", "Aurora PostgreSQL", "I/O requests", io, "aurora.io_million")
            elif standard:
                yield self._line(
                    region, "aurora.io", "Aurora PostgreSQL", "Replicated write I/O (a quarter to all of the I/O)", io,
                    "aurora.io_million", span=(0.25, 1.0),
                )  # fmt: skip
        yield from self._cache_and_broker(region)

    def _cache_and_broker(self, region: Region) -> Iterator[BillLine]:
        cache, kafka = region.valkey, region.kafka
        off = self._off(self._prices.discounts["reserved_valkey"], spot=False)
        if cache is None:
            yield self._line(region, "valkey.nodes", "Valkey", "Cache nodes", None, "cache.none")
        else:
            price = f"cache.{cache.engine}.{cache.node_type.removeprefix('cache.')}"
            item = f"{cache.nodes} × {cache.node_type} ({cache.engine})"
            yield self._line(region, "valkey.nodes", "Valkey", item, cache.nodes, price, hours=True, off=off)
        if kafka is None:
            yield self._line(region, "kafka.brokers", "Kafka", "Brokers and their storage", None, "kafka.none")
            return
        item = f"{kafka.brokers} × {kafka.instance_type}"
        kind = f"kafka.{kafka.instance_type}"
        yield self._line(region, "kafka.brokers", "Kafka", item, kafka.brokers, kind, hours=True)
        gigabytes = kafka.brokers * kafka.storage_gigabytes_per_broker
        yield self._line(region, "kafka.storage", "Kafka", "Broker storage", gigabytes, "kafka.storage")

    def _network(self, region: Region) -> Iterator[BillLine]:
        primary, usage = region.role == "primary", self._topology.usage
        section: Section = "Load balancers and NAT"
        drawn = region.network.cidr is not None
        balancers = len(region.load_balancers) if drawn else None
        gateways = len(region.network.nat_gateway_zones) if drawn else None
        addresses = None
        if drawn:
            addresses = (gateways or 0) + sum(len(one.zones) for one in region.load_balancers)
        yield self._line(region, "alb", section, "Load balancer", balancers, "alb.hour", hours=True)
        yield self._line(region, "nat", section, "NAT gateways", gateways, "nat.hour", hours=True)
        yield self._line(region, "ipv4", section, "Public IPv4 addresses", addresses, "ipv4.hour", hours=True)
        if primary:
            units = usage.load_balancer_capacity_units
            yield self._line(region, "alb.lcu", section, "Load balancer capacity units", units, "alb.lcu", hours=True)
            yield self._line(region, "nat.data", section, "NAT data", usage.nat_gigabytes, "nat.gigabyte")

    def _pieces(self, region: Region) -> Iterator[BillLine]:
        """Write what the stacks make besides, by the piece; a document that draws no stacks has none."""
        pieces = region.pieces
        if pieces is None:
            return
        endpoints = pieces.interface_endpoints
        way_in: Section = "Load balancers and NAT"
        yield self._line(region, "endpoints", way_in, "Interface endpoints", endpoints, "endpoint.hour", hours=True)
        yield self._line(region, "waf", way_in, "Web ACL", 1, "waf.acl")
        yield self._line(region, "waf.rules", way_in, "Web ACL rules", pieces.firewall_rules, "waf.rule")
        yield self._line(region, "keys", "Secrets and KMS", "KMS keys", pieces.keys, "kms.key")
        yield self._line(region, "alarms", "Monitoring", "CloudWatch alarms", pieces.alarms, "alarm.month")
        if region.role == "primary":
            payments = self._topology.usage.payments_per_month
            # a payment is one request at least; clients that ask for more pay for more
            millions = None if payments is None else payments / 1_000_000
            yield self._line(region, "waf.requests", way_in, "Requests through the web ACL", millions, "waf.million")
            checks = pieces.health_checks
            yield self._line(region, "dns.checks", "Monitoring", "Health checks", checks, "health_check.month")
            yield self._line(region, "dns.zone", "Monitoring", "Hosted zone", 1, "dns.zone")

    def _metered(self, region: Region) -> Iterator[BillLine]:
        usage = self._topology.usage
        rows: tuple[tuple[str, Section, str, float | None, str], ...] = (
            ("logs", "Monitoring", "Logs", usage.log_gigabytes, "logs.ingest"),
            ("metrics", "Monitoring", "Custom metrics", usage.custom_metrics, "metrics.custom"),
            ("traces", "Monitoring", "Traces", usage.traces_millions, "xray.million"),
            ("inter_zone", "Data transfer", "Between zones", usage.inter_zone_gigabytes, "transfer.inter_zone"),
            ("cross_region", "Data transfer", "To the other region", usage.cross_region_gigabytes,
             "transfer.cross_region"),
            ("egress", "Data transfer", "To the internet", usage.egress_gigabytes, "transfer.egress"),
            ("secrets", "Secrets and KMS", "Secrets", self._topology.secrets.stated_secrets, "secrets.month"),
            ("kms", "Secrets and KMS", "KMS requests", usage.kms_requests_millions, "kms.million"),
        )  # fmt: skip
        for key, section, item, quantity, price in rows:
            yield self._line(region, key, section, item, quantity, price)
        secondary = self._topology.secondary
        if secondary is not None and "secrets" in {store.store for store in self._topology.recovery.stores}:
            count = self._topology.secrets.stated_secrets
            yield self._line(secondary, "secrets", "Secrets and KMS", "Replica secrets", count, "secrets.month")
