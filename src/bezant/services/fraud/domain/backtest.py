"""What another rule set would have made of payments that were judged before: pure, one payment after another.

A payment counts as *fraud* or *good* by its label, or else by what a person decided about its case; all others are
*unknown*, and most of them good. Money is saved where fraud that was let through would be stopped.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bezant.contracts.fraud_events import PaymentLabel
from bezant.contracts.internal.fraud import Decision
from bezant.services.fraud.domain.cases import CaseStatus
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset
from bezant.services.fraud.domain.features import FEATURE_NAMES, KEPT_AS_DIGEST, NOT_KEPT, PaymentFacts, variables_of
from bezant.services.fraud.domain.rules import PartyLists
from bezant.services.fraud.domain.scoring import judge

_GRAVITY: Final = {Decision.APPROVE: 0, Decision.REVIEW: 1, Decision.DECLINE: 2}


class PastPayment(NamedTuple):
    """A payment that was judged before, with what the rules saw then."""

    facts: PaymentFacts
    """Device and address as digests, in hexadecimal."""
    features: list[float]
    model_score: float
    decision: Decision
    """What was decided then."""
    with_velocity: bool
    """The counters answered then, be it with less than the whole history."""
    truth: PaymentLabel | None


@dataclass
class Tally:
    """Payments and their sum, in minor units of one currency."""

    count: int = 0
    amount_minor: int = 0

    def add(self, amount_minor: int) -> None:
        """Count one more."""
        self.count += 1
        self.amount_minor += amount_minor


@dataclass
class RuleHits:
    """How one rule did."""

    matched: int = 0
    fraud: int = 0
    good: int = 0
    unknown: int = 0


Tallies = dict[str, Tally]
"""By currency."""


def _tallies() -> Tallies:
    return defaultdict(Tally)


@dataclass
class Backtest:
    """What came of it; every number is of payments that were judged before and are in the range asked for."""

    payments: int = 0
    fraud: int = 0
    good: int = 0
    then_and_now: dict[tuple[Decision, Decision], Tallies] = field(default_factory=lambda: defaultdict(_tallies))
    money_saved: Tallies = field(default_factory=_tallies)
    """Fraud that was approved, and would be declined or held now."""
    money_lost: Tallies = field(default_factory=_tallies)
    """Fraud that was declined or held, and would be approved now."""
    good_blocked: Tallies = field(default_factory=_tallies)
    """Good payments that were not declined, and would be declined now."""
    unknown_blocked: Tallies = field(default_factory=_tallies)
    """The same of payments of which nobody said what they were."""
    good_held: Tallies = field(default_factory=_tallies)
    """Good or unknown payments that were approved, and would wait for a person now."""
    good_released: Tallies = field(default_factory=_tallies)
    """Good or unknown payments that were declined or held, and would be approved now."""
    by_reason: dict[str, RuleHits] = field(default_factory=lambda: defaultdict(RuleHits))

    def add(self, past: PastPayment, rules: CompiledRuleset) -> None:
        """Judge one payment again."""
        variables = variables_of(past.facts, past.features, past.model_score)
        now = judge(past.facts, variables, rules, with_velocity=past.with_velocity)
        amount, currency, truth = past.facts.amount_minor, past.facts.currency, past.truth
        is_fraud, is_good = truth is PaymentLabel.FRAUD, truth is PaymentLabel.LEGITIMATE
        self.payments += 1
        self.fraud += is_fraud
        self.good += is_good
        self.then_and_now[past.decision, now.decision][currency].add(amount)
        for reason in now.reasons:
            hits = self.by_reason[reason]
            hits.matched += 1
            hits.fraud += is_fraud
            hits.good += is_good
            hits.unknown += truth is None
        stricter = _GRAVITY[now.decision] - _GRAVITY[past.decision]
        if is_fraud:
            if past.decision is Decision.APPROVE and stricter > 0:
                self.money_saved[currency].add(amount)
            elif now.decision is Decision.APPROVE and stricter < 0:
                self.money_lost[currency].add(amount)
        elif stricter > 0:
            if now.decision is Decision.DECLINE:
                (self.good_blocked if is_good else self.unknown_blocked)[currency].add(amount)
            else:
                self.good_held[currency].add(amount)
        elif stricter < 0 and now.decision is Decision.APPROVE:
            self.good_released[currency].add(amount)


def truth_of(label: str | None, case_status: str | None) -> PaymentLabel | None:
    """Return what a payment was: its label, or else what a person decided about its case."""
    if label is not None:
        return PaymentLabel(label)
    if case_status == CaseStatus.APPROVED:
        return PaymentLabel.LEGITIMATE
    if case_status == CaseStatus.DECLINED:
        return PaymentLabel.FRAUD
    return None


def variables_without_history(rules: CompiledRuleset) -> list[str]:
    """Return the variables that the rules use and that are not known of stored payments, or as digests only."""
    return sorted(rules.variables & (NOT_KEPT | KEPT_AS_DIGEST))


def features_in(stored: Any, feature_set: int | None) -> list[float] | None:
    """Return the numbers of a stored payment; None for one of before they were kept in full."""
    if feature_set is None or len(stored) < len(FEATURE_NAMES):
        return None
    return list(stored)


def with_digests(lists: PartyLists, digests: dict[str, str]) -> PartyLists:
    """Return lists whose devices and addresses are named by their digests."""
    return PartyLists(
        account_ids=lists.account_ids,
        device_ids=frozenset(digests[each] for each in lists.device_ids),
        ips=frozenset(digests[each] for each in lists.ips),
        emails=frozenset(),
        countries=lists.countries,
    )
