"""Judge a tenant's past payments by another rule set, and say what would have come of it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import first_id_at
from bezant.contracts.internal.fraud import Decision
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.fraud.domain.backtest import (
    Backtest,
    PastPayment,
    features_in,
    truth_of,
    variables_without_history,
    with_digests,
)
from bezant.services.fraud.domain.compiled_rules import CompiledRuleset, validated
from bezant.services.fraud.domain.features import PaymentFacts
from bezant.services.fraud.domain.rules import Ruleset
from bezant.services.fraud.domain.scoring import VELOCITY_UNAVAILABLE
from bezant.services.fraud.domain.velocity import entity_digest
from bezant.services.fraud.storage import QUERIES

_PAGE: Final = 1_000
_AT_ONCE: Final = 25
"""Payments judged before others get their turn: under a millisecond, so that no live payment waits for a backtest."""


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """The result, and how far it can be relied on."""

    result: Backtest
    oldest: datetime | None
    newest: datetime | None
    truncated: bool
    """There are more payments in the range than were asked for; the newest were taken."""
    without_features: int
    """Payments that were passed over: they were judged before what the rules saw was kept in full."""
    degraded: int
    """Payments that were judged without velocity; rules that need it were passed over for them, now as then."""
    unknown_variables: list[str]
    """Variables of the rules that are empty, or known as digests only, for past payments."""


async def backtest_rules(
    databases: TenantDatabases, tenant_id: UUID, wanted: Ruleset, *, since: datetime, before: datetime, limit: int
) -> BacktestReport:
    """Return what the rule set would have made of the newest `limit` payments of the range.

    Raises `RuleInvalid`, `ThresholdInvalid`.
    """
    validated(wanted)
    rules = CompiledRuleset(_by_digests(tenant_id, wanted))
    result = Backtest()
    seen = without_features = degraded = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    low, high = first_id_at(since), first_id_at(before)
    truncated = False
    while True:
        async with databases.transaction(tenant_id, read_only=True) as tx:
            rows = await tx.fetch_all(
                QUERIES["history_to_judge"],
                {
                    "since": low,
                    "before": high,
                    "limit": min(_PAGE, limit - seen + 1),
                    "without_velocity": VELOCITY_UNAVAILABLE,
                },
            )
        for number, row in enumerate(rows):
            if seen == limit:
                truncated = True
                break
            seen += 1
            past = _past(row)
            if past is None:
                without_features += 1
                continue
            degraded += not past.with_velocity
            oldest, newest = past.facts.created_at, newest or past.facts.created_at
            result.add(past, rules)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if truncated or len(rows) < _PAGE:
            break
        high = rows[-1][0]
    unknown = set(variables_without_history(rules))
    if wanted.block_lists.emails or wanted.allow_lists.emails:
        unknown.add("email")
    return BacktestReport(result, oldest, newest, truncated, without_features, degraded, sorted(unknown))


def _by_digests(tenant_id: UUID, ruleset: Ruleset) -> Ruleset:
    """Devices and addresses of past payments are known by digests: name those of the lists alike."""
    lists = (ruleset.block_lists, ruleset.allow_lists)
    entities = {entity for each in lists for entity in (*each.device_ids, *each.ips)}
    digests = {entity: entity_digest(tenant_id, entity.encode()).hex() for entity in entities}
    return msgspec.structs.replace(
        ruleset,
        block_lists=with_digests(ruleset.block_lists, digests),
        allow_lists=with_digests(ruleset.allow_lists, digests),
    )


def _past(row: tuple[Any, ...]) -> PastPayment | None:
    (_, _, source, destination, amount_minor, currency, created_at, decision, features, feature_set, device, ip,
     country, model_score, with_velocity, label, case_status) = row  # fmt: skip
    values = features_in(msgspec.json.decode(features), feature_set)
    if values is None:
        return None
    facts = PaymentFacts(
        amount_minor,
        currency,
        str(source),
        str(destination),
        created_at,
        ip=ip.hex() if ip is not None else "",
        device_id=device.hex() if device is not None else "",
        country=country or "",
    )
    return PastPayment(
        facts, values, model_score or 0.0, Decision(decision), with_velocity, truth_of(label, case_status)
    )
