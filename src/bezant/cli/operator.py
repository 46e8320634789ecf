"""`bezant operator`: people who sign in, and signing in oneself."""

import asyncio
import secrets
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web

from bezant.cli.console import console
from bezant.cli.keyring import Keyring
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, Connection, DataDir, Url, connection, facts, gateway_of, rows, show, speak
from bezant.client import BezantClient

app = typer.Typer(help="People who sign in.", no_args_is_help=True)
OfTenant = Annotated[
    str | None, typer.Option("--tenant", help="The tenant's slug; left out, people of the platform itself.")
]
_SIGN_IN_SECONDS = 300.0
_DONE = "You are signed in to Bezant. You can close this window."


def _session_name(tenant: str | None) -> str:
    return "session" if tenant is None else f"session:{tenant}"


def _name(data_dir: Path, tenant: str | None) -> str:
    """Return the name of the key that manages people: the tenant's if the keyring has it, or the administrator's."""
    return tenant if tenant is not None and Keyring(data_dir).get(tenant) else "admin"


async def _tenant_id(client: BezantClient, data_dir: Path, tenant: str | None) -> str | None:
    if tenant is None or Keyring(data_dir).get(tenant):
        # A tenant's own key speaks of its own tenant.
        return None
    async for found in client.pages("/v1/tenants"):
        if tenant in (found["slug"], found["id"]) and found["status"] not in ("failed", "closed"):
            return str(found["id"])
    raise typer.BadParameter(f"there is no tenant {tenant}")


@app.command()
def add(
    email: Annotated[str, typer.Argument(help="The address that the identity provider has verified.")],
    role: Annotated[str, typer.Option(help="viewer, operator, risk or admin.")],
    tenant: OfTenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Let a person sign in."""

    async def work(client: BezantClient) -> Any:
        body = {"email": email, "role": role, "tenant_id": await _tenant_id(client, data_dir, tenant)}
        return await client.post("/v1/operators", body)

    added = speak(connection(data_dir, url, _name(data_dir, tenant), as_json=as_json), work)
    show(added, as_json=as_json, table=lambda one: facts(one["email"], {"role": one["role"], "id": one["id"]}))


@app.command("list")
def list_people(
    tenant: OfTenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False
) -> None:
    """List who may sign in."""

    async def work(client: BezantClient) -> Any:
        return (await client.get("/v1/operators", tenant_id=await _tenant_id(client, data_dir, tenant)))["data"]

    show(
        speak(connection(data_dir, url, _name(data_dir, tenant), as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "People", ["email", "role", "last sign-in", "added by", "id"],
            [[one["email"], one["role"], one["last_sign_in_at"], one["created_by"], one["id"]] for one in found],
        ),
    )  # fmt: skip


@app.command()
def remove(
    operator_id: Annotated[str, typer.Argument(help="The person's id.")],
    tenant: OfTenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Let a person sign in no more, and end their sessions."""
    speak(
        connection(data_dir, url, _name(data_dir, tenant)), lambda client: client.delete(f"/v1/operators/{operator_id}")
    )
    console.print("removed")


@app.command("sign-in")
def sign_in(
    tenant: OfTenant = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Sign in with the identity provider, and keep the session in the keyring."""

    async def work(client: BezantClient) -> Any:
        answered: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

        async def came_back(request: web.Request) -> web.Response:
            if not answered.done() and ("code" in request.query or "error" in request.query):
                answered.set_result(dict(request.query))
            return web.Response(text=_DONE)

        back = web.Application()
        back.router.add_get("/", came_back)
        runner = web.AppRunner(back, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            # A port of the system's choice on loopback (RFC 8252 §7.3).
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            redirect_uri = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            begun = await client.post("/v1/sign-ins", {"redirect_uri": redirect_uri, "tenant": tenant})
            console.print(f"Sign in at\n{begun['authorization_url']}", soft_wrap=True, highlight=False)
            if browser:
                webbrowser.open(begun["authorization_url"])
            async with asyncio.timeout(_SIGN_IN_SECONDS):
                answer = await answered
        finally:
            await runner.cleanup()
        if "error" in answer:
            raise typer.BadParameter(f"the identity provider says {answer['error']}")
        body = {
            "id": begun["id"],
            "secret": begun["secret"],
            "state": answer.get("state", ""),
            "code": answer["code"],
        }
        return await client.post("/v1/sign-ins/complete", body)

    session = speak(Connection(gateway_of(data_dir, url), None), work)
    Keyring(data_dir).put(_session_name(tenant), session["token"])
    name = _session_name(tenant)
    console.print(f"{session['email']} is signed in as {session['role']}; use it as --tenant {name}", highlight=False)


@app.command("sign-out")
def sign_out(tenant: OfTenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None) -> None:
    """End the session."""
    speak(connection(data_dir, url, _session_name(tenant)), lambda client: client.delete("/v1/sessions/current"))
    console.print("signed out")


@app.command()
def whoami(
    tenant: OfTenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False
) -> None:
    """Show whose session this is and what it may do."""
    found = speak(
        connection(data_dir, url, _session_name(tenant), as_json=as_json),
        lambda client: client.get("/v1/sessions/current"),
    )
    show(found, as_json=as_json, table=lambda one: facts(one["actor"], {"may": ", ".join(one["scopes"])}))


@app.command("local-person")
def local_person(
    email: Annotated[str, typer.Argument(help="The person's mail address.")], data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Give a person a password at the local platform's own OpenID provider (`bezant up --sign-in`), and print it."""
    from bezant.local.data_directory import DataDirectory  # noqa: PLC0415
    from bezant.local.people_file import PeopleFile  # noqa: PLC0415

    password = secrets.token_urlsafe(12)
    directory = DataDirectory(data_dir.expanduser().absolute())
    PeopleFile(directory.identity / "people.json").put(email, password)
    typer.echo(password)
