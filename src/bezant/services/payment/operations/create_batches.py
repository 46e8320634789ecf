"""Create the payments of a batch: each for itself, under a key for the whole and one for each.

The batch's key is claimed first, so that another body under it is refused before anything is made. A repetition
that finds no answer yet makes what is missing: every payment has its own key. The answer is kept once it is final.
"""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Problem
from bezant.foundation.idempotency import StoredAnswer, claim_key, store_answer
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.payment.operations.create_payments import Answer, PaymentCreation, PaymentOrder

_SCHEMA = "payment"
_encoder = msgspec.json.Encoder()


class PaymentBatches:
    """Creates batches of independent payments."""

    def __init__(self, databases: TenantDatabases, creation: PaymentCreation) -> None:
        self._databases = databases
        self._creation = creation

    async def create(
        self, tenant_id: UUID, orders: Sequence[Callable[[], PaymentOrder]], *, key: str, fingerprint: bytes
    ) -> Answer:
        """Return one result for each order, as if it had been sent alone, or the answer that the key got before.

        Each of `orders` makes its order or raises the problem that it is answered with. Raises
        `IdempotencyKeyReused`, `TenantUnavailable`.
        """

        async def claim(transaction: TenantTransaction) -> StoredAnswer | None:
            return await claim_key(
                transaction.connection, _SCHEMA, key=key, request_fingerprint=fingerprint, resource_id=new_id()
            )

        known = await self._databases.run(tenant_id, claim)
        if known is not None and known.status is not None and known.body is not None:
            return Answer(known.status, known.body.encode())
        results = await asyncio.gather(*(self._create_one(tenant_id, order) for order in orders))
        answer = Answer(200, _encoder.encode({"results": results}))
        if all(_is_final(result["status"]) for result in results):

            async def keep(transaction: TenantTransaction) -> None:
                await store_answer(
                    transaction.connection, _SCHEMA, key=key, status=answer.status, body=answer.body.decode()
                )

            await self._databases.run(tenant_id, keep)
        return answer

    async def _create_one(self, tenant_id: UUID, order: Callable[[], PaymentOrder]) -> dict[str, object]:
        try:
            answer = await self._creation.create(tenant_id, order())
        except Problem as problem:
            return {"status": problem.status, "payment": None, "problem": problem.document()}
        return {"status": answer.status, "payment": msgspec.Raw(answer.body), "problem": None}


def _is_final(status: object) -> bool:
    """Whether a repetition would be answered the same: not while it is processing, and not after a fault of ours."""
    return isinstance(status, int) and status != 202 and status < 500
