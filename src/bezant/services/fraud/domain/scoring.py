"""Scoring: one payment, its velocity and the rules make a decision with reasons."""

from typing import Any, Final, NamedTuple

from bezant.contracts.internal.fraud import AssessmentRequest, Decision
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset
from bezant.services.fraud.domain.rules import BlockLists, RuleAction
from bezant.services.fraud.domain.velocity import PaymentVelocity, amount_major

VELOCITY_UNAVAILABLE: Final = "velocity_unavailable"
MAX_SCORE: Final = 100


class Judgement(NamedTuple):
    """What the rules say about one payment; `reasons` are gravest first."""

    decision: Decision
    score: int
    reasons: list[str]
    degraded: bool


def judge(
    request: AssessmentRequest, rules: CompiledRuleset, velocity: PaymentVelocity | None
) -> tuple[Judgement, dict[str, Any]]:
    """Return the judgement and the variables that it was made from.

    Without velocity (None) the rules that need it are passed over, the answer is marked degraded and says so
    among its reasons.
    """
    variables = _variables(request, rules, velocity)
    findings = rules.evaluate(variables, with_velocity=velocity is not None)
    findings.sort(key=lambda finding: (finding.action is not RuleAction.DECLINE, -finding.score))
    reasons = [finding.reason for finding in findings]
    decision = Decision.APPROVE
    if findings:
        decision = Decision.DECLINE if findings[0].action is RuleAction.DECLINE else Decision.REVIEW
    if velocity is None:
        reasons.append(VELOCITY_UNAVAILABLE)
    score = min(MAX_SCORE, sum(finding.score for finding in findings))
    return Judgement(decision, score, reasons, velocity is None), variables


def _variables(request: AssessmentRequest, rules: CompiledRuleset, velocity: PaymentVelocity | None) -> dict[str, Any]:
    context = request.context
    seen = velocity or PaymentVelocity()
    source, device, ip = seen.source, seen.device, seen.ip
    email = (context.email or "").lower()
    return {
        "amount": amount_major(request.amount_minor, request.currency),
        "amount_minor": request.amount_minor,
        "currency": request.currency,
        "source_account_id": str(request.source_account_id),
        "destination_account_id": str(request.destination_account_id),
        "ip": context.ip or "",
        "device_id": context.device_id or "",
        "email": email,
        "email_domain": email.rpartition("@")[2] if "@" in email else "",
        "user_agent": context.user_agent or "",
        "country": (context.country or "").upper(),
        "hour_utc": request.created_at.hour,
        "weekday_utc": request.created_at.weekday(),
        "blocked": _blocked(request, rules.ruleset.block_lists),
        "source_count_1m": source.count_1m,
        "source_count_1h": source.count_1h,
        "source_count_24h": source.count_24h,
        "source_amount_1m": source.amount_1m,
        "source_amount_1h": source.amount_1h,
        "source_amount_24h": source.amount_24h,
        "source_destinations_24h": source.partners_24h,
        "destination_is_new": source.partner_is_new,
        "device_count_1m": device.count_1m,
        "device_count_1h": device.count_1h,
        "device_count_24h": device.count_24h,
        "device_accounts_24h": device.partners_24h,
        "ip_count_1m": ip.count_1m,
        "ip_count_1h": ip.count_1h,
        "ip_count_24h": ip.count_24h,
        "ip_accounts_24h": ip.partners_24h,
        **rules.thresholds(request.currency),
    }


def _blocked(request: AssessmentRequest, lists: BlockLists) -> list[str]:
    context = request.context
    matches = []
    if lists.account_ids and (
        str(request.source_account_id) in lists.account_ids or str(request.destination_account_id) in lists.account_ids
    ):
        matches.append("account_ids")
    if context.device_id and context.device_id in lists.device_ids:
        matches.append("device_ids")
    if context.ip and context.ip in lists.ips:
        matches.append("ips")
    if context.email and context.email.lower() in lists.emails:
        matches.append("emails")
    if context.country and context.country.upper() in lists.countries:
        matches.append("countries")
    return matches


EXPLAINING_VARIABLES: Final = (
    "amount",
    "source_count_1m",
    "source_count_1h",
    "source_count_24h",
    "source_amount_24h",
    "source_destinations_24h",
    "destination_is_new",
    "device_count_24h",
    "device_accounts_24h",
    "ip_count_24h",
    "ip_accounts_24h",
    "blocked",
)
"""Kept with an assessment, so that a reviewer sees what the rules saw; none of them is personal data."""


def explanation(variables: dict[str, Any]) -> dict[str, Any]:
    """Return the variables that are kept with an assessment."""
    return {name: variables[name] for name in EXPLAINING_VARIABLES}
