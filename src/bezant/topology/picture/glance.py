"""What a picture of boxes does not show: rollout, scaling, pools, recovery, in a few lines."""

from bezant.topology.model.deployment import Topology
from bezant.topology.picture.svg import LINE, MUTED, Canvas

_ROW = 25.0


def glance_rows(topology: Topology) -> list[tuple[str, str]]:
    """Return what is shown, as names and values; what is not stated says so."""
    rows: list[tuple[str, str]] = []
    for service in topology.services:
        scaling = service.autoscaling
        if scaling is not None:
            target = "target not stated" if scaling.cpu_target is None else f"{scaling.cpu_target:g} % CPU"
            rows.append(
                (f"Scaling, {service.name}", f"{scaling.min_replicas} to {scaling.max_replicas} pods, {target}")
            )
    canary = next((service.canary for service in topology.services if service.canary), None)
    if canary is not None:
        weights = " → ".join(f"{step.weight:g}" for step in canary.steps)
        rows.append(("Canary", f"{weights} %, {canary.steps[0].hold_minutes:g} min each"))
    rollouts = {(s.rollout.max_surge, s.rollout.max_unavailable) for s in topology.services}
    surge = " to ".join(str(number) for number in sorted({surge for surge, _ in rollouts}))
    rows.append(("Update", f"maxSurge {surge}, maxUnavailable {max(down for _, down in rollouts)}"))
    pools = topology.pools
    rows.append(("Connections", f"{pools.min_connections} to {pools.max_connections} a tenant and process"))
    recovery = topology.recovery
    drills = f"drill every {recovery.drill_every_days} days" if recovery.drill_every_days else "never drilled"
    rows.append(("Recovery", f"RTO {recovery.rto_minutes} min, RPO {recovery.rpo_minutes:g} min, {drills}"))
    for store in recovery.stores:
        lag = "lag not stated" if store.loss_seconds is None else f"{store.loss_seconds:g} s"
        rows.append((f"{store.store.capitalize()} crosses by", f"{store.method.replace('_', ' ')}, {lag}"))
    return rows


def draw_glance(canvas: Canvas, topology: Topology, x: float, y: float, width: float) -> float:
    """Draw the panel in columns; return its lower edge."""
    rows = glance_rows(topology)
    columns = 3
    lines = -(-len(rows) // columns)
    height = 20 + lines * _ROW
    canvas.box(x, y, width, height, fill="#fbfcfe", stroke=LINE, radius=12)
    column = (width - 36) / columns
    for number, (name, value) in enumerate(rows):
        left, line = x + 18 + (number // lines) * column, y + 27 + (number % lines) * _ROW
        canvas.text(left, line, name, size=13, fill=MUTED, width=150)
        canvas.text(left + 156, line, value, size=13, width=column - 166)
    return y + height
