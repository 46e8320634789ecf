"""Idempotency keys: one effect per key and tenant, and the original answer to every repetition.

A record stores the key, a fingerprint of method, path and body, the id of what it made, and the answer. It is
written in the transaction of the effect. 5xx answers are never stored. Records are kept for seven days. After
the draft of the IETF httpapi working group, draft-ietf-httpapi-idempotency-key-header.

Every schema that uses it has a table `idempotency (key text primary key, fingerprint bytea not null,
resource_id uuid not null, response_status integer, response_body text, created_at timestamptz not null)`.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Header, Request
from psycopg import AsyncConnection, sql

from bezant.contracts.json_text import UNREADABLE
from bezant.contracts.problems import IdempotencyKeyMissing, IdempotencyKeyReused, InvalidRequest

RETENTION_DAYS = 7
_MAX_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is known of a key that was used before; status and body are None while it is being worked on."""

    resource_id: UUID
    status: int | None
    body: str | None


def idempotency_key(request: Request) -> str:
    """Return the request's Idempotency-Key. Raises `IdempotencyKeyMissing`, `InvalidRequest`."""
    return checked_key(request.headers.get("idempotency-key"))


def checked_key(key: str | None) -> str:
    """Return the key if it is one. Raises `IdempotencyKeyMissing`, `InvalidRequest`."""
    if not key:
        raise IdempotencyKeyMissing(
            "send an Idempotency-Key header: a value of your choice, the same for every attempt at this request"
        )
    if len(key) > _MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise InvalidRequest(f"the Idempotency-Key must be 1 to {_MAX_KEY_CHARACTERS} printable ASCII characters")
    return key


async def required_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=_MAX_KEY_CHARACTERS,
            description="A value of your choice, the same for every attempt at this request. Required: the request "
            "takes effect once, and every repetition gets the first answer.",
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
        sql.SQL(
            "INSERT INTO {} (key, fingerprint, resource_id) VALUES (%s, %s, %s) ON CONFLICT (key) DO NOTHING"
        ).format(table),
        (key, request_fingerprint, resource_id),
    )
    if inserted.rowcount:
        return None
    cursor = await connection.execute(
        sql.SQL("SELECT fingerprint, resource_id, response_status, response_body FROM {} WHERE key = %s").format(table),
        (key,),
    )
    row = await cursor.fetchone()
    assert row is not None
    if bytes(row[0]) != request_fingerprint:
        raise IdempotencyKeyReused(
            "this Idempotency-Key was used for a different request before; use a new key for a new request"
        )
    return StoredAnswer(row[1], row[2], row[3])


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
        sql.SQL("DELETE FROM {} WHERE created_at < now() - make_interval(days => %s)").format(
            sql.Identifier(schema, "idempotency")
        ),
        (RETENTION_DAYS,),
    )
