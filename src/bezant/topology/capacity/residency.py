"""How many tenants' pools a process can keep open: the same arithmetic for a deployment and for a laptop."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Residency:
    """A process's bound on connections over all tenants, beside what the tenants' pools need while nobody is busy."""

    process_connection_cap: int
    min_connections: int
    tenants: int

    @property
    def needed(self) -> int:
        """Connections that keep every tenant's pool open."""
        return self.min_connections * self.tenants

    @property
    def fitting(self) -> int:
        """Tenants whose pools stay open at the same time."""
        return self.process_connection_cap // max(1, self.min_connections)

    @property
    def is_kept(self) -> bool:
        """Whether every tenant's pool can stay open."""
        return self.needed <= self.process_connection_cap

    @property
    def arithmetic(self) -> str:
        """The comparison in figures."""
        relation = ">=" if self.is_kept else "<"
        return f"{self.process_connection_cap} {relation} {self.min_connections} × {self.tenants} = {self.needed}"
