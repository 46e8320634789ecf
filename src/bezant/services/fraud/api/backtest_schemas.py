"""Requests and answers about rule sets that do not judge yet: backtests and shadows."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from bezant.contracts.annotations import Instant
from bezant.contracts.internal.fraud import Decision
from bezant.contracts.money import Money
from bezant.services.fraud.api.rule_schemas import RulesetIn, RulesOut
from bezant.services.fraud.domain.backtest import Tallies
from bezant.services.fraud.operations.backtest_rules import BacktestReport
from bezant.services.fraud.operations.read_shadow import ShadowReport

MAX_PAYMENTS = 20_000


class BacktestIn(RulesetIn):
    """A rule set, and the payments it is tried on."""

    since: Instant | None = Field(None, alias="from", description="Thirty days ago if left out")
    before: Instant | None = Field(None, description="Now if left out")
    limit: int = Field(MAX_PAYMENTS, ge=1, le=MAX_PAYMENTS, description="The newest payments of the range")


class TallyOut(BaseModel):
    """A number of payments and their sum, in one currency."""

    count: int
    amount: Annotated[Money, Field(description="Their sum")]


def _tallies(tallies: Tallies) -> list[TallyOut]:
    return [
        TallyOut(count=tally.count, amount=Money.model_construct(amount_minor=tally.amount_minor, currency=currency))
        for currency, tally in sorted(tallies.items())
    ]


class DecisionChangeOut(BaseModel):
    """Payments that were decided in one way, and would be in another (or the same)."""

    then: Decision
    now: Decision
    payments: list[TallyOut]


class RuleHitsOut(BaseModel):
    """How one rule did."""

    reason: str
    matched: int
    fraud: int
    good: int
    unknown: int


class BacktestOut(BaseModel):
    """What would have come of the rule set. Fraud and good are by label, or else by the case's decision."""

    payments: int
    fraud: int
    good: int
    unknown: int = Field(description="Payments of which nobody said what they were; most are good")
    oldest: datetime | None
    newest: datetime | None
    truncated: bool = Field(description="There are more payments in the range; the newest were taken")
    without_features: int = Field(description="Passed over: judged before what the rules saw was kept in full")
    degraded: int = Field(description="Judged without velocity, then as now")
    unknown_variables: list[str] = Field(
        description="Variables of the rules that are empty for past payments (`email`, `user_agent`), "
        "or known as digests only (`ip`, `device_id`: lists match, other comparisons do not)"
    )
    money_saved: list[TallyOut] = Field(description="Fraud that was approved, and would be declined or held")
    money_lost: list[TallyOut] = Field(description="Fraud that was declined or held, and would be approved")
    good_payments_blocked: list[TallyOut] = Field(description="Good payments that would be declined, and were not")
    unknown_payments_blocked: list[TallyOut] = Field(description="The same of payments nobody has labelled")
    good_payments_held: list[TallyOut] = Field(description="Good or unknown ones that would newly wait for a person")
    good_payments_released: list[TallyOut] = Field(description="Good or unknown ones that would newly be approved")
    decisions: list[DecisionChangeOut]
    rules: list[RuleHitsOut] = Field(description="Most often matched first")

    @classmethod
    def of(cls, report: BacktestReport) -> Self:
        """Return the answer for a report."""
        result = report.result
        return cls(
            payments=result.payments,
            fraud=result.fraud,
            good=result.good,
            unknown=result.payments - result.fraud - result.good,
            oldest=report.oldest,
            newest=report.newest,
            truncated=report.truncated,
            without_features=report.without_features,
            degraded=report.degraded,
            unknown_variables=report.unknown_variables,
            money_saved=_tallies(result.money_saved),
            money_lost=_tallies(result.money_lost),
            good_payments_blocked=_tallies(result.good_blocked),
            unknown_payments_blocked=_tallies(result.unknown_blocked),
            good_payments_held=_tallies(result.good_held),
            good_payments_released=_tallies(result.good_released),
            decisions=[
                DecisionChangeOut(then=then, now=now, payments=_tallies(tallies))
                for (then, now), tallies in sorted(result.then_and_now.items())
            ],
            rules=[
                RuleHitsOut(reason=reason, matched=hits.matched, fraud=hits.fraud, good=hits.good, unknown=hits.unknown)
                for reason, hits in sorted(result.by_reason.items(), key=lambda pair: (-pair[1].matched, pair[0]))
            ],
        )


class AgreementOut(BaseModel):
    """Payments that the active rules decided in one way, and the shadow in another (or the same)."""

    decision: Decision
    shadow_decision: Decision
    payments: TallyOut


class ShadowOut(BaseModel):
    """The rule set in shadow, and how it did so far."""

    rules: RulesOut
    agreement: list[AgreementOut]
    matched: dict[str, int] = Field(description="How often each of its rules matched")

    @classmethod
    def of(cls, report: ShadowReport) -> Self:
        """Return the answer for a report."""
        return cls(
            rules=RulesOut.of(report.record),
            agreement=[
                AgreementOut(
                    decision=each.decision,
                    shadow_decision=each.shadow_decision,
                    payments=TallyOut(
                        count=each.count,
                        amount=Money.model_construct(amount_minor=each.amount_minor, currency=each.currency),
                    ),
                )
                for each in report.agreement
            ],
            matched=report.reasons,
        )
