"""Changes of status and limits: noted before the ledger is asked, so that whoever finds one can finish it."""

from typing import Any, Literal
from uuid import UUID

import msgspec

from bezant.contracts.internal.ledger import SetAccountLimits, SetAccountStatus


class StatusChange(msgspec.Struct, frozen=True, tag_field="kind", tag="status", kw_only=True):
    """Freeze, unfreeze (`open`) or close."""

    status: Literal["open", "frozen", "closed"]
    actor: str


class LimitsChange(msgspec.Struct, frozen=True, tag_field="kind", tag="limits", kw_only=True):
    """Set both limits, in minor units; the overdraft limit None is that of a settlement account."""

    overdraft_limit_minor: int | None
    daily_limit_minor: int | None
    actor: str


Change = StatusChange | LimitsChange


def change_to_json(change: Change) -> str:
    """Return the form in which a change is kept."""
    return msgspec.json.encode(change).decode()


def change_from_json(document: dict[str, Any]) -> Change:
    """Return the change that was kept as `document`."""
    change: Change = msgspec.convert(document, type=StatusChange | LimitsChange)
    return change


def ledger_command(account_id: UUID, revision: int, change: Change) -> SetAccountStatus | SetAccountLimits:
    """Return what the ledger is asked."""
    if isinstance(change, StatusChange):
        return SetAccountStatus(account_id=account_id, revision=revision, status=change.status, actor=change.actor)
    overdraft = change.overdraft_limit_minor
    return SetAccountLimits(
        account_id=account_id,
        revision=revision,
        overdraft_limit_minor=msgspec.UNSET if overdraft is None else overdraft,
        daily_limit_minor=change.daily_limit_minor,
        actor=change.actor,
    )
