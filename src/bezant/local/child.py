"""Start a process that dies with its supervisor, and learn of its end without a thread or a busy loop.

PR_SET_PDEATHSIG (prctl(2)) makes the kernel signal the child when the thread that started it ends, so children are
started from the supervisor's main thread only. The end is read from a pidfd (pidfd_open(2)).
"""

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bezant.local import log_files, proc
from bezant.local.accounts import Account
from bezant.local.errors import StartFailed
from bezant.local.plan import ProcessSpec

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "LD_LIBRARY_PATH")


def base_environment() -> dict[str, str]:
    """Return what every child inherits. The rest of our environment stays here: it may hold secrets."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def die_with(parent: int, orphan_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child calls between fork and exec, so that it ends by this signal when its parent does."""

    def in_child() -> None:
        _prctl(_PR_SET_PDEATHSIG, int(orphan_signal))
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return in_child


class Child:
    """A running process. `ended` resolves to its return code (negative: the signal that ended it)."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self.pid = popen.pid
        self.start_ticks = proc.start_ticks(popen.pid)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ended.set_result(self._popen.wait())

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if not self.ended.done():
            signal.pidfd_send_signal(self._pidfd, number)

    async def stop(self, first: signal.Signals, grace_seconds: float) -> int:
        """Ask the process to end, kill it after the grace, and return its return code."""
        self.send(first)
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), grace_seconds)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return await self.ended


def start(
    command: Sequence[str | Path],
    *,
    log_path: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
    working_directory: Path | None = None,
    orphan_signal: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a process with its output appended to its log. Raises OSError when it cannot be executed."""
    executed = list(command) if account is None else account.wrap(command, orphan_signal)
    drop = account is not None and account.setpriv is None
    descriptor = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        popen = subprocess.Popen(  # noqa: S603  the command comes from the plan
            executed,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=working_directory,
            env={**base_environment(), **environment},
            # its own session: Ctrl-C at the terminal reaches the supervisor alone, which stops things in order
            start_new_session=True,
            user=account.uid if account is not None and drop else None,
            group=account.gid if account is not None and drop else None,
            extra_groups=[] if drop else None,
            preexec_fn=die_with(os.getpid(), orphan_signal),  # noqa: PLW1509  one thread starts children
        )
    finally:
        os.close(descriptor)
    return Child(popen)


def start_spec(spec: ProcessSpec, environment: Mapping[str, str]) -> Child:
    """Start a process of the plan, with `environment` on top of the settings in its spec. Raises OSError."""
    return start(
        spec.command,
        log_path=spec.log_path,
        environment={**spec.environment, **environment},
        account=spec.account,
        working_directory=spec.working_directory,
        orphan_signal=spec.orphan_signal,
    )


async def run_to_end(
    what: str,
    command: Sequence[str | Path],
    *,
    log_path: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
    told_lines: int = 15,
) -> None:
    """Run a program that does one thing and ends. Raises `StartFailed` with the end of its log when it fails."""
    child = start(command, log_path=log_path, environment=environment, account=account)
    try:
        code = await asyncio.shield(child.ended)
    except asyncio.CancelledError:
        await child.stop(signal.SIGKILL, 0)
        raise
    if code != 0:
        tail = "\n".join(log_files.last_lines(log_path, told_lines))
        raise StartFailed(f"{what} failed with {code}. Its log is {log_path}:\n{tail}")
