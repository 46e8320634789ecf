"""The stores of one zone as rows of a picture."""

from bezant.topology.model.data_stores import AuroraTier
from bezant.topology.model.network import Region

_AURORA, _CACHE, _BROKER = ("#6a3d99", "#ffffff"), ("#b5533c", "#ffffff"), ("#454f63", "#ffffff")
_READER = ("#d9c8ee", "#2d1650")


def readers_in(tier: AuroraTier, region: Region, zone: str) -> int:
    """Return the readers in a zone: each cluster's stand in the zones that follow its writer's, one a zone."""
    zones = region.availability_zones
    count = 0
    for writer_zone, writers in tier.writers_by_zone.items():
        start = zones.index(writer_zone)
        for step in range(1, tier.readers_per_cluster + 1):
            if zones[(start + step) % len(zones)] == zone:
                count += writers
    return count


def store_rows(region: Region, zone: str, *, detailed: bool) -> list[tuple[str, str, str]]:
    """Return label, fill and ink of each store that stands in the zone."""
    rows: list[tuple[str, str, str]] = []
    for tier in region.aurora:
        if tier.alternative:
            continue
        here, reading = tier.writers_by_zone.get(zone, 0), readers_in(tier, region, zone)
        name = f"Aurora {tier.tier}" if detailed else tier.tier
        word = "writer" if region.role == "primary" else "standby"
        parts = [_counted(here, word if detailed else "inst"), _counted(reading, "reader" if detailed else "inst")]
        label = f"{name}: {', '.join(part for part in parts if part)}"
        if here or reading:
            rows.append((label, *(_AURORA if here else _READER)))
    for number, shard in enumerate(region.valkey.shards if region.valkey else (), 1):
        name = region.valkey.engine.capitalize() if region.valkey else ""
        together = zone == shard.primary_zone and zone in shard.replica_zones
        if together:
            rows.append((f"{name} shard {number} + replica" if detailed else f"{number} + replica", *_CACHE))
        elif zone == shard.primary_zone:
            rows.append((f"{name} shard {number}" if detailed else f"shard {number}", *_CACHE))
        elif zone in shard.replica_zones:
            rows.append((f"{name} replica of {number}" if detailed else f"replica {number}", "#f0cabf", "#5a1d0e"))
    kafka = region.kafka
    if kafka is not None:
        here = kafka.brokers // len(region.availability_zones)
        if here:
            rows.append((f"Kafka: {here} broker{'s' if here > 1 else ''}" if detailed else "Kafka", *_BROKER))
    return rows


def _counted(count: int, word: str) -> str:
    """Return `1 writer`, `3 writers`, or nothing for none."""
    plural = "" if count == 1 or word in ("standby", "inst") else "s"
    return f"{count} {word}{plural}" if count else ""
