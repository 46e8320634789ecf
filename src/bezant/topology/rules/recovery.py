"""Disaster recovery: targets, order, stores, backups."""

from collections.abc import Iterator

from bezant.topology.model.deployment import Topology
from bezant.topology.rules.rule import Deployment, Found, rule

_DR = "https://docs.aws.amazon.com/whitepapers/latest/disaster-recovery-workloads-on-aws/"


def _measured(topology: Topology) -> bool:
    steps = topology.recovery.steps
    return bool(steps) and all(step.measured_minutes is not None for step in steps)


def _planned_steps(topology: Topology) -> str | None:
    planned = [step.name for step in topology.recovery.steps if step.measured_minutes is None]
    return f"planned, never measured: {', '.join(planned)}" if planned else None


@rule(
    "recovery-unmeasured", "error", "Drills and restores are planned often enough",
    reason="A target that was never tried is a hope. Drills measure it, and find what is missing.", source=_DR,
    stated=lambda topology: None if _measured(topology) else "drills and restore tests are planned; none has measured",
)  # fmt: skip
def unmeasured(deployment: Deployment) -> Iterator[Found]:
    """A drill at least twice a year, and restores at least each quarter."""
    recovery, backups = deployment.topology.recovery, deployment.topology.backups
    targets = f"RTO {recovery.rto_minutes} min, RPO {recovery.rpo_minutes:g} min"
    if recovery.drill_every_days is None or recovery.drill_every_days > 183:
        every = "no drill" if recovery.drill_every_days is None else f"a drill every {recovery.drill_every_days} days"
        yield Found("recovery.drill_every_days", f"{targets}: asserted, with {every}", (every,), "a drill each quarter")
    if backups.restore_tested_every_days is None or backups.restore_tested_every_days > 92:
        days = backups.restore_tested_every_days
        yield Found(
            "backups.restore_tested_every_days", "restoring a backup is not tried often enough to be relied on",
            ("never" if days is None else f"every {days} days > 92",), "a restore test each month",
        )  # fmt: skip


@rule(
    "recovery-time", "error", "The steps of a fail-over fit the recovery time",
    reason="The target is the sum of its steps, or it is nothing.", source=_DR,
    stated=_planned_steps,
)  # fmt: skip
def time(deployment: Deployment) -> Iterator[Found]:
    """The sum of the steps; steps without a duration."""
    recovery = deployment.topology.recovery
    unknown = [step.name for step in recovery.steps if step.known_minutes is None]
    needed = ("detect", "promote_database", "scale_out", "switch_dns")
    missing = [name for name in needed if name not in {step.name for step in recovery.steps}]
    if unknown or missing:
        yield Found(
            "recovery.steps", f"an RTO of {recovery.rto_minutes} minutes with steps of unknown length",
            (f"no duration: {', '.join(unknown) or 'none'}; not mentioned: {', '.join(missing) or 'none'}",),
            "every step with its minutes, then measured",
        )  # fmt: skip
        return
    in_region = recovery.in_region_failover_seconds
    if in_region is not None and in_region > 120:
        yield Found(
            "recovery.in_region_failover_seconds", f"a failed writer is replaced after {in_region:g} s",
            (f"{in_region:g} s > 120 s, what Aurora needs with a reader to promote",), "a reader in another zone",
        )  # fmt: skip
    ttl = (recovery.dns_ttl_seconds or 0) / 60
    total = sum(step.known_minutes or 0 for step in recovery.steps) + ttl
    if total > recovery.rto_minutes:
        terms = " + ".join(f"{step.name} {step.known_minutes:g}" for step in recovery.steps)
        yield Found(
            "recovery.rto_minutes", f"the steps take {total:g} minutes, the target is {recovery.rto_minutes}",
            (f"{terms} + DNS TTL {ttl:g} = {total:g}",), "shorter steps or a longer target",
        )  # fmt: skip


