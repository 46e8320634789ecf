"""Scoring: one payment, its velocity and the rules make a decision with reasons."""

from typing import Any, Final, NamedTuple

from bezant.contracts.internal.fraud import Decision
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset
from bezant.services.fraud.domain.features import VELOCITY_KNOWN, PaymentFacts, lists_matched
from bezant.services.fraud.domain.rules import RuleAction

VELOCITY_UNAVAILABLE: Final = "velocity_unavailable"
VELOCITY_INCOMPLETE: Final = "velocity_incomplete"
ALLOW_LISTED: Final = "allow_listed"
MAX_SCORE: Final = 100


class Judgement(NamedTuple):
    """What the rules say about one payment; `reasons` are gravest first."""

    decision: Decision
    score: int
    reasons: list[str]


APPROVED: Final = Judgement(Decision.APPROVE, 0, [])


def judge(
    facts: PaymentFacts, variables: dict[str, Any], rules: CompiledRuleset, *, with_velocity: bool = True
) -> Judgement:
    """Return the judgement of one rule set.

    `variables` are those of `variables_of`; what belongs to the rule set is put into them here. Without velocity
    the rules that need it are passed over, and those that ask for `velocity_known` learn it. A party on an allow list
    keeps a payment from review: what would have asked for it still counts in the score and stands behind
    `allow_listed` among the reasons. Declines stand.
    """
    ruleset = rules.ruleset
    variables |= rules.thresholds(facts.currency)
    variables[VELOCITY_KNOWN] = with_velocity
    variables["blocked"] = lists_matched(facts, ruleset.block_lists) if rules.has_block_lists else []
    allowed = lists_matched(facts, ruleset.allow_lists) if rules.has_allow_lists else []
    variables["allowed"] = allowed
    findings = rules.evaluate(variables, with_velocity=with_velocity)
    if not findings:
        return APPROVED
    findings.sort(key=lambda finding: (finding.action is not RuleAction.DECLINE, -finding.score))
    reasons = [finding.reason for finding in findings]
    score = min(MAX_SCORE, sum(finding.score for finding in findings))
    if findings[0].action is RuleAction.DECLINE:
        return Judgement(Decision.DECLINE, score, reasons)
    if allowed:
        return Judgement(Decision.APPROVE, score, [ALLOW_LISTED, *reasons])
    return Judgement(Decision.REVIEW, score, reasons)
