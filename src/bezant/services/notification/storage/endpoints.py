"""Endpoints in a tenant's database."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bezant.foundation.tenancy import TenantTransaction
from bezant.services.notification.domain.endpoints import Endpoint
from bezant.services.notification.domain.messages import EndpointKind, EndpointStatus
from bezant.services.notification.domain.problems import EndpointNotFound, TooManyEndpoints
from bezant.services.notification.domain.signatures import SignatureScheme
from bezant.services.notification.storage import QUERIES


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to be written down; secrets and private keys are encrypted already."""

    id: UUID
    kind: EndpointKind
    url: str
    description: str
    event_filters: list[str]
    secret: bytes
    signatures: list[SignatureScheme]
    signing_key: bytes | None = None
    public_key: str | None = None
    client_certificate: bool = False
    confirmation_hash: bytes | None = None
    confirmation_hours: int | None = None


async def insert_endpoint(tx: TenantTransaction, new: NewEndpoint, *, most: int) -> Endpoint:
    """Write down an endpoint; one that waits for a confirmation is disabled. Raises `TooManyEndpoints`."""
    row = await tx.fetch_one(QUERIES["count_endpoints"], {"kind": new.kind})
    if row is not None and row[1] >= most:
        raise TooManyEndpoints(f"A tenant may have {most} of these; delete one first.")
    unconfirmed = new.confirmation_hash is not None
    await tx.execute(
        QUERIES["insert_endpoint"],
        {
            "endpoint_id": new.id,
            "kind": new.kind,
            "url": new.url,
            "description": new.description,
            "event_filters": new.event_filters,
            "status": EndpointStatus.DISABLED if unconfirmed else EndpointStatus.ENABLED,
            "status_reason": "the address is not confirmed yet" if unconfirmed else None,
            "secret": new.secret,
            "signatures": new.signatures,
            "signing_key": new.signing_key,
            "public_key": new.public_key,
            "client_certificate": new.client_certificate,
            "confirmation_hash": new.confirmation_hash,
            "confirmation_hours": new.confirmation_hours,
        },
    )
    return await endpoint_in(tx, new.id)


async def endpoint_in(tx: TenantTransaction, endpoint_id: UUID, kind: EndpointKind | None = None) -> Endpoint:
    """Return an endpoint, of a kind if one is given, as a transaction sees it, locked. Raises `EndpointNotFound`."""
    row = await tx.fetch_one(QUERIES["endpoint_by_id"], {"endpoint_id": endpoint_id, "kind": kind})
    if row is None:
        what = "e-mail subscription" if kind is EndpointKind.EMAIL else "webhook endpoint"
        raise EndpointNotFound(f"There is no {what} {endpoint_id}.")
    return endpoint_of(row)


def endpoint_of(row: tuple[Any, ...]) -> Endpoint:
    """Return the endpoint in a row."""
    kind, status = EndpointKind(row[1]), EndpointStatus(row[5])
    signatures = [SignatureScheme(each) for each in row[11]]
    values: list[Any] = [row[0], kind, *row[2:5], status, *row[6:11], signatures, *row[12:]]
    return Endpoint(*values)
