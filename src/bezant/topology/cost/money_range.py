"""A sum that knows what it does not know."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MoneyRange:
    """Dollars a month, between low and high, without the parts named as unknown."""

    low: float = 0.0
    high: float = 0.0
    unknown: tuple[str, ...] = ()

    def plus(self, other: "MoneyRange") -> "MoneyRange":
        """Return the sum; what is unknown stays unknown."""
        return MoneyRange(self.low + other.low, self.high + other.high, (*self.unknown, *other.unknown))

    def divided(self, by: float) -> "MoneyRange":
        """Return a share of it."""
        return MoneyRange(self.low / by, self.high / by, self.unknown)

    @property
    def entirely_unknown(self) -> bool:
        """Tell whether nothing of it is known."""
        return bool(self.unknown) and self.low == 0 and self.high == 0

    def text(self, digits: int = 0) -> str:
        """Return `$1,200`, `$1,200-1,500`, `unknown`, or `$1,200 + 2 unknown`."""
        if self.entirely_unknown:
            return "unknown"
        low, high = f"{self.low:,.{digits}f}", f"{self.high:,.{digits}f}"
        known = f"${low}" if low == high else f"${low}-{high}"
        return f"{known} + {len(self.unknown)} unknown" if self.unknown else known


def total(amounts: "list[MoneyRange]") -> MoneyRange:
    """Return the sum of all."""
    result = MoneyRange()
    for amount in amounts:
        result = result.plus(amount)
    return result
