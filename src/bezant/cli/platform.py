"""The commands of the local platform: up, down, status, logs, serve."""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from bezant.local.options import PlatformOptions
    from bezant.local.status import PlatformStatus

DEFAULT_DATA_DIR: Final = Path(".bezant")

app = typer.Typer(no_args_is_help=True, help="The local platform.")

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="BEZANT_DATA_DIR", help="Where the platform keeps everything.")
]


def _pairs(values: Sequence[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{value!r} is not NAME=VALUE", param_hint=option)
        pairs[name.strip()] = text.strip()
    return pairs


def _replicas(values: Sequence[str]) -> dict[str, int]:
    try:
        return {name: int(count) for name, count in _pairs(values, "--replicas").items()}
    except ValueError as error:
        raise typer.BadParameter("write --replicas SERVICE=NUMBER", param_hint="--replicas") from error


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: Annotated[int, typer.Option(help="The gateway's port.")] = 8080,
    port_base: Annotated[
        int | None,
        typer.Option(help="The first of the 450 ports of the other parts.", show_default="the last one, or 18000"),
    ] = None,
    replicas: Annotated[
        list[str] | None, typer.Option(metavar="SERVICE=N", help="How many replicas of a service; repeatable.")
    ] = None,
    version: Annotated[
        list[str] | None, typer.Option(metavar="SERVICE=V", help="The version a service calls itself; repeatable.")
    ] = None,
    external: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=ADDRESS",
            help="Use a part that runs elsewhere: postgres=host:port, valkey=host:port,... or kafka=host:port,...",
        ),
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting for every service; repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE", help="Leave a service out, to run it yourself with `serve`; repeatable."),
    ] = None,
    control_server: Annotated[
        bool,
        typer.Option(
            "--control-server",
            help="Give the control database a PostgreSQL server of its own, to see what its fail-over does.",
            show_default="as the data directory was made",
        ),
    ] = False,
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="Start an OpenID provider too, for people to sign in with.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    detach: Annotated[bool, typer.Option("--detach", help="Return when everything is ready.")] = False,
) -> None:
    """Start the whole platform and keep it running until Ctrl-C.

    Exit codes: 0 stopped in order, 1 could not start, 2 wrong options, 4 a port or the data directory is taken.
    """
    # each command imports what it needs: `serve` must not pay for the platform, nor `status` for the supervisor
    from bezant.cli.console import console, reported  # noqa: PLC0415
    from bezant.cli.progress import progress  # noqa: PLC0415
    from bezant.contracts.fleet import SERVICES  # noqa: PLC0415
    from bezant.local.data_directory import DataDirectory  # noqa: PLC0415
    from bezant.local.options import DEFAULT_PORT_BASE, ExternalParts, PlatformOptions  # noqa: PLC0415
    from bezant.local.platform import LocalPlatform  # noqa: PLC0415
    from bezant.local.supervise import supervise  # noqa: PLC0415

    if unknown_services := set(without or []) - SERVICES.keys():
        raise typer.BadParameter(f"there is no service {min(unknown_services)!r}", param_hint="--without")
    parts = _pairs(external or [], "--external")
    if unknown := parts.keys() - {"postgres", "valkey", "kafka"}:
        raise typer.BadParameter(f"unknown part {min(unknown)!r}", param_hint="--external")
    with reported():
        directory = DataDirectory(data_dir.expanduser().absolute())
        options = PlatformOptions(
            data_dir=str(directory.root),
            gateway_port=port,
            port_base=port_base or directory.port_base() or DEFAULT_PORT_BASE,
            services=tuple(service for service in SERVICES if service not in (without or [])),
            replicas=_replicas(replicas or []),
            versions=_pairs(version or [], "--version"),
            external=ExternalParts(
                postgres=parts.get("postgres"),
                valkey_nodes=parts.get("valkey"),
                kafka_bootstrap=parts.get("kafka"),
            ),
            environment=_pairs(setting or [], "--set"),
            control_server=control_server or directory.has_control_server,
            sign_in=sign_in,
            log_level=log_level.upper(),
        )
        platform = LocalPlatform(options)
        if detach:
            with progress(console) as shown:
                platform.start(detach=True, on_change=shown.show)
            console.print(f"Bezant is ready at {platform.url}. Stop it with `bezant down`.", highlight=False)
            _warn_of_connections(options)
            return
        with progress(console) as shown:
            asyncio.run(supervise(options, on_change=_and_once_ready(shown.show, options)))
        console.print("Bezant has stopped.")


def _and_once_ready(show: Callable[["PlatformStatus"], None], options: "PlatformOptions") -> Any:
    from bezant.local.status import PlatformState  # noqa: PLC0415

    warned = threading.Event()

    def on_change(status: "PlatformStatus") -> None:
        show(status)
        if status.state is PlatformState.READY and not warned.is_set():
            warned.set()
            # beside the supervisor, which must not wait for a database
            threading.Thread(target=_warn_of_connections, args=(options,), daemon=True).start()

    return on_change


