"""Send one claimed message the way its endpoint is told: a signed webhook, or an e-mail."""

import time
from typing import Protocol

from cryptography.exceptions import InvalidTag

from bezant.contracts.problems import Problem
from bezant.services.notification.domain.messages import EndpointKind
from bezant.services.notification.domain.signatures import SignatureScheme, SigningKeys, headers
from bezant.services.notification.domain.templates import Template
from bezant.services.notification.mail import Mailer
from bezant.services.notification.storage.delivery_queue import Claimed
from bezant.services.notification.storage.secret_box import SecretBox
from bezant.services.notification.transport import Answer, WebhookTransport


class Sender(Protocol):
    """Sends messages."""

    async def send(self, claimed: Claimed, template: Template | None) -> Answer:
        """Return how the attempt went; never raises. `template` is the tenant's own, for e-mail."""

    async def close(self) -> None:
        """Close every connection."""


class MessageSender:
    """Sends every kind of message."""

    def __init__(self, box: SecretBox, transport: WebhookTransport, mailer: Mailer) -> None:
        self._box = box
        self._transport = transport
        self._mailer = mailer

    async def send(self, claimed: Claimed, template: Template | None) -> Answer:
        """Return how the attempt went; never raises."""
        if claimed.kind is EndpointKind.EMAIL:
            return await self._mailer.send_event(
                claimed.url.removeprefix("mailto:"), str(claimed.message_id), claimed.event_type, claimed.body, template
            )
        try:
            keys = await self._keys(claimed)
        except (Problem, InvalidTag) as error:
            return Answer(None, f"the signing secret cannot be read: {type(error).__name__}", 0)
        body = claimed.body.encode()
        signed = headers(
            keys,
            message_id=str(claimed.message_id),
            timestamp_seconds=int(time.time()),
            sequence=claimed.sequence,
            body=body,
        )
        return await self._transport.post(claimed.url, signed, body, client_certificate=claimed.client_certificate)

    async def _keys(self, claimed: Claimed) -> SigningKeys:
        async def opened(*sealed: bytes | None) -> list[str]:
            return [await self._box.open(claimed.endpoint_id, each) for each in sealed if each is not None]

        return SigningKeys(
            await opened(claimed.secret, claimed.previous_secret) if SignatureScheme.HMAC in claimed.signatures else (),
            await opened(claimed.signing_key, claimed.previous_signing_key)
            if SignatureScheme.ED25519 in claimed.signatures
            else (),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()
