"""What rules and models see of a payment: the variables, and the numbers that are kept with each assessment.

The kept numbers are a plain list in the order of `FEATURE_NAMES`. The order belongs to `FEATURE_SET`: a list that
was stored is read by the names of its set, so names are only ever added at the end, under the next number.
"""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from bezant.contracts.internal.fraud import AssessmentRequest
from bezant.services.fraud.domain.rules import THRESHOLDS, PartyLists
from bezant.services.fraud.domain.velocity import WINDOWS, PaymentVelocity, amount_major

FEATURE_SET: Final = 1
MODEL_SCORE: Final = "model_score"
VELOCITY_KNOWN: Final = "velocity_known"


class Variable(NamedTuple):
    """What a rule can see."""

    type: str
    description: str
    needs_velocity: bool = False


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """What is known of a payment without looking at others."""

    amount_minor: int
    currency: str
    source_account_id: str
    destination_account_id: str
    created_at: datetime
    ip: str = ""
    device_id: str = ""
    email: str = ""
    user_agent: str = ""
    country: str = ""

    @classmethod
    def of(cls, request: AssessmentRequest) -> "PaymentFacts":
        """Return what a request says."""
        context = request.context
        return cls(
            request.amount_minor,
            request.currency,
            str(request.source_account_id),
            str(request.destination_account_id),
            request.created_at,
            context.ip or "",
            context.device_id or "",
            (context.email or "").lower(),
            context.user_agent or "",
            (context.country or "").upper(),
        )


_ENTITIES: Final = {
    "source": ("the paying account", "destinations", "accounts that it paid"),
    "destination": ("the paid account", "sources", "accounts that paid it"),
    "pair": ("the two accounts together", None, ""),
    "device": ("the device", "accounts", "accounts that paid from it"),
    "ip": ("the address", "accounts", "accounts that paid from it"),
}


def _velocity_features() -> dict[str, tuple[str, Variable]]:
    """Return (attribute of `PaymentVelocity`, what it is) by name."""
    features: dict[str, tuple[str, Variable]] = {}
    for entity, (who, partners, what) in _ENTITIES.items():
        for window in WINDOWS:
            within = f"in the last {window.name}"
            features[f"{entity}_count_{window.name}"] = (
                f"{entity}.count_{window.name}",
                Variable("int", f"payments of {who} {within}, this one included", True),
            )
            features[f"{entity}_amount_{window.name}"] = (
                f"{entity}.amount_{window.name}",
                Variable("double", f"sum of the payments of {who} {within}, major units", True),
            )
            if partners is not None:
                features[f"{entity}_{partners}_{window.name}"] = (
                    f"{entity}.partners_{window.name}",
                    Variable("int", f"{who}: {what} {within}", True),
                )
    return features


_VELOCITY: Final = _velocity_features()
_velocity_values: Final = attrgetter(*(attribute for attribute, _ in _VELOCITY.values()))
_AGES: Final = tuple(f"{entity}_age_seconds" for entity in _ENTITIES)
_ages_ms: Final = attrgetter(*(f"{entity}.age_ms" for entity in _ENTITIES))

DERIVED: Final[dict[str, Variable]] = {
    **{
        f"{entity}_age_seconds": Variable("int", f"since {who} was first seen; 0 when this payment is the first", True)
        for entity, (who, _, _) in _ENTITIES.items()
    },
    "source_earlier_count": Variable("int", "payments of the account before this one", True),
    "source_earlier_average": Variable("double", "their average amount, 0 without any", True),
    "source_earlier_largest": Variable("double", "the largest of them", True),
    "source_amount_ratio": Variable("double", "this amount over the account's average; 1 without earlier ones", True),
    "source_count_ratio": Variable(
        "double", "payments in the last 24h over those of a usual day of the last 7d; 1 for a new account", True
    ),
    "destination_earlier_count": Variable("int", "payments to the destination before this one", True),
    "destination_earlier_average": Variable("double", "their average amount, 0 without any", True),
    "destination_amount_ratio": Variable(
        "double", "this amount over the destination's average; 1 without earlier ones", True
    ),
    "pair_earlier_count": Variable("int", "payments of the account to this destination before this one", True),
    "destination_is_new": Variable("bool", "the account never paid this destination before", True),
}

FEATURE_NAMES: Final = (*_VELOCITY, *DERIVED)
"""Feature set 1: what is kept with an assessment. None of it is personal data."""
_DAY_SECONDS: Final = 86_400.0

