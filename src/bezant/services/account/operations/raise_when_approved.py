"""Raise an account's limits as one person asked and another approved."""

from typing import Any, Final
from uuid import UUID

import msgspec

from bezant.foundation.approvals import Approval, Executor
from bezant.services.account.domain.account import Account
from bezant.services.account.domain.changes import LimitsChange
from bezant.services.account.domain.problems import AccountChangedSince
from bezant.services.account.operations.change_account import ChangeAccounts

RAISE_LIMITS: Final = "raise_limits"


class RaiseLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for: both limits in minor units, of the account as it was at `revision`."""

    account_id: UUID
    revision: int
    overdraft_limit_minor: int | None
    daily_limit_minor: int | None


def limits_executor(changing: ChangeAccounts) -> Executor:
    """Return what sets approved limits.

    They are for the account as both people saw it: one that has changed since is left alone. That makes a second
    call harmless too, which finds the next revision with these very limits.
    """

    async def set_limits(tenant_id: UUID, approval: Approval) -> dict[str, Any]:
        asked = msgspec.convert(approval.request, RaiseLimits)
        change = LimitsChange(
            overdraft_limit_minor=asked.overdraft_limit_minor,
            daily_limit_minor=asked.daily_limit_minor,
            actor=approval.requested_by,
        )

        def wanted(account: Account) -> LimitsChange:
            done = account.revision == asked.revision + 1 and (
                (account.overdraft_limit_minor, account.daily_limit_minor)
                == (asked.overdraft_limit_minor, asked.daily_limit_minor)
            )
            if account.revision != asked.revision and not done:
                raise AccountChangedSince(
                    f"account {asked.account_id} has changed since this was asked for; ask again if it is still wanted"
                )
            return change

        changed = await changing.change(tenant_id, asked.account_id, wanted)
        return {"account_id": str(changed.id), "revision": changed.revision}

    return set_limits
