"""Open an account: noted here, opened in the ledger, shown and announced here.

A crash between any two steps leaves an account in `opening` that nobody sees. The same request again, or due
work, asks the ledger again (which opens an account once) and finishes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from bezant.contracts.account_events import ACCOUNT_OPENED
from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.ledger import AccountType, OpenAccount
from bezant.contracts.problems import Problem
from bezant.foundation.due_work import DueWork
from bezant.foundation.failpoints import failpoint
from bezant.foundation.idempotency import StoredAnswer, claim_key
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.account.domain.account import Account, overdraft_of
from bezant.services.account.domain.problems import problem_of
from bezant.services.account.events.publishes import account_event
from bezant.services.account.ledger import Ledger
from bezant.services.account.storage import QUERIES, SCHEMA, account_from_row

UNFINISHED: Final = "unfinished_accounts"


@dataclass(frozen=True, slots=True)
class Opening:
    """What an account is opened with, and the idempotency key of the request."""

    name: str
    account_type: AccountType
    currency: str
    overdraft_limit_minor: int
    daily_limit_minor: int | None
    metadata: dict[str, str]
    actor: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status and JSON body."""

    status: int
    body: str


class OpenAccounts:
    """Opens accounts; `render` gives the body with which an opened account is answered."""

    def __init__(
        self, databases: TenantDatabases, ledger: Ledger, due_work: DueWork, render: Callable[[Account], str]
    ) -> None:
        self._databases = databases
        self._ledger = ledger
        self._due_work = due_work
        self._render = render

    async def open(self, tenant_id: UUID, opening: Opening) -> Answer:
        """Return the answer, which is the same for every repetition of the key.

        Raises `LimitsInvalid`, `IdempotencyKeyReused`, and `InternalCallFailed` or `TenantUnavailable` when the
        account may or may not have been opened; the same request again, with the same key, finishes it.
        """
        overdraft = overdraft_of(opening.account_type, opening.overdraft_limit_minor)
        await self._due_work.guard(tenant_id, UNFINISHED)
        account_id = new_id()

        async def note(tx: TenantTransaction) -> StoredAnswer | None:
            stored = await claim_key(
                tx.connection,
                SCHEMA,
                key=opening.key,
                request_fingerprint=opening.fingerprint,
                resource_id=account_id,
            )
            if stored is None:
                await tx.execute(
                    QUERIES["insert_opening"],
                    {
                        "id": account_id,
                        "name": opening.name,
                        "account_type": opening.account_type,
                        "currency": opening.currency,
                        "overdraft_limit_minor": overdraft,
                        "daily_limit_minor": opening.daily_limit_minor,
                        "metadata": msgspec.json.encode(opening.metadata).decode(),
                        "created_by": opening.actor,
                        "now": datetime.now(UTC),
                    },
                )
            return stored

        stored = await self._databases.run(tenant_id, note)
        failpoint("account.open.after_note")
        if stored is not None and stored.status is not None and stored.body is not None:
            return Answer(stored.status, stored.body)
        return await self.finish(tenant_id, account_id if stored is None else stored.resource_id)

    async def finish(self, tenant_id: UUID, account_id: UUID) -> Answer:
        """Ask the ledger to open a noted account, show it, and return the answer of its request."""

        async def read(tx: TenantTransaction) -> Account | None:
            row = await tx.fetch_one(QUERIES["account"], {"id": account_id})
            return None if row is None else account_from_row(row)

        account = await self._databases.run(tenant_id, read)
        if account is None or account.status != "opening":
            return await self._answered(tenant_id, account_id)
        result = await self._ledger.command(
            tenant_id,
            OpenAccount(
                account_id=account.id,
                account_type=account.account_type,
                currency=account.currency,
                overdraft_limit_minor=account.overdraft_limit_minor or 0,
                daily_limit_minor=account.daily_limit_minor,
                actor=account.created_by,
            ),
        )
        failpoint("account.open.after_ledger")
        if result.status == "refused":
            return await self._abandon(tenant_id, account_id, problem_of(result.reason_code, result.detail))

        async def show(tx: TenantTransaction) -> None:
            row = await tx.fetch_one(QUERIES["finish_opening"], {"id": account_id})
            if row is None:
                return
            opened = account_from_row(row)
            tx.emit(account_event(ACCOUNT_OPENED, opened, actor=opened.created_by))
            answer = {"id": account_id, "status": 201, "body": self._render(opened)}
            await tx.execute(QUERIES["answer_opening"], answer)

        await self._databases.run(tenant_id, show)
        failpoint("account.open.after_show")
        return await self._answered(tenant_id, account_id)

    async def _abandon(self, tenant_id: UUID, account_id: UUID, problem: Problem) -> Answer:
        if problem.status >= 500:
            raise problem
        body = msgspec.json.encode(problem.document()).decode()

        async def drop(tx: TenantTransaction) -> None:
            if await tx.execute(QUERIES["abandon_opening"], {"id": account_id}):
                await tx.execute(QUERIES["answer_opening"], {"id": account_id, "status": problem.status, "body": body})

        await self._databases.run(tenant_id, drop)
        return await self._answered(tenant_id, account_id)

    async def _answered(self, tenant_id: UUID, account_id: UUID) -> Answer:
        async def read(tx: TenantTransaction) -> tuple[int, str] | None:
            row = await tx.fetch_one(QUERIES["answer_of"], {"id": account_id})
            return None if row is None else (row[0], row[1])

        answer = await self._databases.run(tenant_id, read)
        if answer is None:
            raise LookupError(f"the opening of account {account_id} has no answer")
        return Answer(*answer)
