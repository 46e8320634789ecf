"""Read, replace and look back at a tenant's fraud rules."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.compiled_rules import validated
from bezant.services.fraud.domain.problems import ListTooLong, NoShadowRuleset, RulesetChanged, RulesetNotFound
from bezant.services.fraud.domain.rules import DEFAULT_RULESET, MAX_LISTED, PartyLists, Ruleset
from bezant.services.fraud.events.publishes import rules_changed
from bezant.services.fraud.storage import QUERIES
from bezant.services.fraud.storage.active_rulesets import decode_ruleset, encode_ruleset

ACTIVE: Final = "active"
SHADOW: Final = "shadow"


@dataclass(frozen=True, slots=True)
class RulesetRecord:
    """A rule set with who made it when; the one that ships with the product was made by nobody."""

    ruleset: Ruleset
    created_by: str | None = None
    note: str = ""
    created_at: datetime | None = None
    mode: str = ACTIVE
    """`active`, or `shadow` for one that was made to judge beside the active one."""


@dataclass(frozen=True, slots=True)
class RulesetSummary:
    """One line of the history."""

    version: int
    created_by: str | None
    note: str
    created_at: datetime | None
    mode: str = ACTIVE


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
    return _record(row)


def _record(row: tuple[Any, ...]) -> RulesetRecord:
    return RulesetRecord(decode_ruleset(row[1]), *row[2:])


async def replace_rules(
    databases: TenantDatabases,
    tenant_id: UUID,
    wanted: Ruleset,
    *,
    based_on_version: int | None,
    note: str,
    actor: str,
    mode: str = ACTIVE,
) -> RulesetRecord:
    """Validate a rule set and let it judge from now on, or judge in shadow; its `version` is assigned here.

    The active rule set sent again changes nothing. A shadow takes the place of the one before. Raises
    `RuleInvalid`, `ThresholdInvalid`, and `RulesetChanged` when the active version is not the one that the change
    was based on.
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
        if mode == ACTIVE and msgspec.structs.replace(wanted, version=active.ruleset.version) == active.ruleset:
            return active
        return await _insert(tx, wanted, note=note, actor=actor, mode=mode)

    return await databases.run(tenant_id, work)


async def _insert(tx: TenantTransaction, wanted: Ruleset, *, note: str, actor: str, mode: str) -> RulesetRecord:
    newest = await tx.fetch_one(QUERIES["newest_version"])
    ruleset = msgspec.structs.replace(wanted, version=(newest[0] if newest else DEFAULT_RULESET.version) + 1)
    row = await tx.fetch_one(
        QUERIES["insert_ruleset"],
        {
            "version": ruleset.version,
            "document": encode_ruleset(ruleset),
            "created_by": actor,
            "note": note,
            "mode": mode,
        },
    )
    tx.emit(rules_changed(ruleset, note=note, actor=actor, mode=mode))
    return RulesetRecord(ruleset, actor, note, row[0] if row else None, mode)


async def activate_version(
    databases: TenantDatabases, tenant_id: UUID, version: int, *, note: str, actor: str
) -> RulesetRecord:
    """Let a rule set of the history judge, under a new version; its shadow ends. Raises `RulesetNotFound`."""

    async def work(tx: TenantTransaction) -> RulesetRecord:
        await tx.execute(QUERIES["lock_rulesets"])
        wanted, active = await _read(tx, version), await _read(tx, None)
        if wanted.mode == SHADOW:
            await tx.execute(QUERIES["end_shadow"], {"version": version, "ended_by": actor})
        if active.ruleset.version == version:
            return active
        said = note or f"version {version} again" if wanted.mode == ACTIVE else note or f"version {version} from shadow"
        return await _insert(tx, wanted.ruleset, note=said, actor=actor, mode=ACTIVE)

    return await databases.run(tenant_id, work)


async def end_shadow(databases: TenantDatabases, tenant_id: UUID, *, actor: str) -> None:
    """Let no rule set judge in shadow. Raises `NoShadowRuleset`."""

    async def work(tx: TenantTransaction) -> None:
        await tx.execute(QUERIES["lock_rulesets"])
        record = await shadow_in(tx)
        await tx.execute(QUERIES["end_shadow"], {"version": record.ruleset.version, "ended_by": actor})
        tx.emit(rules_changed(record.ruleset, note="", actor=actor, mode="shadow_ended"))

    await databases.run(tenant_id, work)


async def shadow_in(tx: TenantTransaction) -> RulesetRecord:
    """Return the rule set that judges in shadow. Raises `NoShadowRuleset`."""
    row = await tx.fetch_one(QUERIES["shadow_ruleset"])
    if row is None:
        raise NoShadowRuleset("No rule set is in shadow. PUT /v1/fraud/rules with `mode` shadow puts one there.")
    return _record(row)


async def change_lists(
    databases: TenantDatabases,
    tenant_id: UUID,
    list_name: str,
    *,
    added: PartyLists,
    removed: PartyLists,
    note: str,
    actor: str,
) -> RulesetRecord:
    """Add parties to the `block` or `allow` lists of the active rule set and remove others.

    Raises `ListTooLong`.
    """
    field = f"{list_name}_lists"

    async def work(tx: TenantTransaction) -> RulesetRecord:
        await tx.execute(QUERIES["lock_rulesets"])
        active = await _read(tx, None)
        lists: PartyLists = getattr(active.ruleset, field)
        changed = PartyLists(
            **{
                kind: (getattr(lists, kind) | getattr(added, kind)) - getattr(removed, kind)
                for kind in PartyLists.__struct_fields__
            }
        )
        if changed == lists:
            return active
        for kind in PartyLists.__struct_fields__:
            if len(getattr(changed, kind)) > MAX_LISTED:
                raise ListTooLong(
                    f"The {list_name} list {kind} would hold {len(getattr(changed, kind))} parties; a list holds at "
                    f"most {MAX_LISTED}. Take some off it, or write a rule.",
                    list=list_name,
                    kind=kind,
                )
        wanted = msgspec.structs.replace(active.ruleset, **{field: changed})
        return await _insert(tx, wanted, note=note, actor=actor, mode=ACTIVE)

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
