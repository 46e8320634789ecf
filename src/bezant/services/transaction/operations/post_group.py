"""Post a group of transfer commands of one tenant in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

from bezant.contracts.internal.ledger import CommandResult
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.domain.book import NewTransfer, Submitted, SubmittedBatch
from bezant.services.transaction.domain.posting import decide_group
from bezant.services.transaction.events.publishes import transfer_event
from bezant.services.transaction.storage.answers import read_answers, store_answers
from bezant.services.transaction.storage.reading import BookChanged, read_book
from bezant.services.transaction.storage.writing import write_decided

_ATTEMPTS = 4


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
    render: Callable[[CommandResult, dict[UUID, NewTransfer]], Answer]


@dataclass(frozen=True, slots=True)
class Posting:
    """One item of a group. `request` is given for public requests, whose answer is stored beside the effect."""

    item: Submitted | SubmittedBatch
    request: KeyedRequest | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a posting. `key_reused`: its idempotency key belongs to another request."""

    result: CommandResult | None
    answer: Answer | None = None
    key_reused: bool = False


async def post_group(
    databases: TenantDatabases, tenant_id: UUID, postings: Sequence[Posting]
) -> list[Posted | Exception]:
    """Return what became of each posting, in order, each as if it had come alone.

    Everything is durable when this returns. Raises `TenantUnavailable` when the database does not answer;
    then nothing is known, and sending the same commands again is safe. Should the database refuse the group
    for one item's sake, the items are posted one by one, so that the others do not suffer.
    """
    try:
        return list(await _post(databases, tenant_id, postings))
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        if len(postings) == 1:
            return [error]
        posted: list[Posted | Exception] = []
        for posting in postings:
            posted.extend(await post_group(databases, tenant_id, [posting]))
        return posted


async def _post(databases: TenantDatabases, tenant_id: UUID, postings: Sequence[Posting]) -> Sequence[Posted]:
    async def work(tx: TenantTransaction) -> Sequence[Posted]:
        return await post_in(tx, postings)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await databases.run(tenant_id, work)
        except (BookChanged, psycopg.errors.UniqueViolation):
            # Another process wrote the same transfer or key at the same moment: it will be found now.
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the loop returns or raises")


async def post_in(tx: TenantTransaction, postings: Sequence[Posting]) -> Sequence[Posted]:
    """Post a group inside a transaction."""
    book = await read_book(tx, _commands(postings))
    answers = await read_answers(tx, [posting.request.key for posting in postings if posting.request])
    posted: list[Posted | None] = [None] * len(postings)
    deciding: list[int] = []
    claimed: dict[str, bytes] = {}
    repeats: list[int] = []
    for index, posting in enumerate(postings):
        request = posting.request
        if request is not None:
            stored = answers.get(request.key)
            if stored is not None:
                posted[index] = _replayed(stored, request)
                continue
            if request.key in claimed:
                repeats.append(index)
                continue
            claimed[request.key] = request.fingerprint
        deciding.append(index)
    decided = decide_group(book, [postings[index].item for index in deciding])
    made = {transfer.id: transfer for transfer in decided.transfers}
    for index, result in zip(deciding, decided.results, strict=True):
        request = postings[index].request
        answer = request.render(result, made) if request is not None else None
        posted[index] = Posted(result, answer)
        if request is not None and answer is not None:
            answers[request.key] = (request.fingerprint, answer.status, answer.body)
    for index in repeats:
        request = postings[index].request
        assert request is not None
        posted[index] = _replayed(answers[request.key], request)
    await write_decided(tx, decided)
    await store_answers(tx, {key: answers[key] for key in claimed})
    for transfer in decided.transfers:
        tx.emit(transfer_event(transfer))
    return [outcome for outcome in posted if outcome is not None]


def _commands(postings: Sequence[Posting]) -> list[Submitted]:
    commands: list[Submitted] = []
    for posting in postings:
        if isinstance(posting.item, SubmittedBatch):
            commands.extend(posting.item.commands)
        else:
            commands.append(posting.item)
    return commands


def _replayed(stored: tuple[bytes, int, str], request: KeyedRequest) -> Posted:
    if stored[0] != request.fingerprint:
        return Posted(None, key_reused=True)
    return Posted(None, Answer(stored[1], stored[2]))