def _warn_of_connections(options: "PlatformOptions") -> None:
    from bezant.cli.console import errors  # noqa: PLC0415
    from bezant.contracts.problems import Problem  # noqa: PLC0415
    from bezant.foundation.secrets import SecretMissing  # noqa: PLC0415
    from bezant.foundation.secrets.store import SecretStoreUnavailable  # noqa: PLC0415
    from bezant.local.residency import residency, warning  # noqa: PLC0415

    if not options.services:
        return
    try:
        found = asyncio.run(residency(options))
    except (Problem, SecretMissing, SecretStoreUnavailable) as error:
        errors.print(f"bezant: the tenants could not be counted: {error}", markup=False, highlight=False)
        return
    if (text := warning(found)) is not None:
        errors.print(f"bezant: {text}.", style="yellow", markup=False, highlight=False, soft_wrap=True)


@app.command()
def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop the platform in order: the gateway drains, the services finish, then the infrastructure stops."""
    from bezant.cli.console import console, reported  # noqa: PLC0415
    from bezant.cli.progress import progress  # noqa: PLC0415
    from bezant.local.control import ControlClient, Down  # noqa: PLC0415
    from bezant.local.data_directory import DataDirectory  # noqa: PLC0415
    from bezant.local.errors import NotRunning  # noqa: PLC0415

    directory = DataDirectory(data_dir.expanduser().absolute())
    with reported():
        try:
            with progress(console, stopping=True) as shown:
                for status in ControlClient(directory).watch(Down()):
                    shown.show(status)
        except NotRunning:
            console.print(f"No platform runs in {directory.root}.", highlight=False)
            return
        directory.wait_until_free(within_seconds=10)
    console.print("Bezant has stopped.")


@app.command()
def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every process. Exit codes: 0 all ready, 1 something is not, 3 not running."""
    import msgspec  # noqa: PLC0415

    from bezant.cli.console import console, reported, write_json  # noqa: PLC0415
    from bezant.cli.progress import status_table  # noqa: PLC0415
    from bezant.local.control import ControlClient, Status  # noqa: PLC0415
    from bezant.local.data_directory import DataDirectory  # noqa: PLC0415
    from bezant.local.status import PlatformState  # noqa: PLC0415

    with reported(as_json=as_json):
        found = ControlClient(DataDirectory(data_dir.expanduser().absolute())).ask(Status(), timeout_seconds=10)
    if as_json:
        write_json(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        console.print(status_table(found, console.width))
    raise typer.Exit(0 if found.state is PlatformState.READY else 1)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="A process, such as payment-0; all of them when left out.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of the past.")] = 50,
) -> None:
    """Print the end of the processes' logs."""
    from bezant.cli.console import reported  # noqa: PLC0415
    from bezant.cli.visible import visible  # noqa: PLC0415
    from bezant.local import log_files  # noqa: PLC0415
    from bezant.local.data_directory import DataDirectory  # noqa: PLC0415
    from bezant.local.errors import UnknownProcess  # noqa: PLC0415

    directory = DataDirectory(data_dir.expanduser().absolute())
    with reported():
        paths = sorted(path for path in directory.logs.glob("*.log") if not path.stem.endswith(".1"))
        if name is not None:
            known = ", ".join(path.stem for path in paths) or "none"
            paths = [path for path in paths if path.stem == name]
            if not paths:
                raise UnknownProcess(f"there is no log of {name!r} in {directory.logs}; there are: {known}")
        width = max((len(path.stem) for path in paths), default=0)

        def write(path: Path, line: str) -> None:
            shown = visible(line, keep="\t")
            sys.stdout.write(shown + "\n" if name else f"{path.stem:<{width}} | {shown}\n")

        for path in paths:
            for line in log_files.last_lines(path, lines):
                write(path, line)
        if follow:
            sys.stdout.flush()
            try:
                for path, line in log_files.follow(paths, is_over=lambda: False):
                    write(path, line)
                    sys.stdout.flush()
            except (KeyboardInterrupt, BrokenPipeError):
                return


@app.command()
def serve(service: Annotated[str, typer.Argument(help="tenant, account, transaction, payment, ...")]) -> None:
    """Run one service in this process, with its settings from the environment (BEZANT_...)."""
    from bezant.cli.serve_process import serve as run  # noqa: PLC0415
    from bezant.contracts.fleet import SERVICES  # noqa: PLC0415

    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    run(service)


@app.command()
def migrate(
    administrator: Annotated[
        Path,
        typer.Option(help="A directory with the files user and password of a role that makes roles and databases."),
    ],
) -> None:
    """Prepare databases, secrets and topics of an installation (BEZANT_... settings) for this version.

    Runs beside an older version, and again at any time. Exit code 1: it failed.
    """
    from bezant.cli.migrate import migrate_installation  # noqa: PLC0415

    migrate_installation(administrator)
