"""Webhook requests over HTTP: one POST, no redirects, only to addresses that are allowed."""

import socket
import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from bezant.services.notification.domain.problems import EndpointUrlRefused
from bezant.services.notification.domain.targets import check_url, is_public_address
from bezant.services.notification.settings import NotificationSettings

_MAX_ANSWER_BYTES: Final = 16 * 1024
_MAX_ERROR_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt went: a status code, or an error when there was no answer."""

    status_code: int | None
    error: str | None
    duration_ms: int


class _TargetRefused(OSError):
    """The name resolves to an address that webhooks are not sent to."""


class _PublicResolver(AbstractResolver):
    """Resolves names, and refuses addresses of our own network: a name may point there by the time of a delivery."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if is_public_address(each["host"])]
        if not allowed:
            raise _TargetRefused(f"{host} resolves to no public address")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class WebhookTransport:
    """Sends requests; connections to receivers are kept open and reused."""

    def __init__(self, settings: NotificationSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send one request. Never raises: whatever goes wrong is an answer."""
        started = time.perf_counter()
        status_code, error = None, None
        try:
            # The settings may have become stricter since the endpoint was made.
            check_url(
                url,
                allow_http=self._settings.allow_http,
                allow_private_targets=self._settings.allow_private_targets,
            )
            async with self._opened().post(url, data=body, headers=headers, allow_redirects=False) as response:
                status_code = response.status
                # Read a little, so that the connection can be used again; what is longer is cut off.
                await response.content.read(_MAX_ANSWER_BYTES)
        except EndpointUrlRefused as refused:
            error = refused.detail
        except TimeoutError:
            error = f"no answer within {self._settings.request_timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as failed:
            if status_code is None:
                error = f"{type(failed).__name__}: {failed}"[:_MAX_ERROR_CHARACTERS]
        if status_code is not None and not 200 <= status_code < 300:
            error = f"answered {status_code}"
        return Answer(status_code, error, round((time.perf_counter() - started) * 1000))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            options: dict[str, Any] = {"limit": 0, "ttl_dns_cache": 30}
            if not self._settings.allow_private_targets:
                options["resolver"] = _PublicResolver()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(**options),
                timeout=aiohttp.ClientTimeout(total=self._settings.request_timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
