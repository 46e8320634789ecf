"""Create payments: a tenant's concurrent requests go through each stage as one group.

Stage one claims the idempotency keys and writes the payments as `processing`, in one statement. From its commit
on the payment exists exactly once, whatever happens next. `settle_payments` does the rest.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Problem, TenantUnavailable
from bezant.foundation.coalescing import Coalescer
from bezant.foundation.database import is_transient
from bezant.foundation.due_work import DueWork
from bezant.foundation.failpoints import failpoint
from bezant.foundation.idempotency import key_reused
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.domain.payments import Payment, Split, Status, payment_legs
from bezant.services.payment.domain.problems import SameAccount
from bezant.services.payment.metrics import PAYMENTS
from bezant.services.payment.operations.answers import encode, payment_document
from bezant.services.payment.operations.known_accounts import KnownAccounts
from bezant.services.payment.operations.settle_payments import PaymentSettlement
from bezant.services.payment.storage.queries import QUERIES
from bezant.services.payment.storage.rows import payment_from_row, splits_to_json

STUCK = "stuck_payments"
_CARRIED_ON_AFTER = timedelta(seconds=5)
_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """A payment as a client orders it."""

    source_account_id: UUID
    destination_account_id: UUID
    amount_minor: int
    currency: str
    capture: str
    splits: list[Split]
    reference: str
    metadata: dict[str, str]
    context: dict[str, Any]
    expires_in_seconds: int
    actor: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, and the JSON body. 202 says that the payment is still processing."""

    status: int
    body: bytes


class PaymentCreation:
    """Creates payments in groups."""

    def __init__(
        self, databases: TenantDatabases, accounts: KnownAccounts, settlement: PaymentSettlement, due_work: DueWork
    ) -> None:
        self._databases = databases
        self._accounts = accounts
        self._settlement = settlement
        self._due_work = due_work
        self._groups: Coalescer[PaymentOrder, Answer] = Coalescer(self._create_group, stage="payment")

    async def create(self, tenant_id: UUID, order: PaymentOrder) -> Answer:
        """Create one payment, or return the answer that its key got before.

        Raises `SameAccount`, `SplitsExceedAmount`, `AccountNotFound`, `CurrencyMismatch`: nothing was recorded.
        Raises `IdempotencyKeyReused`, `TenantUnavailable`.
        """
        accounts = [order.source_account_id, order.destination_account_id, *(s.account_id for s in order.splits)]
        if len(set(accounts)) != len(accounts):
            raise SameAccount("source, destination and splits must all be different accounts")
        payment_legs(_payment(order), order.amount_minor, order.splits)
        await self._accounts.require(tenant_id, accounts, order.currency)
        return await self._groups.submit(tenant_id, order)

    async def drain(self) -> None:
        """Wait until every payment in hand has been answered."""
        await self._groups.drain()

    async def _create_group(self, tenant_id: UUID, orders: list[PaymentOrder]) -> list[Answer | Exception]:
        # The hint first: should this process die, another one finds the payments that it left.
        await self._due_work.guard(tenant_id, STUCK)
        first: dict[str, Payment] = {}
        by_key: dict[str, PaymentOrder] = {}
        for order in orders:
            if order.key not in by_key:
                by_key[order.key] = order
                first[order.key] = _payment(order)

        inserted = await self._claim(tenant_id, by_key, first)
        failpoint("payment.create.after_claim")
        fresh = [payment for payment in first.values() if payment.id in inserted]
        repeated = [key for key, payment in first.items() if payment.id not in inserted]
        settled, known = await asyncio.gather(
            self._settlement.settle(tenant_id, fresh) if fresh else _nothing(),
            self._answers_of(tenant_id, repeated) if repeated else _no_answers(),
        )
        if len(settled) < len(fresh):
            await self._carry_on_later(tenant_id)
        for payment in fresh:
            PAYMENTS.labels(status=settled.get(payment.id, payment).status.value).inc()
        answers: list[Answer | Exception] = []
        for order in orders:
            owner = by_key[order.key]
            if owner.fingerprint != order.fingerprint:
                answers.append(key_reused())
            elif (payment := first[order.key]).id in inserted:
                done = settled.get(payment.id)
                answers.append(Answer(201 if done else 202, encode(payment_document(done or payment))))
            else:
                # without a record the key is another service's
                fingerprint, answer = known.get(order.key, (None, None))
                answers.append(key_reused() if answer is None or fingerprint != order.fingerprint else answer)
        return answers

    async def _carry_on_later(self, tenant_id: UUID) -> None:
        """Let the resolver look soon: the guard's hint may be due only when it runs out."""
        try:
            await self._due_work.schedule(tenant_id, STUCK, datetime.now(UTC) + _CARRIED_ON_AFTER)
        except Problem as error:
            _log.info("payments that stay processing wait for the guard's hint: %s", error.detail)

    async def _claim(self, tenant_id: UUID, by_key: dict[str, PaymentOrder], first: dict[str, Payment]) -> set[UUID]:
        """Claim the keys and insert the payments whose key was free; return their ids."""
        try:
            rows = await self._databases.fetch(
                tenant_id,
                QUERIES["claim_and_insert"],
                {
                    "rows": _encoder.encode(
                        [_row(payment, by_key[key].fingerprint) for key, payment in first.items()]
                    ).decode()
                },
            )
        except psycopg.Error as error:
            if not is_transient(error):
                raise
            # Not tried again here, since it may have committed: the client's repetition, or the resolver, finds out.
            raise TenantUnavailable(
                "the database of this tenant does not answer; send the request again with the same Idempotency-Key",
                retry_after_seconds=2,
            ) from error
        return {row[0] for row in rows}

    async def _answers_of(self, tenant_id: UUID, keys: list[str]) -> dict[str, tuple[bytes, Answer]]:
        async def read(transaction: TenantTransaction) -> dict[str, tuple[bytes, Answer]]:
            records = await transaction.fetch_all(QUERIES["idempotency_records"], {"keys": keys})
            unanswered = [row[2] for row in records if row[3] is None]
            rows = await transaction.fetch_all(QUERIES["get_payments"], {"ids": unanswered})
            payments = {row[0]: payment_from_row(row) for row in rows}
            answers = {}
            for key, fingerprint, resource_id, status, body, _ in records:
                if status is not None:
                    answer = Answer(status, body.encode())
                elif resource_id in payments:
                    answer = Answer(202, encode(payment_document(payments[resource_id])))
                else:
                    # The key belongs to a capture, void or refund, whose path is part of its fingerprint.
                    answer = Answer(202, b"")
                answers[key] = (bytes(fingerprint), answer)
            return answers

        return await self._databases.run(tenant_id, read)