@rule(
    "dns-before-promotion", "error", "DNS moves only after the databases are promoted and verified",
    reason="Clients sent to a region whose databases are still read-only see every payment fail, and both regions may "
    "take writes when the first one answers again.",
    source="https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html",
)  # fmt: skip
def dns(deployment: Deployment) -> Iterator[Found]:
    """The order of the steps and what triggers the switch."""
    recovery = deployment.topology.recovery
    order = [step.name for step in recovery.steps]
    flips = recovery.dns_switch == "health_check_alone"
    early = "switch_dns" in order and "promote_database" in order[order.index("switch_dns") :]
    if flips or early:
        yield Found(
            "recovery.dns_switch", "DNS may point at databases that take no writes",
            (f"order: {', '.join(order)}", f"trigger: {recovery.dns_switch.replace('_', ' ')}"),
            "a routing control that is switched after promotion and verification",
        )  # fmt: skip
    ttl = recovery.dns_ttl_seconds
    if not flips and (ttl is None or ttl > 60):
        yield Found(
            "recovery.dns_ttl_seconds", "clients keep the lost region's address too long",
            ("no TTL is stated" if ttl is None else f"{ttl} s > 60 s",), "60 seconds",
        )  # fmt: skip


@rule(
    "recovery-point", "error", "Every store can lose at most what the recovery point allows",
    reason="The target holds for the store that loses most, and a store that is not mentioned loses everything.",
    source=_DR, assumes=("unknown_replication_loss_minutes",),
    stated=lambda topology: "what each store loses is expected by its method, not measured",
)  # fmt: skip
def point(deployment: Deployment) -> Iterator[Found]:
    """Expected loss of each store against the target."""
    recovery, unknown = deployment.topology.recovery, deployment.assumptions.unknown_replication_loss_minutes
    stated = {store.store: store for store in recovery.stores}
    lines = []
    for name in ("aurora", "valkey", "kafka", "secrets"):
        store = stated.get(name)
        if store is None:
            lines.append(f"{name}: not mentioned, so up to {unknown:g} min > {recovery.rpo_minutes:g} min")
        elif store.loss_seconds is None:
            lines.append(f"{name}: {store.method.replace('_', ' ')} of unknown lag, up to {unknown:g} min")
        elif store.loss_seconds / 60 > recovery.rpo_minutes:
            lines.append(f"{name}: {store.loss_seconds / 60:g} min > {recovery.rpo_minutes:g} min")
    if lines:
        yield Found(
            "recovery.stores", f"an RPO of {recovery.rpo_minutes:g} minutes does not hold for {len(lines)} of 4 stores",
            tuple(lines), "a global database, an outbox that is replayed, replica secrets, a cache that is rebuilt",
        )  # fmt: skip


@rule(
    "backup-loses-more", "error", "A restore within the region loses no more than the recovery point",
    reason="With daily backups alone, a dropped table costs a day of payments.",
    source="https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Managing.Backups.html",
    assumes=("backup_loss_minutes",),
)  # fmt: skip
def backups(deployment: Deployment) -> Iterator[Found]:
    """Point-in-time recovery, or the age of the last backup; and at least 35 days of it."""
    backups_, recovery = deployment.topology.backups, deployment.topology.recovery
    continuous = backups_.point_in_time_recovery
    loss = deployment.assumptions.backup_loss_minutes if continuous else backups_.automated_every_hours * 60
    if loss > recovery.rpo_minutes:
        yield Found(
            "backups", f"a restore may lose {loss:g} minutes", (f"{loss:g} min > RPO {recovery.rpo_minutes:g} min",),
            "point-in-time recovery",
        )  # fmt: skip
    if backups_.automated_every_hours > 24 or backups_.snapshot_every_days > 31:
        yield Found(
            "backups", "backups are too rare",
            (f"automated every {backups_.automated_every_hours:g} h (24), snapshots every "
             f"{backups_.snapshot_every_days} days (31)",), "daily backups, weekly snapshots",
        )  # fmt: skip
    if backups_.automated_retention_days < 35:
        yield Found(
            "backups.automated_retention_days",
            f"a mistake found after {backups_.automated_retention_days} days cannot be undone to the second",
            (f"{backups_.automated_retention_days} < 35 days, Aurora's maximum; a monthly reconciliation finds later",),
            "35 days",
        )  # fmt: skip
    if backups_.snapshot_retention_days < backups_.automated_retention_days:
        yield Found(
            "backups.snapshot_retention_days", "snapshots are gone before the automated backups",
            (f"{backups_.snapshot_retention_days} < {backups_.automated_retention_days} days",), "90 days",
        )  # fmt: skip
