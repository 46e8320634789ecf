"""CPU and memory together."""

from typing import NamedTuple


class Resources(NamedTuple):
    """Millicores of CPU and mebibytes of memory."""

    cpu_millicores: int
    memory_mebibytes: int

    def fits(self, free: "Resources") -> bool:
        """Tell whether this request fits what is free."""
        return self.cpu_millicores <= free.cpu_millicores and self.memory_mebibytes <= free.memory_mebibytes

    def plus(self, other: "Resources", times: int = 1) -> "Resources":
        """Return the sum, the other taken some times (which may be negative)."""
        return Resources(
            self.cpu_millicores + times * other.cpu_millicores, self.memory_mebibytes + times * other.memory_mebibytes
        )

    def __str__(self) -> str:
        return f"{self.cpu_millicores / 1000:g} vCPU and {self.memory_mebibytes} MiB"


NOTHING = Resources(0, 0)
