"""What the tenants' own lists and ledgers say after a load, compared with what was acknowledged."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final, Self

from bezant.rehearsal.report.document import Promise

LEAST_SUCCESSFUL: Final = 0.9
"""Below this share of successes a load shows little: what is declined touches no ledger."""


@dataclass(slots=True)
class Ledger:
    """What was found of one load, or of several together."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    """References of acknowledged payments that do not exist, or exist as another payment."""
    doubled: list[str] = field(default_factory=list)
    """References that more than one payment carries."""
    unbalanced: list[str] = field(default_factory=list)
    """Tenants of which the ledger's own check found a difference."""
    successful: int = 0
    """How many payments moved or hold money, as they were acknowledged."""
    checked: int = 0
    """How many tenants' ledgers were checked."""
    astray: list[str] = field(default_factory=list)
    """Tenants of which the ledger moved another sum than the payments say: once too often, or not at all."""
    untold: list[str] = field(default_factory=list)
    """What the platform did not say even when it was asked again, and why."""

    @classmethod
    def together(cls, ledgers: Iterable["Ledger"]) -> Self:
        """Return what was found of all these."""
        sums = cls()
        for ledger in ledgers:
            for one in fields(cls):
                # numbers are added, lists joined
                setattr(sums, one.name, getattr(sums, one.name) + getattr(ledger, one.name))
        return sums

    def promises(self) -> list[Promise]:
        """Return what is promised of money whatever happens."""
        of = f"of {self.acknowledged:,}"
        share = self.successful / self.acknowledged if self.acknowledged else 0.0
        return [
            Promise("The load moves money", share >= LEAST_SUCCESSFUL, f"{share:.1%} of the payments"),
            Promise("No acknowledged payment is lost", not self.lost, f"{len(self.lost)} {of}"),
            Promise("No payment is doubled", not self.doubled, f"{len(self.doubled)} {of}"),
            Promise("Every ledger balances", not self.unbalanced, f"{self.checked} ledgers checked"),
            self.nothing_astray(),
            self.all_told(),
        ]

    def nothing_astray(self) -> Promise:
        """Return the promise that money moved once for each payment, whatever their number."""
        return Promise("The ledger has moved what the payments say, to the cent", not self.astray,
                       "; ".join(self.astray) or f"{self.checked} banks compared")  # fmt: skip

    def all_told(self) -> Promise:
        """Return the promise that nothing had to be left out of the others."""
        text = "What became of every payment can be asked afterwards"
        return Promise(text, not self.untold, "all of them" if not self.untold else
                       f"{len(self.untold)} times not, first {self.untold[0]}")  # fmt: skip
