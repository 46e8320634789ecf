"""E-mail subscriptions: addresses that events are mailed to once their owners have agreed."""

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

from bezant.contracts.identifiers import new_id
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.endpoints import Endpoint
from bezant.services.notification.domain.filters import check_filters
from bezant.services.notification.domain.messages import EndpointKind, EndpointStatus
from bezant.services.notification.domain.problems import ConfirmationInvalid, EmailNotOffered, EmailUnconfirmed
from bezant.services.notification.domain.signatures import SignatureScheme, new_secret
from bezant.services.notification.events.publishes import endpoint_changed
from bezant.services.notification.mail import Mailer, checked_address
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage import QUERIES
from bezant.services.notification.storage.endpoints import NewEndpoint, endpoint_in, insert_endpoint
from bezant.services.notification.storage.secret_box import SecretBox

_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CODE_LENGTH = 10
_CODE_HOURS = 24
_EMAIL = EndpointKind.EMAIL


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What to change; None leaves a part as it is."""

    description: str | None = None
    event_filters: list[str] | None = None
    status: EndpointStatus | None = None


def _code() -> tuple[str, bytes]:
    """Return a fresh code of 50 bits and what is stored of it."""
    code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))
    return code, _hash(code)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.strip().upper().encode()).digest()


class ManageSubscriptions:
    """The e-mail subscriptions of every tenant. An address gets one mail, the code, until its owner has agreed."""

    def __init__(
        self,
        databases: TenantDatabases,
        directory: TenantDirectory,
        box: SecretBox,
        mailer: Mailer,
        settings: NotificationSettings,
    ) -> None:
        self._databases = databases
        self._directory = directory
        self._box = box
        self._mailer = mailer
        self._settings = settings

    async def create(
        self, tenant_id: UUID, *, address: str, description: str, event_filters: list[str], actor: str
    ) -> Endpoint:
        """Return the subscription, for which a code is on its way to the address.

        Raises `EmailNotOffered`, `EmailAddressRefused`, `EventFilterInvalid`, `TooManyEndpoints`, `MailUnavailable`.
        """
        self._require_mail()
        address = checked_address(address)
        check_filters(event_filters)
        endpoint_id, (code, code_hash) = new_id(), _code()
        new = NewEndpoint(
            endpoint_id,
            _EMAIL,
            f"mailto:{address}",
            description,
            event_filters,
            # Mails are not signed; the column is there for every endpoint.
            await self._box.seal(endpoint_id, new_secret()),
            [SignatureScheme.HMAC],
            confirmation_hash=code_hash,
            confirmation_hours=_CODE_HOURS,
        )

        async def work(tx: TenantTransaction) -> Endpoint:
            endpoint = await insert_endpoint(tx, new, most=self._settings.max_endpoints)
            tx.emit(endpoint_changed("created", endpoint, actor=actor))
            return endpoint

        endpoint = await self._databases.run(tenant_id, work)
        await self._mail_code(tenant_id, endpoint, code)
        return endpoint

    async def send_code_again(self, tenant_id: UUID, endpoint_id: UUID) -> None:
        """Mail another code; the one before it is void. Raises `EndpointNotFound`, `ConfirmationInvalid`."""
        code, code_hash = _code()

        async def work(tx: TenantTransaction) -> Endpoint:
            endpoint = await endpoint_in(tx, endpoint_id, _EMAIL)
            self._require_mail()
            parameters = {
                "endpoint_id": endpoint_id,
                "confirmation_hash": code_hash,
                "confirmation_hours": _CODE_HOURS,
            }
            if await tx.fetch_one(QUERIES["renew_confirmation"], parameters) is None:
                raise ConfirmationInvalid("The address is confirmed already.")
            return endpoint

        await self._mail_code(tenant_id, await self._databases.run(tenant_id, work), code)

    async def confirm(self, tenant_id: UUID, endpoint_id: UUID, code: str, *, actor: str) -> Endpoint:
        """Enable a subscription whose address has been shown to be read. Raises `ConfirmationInvalid`."""

        async def work(tx: TenantTransaction) -> Endpoint:
            await endpoint_in(tx, endpoint_id, _EMAIL)
            parameters = {"endpoint_id": endpoint_id, "confirmation_hash": _hash(code)}
            if await tx.fetch_one(QUERIES["confirm_address"], parameters) is None:
                raise ConfirmationInvalid(
                    "The code is not the latest one that was sent to the address, or a day old; ask for another."
                )
            endpoint = await endpoint_in(tx, endpoint_id)
            tx.emit(endpoint_changed("changed", endpoint, actor=actor))
            return endpoint

        return await self._databases.run(tenant_id, work)

    async def change(self, tenant_id: UUID, endpoint_id: UUID, change: SubscriptionChange, *, actor: str) -> Endpoint:
        """Return the subscription as changed. Raises `EndpointNotFound`, `EventFilterInvalid`, `EmailUnconfirmed`."""
        check_filters(change.event_filters or [])

        async def work(tx: TenantTransaction) -> Endpoint:
            before = await endpoint_in(tx, endpoint_id, _EMAIL)
            status = before.status if change.status is None else change.status
            if status is EndpointStatus.ENABLED:
                row = await tx.fetch_one(QUERIES["unconfirmed"], {"endpoint_id": endpoint_id})
                if row is not None and row[0]:
                    raise EmailUnconfirmed("POST the code that was mailed to the address to .../confirm first.")
                if status is not before.status:
                    await tx.execute(QUERIES["forget_circuit"], {"endpoint_id": endpoint_id})
            await tx.execute(
                QUERIES["update_endpoint"],
                {
                    "endpoint_id": endpoint_id,
                    "url": before.url,
                    "description": before.description if change.description is None else change.description,
                    "event_filters": before.event_filters if change.event_filters is None else change.event_filters,
                    "status": status,
                    "status_reason": before.status_reason if status is before.status else None,
                    "signatures": before.signatures,
                    "client_certificate": before.client_certificate,
                    "signing_key": None,
                    "public_key": None,
                },
            )
            endpoint = await endpoint_in(tx, endpoint_id)
            tx.emit(endpoint_changed("changed", endpoint, actor=actor))
            return endpoint

        return await self._databases.run(tenant_id, work)

    def _require_mail(self) -> None:
        if not self._mailer.offered:
            raise EmailNotOffered("No mail server is set (BEZANT_NOTIFICATION_SMTP_HOST); use webhooks.")

    async def _mail_code(self, tenant_id: UUID, endpoint: Endpoint, code: str) -> None:
        record = await self._directory.get(tenant_id)
        await self._mailer.send_confirmation(endpoint.address, str(new_id()), code, record.slug)
