"""Make, read, change and delete webhook endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.endpoints import Endpoint
from bezant.services.notification.domain.filters import is_filter
from bezant.services.notification.domain.messages import EndpointStatus
from bezant.services.notification.domain.problems import EndpointNotFound, EventFilterInvalid, TooManyEndpoints
from bezant.services.notification.domain.signatures import new_secret
from bezant.services.notification.domain.targets import check_url
from bezant.services.notification.events.publishes import endpoint_changed
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.storage.secret_box import SecretBox


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What to change; None leaves a part as it is."""

    url: str | None = None
    description: str | None = None
    event_filters: list[str] | None = None
    status: EndpointStatus | None = None


class ManageEndpoints:
    """The endpoints of every tenant."""

    def __init__(self, databases: TenantDatabases, box: SecretBox, settings: NotificationSettings) -> None:
        self._databases = databases
        self._box = box
        self._settings = settings

    async def create(
        self, tenant_id: UUID, *, url: str, description: str, event_filters: list[str], actor: str
    ) -> tuple[Endpoint, str]:
        """Return the new endpoint and its secret, which is shown this once.

        Raises `EndpointUrlRefused`, `EventFilterInvalid`, `TooManyEndpoints`.
        """
        self._check(url, event_filters)
        endpoint_id, secret = new_id(), new_secret()
        sealed = await self._box.seal(endpoint_id, secret)

        async def work(tx: TenantTransaction) -> Endpoint:
            row = await tx.fetch_one(QUERIES["count_endpoints"])
            if row is not None and row[1] >= self._settings.max_endpoints:
                raise TooManyEndpoints(
                    f"A tenant may have {self._settings.max_endpoints} webhook endpoints; delete one first."
                )
            await tx.execute(
                QUERIES["insert_endpoint"],
                {
                    "endpoint_id": endpoint_id,
                    "url": url,
                    "description": description,
                    "event_filters": event_filters,
                    "secret": sealed,
                },
            )
            endpoint = await endpoint_in(tx, endpoint_id)
            tx.emit(endpoint_changed("created", endpoint, actor=actor))
            return endpoint

        return await self._databases.run(tenant_id, work), secret

    async def change(self, tenant_id: UUID, endpoint_id: UUID, change: EndpointChange, *, actor: str) -> Endpoint:
        """Return the endpoint as changed. Raises `EndpointNotFound`, `EndpointUrlRefused`, `EventFilterInvalid`."""
        self._check(change.url, change.event_filters or [])

        async def work(tx: TenantTransaction) -> Endpoint:
            before = await endpoint_in(tx, endpoint_id)
            status = before.status if change.status is None else change.status
            await tx.execute(
                QUERIES["update_endpoint"],
                {
                    "endpoint_id": endpoint_id,
                    "url": before.url if change.url is None else change.url,
                    "description": before.description if change.description is None else change.description,
                    "event_filters": before.event_filters if change.event_filters is None else change.event_filters,
                    "status": status,
                    "status_reason": before.status_reason if status is before.status else None,
                },
            )
            endpoint = await endpoint_in(tx, endpoint_id)
            tx.emit(endpoint_changed("changed", endpoint, actor=actor))
            return endpoint

        return await self._databases.run(tenant_id, work)

    async def delete(self, tenant_id: UUID, endpoint_id: UUID, *, actor: str) -> None:
        """Delete an endpoint and cancel what was not delivered yet. Raises `EndpointNotFound`."""

        async def work(tx: TenantTransaction) -> None:
            endpoint = await endpoint_in(tx, endpoint_id)
            await tx.execute(QUERIES["delete_endpoint"], {"endpoint_id": endpoint_id})
            tx.emit(endpoint_changed("deleted", endpoint, actor=actor))

        await self._databases.run(tenant_id, work)

    async def rotate_secret(
        self, tenant_id: UUID, endpoint_id: UUID, *, overlap_seconds: int, actor: str
    ) -> tuple[str, datetime]:
        """Return the new secret, and until when the old one signs as well. Raises `EndpointNotFound`."""
        secret = new_secret()
        sealed = await self._box.seal(endpoint_id, secret)

        async def work(tx: TenantTransaction) -> datetime:
            endpoint = await endpoint_in(tx, endpoint_id)
            row = await tx.fetch_one(
                QUERIES["rotate_secret"],
                {"endpoint_id": endpoint_id, "secret": sealed, "overlap_seconds": overlap_seconds},
            )
            assert row is not None
            tx.emit(endpoint_changed("secret_rotated", endpoint, actor=actor))
            expires_at: datetime = row[0]
            return expires_at

        # Not retried: a second rotation would throw away the secret that receivers still know.
        return secret, await self._databases.run(tenant_id, work, attempts=1)

    async def read(self, tenant_id: UUID, endpoint_id: UUID) -> Endpoint:
        """Return one endpoint. Raises `EndpointNotFound`."""
        async with self._databases.transaction(tenant_id) as tx:
            return await endpoint_in(tx, endpoint_id)

    async def list(self, tenant_id: UUID, *, after: UUID | None, limit: int) -> Sequence[Endpoint]:
        """Return at most `limit` endpoints after an endpoint id, oldest first."""
        async with self._databases.transaction(tenant_id) as tx:
            rows = await tx.fetch_all(QUERIES["list_endpoints"], {"after": after, "limit": limit})
        return [_endpoint(row) for row in rows]

    def _check(self, url: str | None, event_filters: Sequence[str]) -> None:
        if url is not None:
            check_url(
                url,
                allow_http=self._settings.allow_http,
                allow_private_targets=self._settings.allow_private_targets,
            )
        for each in event_filters:
            if not is_filter(each):
                raise EventFilterInvalid(
                    f"{each!r} is not an event filter; use a type (payment.captured), a family (payment.*) or *."
                )


async def endpoint_in(tx: TenantTransaction, endpoint_id: UUID) -> Endpoint:
    """Return an endpoint as a transaction sees it, locked. Raises `EndpointNotFound`."""
    row = await tx.fetch_one(QUERIES["endpoint_by_id"], {"endpoint_id": endpoint_id})
    if row is None:
        raise EndpointNotFound(f"There is no webhook endpoint {endpoint_id}.")
    return _endpoint(row)


def _endpoint(row: tuple[Any, ...]) -> Endpoint:
    values: list[Any] = [*row[:4], EndpointStatus(row[4]), *row[5:10]]
    return Endpoint(*values)
