"""Stored answers of idempotency keys: written with the effect, replayed to a repeated request."""

from collections.abc import Mapping, Sequence

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.transaction.storage import QUERIES

StoredAnswer = tuple[bytes, int, str]
"""The request's fingerprint, the HTTP status and the body."""


async def read_answers(tx: TenantTransaction, keys: Sequence[str]) -> dict[str, StoredAnswer]:
    """Return the answers that are stored for any of the keys."""
    if not keys:
        return {}
    rows = await tx.fetch_all(QUERIES["stored_answers"], {"keys": list(keys)})
    return {key: (fingerprint, status, body) for key, fingerprint, status, body in rows}


async def store_answers(tx: TenantTransaction, answers: Mapping[str, StoredAnswer]) -> None:
    """Store answers, in the transaction that has their effect."""
    if not answers:
        return
    await tx.execute(
        QUERIES["store_answers"],
        {
            "keys": list(answers),
            "fingerprints": [answer[0] for answer in answers.values()],
            "statuses": [answer[1] for answer in answers.values()],
            "bodies": [answer[2] for answer in answers.values()],
        },
    )