VARIABLES: Final[dict[str, Variable]] = {
    "amount": Variable("double", "amount in major units (12.5 for 12.50 USD)"),
    "amount_minor": Variable("int", "amount in minor units"),
    "currency": Variable("string", "ISO 4217 code"),
    "source_account_id": Variable("string", "the paying account"),
    "destination_account_id": Variable("string", "the paid account"),
    "ip": Variable("string", "payer's address, empty if unknown"),
    "device_id": Variable("string", "payer's device, empty if unknown"),
    "email": Variable("string", "payer's e-mail, empty if unknown"),
    "email_domain": Variable("string", "part of the e-mail after the @, empty if unknown"),
    "user_agent": Variable("string", "payer's user agent, empty if unknown"),
    "country": Variable("string", "ISO 3166-1 alpha-2 code of where the payer is, empty if unknown"),
    "hour_utc": Variable("int", "hour of the day in UTC, 0 to 23"),
    "weekday_utc": Variable("int", "day of the week in UTC, 0 for Monday"),
    "blocked": Variable("list", "names of the block lists that a party of the payment is on"),
    "allowed": Variable("list", "names of the allow lists that a party of the payment is on"),
    VELOCITY_KNOWN: Variable("bool", "the counters answered; if not, rules that use what they count are passed over"),
    MODEL_SCORE: Variable("double", "0 to 1 by the model that is active beside the rules, 0 without one"),
    **{name: variable for name, (_, variable) in _VELOCITY.items()},
    **DERIVED,
    **{f"limit_{name}": Variable("double", threshold.description) for name, threshold in THRESHOLDS.items()},
}
KEPT_AS_DIGEST: Final = frozenset({"ip", "device_id"})
"""Known of a stored payment under another name only: equal ones are equal, and absent ones are empty."""
NOT_KEPT: Final = frozenset({"email", "email_domain", "user_agent"})
"""Not known of a stored payment at all."""


def feature_values(amount: float, velocity: PaymentVelocity) -> tuple[float, ...]:
    """Return the numbers in the order of `FEATURE_NAMES`. `amount` is in major units."""
    source, destination, pair = velocity.source, velocity.destination, velocity.pair
    average = source.earlier_amount / source.earlier_count if source.earlier_count else 0.0
    received = destination.earlier_amount / destination.earlier_count if destination.earlier_count else 0.0
    ages = [age_ms // 1000 for age_ms in _ages_ms(velocity)]
    days = min(7.0, max(1.0, ages[0] / _DAY_SECONDS))
    return (
        *_velocity_values(velocity),
        *ages,
        source.earlier_count,
        average,
        source.earlier_largest,
        amount / average if average else 1.0,
        source.count_24h * days / source.count_7d if source.count_7d else 1.0,
        destination.earlier_count,
        received,
        amount / received if received else 1.0,
        pair.earlier_count,
        pair.earlier_count == 0,
    )


def named_features(values: Any, feature_set: int | None) -> dict[str, Any]:
    """Return stored numbers by name; those of before there were sets were stored by name."""
    return dict(values) if feature_set is None else dict(zip(FEATURE_NAMES, values, strict=False))


def variables_of(facts: PaymentFacts, features: tuple[float, ...] | list[float], model_score: float) -> dict[str, Any]:
    """Return every variable but `velocity_known`, and thresholds and lists, which belong to a rule set."""
    email = facts.email
    variables: dict[str, Any] = dict(zip(FEATURE_NAMES, features, strict=False))
    variables |= {
        "amount": amount_major(facts.amount_minor, facts.currency),
        "amount_minor": facts.amount_minor,
        "currency": facts.currency,
        "source_account_id": facts.source_account_id,
        "destination_account_id": facts.destination_account_id,
        "ip": facts.ip,
        "device_id": facts.device_id,
        "email": email,
        "email_domain": email.rpartition("@")[2] if "@" in email else "",
        "user_agent": facts.user_agent,
        "country": facts.country,
        "hour_utc": facts.created_at.hour,
        "weekday_utc": facts.created_at.weekday(),
        MODEL_SCORE: model_score,
    }
    return variables


def lists_matched(facts: PaymentFacts, lists: PartyLists) -> list[str]:
    """Return the names of the lists that a party of the payment is on."""
    matches = []
    if lists.account_ids and (
        facts.source_account_id in lists.account_ids or facts.destination_account_id in lists.account_ids
    ):
        matches.append("account_ids")
    if lists.device_ids and facts.device_id in lists.device_ids:
        matches.append("device_ids")
    if lists.ips and facts.ip in lists.ips:
        matches.append("ips")
    if lists.emails and facts.email in lists.emails:
        matches.append("emails")
    if lists.countries and facts.country in lists.countries:
        matches.append("countries")
    return matches
