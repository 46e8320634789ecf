"""Carry out whatever a tenant's callers want written, in order: transfers in groups, account commands singly."""

from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

from bezant.foundation.coalescing import Coalescer
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.transaction.operations.manage_account import AccountCommand, manage_account
from bezant.services.transaction.operations.post_group import Posted, Posting, post_group
from bezant.services.transaction.operations.schedule_expiries import ExpiryHints

Work = Posting | AccountCommand


async def write_group(databases: TenantDatabases, tenant_id: UUID, group: Sequence[Work]) -> list[Posted | Exception]:
    """Return what became of each item, in order.

    A run of transfers is one transaction. A command on an account stands between two runs: what comes before
    it is posted under the old status and limits, what comes after it under the new ones.
    """
    results: list[Posted | Exception] = []
    for is_posting, run in groupby(group, key=lambda work: isinstance(work, Posting)):
        if is_posting:
            postings = [work for work in run if isinstance(work, Posting)]
            results.extend(await post_group(databases, tenant_id, postings))
        else:
            for work in run:
                assert not isinstance(work, Posting)
                results.append(await _manage(databases, tenant_id, work))
    return results


async def _manage(databases: TenantDatabases, tenant_id: UUID, command: AccountCommand) -> Posted | Exception:
    try:
        return Posted(await manage_account(databases, tenant_id, command))
    except Exception as error:
        return error


class Writer:
    """The one way into the ledger of this process: all callers' writes of a tenant go in groups."""

    def __init__(self, databases: TenantDatabases, hints: ExpiryHints) -> None:
        self._databases = databases
        self._hints = hints
        self._coalescer: Coalescer[Work, Posted] = Coalescer(self._write_group, stage="ledger")

    async def write(self, tenant_id: UUID, work: Work) -> Posted:
        """Return what became of the work once it is durable.

        Raises `IdempotencyKeyReused`, and `TenantUnavailable` when the database does not answer; then it is
        not known what became of it, and the same work may be sent again.
        """
        return await self._coalescer.submit(tenant_id, work)

    async def drain(self) -> None:
        """Wait until everything in hand has been answered."""
        await self._coalescer.drain()

    async def _write_group(self, tenant_id: UUID, group: list[Work]) -> list[Posted | Exception]:
        commands = [command for work in group if isinstance(work, Posting) for command in work.commands]
        await self._hints.before(tenant_id, commands)
        return await write_group(self._databases, tenant_id, group)
