"""Post a group of transfer commands of one tenant in one transaction."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg

from bezant.contracts.internal.ledger import CommandResult
from bezant.foundation.failpoints import failpoint
from bezant.foundation.idempotency import key_reused
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.domain.book import Submitted, SubmittedBatch
from bezant.services.transaction.domain.posting import decide_group
from bezant.services.transaction.domain.reasons import Reason
from bezant.services.transaction.storage.answers import KeyRecord, claim_keys, read_answers, store_answers
from bezant.services.transaction.storage.history import StoredTransfer, stored_transfers
from bezant.services.transaction.storage.reading import BookChanged, read_book
from bezant.services.transaction.storage.writing import write_decided

_ATTEMPTS: Final = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it is stored for its idempotency key: status and JSON body."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A public request's idempotency key, its fingerprint, and how its answer is rendered."""

    key: str
    fingerprint: bytes
    render: Callable[[CommandResult, dict[UUID, StoredTransfer]], Answer]


@dataclass(frozen=True, slots=True)
class Posting:
    """One item of a group. `request` is given for public requests: their answer is stored beside the effect."""

    item: Submitted | SubmittedBatch
    request: KeyedRequest | None = None

    @property
    def id(self) -> UUID:
        """The id of the transfer or of the batch."""
        return self.item.id if isinstance(self.item, SubmittedBatch) else self.item.command.id

    @property
    def commands(self) -> tuple[Submitted, ...]:
        """All commands of the item."""
        return self.item.commands if isinstance(self.item, SubmittedBatch) else (self.item,)


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a posting: the result, and for keyed requests the answer, which may be a stored one."""

    result: CommandResult | None = None
    answer: Answer | None = None


async def post_group(
    databases: TenantDatabases, tenant_id: UUID, postings: Sequence[Posting]
) -> list[Posted | Exception]:
    """Return what became of each posting, in order, each as if it had come alone.

    A posting whose idempotency key belongs to another request gets `IdempotencyKeyReused`. Everything is
    durable when this returns. Raises `TenantUnavailable` when the database does not answer; then nothing is
    known, and sending the same commands again is safe. Should the database refuse the group for one item's
    sake, the items are posted one by one, so that the others do not suffer.
    """
    try:
        together = list(await _post(databases, tenant_id, postings))
        failpoint("ledger.after_posting")
        return together
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        _log.exception("the database refused a group of %d postings", len(postings))
        if len(postings) == 1:
            return [_refused_by_database(postings[0], error)]
    posted: list[Posted | Exception] = []
    for posting in postings:
        posted.extend(await post_group(databases, tenant_id, [posting]))
    return posted


def _refused_by_database(posting: Posting, error: Exception) -> Posted | Exception:
    if posting.request is not None:
        return error
    return Posted(
        CommandResult(
            status="refused",
            id=posting.id,
            reason_code=Reason.REFUSED_BY_DATABASE.value,
            detail="A check of the database refused this; nothing was written. The ledger's log has the reason.",
        )
    )


async def _post(
    databases: TenantDatabases, tenant_id: UUID, postings: Sequence[Posting]
) -> Sequence[Posted | Exception]:
    async def work(tx: TenantTransaction) -> Sequence[Posted | Exception]:
        return await _post_in(tx, postings)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await databases.run(tenant_id, work)
        except (BookChanged, psycopg.errors.UniqueViolation):
            # Another process wrote the same transfer or key at the same moment: it will be found now.
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


async def _post_in(tx: TenantTransaction, postings: Sequence[Posting]) -> Sequence[Posted | Exception]:
    book = await read_book(tx, [command for posting in postings for command in posting.commands])
    keys = [posting.request.key for posting in postings if posting.request]
    others = await claim_keys(tx, keys)
    records = await read_answers(tx, keys)
    deciding = list(_first_uses(postings, {*records, *others}))
    decided = decide_group(book, [posting.item for posting in deciding])
    await write_decided(tx, decided)
    results = {id(posting): result for posting, result in zip(deciding, decided.results, strict=True)}
    answered = await _answer(tx, [(posting, results[id(posting)]) for posting in deciding if posting.request])
    await store_answers(tx, answered)
    records.update((record.key, record) for record in answered)
    return [
        Posted(results[id(posting)]) if posting.request is None else _replay(posting.request, records)
        for posting in postings
    ]


def _first_uses(postings: Sequence[Posting], used: set[str]) -> Iterator[Posting]:
    """Yield the postings without a key and those that are the first to use theirs."""
    seen = set(used)
    for posting in postings:
        if posting.request is not None:
            if posting.request.key in seen:
                continue
            seen.add(posting.request.key)
        yield posting


async def _answer(tx: TenantTransaction, pairs: Sequence[tuple[Posting, CommandResult]]) -> list[KeyRecord]:
    if not pairs:
        return []
    ids = {command.command.id for posting, _ in pairs for command in posting.commands}
    transfers = await stored_transfers(tx, list(ids))
    records = []
    for posting, result in pairs:
        assert posting.request is not None
        answer = posting.request.render(result, transfers)
        records.append(
            KeyRecord(posting.request.key, posting.request.fingerprint, posting.id, answer.status, answer.body)
        )
    return records


def _replay(request: KeyedRequest, records: dict[str, KeyRecord]) -> Posted | Exception:
    record = records.get(request.key)
    if record is None or record.fingerprint != request.fingerprint:
        # without a record the key is another service's
        return key_reused()
    return Posted(answer=Answer(record.status, record.body))
