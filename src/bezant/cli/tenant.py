"""`bezant tenant`: register tenants and change them, as an administrator."""

import asyncio
import gzip
import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from bezant.cli.console import console
from bezant.cli.keyring import Keyring
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Url, connection, facts, rows, show, speak
from bezant.client import BezantClient

app = typer.Typer(help="Register and change tenants.", no_args_is_help=True)
Slug = Annotated[str, typer.Argument(help="The tenant's slug or id.")]


async def _id_of(client: BezantClient, slug: str) -> str:
    async for tenant in client.pages("/v1/tenants"):
        if slug in (tenant["slug"], tenant["id"]) and tenant["status"] not in ("failed", "closed"):
            return str(tenant["id"])
    raise typer.BadParameter(f"there is no tenant {slug}")


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="Lower case letters, digits and hyphens.")],
    name: Annotated[str | None, typer.Option(help="The tenant's name; its slug if left out.")] = None,
    currency: Annotated[str, typer.Option(help="The default currency.")] = "USD",
    tier: Annotated[str, typer.Option(help="shared or dedicated.")] = "shared",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Register a tenant, wait until it is active, and keep its key in the keyring."""

    async def work(client: BezantClient) -> dict[str, Any]:
        answer = await client.post(
            "/v1/tenants", {"slug": slug, "name": name or slug, "default_currency": currency, "tier": tier}
        )
        if answer["api_key"]:
            Keyring(data_dir).put(slug, answer["api_key"])
        with console.status(Text(f"onboarding {slug}")) as line:
            while True:
                state: dict[str, Any] = await client.get(answer["onboarding"])
                current = next((step["name"] for step in state["steps"] if step["status"] == "running"), "")
                line.update(Text(f"onboarding {slug}: {current.replace('_', ' ')}"))
                if state["status"] in ("succeeded", "failed"):
                    return {"id": answer["id"], **state}
                await asyncio.sleep(0.05)

    done = speak(connection(data_dir, url, "admin", as_json=as_json), work)
    show(
        done,
        as_json=as_json,
        table=lambda state: rows(
            f"{slug} {state['status']} in {state['duration_ms']} ms ({state['id']})",
            ["step", "status", "error"],
            [[step["name"].replace("_", " "), step["status"], step["error"]] for step in state["steps"]],
        ),
    )
    raise typer.Exit(0 if done["status"] == "succeeded" else 1)


@app.command("list")
def list_tenants(data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False) -> None:
    """List every tenant."""

    async def work(client: BezantClient) -> list[Any]:
        return [tenant async for tenant in client.pages("/v1/tenants")]

    show(
        speak(connection(data_dir, url, "admin", as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "Tenants",
            ["slug", "name", "status", "tier", "currency", "id"],
            [[t["slug"], t["name"], t["status"], t["tier"], t["default_currency"], t["id"]] for t in found],
        ),
    )


def _change(slug: str, path: str, data_dir: Any, url: str | None, *, as_json: bool) -> None:
    async def work(client: BezantClient) -> Any:
        return await client.post(f"/v1/tenants/{await _id_of(client, slug)}/{path}")

    answer = speak(connection(data_dir, url, "admin", as_json=as_json), work)
    show(answer, as_json=as_json, table=lambda found: facts(slug, {"status": found["status"]}))


@app.command()
def suspend(slug: Slug, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False) -> None:
    """Suspend a tenant: it can be read, not changed."""
    _change(slug, "suspend", data_dir, url, as_json=as_json)


@app.command()
def resume(slug: Slug, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False) -> None:
    """Resume a suspended tenant."""
    _change(slug, "resume", data_dir, url, as_json=as_json)


@app.command("rotate-credentials")
def rotate_credentials(
    slug: Slug, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False
) -> None:
    """Give every service a new database credential for the tenant while it works."""
    _change(slug, "rotate-credentials", data_dir, url, as_json=as_json)


@app.command("create-key")
def create_key(
    slug: Slug,
    scope: Annotated[list[str], typer.Option(help="A scope of the key; repeatable.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "cli",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Make an API key for a tenant and print it once."""

    async def work(client: BezantClient) -> Any:
        tenant_id = await _id_of(client, slug)
        return await client.post("/v1/api-keys", {"name": name, "scopes": scope, "tenant_id": tenant_id})

    typer.echo(speak(connection(data_dir, url, "admin"), work)["api_key"])


@app.command()
def export(
    tenant_id: Annotated[str, typer.Argument(help="The closed tenant's id.")],
    to: Annotated[Path, typer.Option(help="Where to put the files.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Download what was exported when a tenant was closed, and check every file."""

    async def work(client: BezantClient) -> list[Any]:
        path = f"/v1/tenants/{tenant_id}/export"
        files: list[Any] = (await client.get(path))["files"]
        to.mkdir(parents=True, exist_ok=True)
        for file in files:
            content = await client.download("GET", f"{path}/files/{file['name']}")
            lines = sum(1 for _ in gzip.decompress(content).splitlines())
            if hashlib.sha256(content).hexdigest() != file["sha256"] or lines != file["rows"]:
                raise typer.BadParameter(f"{file['name']} is not what the manifest says; download it again")
            (to / file["name"]).write_bytes(content)
        return files

    files = speak(connection(data_dir, url, "admin"), work)
    console.print(rows(f"{to}", ["file", "rows", "bytes"], [[f["name"], f["rows"], f["bytes"]] for f in files]))


@app.command()
def close(slug: Slug, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False) -> None:
    """Close a suspended tenant in which no money is left, and remove its data."""

    async def work(client: BezantClient) -> Any:
        return await client.delete(f"/v1/tenants/{await _id_of(client, slug)}")

    answer = speak(connection(data_dir, url, "admin", as_json=as_json), work)
    show(answer, as_json=as_json, table=lambda found: facts(slug, {"status": found["status"]}))
