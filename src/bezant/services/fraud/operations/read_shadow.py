"""How a shadow rule set does beside the active one."""

from dataclasses import dataclass
from uuid import UUID

from bezant.contracts.internal.fraud import Decision
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.fraud.operations.change_rules import RulesetRecord, shadow_in
from bezant.services.fraud.storage import QUERIES


@dataclass(frozen=True, slots=True)
class Agreement:
    """Payments of one currency that were decided in one way, and would be in another."""

    decision: Decision
    shadow_decision: Decision
    currency: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """A shadow rule set and what it said so far."""

    record: RulesetRecord
    agreement: list[Agreement]
    reasons: dict[str, int]
    """How often each rule matched, most often first."""


async def read_shadow(databases: TenantDatabases, tenant_id: UUID) -> ShadowReport:
    """Return the report of the present shadow. Raises `NoShadowRuleset`."""
    async with databases.transaction(tenant_id) as tx:
        record = await shadow_in(tx)
        parameters = {"version": record.ruleset.version}
        agreement = await tx.fetch_all(QUERIES["shadow_agreement"], parameters)
        reasons = await tx.fetch_all(QUERIES["shadow_reasons"], parameters)
    return ShadowReport(
        record,
        [Agreement(Decision(row[0]), Decision(row[1]), row[2], row[3], int(row[4])) for row in agreement],
        dict(reasons),
    )
