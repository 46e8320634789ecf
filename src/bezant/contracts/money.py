"""Money: an integer of minor units and its currency. No floats, no decimals, anywhere."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bezant.contracts.currencies import CURRENCIES

MAX_AMOUNT_MINOR: Final = 2**53 - 1
"""The largest amount of one movement: the largest integer that every JSON reader keeps exact (RFC 8259 §6)."""


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code that Bezant knows; use e.g. USD, BRL, JPY")
    return code


CurrencyCode = Annotated[
    str,
    Field(min_length=3, max_length=3, examples=["USD"], description="ISO 4217 code"),
    AfterValidator(_known_currency),
]
AmountMinor = Annotated[
    int,
    Field(strict=True, ge=1, le=MAX_AMOUNT_MINOR, examples=[1250], description="Amount in minor units"),
]


class Money(BaseModel):
    """An amount to move: at least one minor unit, at most 2^53-1, in one currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount_minor: AmountMinor
    currency: CurrencyCode


class Balance(BaseModel):
    """An amount that may be zero, negative, or larger than any single movement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount_minor: int
    currency: str


def format_amount(amount_minor: int, currency: str) -> str:
    """Return the amount in major units for people: `1250 USD` gives `12.50 USD`, `1250 JPY` gives `1,250 JPY`."""
    # Integers throughout: a decimal context would round sums beyond its precision.
    exponent = CURRENCIES[currency].exponent
    whole, fraction = divmod(abs(amount_minor), 10**exponent)
    decimals = f".{fraction:0{exponent}}" if exponent else ""
    return f"{'-' if amount_minor < 0 else ''}{whole:,}{decimals} {currency}"
