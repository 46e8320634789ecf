"""Webhook requests over HTTP: one POST, no redirects, only to addresses that are allowed."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver
from yarl import URL

from bezant.contracts.card_numbers import holds_card_number
from bezant.contracts.problems import Problem
from bezant.services.notification.domain.problems import EndpointUrlRefused
from bezant.services.notification.domain.retry_after import retry_after_seconds
from bezant.services.notification.domain.targets import (
    Network,
    check_url,
    is_allowed_address,
    kept_form,
    refused,
)
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage.client_certificate import ClientCertificate

_KEPT_ANSWER_BYTES: Final = 2 * 1024
_MAX_ERROR_CHARACTERS: Final = 200
_HEADER_LINE_BYTES: Final = 32 * 1024
_HEADER_LINES: Final = 256
"""Limits of an answer's head, which no receiver reaches that means well: what it says besides its status and
Retry-After is of no use to us, and an answer that is not read is a message that is sent again for days."""
_RESOLVE_SECONDS: Final = 3.0
_NAME_SERVER_SECONDS: Final = 2.0
_NAME_SERVER_TRIES: Final = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt went: a status code, or an error when there was no answer."""

    status_code: int | None
    error: str | None
    duration_ms: int
    retry_after_seconds: float | None = None
    body: str = ""
    """The beginning of what the receiver answered."""
    permanent: bool = False
    """Whether trying again is of no use."""


class _TargetRefused(OSError):
    """The name resolves to an address that webhooks are not sent to."""


class _Names(AbstractResolver):
    """Resolves names without threads, and gives only addresses that webhooks may go to.

    What is connected to is what was checked. The system's own resolver holds a thread for as long as a name server
    takes, and uvloop has four: a few names whose servers do not answer would hold up every other tenant's.
    """

    def __init__(self, nameservers: Sequence[str], allowed: Sequence[Network]) -> None:
        self._resolver = AsyncResolver(
            nameservers=list(nameservers) or None, timeout=_NAME_SERVER_SECONDS, tries=_NAME_SERVER_TRIES
        )
        self._allowed = allowed

    async def addresses(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        """Return every address of a name. Raises `OSError`."""
        return await self._resolver.resolve(host, port, family)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self.addresses(host, port, family)
        passed = [each for each in found if is_allowed_address(each["host"], self._allowed)]
        if not passed:
            raise _TargetRefused(f"{host} resolves to no public address")
        return passed

    async def close(self) -> None:
        await self._resolver.close()


class WebhookTransport:
    """Sends requests; connections to receivers are kept open and reused."""

    def __init__(self, settings: NotificationSettings, certificate: ClientCertificate) -> None:
        self._settings = settings
        self._networks = settings.networks
        self._certificate = certificate
        self._session: aiohttp.ClientSession | None = None
        self._names: _Names | None = None
        self._plain_tls: ssl.SSLContext | None = None
        self._mutual_tls: tuple[str, ssl.SSLContext] | None = None

    async def check(self, url: str) -> str:
        """Return the URL in the form in which it is kept.

        Raises `EndpointUrlRefused` unless webhooks may go there, by what the URL says and by what it resolves to. A
        name that does not resolve passes: it may a minute later, and each delivery looks again.
        """
        target = check_url(url, allow_http=self._settings.allow_http, allowed=self._networks)
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._opened_names().addresses(target.host, 0, socket.AF_UNSPEC)
        except (OSError, UnicodeError, TimeoutError):
            return kept_form(url, target)
        if not all(is_allowed_address(each["host"], self._networks) for each in found):
            raise refused(target.host)
        return kept_form(url, target)

    async def post(self, url: str, headers: dict[str, str], body: bytes, *, client_certificate: bool) -> Answer:
        """Send one request. Never raises: whatever goes wrong is an answer."""
        started = time.perf_counter()
        status_code, error, retry_after, answered = None, None, None, b""
        try:
            # The settings may have become stricter since the endpoint was made.
            target = check_url(url, allow_http=self._settings.allow_http, allowed=self._networks)
            context = await self._tls(client_certificate=client_certificate)
            async with self._opened().post(
                URL(target.url, encoded=True), data=body, headers=headers, allow_redirects=False, ssl=context
            ) as response:
                status_code = response.status
                retry_after = response.headers.get("retry-after")
                # Read a little, so that the connection can be used again; what is longer is cut off.
                answered = await response.content.read(_KEPT_ANSWER_BYTES)
        except (EndpointUrlRefused, Problem) as refusal:
            error = refusal.detail
        except TimeoutError:
            # Also when the status came in time and the body did not: whether it was taken is then not known.
            status_code, error = None, f"no answer within {self._settings.request_timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as failed:
            if status_code is None:
                error = _reason(failed)
        if status_code is not None and not 200 <= status_code < 300:
            error = f"answered {status_code}"
        return Answer(
            status_code,
            error,
            round((time.perf_counter() - started) * 1000),
            retry_after_seconds(retry_after, now=datetime.now(UTC)),
            _storable(answered),
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=30, resolver=self._opened_names()),
                timeout=aiohttp.ClientTimeout(total=self._settings.request_timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_HEADER_LINE_BYTES,
                max_field_size=_HEADER_LINE_BYTES,
                max_headers=_HEADER_LINES,
            )
        return self._session

    def _opened_names(self) -> _Names:
        if self._names is None:
            self._names = _Names(self._settings.nameserver_list, self._networks)
        return self._names

    async def _tls(self, *, client_certificate: bool) -> ssl.SSLContext:
        """Return the TLS parameters of a request. Raises `ClientCertificateUnavailable`."""
        if not client_certificate:
            if self._plain_tls is None:
                self._plain_tls = self._context()
            return self._plain_tls
        pair = await self._certificate.read()
        if self._mutual_tls is None or self._mutual_tls[0] != pair.certificate:
            context = self._context()
            _load(context, pair.certificate + pair.private_key)
            self._mutual_tls = pair.certificate, context
        return self._mutual_tls[1]

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._settings.ca_file is not None:
            context.load_verify_locations(self._settings.ca_file)
        return context

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
        if self._names is not None:
            await self._names.close()


def _reason(failed: Exception) -> str:
    # aiohttp's own words about a connection hold the address of an object in memory and not always the reason.
    if isinstance(failed, aiohttp.ClientResponseError):
        # Its status is aiohttp's, not the receiver's.
        return f"the answer cannot be read as HTTP: {failed.message.splitlines()[0]}"[:_MAX_ERROR_CHARACTERS]
    cause: object = failed.os_error if isinstance(failed, aiohttp.ClientConnectorError) else failed
    return f"{type(failed).__name__}: {cause}"[:_MAX_ERROR_CHARACTERS]


def _load(context: ssl.SSLContext, pem: str) -> None:
    """Load a certificate with its key. OpenSSL reads a file: one in memory, so that the key is on no disk."""
    descriptor = os.memfd_create("bezant-client-certificate")
    try:
        os.write(descriptor, pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _storable(answered: bytes) -> str:
    text: Any = answered.decode("utf-8", "replace").replace("\x00", "\ufffd")
    return "(holds what reads as a card number)" if holds_card_number(text) else str(text)
