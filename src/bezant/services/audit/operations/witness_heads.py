"""Witnesses: who may co-sign a log's heads, and taking in their cosignatures."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.audit.domain.cosignatures import checked_cosignature
from bezant.services.audit.domain.problems import (
    CosignatureInvalid,
    TreeHeadNotFound,
    WitnessExists,
    WitnessInvalid,
    WitnessNotFound,
)
from bezant.services.audit.domain.signed_notes import COSIGNATURE, NoteInvalid, VerifierKey
from bezant.services.audit.operations.append_entries import append_own_entry
from bezant.services.audit.operations.sign_tree_head import SignedHead
from bezant.services.audit.storage import QUERIES

WITNESS_ADDED: Final = "audit.witness_added"
WITNESS_REMOVED: Final = "audit.witness_removed"


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody outside who keeps the heads they saw and co-signs those that extend them."""

    name: str
    verifier_key: str
    added_by: str
    added_at: datetime


async def list_witnesses(databases: TenantDatabases, tenant_id: UUID) -> list[Witness]:
    """Return the witnesses of the log by name."""
    async with databases.transaction(tenant_id) as tx:
        return [Witness(*row) for row in await tx.fetch_all(QUERIES["list_witnesses"])]


async def add_witness(databases: TenantDatabases, tenant_id: UUID, verifier_key: str, *, actor: str) -> Witness:
    """Add a witness, and say so in the log. Raises `WitnessInvalid`, `WitnessExists`."""
    try:
        name = VerifierKey.parse(verifier_key, COSIGNATURE).name
    except NoteInvalid as error:
        raise WitnessInvalid(f"{error}; `bezant audit witness` prints its key.") from error

    async def work(tx: TenantTransaction) -> Witness:
        added: list[Witness] = []

        async def add() -> dict[str, Any]:
            row = await tx.fetch_one(
                QUERIES["insert_witness"], {"name": name, "verifier_key": verifier_key, "added_by": actor}
            )
            if row is None:
                raise WitnessExists(f"A witness of the name {name} or with that key is there; remove it first.")
            added.append(Witness(*row))
            return {"witness": name, "verifier_key": verifier_key}

        await append_own_entry(tx, WITNESS_ADDED, actor=actor, data=add)
        return added[0]

    return await databases.run(tenant_id, work, attempts=1)


async def remove_witness(databases: TenantDatabases, tenant_id: UUID, name: str, *, actor: str) -> None:
    """Remove a witness, and say so in the log; what it has co-signed stays. Raises `WitnessNotFound`."""

    async def work(tx: TenantTransaction) -> None:
        async def remove() -> dict[str, Any]:
            row = await tx.fetch_one(QUERIES["delete_witness"], {"name": name})
            if row is None:
                raise WitnessNotFound(f"There is no witness {name}.")
            return {"witness": name, "verifier_key": row[0]}

        await append_own_entry(tx, WITNESS_REMOVED, actor=actor, data=remove)

    await databases.run(tenant_id, work, attempts=1)


async def take_cosignature(
    databases: TenantDatabases, tenant_id: UUID, *, tree_size: int, cosignature: str
) -> SignedHead:
    """Put a witness's signature under the head of a size, and return the head with it.

    Raises `TreeHeadNotFound`, and `CosignatureInvalid` for one that is not good or not of a witness of this log.
    """

    async def work(tx: TenantTransaction) -> SignedHead:
        head = await tx.fetch_one(QUERIES["tree_head_of_size"], {"tree_size": tree_size})
        if head is None:
            raise TreeHeadNotFound(f"No head of {tree_size} entries was signed; co-sign one that the API has shown.")
        witnesses = [row[1] for row in await tx.fetch_all(QUERIES["list_witnesses"])]
        try:
            name, line = checked_cosignature(head[2], cosignature, witnesses)
        except NoteInvalid as error:
            raise CosignatureInvalid(str(error)) from error
        await tx.execute(QUERIES["insert_head_signature"], {"tree_size": tree_size, "signer": name, "line": line})
        stored = await tx.fetch_one(QUERIES["tree_head_of_size"], {"tree_size": tree_size})
        return SignedHead(*(stored or head))

    return await databases.run(tenant_id, work)
