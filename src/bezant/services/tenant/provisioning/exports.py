"""Where exports lie, and how long."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Exports:
    """One directory a tenant below `root`, which the replicas of the tenant service share."""

    root: Path
    retention_days: int

    def directory(self, tenant_id: UUID) -> Path:
        """Return where a tenant's export lies."""
        return self.root / str(tenant_id)
