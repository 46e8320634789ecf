"""Note that a request with an Idempotency-Key is answered with an approval that is asked for.

The approval itself is in the control database. The key is noted in the tenant's first, so that no other request of the
tenant can use it. A crash between the two leaves a key that only the same request may use, and that asks then.
"""

from typing import Final
from uuid import UUID

import msgspec

from bezant.foundation.idempotency import key_reused
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.transaction.operations.post_group import Answer, KeyedRequest
from bezant.services.transaction.storage.answers import KeyRecord, claim_keys, read_answers, store_answers

_ASKED: Final = 202


async def note_asked(
    databases: TenantDatabases, tenant_id: UUID, request: KeyedRequest, transfer_id: UUID
) -> Answer | None:
    """Claim the request's key for what is asked about a transfer.

    Returns the answer of a request that was carried out before another person had to approve such; None when it has to
    be asked for. Raises `IdempotencyKeyReused`.
    """
    answer = msgspec.json.encode({"status": "awaiting_approval", "subject": transfer_id}).decode()
    record = KeyRecord(request.key, request.fingerprint, transfer_id, _ASKED, answer)

    async def work(tx: TenantTransaction) -> Answer | None:
        if await claim_keys(tx, [request.key]):
            raise key_reused()
        known = (await read_answers(tx, [request.key])).get(request.key)
        if known is None:
            await store_answers(tx, [record])
            return None
        if known.fingerprint != request.fingerprint:
            raise key_reused()
        return None if known.status == _ASKED else Answer(known.status, known.body)

    return await databases.run(tenant_id, work)
