"""`bezant admin`: what only somebody with access to the control database may do."""

import asyncio
from typing import Annotated

import typer

from bezant.cli.keyring import Keyring
from bezant.cli.platform import DEFAULT_DATA_DIR, DataDir
from bezant.foundation.secrets import open_secret_store
from bezant.foundation.settings import Settings
from bezant.local.administration import make_admin_key, settings_of
from bezant.services.audit.storage.tree_head_key import rotate_tree_head_key

app = typer.Typer(help="Administer the platform itself.", no_args_is_help=True)


@app.callback()
def admin() -> None:
    """Administer the platform itself."""


@app.command("create-key")
def create_key(
    name: Annotated[str, typer.Option(help="Who or what the key is for")] = "administrator",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    from_settings: Annotated[
        bool, typer.Option("--from-settings", help="Use the BEZANT_ settings instead of a local platform")
    ] = False,
) -> None:
    """Make an administrator's API key and print it. It is shown this once; a local platform's keyring keeps it."""
    settings = Settings() if from_settings else settings_of(data_dir)
    api_key = asyncio.run(make_admin_key(settings, name))
    if not from_settings:
        Keyring(data_dir).put("admin", api_key)
    typer.echo(api_key)


@app.command("rotate-audit-key")
def rotate_audit_key(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    from_settings: Annotated[
        bool, typer.Option("--from-settings", help="Use the BEZANT_ settings instead of a local platform")
    ] = False,
) -> None:
    """Put a fresh key in the place of the one that signs audit heads; the old one signs that it hands over.

    Running services take the new key within half a minute. Verifiers that keep the old one follow the hand-over.
    """
    settings = Settings() if from_settings else settings_of(data_dir)
    signing = asyncio.run(rotate_tree_head_key(open_secret_store(settings)))
    typer.echo(signing.public)


@app.command("orphans")
def orphans(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    from_settings: Annotated[
        bool, typer.Option("--from-settings", help="Use the BEZANT_ settings instead of a local platform")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when there are any.")] = False,
) -> None:
    """List clusters, instances, snapshots, databases and secrets that belong to no tenant, with their cost a day.

    Nothing is removed. An orphan is what somebody made or kept by hand, or what a lost region or registry left.
    """
    from bezant.cli.admin_orphans import list_orphans  # noqa: PLC0415  boto3 takes 0.2 s to import

    list_orphans(Settings() if from_settings else settings_of(data_dir), as_json=as_json, check=check)
