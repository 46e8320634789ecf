"""Where a command finds the platform and the key it speaks with."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec
import typer
from rich.table import Table

from bezant.cli.console import console, errors, write_json
from bezant.cli.keyring import Keyring
from bezant.cli.visible import visible
from bezant.client import ApiProblem, BezantClient
from bezant.client.requests import UNREADABLE_ANSWER
from bezant.local.data_directory import DataDirectory
from bezant.local.ports import DEFAULT_GATEWAY_PORT

T = TypeVar("T")
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="BEZANT_DATA_DIR", help="The data directory whose keyring is used.")
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="BEZANT_URL",
        help="The gateway.",
        show_default="that of the platform in the data directory, or http://127.0.0.1:8080",
    ),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", envvar="BEZANT_TENANT", help="The tenant, by the slug in the keyring.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PATIENCE_SECONDS: Final = 4.0
"""How long the work may be without an end before the address is tried, and how long that may take."""
_WHERE: Final = "Is this the gateway's address, and is the platform up? `bezant status` says so; --url names another"


def key_of(data_dir: Path, name: str | None) -> str:
    """Return the key in the keyring under a tenant's slug or `admin`; with one tenant its slug may be left out.

    Raises `typer.BadParameter` that says how to get a key.
    """
    keyring = Keyring(data_dir)
    if name is None:
        tenants = [known for known in keyring.names() if known != "admin" and not known.startswith("session")]
        if len(tenants) != 1:
            raise typer.BadParameter(f"say --tenant; the keyring has {', '.join(tenants) or 'none'}")
        name = tenants[0]
    api_key = keyring.get(name)
    if api_key is None:
        how = "bezant admin create-key" if name == "admin" else f"bezant tenant create {name}"
        raise typer.BadParameter(f"the keyring in {data_dir} has no key {name!r}; `{how}` makes one")
    return api_key


def gateway_of(data_dir: Path, url: str | None) -> str:
    """Return where the gateway is: what was said, or the address of the platform in the data directory.

    Raises `typer.BadParameter` for what is no address.
    """
    if url is None:
        port = DataDirectory(data_dir.expanduser().absolute()).gateway_port()
        return f"http://127.0.0.1:{port or DEFAULT_GATEWAY_PORT}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise typer.BadParameter(f"{url!r} is not an address such as http://127.0.0.1:8080", param_hint="--url")
    return url


@dataclass(frozen=True, slots=True)
class Connection:
    """Whom a command speaks to, with which key, and how it says that something went wrong."""

    url: str
    api_key: str | None
    """None is for signing in."""
    as_json: bool = False

    def fail(self, code: str, message: str, exit_code: int) -> NoReturn:
        """Say in one line what went wrong, and exit."""
        if self.as_json:
            write_json(json.dumps({"error": code, "message": message}))
        else:
            errors.print(visible(f"bezant: {message}"), style="red", soft_wrap=True)
        raise typer.Exit(exit_code)


def connection(data_dir: Path, url: str | None, name: str | None, *, as_json: bool = False) -> Connection:
    """Return the connection to the gateway with the key of a name; see `gateway_of` and `key_of`."""
    return Connection(gateway_of(data_dir, url), key_of(data_dir, name), as_json)


def speak(to: Connection, work: Callable[[BezantClient], Awaitable[T]]) -> T:
    """Run the work with a client; what goes wrong becomes one message and an exit code.

    1: refused. 3: the address does not answer, or who answers is not Bezant.
    """

    async def run() -> T:
        async with BezantClient(to.url, to.api_key) as client:
            return await work(client)

    return attend(to, run)


def attend(to: Connection, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run what speaks to the other side, as `speak` does."""
    url = to.url
    try:
        return asyncio.run(_watched(url, run))
    except ApiProblem as problem:
        if problem.code == UNREADABLE_ANSWER:
            to.fail(problem.code, f"{url} does not answer as Bezant does (HTTP status {problem.status}). {_WHERE}", 3)
        message = problem.detail or str(problem)
        to.fail(problem.code, message if to.as_json else f"{message} [{problem.code}]", 1)
    except (aiohttp.ClientError, TimeoutError) as error:
        to.fail("no_answer", f"{url} does not answer ({type(error).__name__}). {_WHERE}", 3)


async def _watched(url: str, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run the work, and give up soon if nobody answers at the address: the client itself is more patient.

    Raises `TimeoutError`.
    """
    task = asyncio.create_task(run())
    try:
        await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
        if not task.done() and not await _answers(url):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise TimeoutError
    except asyncio.CancelledError:
        # Ctrl-C is the work's to handle: it may have something to tidy up
        task.cancel()
    return await task


async def _answers(url: str) -> bool:
    """Return whether anybody answers HTTP at the address. What is asked needs no key and changes nothing."""
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/v1/accounts", allow_redirects=False),
        ):
            return True
    except (aiohttp.ClientError, TimeoutError):
        return False


def show(document: Any, *, as_json: bool, table: Callable[[Any], Table]) -> None:
    """Print a document as JSON or as a table."""
    if as_json:
        write_json(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        console.print(table(document))


def rows(title: str, columns: list[str], cells: list[list[Any]]) -> Table:
    """Return a table of text cells."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in cells:
        table.add_row(*("" if cell is None else visible(str(cell)) for cell in line))
    return table


def facts(title: str, pairs: dict[str, Any]) -> Table:
    """Return a table of names and values."""
    return rows(title, ["", ""], [[name, value] for name, value in pairs.items()])
