"""The platform under test, as the one who breaks it holds it."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bezant.foundation.secrets.encrypted_files import EncryptedFiles
from bezant.local import superuser
from bezant.local.platform import LocalPlatform
from bezant.local.status import PlatformState, PlatformStatus

PATIENCE_SECONDS = 60.0


async def eventually(
    condition: Callable[[], Awaitable[Any]], what: str, *, within_seconds: float = PATIENCE_SECONDS
) -> Any:
    """Return the first true thing that the condition returns. Raises `AssertionError` saying what did not happen."""
    deadline = time.monotonic() + within_seconds
    pause = 0.02
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"not within {within_seconds:.0f} s: {what}"
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return found


@dataclass(frozen=True, slots=True)
class Fleet:
    """Breaks things and waits until the platform has mended itself."""

    platform: LocalPlatform
    failpoints: Path

    async def status(self) -> PlatformStatus:
        return await asyncio.to_thread(self.platform.status)

    async def ready(self, *, within_seconds: float = PATIENCE_SECONDS) -> None:
        await asyncio.to_thread(self.platform.wait_ready, timeout_seconds=within_seconds)

    def arm(self, *failpoints: str) -> None:
        """The next process to reach each of these points dies there."""
        for name in failpoints:
            (self.failpoints / name).touch()

    def armed(self) -> set[str]:
        """Return the points that nobody has reached yet."""
        return {path.name for path in self.failpoints.iterdir()}

    async def fired(self, failpoint: str) -> None:
        """Return when a process has died at the point and the platform has noticed it."""

        async def gone() -> bool:
            return failpoint not in self.armed()

        await eventually(gone, f"nobody came to {failpoint}")

    async def kill(self, process: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process and return when another run of it is ready."""
        before = await asyncio.to_thread(self.platform.kill, process, number)
        await asyncio.to_thread(self.platform.wait_ready, process, not_pid=before.pid, timeout_seconds=PATIENCE_SECONDS)

    async def signal(self, process: str, number: signal.Signals) -> None:
        await asyncio.to_thread(self.platform.kill, process, number)

    async def stop(self, process: str) -> None:
        await asyncio.to_thread(self.platform.stop_process, process)

    async def start(self, process: str) -> None:
        await asyncio.to_thread(self.platform.start_process, process)
        await asyncio.to_thread(self.platform.wait_ready, process, timeout_seconds=PATIENCE_SECONDS)

    async def recovered(self, restarts_before: int) -> None:
        """Return when at least one process was started again since, and everything is ready."""

        async def mended() -> bool:
            return await self.restarts() > restarts_before and (await self.status()).state is PlatformState.READY

        await eventually(mended, "the platform is ready again by itself")

    async def restarts(self) -> int:
        """Return how often anything was started again so far."""
        return sum(process.restarts for process in (await self.status()).processes)

    def url_of(self, process: str) -> str:
        """Return the address of one replica, past the gateway."""
        return f"http://127.0.0.1:{self.platform.process(process).port}"

    async def superuser(self, database: str = "postgres") -> "psycopg.AsyncConnection[tuple[Any, ...]]":
        """Connect as the administrator of the database server."""
        return await superuser.superuser(self.platform, database)

    async def rows(self, statement: str, *parameters: Any, database: str = "bezant_control") -> list[tuple[Any, ...]]:
        """Run a statement as the administrator and return its rows, none for one without a result."""
        return await superuser.rows(self.platform, statement, *parameters, database=database)

    async def database_of(self, tenant_id: str) -> str:
        return await superuser.database_of(self.platform, tenant_id)

    @property
    def secrets(self) -> EncryptedFiles:
        """The platform's secret store."""
        return EncryptedFiles(self.platform.directory.secrets, self.platform.directory.secret_store_key)
