"""What every rehearsal of a new version needs: a platform with the old one under load, and the new one installed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bezant.rehearsal.fleet import Fleet, rehearsed
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.load import Load
from bezant.rehearsal.versions import Version, prepare

Told = Callable[[str], None]
"""Hears what is being done."""
Prepared = Callable[[Fleet, Load], None]
"""Is called when the load is about to start."""


@dataclass(slots=True)
class Upgrade:
    """A service under load, of which replicas of another version may be added."""

    fleet: Fleet
    load: Load
    version: Version
    migrated: str
    """What the version's migrations said; empty when it has none of its own."""
    ledger: Ledger = field(default_factory=Ledger)
    """What became of the payments; known at the end."""
    unanswered: int = 0
    """How many payments had no answer and were asked for again at the end."""


@asynccontextmanager
async def upgrade(
    service: str,
    reference: str,
    *,
    replicas: int,
    spare: int,
    tenants: int,
    requests_per_second: float,
    data_dir: Path | None,
    told: Told,
    prepared: Prepared | None,
) -> AsyncIterator[Upgrade]:
    """Start a platform with so many replicas of `service`, install the version beside it, migrate, and begin to load.

    The load ends with the block; then every acknowledged payment is compared with the ledger, and the platform stops.
    Raises `PlatformError`, `VersionUnusable`.
    """
    async with rehearsed(
        service, replicas={service: replicas}, spare=spare, tenants=tenants, data_dir=data_dir, told=told
    ) as fleet:
        told(f"installing {reference}")
        version = await asyncio.to_thread(prepare, reference, fleet.platform.directory.root / "versions" / "next")
        migrated = await fleet.migrate(version)
        load = fleet.load(requests_per_second)
        fleet.begin()
        if prepared is not None:
            prepared(fleet, load)
        found = Upgrade(fleet, load, version, migrated)
        await load.start()
        try:
            yield found
        finally:
            await load.stop()
        fleet.end()
        told("comparing every acknowledged payment with the ledger")
        found.unanswered = await load.settle()
        found.ledger = await load.judge()