def _payment(order: PaymentOrder) -> Payment:
    now = datetime.now(UTC)
    return Payment(
        id=new_id(),
        source_account_id=order.source_account_id,
        destination_account_id=order.destination_account_id,
        amount_minor=order.amount_minor,
        currency=order.currency,
        capture=order.capture,
        splits=order.splits,
        reference=order.reference,
        metadata=order.metadata,
        context=order.context,
        status=Status.PROCESSING,
        idempotency_key=order.key,
        actor=order.actor,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(seconds=order.expires_in_seconds),
    )


class _Row(msgspec.Struct):
    key: str
    fingerprint: str
    id: UUID
    source: UUID
    destination: UUID
    amount: int
    currency: str
    capture: str
    reference: str
    actor: str
    expiry: datetime | None
    at: datetime
    splits: Any
    metadata: dict[str, str]
    context: dict[str, Any]


def _row(payment: Payment, fingerprint: bytes) -> _Row:
    return _Row(
        key=payment.idempotency_key,
        fingerprint=f"\\x{fingerprint.hex()}",
        id=payment.id,
        source=payment.source_account_id,
        destination=payment.destination_account_id,
        amount=payment.amount_minor,
        currency=payment.currency,
        capture=payment.capture,
        reference=payment.reference,
        actor=payment.actor,
        expiry=payment.expires_at,
        at=payment.created_at,
        splits=splits_to_json(payment.splits),
        metadata=payment.metadata,
        context=payment.context,
    )


async def _nothing() -> dict[UUID, Payment]:
    return {}


async def _no_answers() -> dict[str, tuple[bytes, Answer]]:
    return {}
