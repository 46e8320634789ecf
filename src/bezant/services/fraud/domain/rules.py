"""Rule sets: what a tenant may change about how payments are judged, and the rule set every tenant starts with.

A rule is a CEL expression (https://cel.dev) over the variables of `domain.features` that answers true when the
payment is suspicious. Thresholds are in major units of the payment's currency; those that are amounts are
multiplied by the currency's magnitude, so that one number serves currencies worth very different amounts.
"""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec


class RuleAction(StrEnum):
    """What a matching rule asks for; the gravest of all matching rules decides."""

    REVIEW = "review"
    """A person decides; the money is held."""
    DECLINE = "decline"
    """The payment is refused."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule; `code` is the reason given when it matches."""

    code: str
    description: str
    action: RuleAction
    score: int
    expression: str
    enabled: bool = True


MAX_LISTED: Final = 10_000
"""Parties on one list."""


class PartyLists(msgspec.Struct, frozen=True, kw_only=True):
    """Parties that a tenant will not do business with, or trusts; a payment with one of them matches the list."""

    account_ids: frozenset[str] = frozenset()
    device_ids: frozenset[str] = frozenset()
    ips: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()


class Ruleset(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that judges a tenant's payments, under one version."""

    version: int
    rules: tuple[Rule, ...]
    thresholds: dict[str, float]
    thresholds_by_currency: dict[str, dict[str, float]] = {}
    """Overrides for one currency, taken as they are (no magnitude)."""
    block_lists: PartyLists = PartyLists()
    """Matches stand in the variable `blocked`."""
    allow_lists: PartyLists = PartyLists()
    """Matches stand in the variable `allowed`; a payment with one is not held for review. Declines stand."""


class Threshold(NamedTuple):
    """A number that rules compare with, as the variable ``limit_<name>``."""

    default: float
    is_amount: bool
    description: str


THRESHOLDS: Final[dict[str, Threshold]] = {
    "decline_amount": Threshold(100_000, True, "payments above this are never allowed"),
    "review_amount": Threshold(10_000, True, "payments above this are looked at by a person"),
    "new_destination_amount": Threshold(2_500, True, "first payments to a destination above this are reviewed"),
    "burst_count_1m": Threshold(100, False, "more payments than this from one account in a minute are a burst"),
    "burst_count_1h": Threshold(2_000, False, "more payments than this from one account in an hour are a burst"),
    "device_accounts_24h": Threshold(5, False, "a device that pays for more accounts than this is shared"),
}

_CODES_BY_MAGNITUDE: Final = {
    10: "CZK EGP INR MXN NOK PHP RUB SEK THB TRY TWD UAH UYU ZAR",
    100: "BDT CLP DZD HUF ISK JPY KES LKR PKR RSD",
    1_000: "AMD ARS CRC KRW KZT MMK NGN RWF XAF XOF",
    10_000: "COP GNF IDR IQD KHR LAK LBP MGA PYG TZS UGX UZS VND",
    100_000: "IRR",
}
CURRENCY_MAGNITUDES: Final[dict[str, int]] = {
    code: magnitude for magnitude, codes in _CODES_BY_MAGNITUDE.items() for code in codes.split()
}
"""Orders of magnitude of what one currency unit is worth, not exchange rates; 1 where absent.

They only place the default thresholds; a tenant sets its own per currency in `thresholds_by_currency`.
"""


DEFAULT_RULES: Final = (
    Rule(
        code="outside_policy",
        description="A party is on a block list, or the amount is above what is ever allowed.",
        action=RuleAction.DECLINE,
        score=100,
        expression="size(blocked) > 0 || amount > limit_decline_amount",
    ),
    Rule(
        code="velocity_burst",
        description="The account pays far more often than an account does.",
        action=RuleAction.DECLINE,
        score=90,
        expression="source_count_1m > limit_burst_count_1m || source_count_1h > limit_burst_count_1h",
    ),
    Rule(
        code="high_amount",
        description="The amount is large enough for a person to look at it.",
        action=RuleAction.REVIEW,
        score=60,
        expression="amount > limit_review_amount",
    ),
    Rule(
        code="new_destination_large",
        description="A large first payment to a destination the account never paid before.",
        action=RuleAction.REVIEW,
        score=50,
        expression="destination_is_new && amount > limit_new_destination_amount",
    ),
    Rule(
        code="device_shared",
        description="One device pays for many accounts.",
        action=RuleAction.REVIEW,
        score=55,
        expression="device_id != '' && device_accounts_24h > limit_device_accounts_24h",
    ),
)

DEFAULT_RULESET: Final = Ruleset(
    version=1,
    rules=DEFAULT_RULES,
    thresholds={name: threshold.default for name, threshold in THRESHOLDS.items()},
)
"""Version 1 of every tenant; what a tenant puts in its place starts at version 2."""


def threshold_values(ruleset: Ruleset, currency: str) -> dict[str, float]:
    """Return the thresholds that hold for a payment in `currency`, by their variable's name."""
    magnitude = CURRENCY_MAGNITUDES.get(currency, 1)
    own = ruleset.thresholds_by_currency.get(currency, {})
    return {
        f"limit_{name}": float(
            own[name]
            if name in own
            else ruleset.thresholds.get(name, threshold.default) * (magnitude if threshold.is_amount else 1)
        )
        for name, threshold in THRESHOLDS.items()
    }
