"""Standing by: a process in the region that does not serve holds no lease, reads no event and writes nothing.

Its databases are copies that nobody may write to. It is up, holds its place in the cluster and has read its
credentials, so that a promotion finds pods that need only go on. Which of the two a region is stands in a file that the
processes watch, so that a promotion changes no pod and starts no rollout: a process on standby goes on as soon as the
file says `active`; one that serves stops in order when it says `standby`, and is started again on standby.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from bezant.contracts.problems import Unavailable
from bezant.foundation.http.app import describe
from bezant.foundation.http.health import Health, health_router
from bezant.foundation.http.problems import problem_response
from bezant.foundation.secrets import control_secret_name, open_secret_store, signing_secret_name, verifying_secret_name
from bezant.foundation.settings import Settings

ACTIVE: Final = "active"
STANDBY: Final = "standby"
_WATCHED_SECONDS: Final = 1.0
_PROBES: Final = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
_log = logging.getLogger(__name__)


class UnknownMode(ValueError):
    """The mode file cannot be read, or says neither `active` nor `standby`."""


class RegionStandsBy(Unavailable):
    """A request reached a region that does not serve."""

    code = "standby"
    title = "This region stands by"


def read_mode(settings: Settings) -> str:
    """Return `active` or `standby`. Without a mode file a process is active. Raises `UnknownMode`."""
    if settings.mode_file is None:
        return ACTIVE
    try:
        mode = Path(settings.mode_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownMode(f"BEZANT_MODE_FILE={settings.mode_file} cannot be read: {error}") from error
    if mode not in (ACTIVE, STANDBY):
        raise UnknownMode(f"{settings.mode_file} says {mode[:40]!r}; it must say {ACTIVE} or {STANDBY}")
    return mode


async def wait_for_mode(settings: Settings, wanted: str) -> None:
    """Return when the mode file says so. A file that cannot be read for a moment changes nothing."""
    while True:
        await asyncio.sleep(_WATCHED_SECONDS)
        try:
            if read_mode(settings) == wanted:
                return
        except UnknownMode as error:
            _log.warning("the mode stays as it is: %s", error)


async def stand_by(service: str, settings: Settings, serve: Callable[[uvicorn.Config], uvicorn.Server]) -> bool:
    """Answer probes until the region is promoted (True) or SIGTERM comes (False).

    Raises `SecretMissing` and `SecretStoreUnavailable` at once when the credentials are not there: better now than at
    the promotion.
    """
    secrets = open_secret_store(settings)
    for name in (control_secret_name(service), signing_secret_name(service), verifying_secret_name()):
        await secrets.read(name)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = Health()
    health.started = health.standby = True
    app = _probes_only(describe(service, [health_router(health)]))
    server = serve(
        uvicorn.Config(
            app, host=settings.host, port=settings.port, loop="none", lifespan="off", log_config=None,
            access_log=False, server_header=False, timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    promoted = asyncio.create_task(wait_for_mode(settings, ACTIVE))
    stopped = asyncio.create_task(stop.wait())
    _log.info("the %s service stands by at %s:%d", service, settings.host, settings.port)
    await asyncio.wait([serving, promoted, stopped], return_when=asyncio.FIRST_COMPLETED)
    failed = serving.done()
    server.should_exit = True
    await serving
    for task in (promoted, stopped):
        task.cancel()
    if failed:
        raise RuntimeError(f"the {service} service on standby cannot listen at {settings.host}:{settings.port}")
    _log.info("the %s service %s", service, "stops standing by" if stop.is_set() else "is promoted")
    return not stop.is_set()


def _probes_only(probes: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            problem = RegionStandsBy("this region stands by; the other one answers", retry_after_seconds=30)
            await problem_response(problem)(scope, receive, send)
        else:
            await probes(scope, receive, send)

    return app
