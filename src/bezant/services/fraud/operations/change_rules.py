"""Read, replace and look back at a tenant's fraud rules."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.compiled_rules import validated
from bezant.services.fraud.domain.problems import RulesetChanged, RulesetNotFound
from bezant.services.fraud.domain.rules import DEFAULT_RULESET, Ruleset
from bezant.services.fraud.events.publishes import rules_changed
from bezant.services.fraud.storage import QUERIES
from bezant.services.fraud.storage.active_rulesets import decode_ruleset, encode_ruleset


@dataclass(frozen=True, slots=True)
class RulesetRecord:
    """A rule set with who made it when; the one that ships with the product was made by nobody."""

    ruleset: Ruleset
    created_by: str | None = None
    note: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RulesetSummary:
    """One line of the history."""

    version: int
    created_by: str | None
    note: str
    created_at: datetime | None


_SHIPPED = RulesetRecord(DEFAULT_RULESET, note="ships with the product")


async def read_rules(databases: TenantDatabases, tenant_id: UUID, version: int | None = None) -> RulesetRecord:
    """Return the active rule set, or one of the history. Raises `RulesetNotFound`."""
    async with databases.transaction(tenant_id) as tx:
        return await _read(tx, version)


async def _read(tx: TenantTransaction, version: int | None) -> RulesetRecord:
    if version == DEFAULT_RULESET.version:
        return _SHIPPED
    if version is None:
        row = await tx.fetch_one(QUERIES["active_ruleset"])
        if row is None:
            return _SHIPPED
    else:
        row = await tx.fetch_one(QUERIES["ruleset_by_version"], {"version": version})
        if row is None:
            raise RulesetNotFound(f"There is no rule set of version {version}.")
    return RulesetRecord(decode_ruleset(row[1]), row[2], row[3], row[4])


async def replace_rules(
    databases: TenantDatabases,
    tenant_id: UUID,
    wanted: Ruleset,
    *,
    based_on_version: int | None,
    note: str,
    actor: str,
) -> RulesetRecord:
    """Validate a rule set and let it judge from now on; its `version` is assigned here.

    The active rule set sent again changes nothing. Raises `RuleInvalid`, `ThresholdInvalid`, and `RulesetChanged`
    when the active version is not the one that the change was based on.
    """
    validated(wanted)

    async def work(tx: TenantTransaction) -> RulesetRecord:
        await tx.execute(QUERIES["lock_rulesets"])
        active = await _read(tx, None)
        if based_on_version is not None and based_on_version != active.ruleset.version:
            raise RulesetChanged(
                f"The change was based on version {based_on_version}, but version {active.ruleset.version} is active. "
                "Read the rules again and repeat the change.",
                active_version=active.ruleset.version,
            )
        if msgspec.structs.replace(wanted, version=active.ruleset.version) == active.ruleset:
            return active
        ruleset = msgspec.structs.replace(wanted, version=active.ruleset.version + 1)
        row = await tx.fetch_one(
            QUERIES["insert_ruleset"],
            {"version": ruleset.version, "document": encode_ruleset(ruleset), "created_by": actor, "note": note},
        )
        tx.emit(rules_changed(ruleset, note=note, actor=actor))
        return RulesetRecord(ruleset, actor, note, row[0] if row else None)

    return await databases.run(tenant_id, work)


async def list_rulesets(
    databases: TenantDatabases, tenant_id: UUID, *, before: int | None, limit: int
) -> list[RulesetSummary]:
    """Return the history, newest first, ending with the rule set that ships with the product."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(QUERIES["list_rulesets"], {"before": before, "limit": limit})
    history = [RulesetSummary(*row) for row in rows]
    if len(history) < limit and (before is None or before > DEFAULT_RULESET.version):
        history.append(RulesetSummary(DEFAULT_RULESET.version, None, _SHIPPED.note, None))
    return history
