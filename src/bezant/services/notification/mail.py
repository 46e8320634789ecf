"""E-mail over SMTP (RFC 5321), with STARTTLS or TLS, and credentials from the secret store."""

import asyncio
import re
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Final

import aiosmtplib

from bezant.contracts.problems import Unavailable
from bezant.foundation.secrets import SecretMissing, SecretStore, platform_secret_name
from bezant.foundation.secrets.store import SecretStoreUnavailable
from bezant.services.notification.domain.problems import EmailAddressRefused
from bezant.services.notification.domain.templates import Template, default_template, render
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.transport import Answer

SMTP_CREDENTIAL: Final = platform_secret_name("smtp")
_MAX_ERROR_CHARACTERS: Final = 200
_LONGEST_ADDRESS: Final = 254
_LONGEST_LOCAL_PART: Final = 64
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")


class MailUnavailable(Unavailable):
    """The mail server does not take mail now."""

    code = "mail_unavailable"
    title = "Mail cannot be sent now"


def checked_address(text: str) -> str:
    """Return a mail address as it is written to: a dot-string before the @ and a host name after it.

    Quoted local parts and address literals (RFC 5321 section 4.1.2) are valid and not taken: nobody is reached by
    them. Raises `EmailAddressRefused`.
    """
    local = text.partition("@")[0]
    if not _ADDRESS.fullmatch(text) or len(text) > _LONGEST_ADDRESS or len(local) > _LONGEST_LOCAL_PART:
        raise EmailAddressRefused("Give one mail address and nothing else, for example risk@example.com.")
    return text


class Mailer:
    """Writes and sends mails."""

    def __init__(self, settings: NotificationSettings, secrets: SecretStore) -> None:
        self._settings = settings
        self._secrets = secrets
        self._places = asyncio.Semaphore(settings.smtp_connections)

    @property
    def offered(self) -> bool:
        """Whether there is a mail server."""
        return bool(self._settings.smtp_host)

    async def send_event(
        self, address: str, message_id: str, event_type: str, body: str, template: Template | None
    ) -> Answer:
        """Send the mail about an event. Never raises: whatever goes wrong is an answer.

        The status code is the mail server's reply code; its 5yz replies are final (RFC 5321 §4.2.1).
        """
        started = time.perf_counter()
        subject, text = render(template or default_template(event_type), body)
        code, said, error, permanent = await self._attempt(self._message(address, message_id, subject, text))
        return Answer(code, error, round((time.perf_counter() - started) * 1000), body=said, permanent=permanent)

    async def send_confirmation(self, address: str, message_id: str, code: str, tenant: str) -> None:
        """Send the code that confirms an address. Raises `MailUnavailable`, and `EmailAddressRefused` by the server."""
        text = (
            f"{tenant} asked Bezant to send e-mail about its payments to {address}.\n\n"
            f"To agree, enter this code:\n\n    {code}\n\n"
            "If you did not expect this, do nothing: no further mail will come.\n"
        )
        message = self._message(address, message_id, "Confirm your address for mail from Bezant", text)
        _, said, error, permanent = await self._attempt(message)
        if permanent:
            raise EmailAddressRefused(f"The mail server refuses {address}: {said}")
        if error is not None:
            raise MailUnavailable(f"The mail server did not take the confirmation: {error}", retry_after_seconds=30)

    def _message(self, address: str, message_id: str, subject: str, text: str) -> EmailMessage:
        sender = self._settings.mail_from
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, address, subject
        message["Date"] = format_datetime(datetime.now(UTC))
        # The same for every attempt, so that a mail that arrives twice is seen as one.
        message["Message-ID"] = f"<{message_id}@{parseaddr(sender)[1].partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    async def _attempt(self, message: EmailMessage) -> tuple[int | None, str, str | None, bool]:
        """Return (reply code, what the server said, error, whether that is final)."""
        seconds = self._settings.smtp_timeout_seconds
        try:
            # Who waits for a connection waits no longer than one may take: a server that is away holds up little.
            async with asyncio.timeout(2 * seconds), self._places:
                _, said = await aiosmtplib.send(message, **await self._parameters())
        except aiosmtplib.SMTPRecipientsRefused as refusal:
            code, said = refusal.recipients[0].code, refusal.recipients[0].message
            return code, said, f"answered {code}", code >= 500
        except aiosmtplib.SMTPResponseException as refusal:
            # What the server says of us, not of the address, is never final.
            return refusal.code, refusal.message, f"answered {refusal.code}", False
        except TimeoutError:
            return None, "", f"no answer within {seconds:g} s", False
        except (aiosmtplib.SMTPException, OSError, Unavailable) as failed:
            return None, "", f"{type(failed).__name__}: {failed}"[:_MAX_ERROR_CHARACTERS], False
        return 250, said, None, False

    async def _parameters(self) -> dict[str, Any]:
        settings = self._settings
        try:
            credential = await self._secrets.read(SMTP_CREDENTIAL)
        except SecretMissing:
            # A relay inside the network asks for none.
            credential = {}
        except SecretStoreUnavailable as error:
            raise MailUnavailable("The mail server's credential cannot be read.", retry_after_seconds=5) from error
        return {
            "hostname": settings.smtp_host,
            "port": settings.smtp_port,
            "use_tls": settings.smtp_security == "tls",
            "start_tls": settings.smtp_security == "starttls",
            "cert_bundle": settings.ca_file,
            "username": credential.get("user"),
            "password": credential.get("password"),
            "timeout": settings.smtp_timeout_seconds,
        }
