"""`bezant key`: a tenant's API keys."""

from typing import Annotated, Any

import typer

from bezant.cli.console import console
from bezant.cli.platform import DEFAULT_DATA_DIR
from bezant.cli.session import AsJson, DataDir, Tenant, Url, connection, rows, show, speak
from bezant.client import BezantClient

app = typer.Typer(help="A tenant's API keys.", no_args_is_help=True)
KeyId = Annotated[str, typer.Argument(help="The key's id: the second part of bz_<id>_<secret>.")]
_PATH = "/v1/api-keys"


@app.command("list")
def list_keys(
    tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None, as_json: AsJson = False
) -> None:
    """List keys with their scopes, revoked ones too."""

    async def work(client: BezantClient) -> Any:
        return (await client.get(_PATH))["data"]

    show(
        speak(connection(data_dir, url, tenant, as_json=as_json), work),
        as_json=as_json,
        table=lambda found: rows(
            "API keys",
            ["id", "name", "scopes", "made by", "expires", "revoked", "replaced by"],
            [
                [k["key_id"], k["name"], ", ".join(k["scopes"]), k["created_by"], k["expires_at"], k["revoked_at"],
                 k["replaced_by"]]
                for k in found
            ],
        ),
    )  # fmt: skip


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help="A scope of the key; repeatable.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "cli",
    expires_at: Annotated[str | None, typer.Option(help="When it ends, e.g. 2027-01-31T00:00:00Z.")] = None,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Make a key with scopes that the one in use has too, and print it once."""
    body = {"name": name, "scopes": scope, "expires_at": expires_at}
    typer.echo(speak(connection(data_dir, url, tenant), lambda client: client.post(_PATH, body))["api_key"])


@app.command()
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[float, typer.Option(help="How long the old key goes on working.")] = 24.0,
    tenant: Tenant = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    url: Url = None,
) -> None:
    """Make a key with the same name and scopes, and print it once."""
    body = {"overlap_seconds": round(overlap_hours * 3_600)}
    path = f"{_PATH}/{key_id}/rotate"
    typer.echo(speak(connection(data_dir, url, tenant), lambda client: client.post(path, body))["api_key"])


@app.command()
def revoke(key_id: KeyId, tenant: Tenant = None, data_dir: DataDir = DEFAULT_DATA_DIR, url: Url = None) -> None:
    """End a key; it stops working everywhere within 30 seconds."""
    speak(connection(data_dir, url, tenant), lambda client: client.delete(f"{_PATH}/{key_id}"))
    console.print("revoked")
