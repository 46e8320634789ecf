"""Idempotency keys: one effect per key and tenant, and the original answer to every repetition.

A record stores the key, a fingerprint of method, path and body, the id of what it made, and the answer. It is
written in the transaction of the effect. 5xx answers are never stored. Records are kept for seven days. After
the draft of the IETF httpapi working group, draft-ietf-httpapi-idempotency-key-header.

Every schema that uses it has a table `idempotency (key text primary key, fingerprint bytea not null,
resource_id uuid not null, response_status integer, response_body text, created_at timestamptz not null)`.

A key names one request of the tenant, whichever service it was sent to. The services of a tenant share the table
`idempotency.keys`, which says whose a key is: the second service that is sent it refuses it. See
docs/decisions/0010-keys.md. The keys of the control database are those of the platform's administrators.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from fastapi import Header
from psycopg import AsyncConnection, sql

from bezant.contracts.json_text import UNREADABLE
from bezant.contracts.problems import IdempotencyKeyMissing, IdempotencyKeyReused, InvalidRequest

RETENTION_DAYS = 7
_MAX_KEY_CHARACTERS = 255
LONGEST_KEY_OF_AN_ITEM = _MAX_KEY_CHARACTERS + len("/499")
"""An item of a batch without a key of its own has the batch's key, a slash and its position."""

_SHARING: Final = frozenset({"account", "ledger", "payment"})
"""The schemas of a tenant that share `idempotency.keys`."""
_CLAIM: Final = sql.SQL(
    "INSERT INTO {} (key, fingerprint, resource_id) VALUES (%(key)s, %(fingerprint)s, %(resource_id)s) "
    "ON CONFLICT (key) DO NOTHING"
)
_CLAIM_OF_TENANT: Final = sql.SQL(
    "WITH ours AS ("
    "INSERT INTO idempotency.keys (key, owner) VALUES (%(key)s, %(owner)s) "
    "ON CONFLICT (key) DO UPDATE SET owner = excluded.owner WHERE keys.owner = excluded.owner RETURNING key) "
    "INSERT INTO {} (key, fingerprint, resource_id) "
    "SELECT key, %(fingerprint)s::bytea, %(resource_id)s::uuid FROM ours ON CONFLICT (key) DO NOTHING"
)
_PRUNE: Final = sql.SQL("DELETE FROM {} WHERE created_at < now() - make_interval(days => %(days)s)")
_PRUNE_OF_TENANT: Final = sql.SQL(
    "WITH gone AS (DELETE FROM {} WHERE created_at < now() - make_interval(days => %(days)s) RETURNING key) "
    "DELETE FROM idempotency.keys k USING gone "
    "CROSS JOIN LATERAL (SELECT ctid FROM idempotency.keys WHERE key = gone.key OFFSET 0) place "
    "WHERE k.ctid = place.ctid AND k.owner = %(owner)s"
)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is known of a key that was used before; status and body are None while it is being worked on."""

    resource_id: UUID
    status: int | None
    body: str | None


def checked_key(key: str | None, *, longest: int = _MAX_KEY_CHARACTERS) -> str:
    """Return the key if it is one. Raises `IdempotencyKeyMissing`, `InvalidRequest`."""
    if not key:
        raise IdempotencyKeyMissing(
            "send an Idempotency-Key header: a value of your choice, the same for every attempt at this request"
        )
    if len(key) > longest or not key.isascii() or not key.isprintable():
        raise InvalidRequest(f"the Idempotency-Key must be 1 to {longest} printable ASCII characters")
    return key


async def required_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=_MAX_KEY_CHARACTERS,
            description="A value of your choice, the same for every attempt at this request. Required: the request "
            "takes effect once, and every repetition gets the first answer. A key names one request of the tenant: "
            "another request with it, to this path or any other, is refused with 422 `idempotency_key_reused`.",
        ),
    ] = None,
) -> str:
    """Return the request's Idempotency-Key, as a dependency of a route. Raises `IdempotencyKeyMissing`."""
    return checked_key(idempotency_key)


async def optional_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=_MAX_KEY_CHARACTERS,
            description="A value of your choice, the same for every attempt at this request. With it the request takes "
            "effect once, and every repetition gets what the first one made; without it every request counts.",
        ),
    ] = None,
) -> str | None:
    """Return the request's Idempotency-Key if it has one, as a dependency of a route. Raises `InvalidRequest`."""
    return None if idempotency_key is None else checked_key(idempotency_key)


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """Return the SHA-256 of method, path and body. The order of keys and white space in the body do not count."""
    try:
        return fingerprint_of_document(method, path, msgspec.json.decode(body)) if body else _digest(method, path, b"")
    except (*UNREADABLE, RecursionError):
        # No JSON, or nested deeper than anything we read: the bytes themselves are what was asked.
        return _digest(method, path, body)


def fingerprint_of_document(method: str, path: str, document: Any) -> bytes:
    """Return what `fingerprint` returns for a body that says `document`."""
    return _digest(method, path, msgspec.json.encode(document, order="deterministic"))


def _digest(method: str, path: str, canonical: bytes) -> bytes:
    return hashlib.sha256(b"\x00".join((method.encode(), path.encode(), canonical))).digest()


async def claim_key(
    connection: AsyncConnection[Any], schema: str, *, key: str, request_fingerprint: bytes, resource_id: UUID
) -> StoredAnswer | None:
    """Claim the key in this transaction; None means that it is ours and the work can be done.

    A concurrent request with the same key waits here until the first one's transaction has ended. Raises
    `IdempotencyKeyReused` when the key belongs to another request.
    """
    table = sql.Identifier(schema, "idempotency")
    inserted = await connection.execute(
        (_CLAIM_OF_TENANT if schema in _SHARING else _CLAIM).format(table),
        {"key": key, "owner": schema, "fingerprint": request_fingerprint, "resource_id": resource_id},
    )
    if inserted.rowcount:
        return None
    cursor = await connection.execute(
        sql.SQL("SELECT fingerprint, resource_id, response_status, response_body FROM {} WHERE key = %s").format(table),
        (key,),
    )
    row = await cursor.fetchone()
    if row is None or bytes(row[0]) != request_fingerprint:
        # Without a record of our own the key is another service's.
        raise key_reused()
    return StoredAnswer(row[1], row[2], row[3])


def key_reused() -> IdempotencyKeyReused:
    """Return the refusal of a key that belongs to another request."""
    return IdempotencyKeyReused(
        "this Idempotency-Key was used for a different request before; use a new key for a new request"
    )


async def store_answer(connection: AsyncConnection[Any], schema: str, *, key: str, status: int, body: str) -> None:
    """Store the answer that every repetition of the key gets."""
    await connection.execute(
        sql.SQL("UPDATE {} SET response_status = %s, response_body = %s WHERE key = %s").format(
            sql.Identifier(schema, "idempotency")
        ),
        (status, body, key),
    )


async def prune_keys(connection: AsyncConnection[Any], schema: str) -> None:
    """Delete records older than the retention."""
    await connection.execute(
        (_PRUNE_OF_TENANT if schema in _SHARING else _PRUNE).format(sql.Identifier(schema, "idempotency")),
        {"days": RETENTION_DAYS, "owner": schema},
    )
