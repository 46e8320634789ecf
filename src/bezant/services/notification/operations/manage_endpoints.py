"""Make, read, change and delete webhook endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.endpoints import Endpoint
from bezant.services.notification.domain.filters import check_filters
from bezant.services.notification.domain.messages import EndpointKind, EndpointStatus
from bezant.services.notification.domain.signatures import SignatureScheme, new_key_pair, new_secret
from bezant.services.notification.events.publishes import endpoint_changed
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.storage.endpoints import NewEndpoint, endpoint_in, endpoint_of, insert_endpoint
from bezant.services.notification.storage.secret_box import SecretBox
from bezant.services.notification.transport import WebhookTransport

_WEBHOOK = EndpointKind.WEBHOOK


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What to change; None leaves a part as it is."""

    url: str | None = None
    description: str | None = None
    event_filters: list[str] | None = None
    status: EndpointStatus | None = None
    signatures: list[SignatureScheme] | None = None
    client_certificate: bool | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """New keys: the secret is shown this once, and the old keys sign too until they expire."""

    secret: str
    public_key: str | None
    previous_expires_at: datetime


class ManageEndpoints:
    """The webhook endpoints of every tenant."""

    def __init__(
        self, databases: TenantDatabases, box: SecretBox, transport: WebhookTransport, settings: NotificationSettings
    ) -> None:
        self._databases = databases
        self._box = box
        self._transport = transport
        self._settings = settings

    async def create(
        self,
        tenant_id: UUID,
        *,
        url: str,
        description: str,
        event_filters: list[str],
        actor: str,
        signatures: Sequence[SignatureScheme] = (SignatureScheme.HMAC,),
        client_certificate: bool = False,
    ) -> tuple[Endpoint, str]:
        """Return the new endpoint and its secret, which is shown this once.

        Raises `EndpointUrlRefused`, `EventFilterInvalid`, `TooManyEndpoints`.
        """
        check_filters(event_filters)
        url = await self._transport.check(url)
        endpoint_id, secret = new_id(), new_secret()
        signing_key, public_key = (
            await self._key_pair(endpoint_id)
            if SignatureScheme.ED25519 in signatures
            else (
                None,
                None,
            )
        )
        new = NewEndpoint(
            endpoint_id,
            _WEBHOOK,
            url,
            description,
            event_filters,
            await self._box.seal(endpoint_id, secret),
            list(signatures),
            signing_key,
            public_key,
            client_certificate,
        )

        async def work(tx: TenantTransaction) -> Endpoint:
            endpoint = await insert_endpoint(tx, new, most=self._settings.max_endpoints)
            tx.emit(endpoint_changed("created", endpoint, actor=actor))
            return endpoint

        return await self._databases.run(tenant_id, work), secret

    async def change(self, tenant_id: UUID, endpoint_id: UUID, change: EndpointChange, *, actor: str) -> Endpoint:
        """Return the endpoint as changed. Raises `EndpointNotFound`, `EndpointUrlRefused`, `EventFilterInvalid`."""
        check_filters(change.event_filters or [])
        url = None if change.url is None else await self._transport.check(change.url)
        signing_key, public_key = (
            await self._key_pair(endpoint_id) if SignatureScheme.ED25519 in (change.signatures or ()) else (None, None)
        )

        async def work(tx: TenantTransaction) -> Endpoint:
            before = await endpoint_in(tx, endpoint_id, _WEBHOOK)
            status = before.status if change.status is None else change.status
            await tx.execute(
                QUERIES["update_endpoint"],
                {
                    "endpoint_id": endpoint_id,
                    "url": before.url if url is None else url,
                    "description": before.description if change.description is None else change.description,
                    "event_filters": before.event_filters if change.event_filters is None else change.event_filters,
                    "status": status,
                    "status_reason": before.status_reason if status is before.status else None,
                    "signatures": before.signatures if change.signatures is None else change.signatures,
                    "client_certificate": before.client_certificate
                    if change.client_certificate is None
                    else change.client_certificate,
                    "signing_key": signing_key,
                    "public_key": public_key,
                },
            )
            if status is EndpointStatus.ENABLED and (status is not before.status or change.url is not None):
                await tx.execute(QUERIES["forget_circuit"], {"endpoint_id": endpoint_id})
            endpoint = await endpoint_in(tx, endpoint_id)
            tx.emit(endpoint_changed("changed", endpoint, actor=actor))
            return endpoint

        return await self._databases.run(tenant_id, work)

    async def delete(self, tenant_id: UUID, endpoint_id: UUID, *, actor: str, kind: EndpointKind = _WEBHOOK) -> None:
        """Delete an endpoint and cancel what was not delivered yet. Raises `EndpointNotFound`."""

        async def work(tx: TenantTransaction) -> None:
            endpoint = await endpoint_in(tx, endpoint_id, kind)
            await tx.execute(QUERIES["delete_endpoint"], {"endpoint_id": endpoint_id})
            tx.emit(endpoint_changed("deleted", endpoint, actor=actor))

        await self._databases.run(tenant_id, work)

    async def rotate_secret(self, tenant_id: UUID, endpoint_id: UUID, *, overlap_seconds: int, actor: str) -> Rotation:
        """Return the new keys; the old ones sign as well until they expire. Raises `EndpointNotFound`."""
        secret = new_secret()
        sealed = await self._box.seal(endpoint_id, secret)
        signing_key, public_key = await self._key_pair(endpoint_id)

        async def work(tx: TenantTransaction) -> Rotation:
            endpoint = await endpoint_in(tx, endpoint_id, _WEBHOOK)
            row = await tx.fetch_one(
                QUERIES["rotate_secret"],
                {
                    "endpoint_id": endpoint_id,
                    "secret": sealed,
                    "signing_key": signing_key,
                    "public_key": public_key,
                    "overlap_seconds": overlap_seconds,
                },
            )
            assert row is not None
            tx.emit(endpoint_changed("secret_rotated", endpoint, actor=actor))
            return Rotation(secret, row[1], row[0])

        # Not retried: a second rotation would throw away the secret that receivers still know.
        return await self._databases.run(tenant_id, work, attempts=1)

    async def _key_pair(self, endpoint_id: UUID) -> tuple[bytes, str]:
        private, public = new_key_pair()
        return await self._box.seal(endpoint_id, private), public

    async def read(self, tenant_id: UUID, endpoint_id: UUID, *, kind: EndpointKind = _WEBHOOK) -> Endpoint:
        """Return one endpoint. Raises `EndpointNotFound`."""
        async with self._databases.transaction(tenant_id) as tx:
            return await endpoint_in(tx, endpoint_id, kind)

    async def list(
        self, tenant_id: UUID, *, after: UUID | None, limit: int, kind: EndpointKind = _WEBHOOK
    ) -> Sequence[Endpoint]:
        """Return at most `limit` endpoints after an endpoint id, oldest first."""
        async with self._databases.transaction(tenant_id) as tx:
            rows = await tx.fetch_all(QUERIES["list_endpoints"], {"after": after, "limit": limit, "kind": kind})
        return [endpoint_of(row) for row in rows]
