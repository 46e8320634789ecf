"""The life of a supervisor process: from the options to the last child stopped.

`bezant up` runs this in the foreground. A detached platform and a test's run it as a process of its own:
`python -m bezant.local.supervise`, which reads its options as one line of JSON from its standard input.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from bezant.local.build import build
from bezant.local.control import ControlServer
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import PlatformError
from bezant.local.options import PlatformOptions
from bezant.local.status import PlatformState, PlatformStatus
from bezant.local.supervisor import Supervisor


class SuperviseRequest(msgspec.Struct, kw_only=True):
    """What a supervisor process is told on its standard input."""

    options: PlatformOptions
    until_end_of_input: bool = False
    """Stop when standard input ends: its writer was the owner, and is gone."""


class Failure(msgspec.Struct, frozen=True):
    """What a supervisor process writes to its standard error when it could not start."""

    code: str
    message: str


async def supervise(
    options: PlatformOptions,
    *,
    on_change: Callable[[PlatformStatus], None] | None = None,
    owner_gone: "asyncio.Future[None] | None" = None,
) -> None:
    """Run the platform until SIGTERM, SIGINT, `bezant down` or the owner's end; a second SIGINT kills everything.

    Raises `PlatformError` when it cannot start; everything it started has been stopped by then.
    """
    built = build(options)
    supervisor = Supervisor(built.plan, built.directory, url=built.url, supervisor_pid=os.getpid())
    supervisor.claim_directory()
    supervisor.check_ports()
    built.directory.keep_port_base(options.port_base)
    built.directory.keep_gateway_port(options.gateway_port)
    if options.external.postgres is None:
        built.directory.keep_control_server(wanted=options.control_server)
    _configure_log(built.directory.log("supervisor").open("a"))
    log = structlog.get_logger("supervisor")
    if on_change is not None:
        supervisor.subscribe(lambda: on_change(supervisor.status()))
    stops: set[asyncio.Task[None]] = set()

    def stop(reason: str) -> None:
        log.info("stopping", reason=reason)
        again = bool(stops)
        stops.add(asyncio.create_task(supervisor.kill_everything() if again else supervisor.stop()))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number.name)
    if owner_gone is not None:
        owner_gone.add_done_callback(lambda _: stop("owner gone"))
    control = ControlServer(supervisor, built.directory)
    await control.open()
    try:
        log.info("starting", data_dir=str(built.directory.root))
        await supervisor.start()
        log.info("ready")
        await supervisor.stopped.wait()
    except PlatformError as error:
        log.error("start failed", code=error.code, error=str(error))  # noqa: TRY400  the message is the cause
        if not stops:
            raise
    finally:
        await control.close()


def _configure_log(file: "structlog.typing.WrappedLogger") -> None:
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=file),
    )


def _leave_stderr(status: PlatformStatus, log_path: Path) -> None:
    """Once ready, write to the log what would go to the owner: a detached one has closed its end by then."""
    if status.state is PlatformState.READY and not os.path.sameopenfile(2, 1):
        with log_path.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)


async def _main() -> int:
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=SuperviseRequest)
    owner_gone: asyncio.Future[None] | None = None
    if request.until_end_of_input:
        owner_gone = asyncio.get_running_loop().create_future()
        descriptor = sys.stdin.fileno()

        def read() -> None:
            if not os.read(descriptor, 1024) and not owner_gone.done():
                asyncio.get_running_loop().remove_reader(descriptor)
                owner_gone.set_result(None)

        asyncio.get_running_loop().add_reader(descriptor, read)
    log_path = DataDirectory(request.options.directory).log("supervisor")
    try:
        await supervise(
            request.options, on_change=lambda status: _leave_stderr(status, log_path), owner_gone=owner_gone
        )
    except PlatformError as error:
        # the owner reads this line to raise the same error
        sys.stderr.write(msgspec.json.encode(Failure(error.code, str(error))).decode() + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(_main()))
