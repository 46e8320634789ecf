"""`bezant admin orphans`: what was made for tenants, belongs to none and is paid for."""

import asyncio
from collections.abc import Sequence

import msgspec
import typer
from botocore.exceptions import BotoCoreError
from psycopg import Error as DatabaseError
from rich.table import Table

from bezant.cli.console import console, errors, write_json
from bezant.contracts.problems import Problem
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import SecretMissing, SecretStoreUnavailable, open_secret_store
from bezant.foundation.settings import Settings
from bezant.services.tenant.operations.find_orphans import Orphan, find_orphans
from bezant.services.tenant.provisioning.open_provisioner import open_provisioner
from bezant.services.tenant.settings import TenantSettings
from bezant.topology.cost.prices import price_list


def list_orphans(settings: Settings, *, as_json: bool, check: bool) -> None:
    """Print the orphans. Raises `typer.Exit` with 1 when it cannot look; with `check`, when there are any."""
    try:
        orphans = asyncio.run(look_for_orphans(settings))
    except Problem as error:
        _fail(error.detail)
    except (SecretMissing, SecretStoreUnavailable, DatabaseError, BotoCoreError, RuntimeError, ValueError) as error:
        _fail(str(error))
    if as_json:
        write_json(msgspec.json.format(msgspec.json.encode(_document(orphans)), indent=2).decode())
    elif orphans:
        console.print(_table(orphans))
        console.print(_sentence(orphans))
    else:
        console.print("Everything that was made for tenants belongs to one.")
    if check and orphans:
        raise typer.Exit(1)


async def look_for_orphans(settings: Settings) -> list[Orphan]:
    """Return the orphans of the installation that these settings reach."""
    secrets = open_secret_store(settings)
    control = await ControlDatabase.open(service="tenant", settings=settings, secrets=secrets)
    try:
        return await find_orphans(
            control,
            secrets,
            open_provisioner(settings, TenantSettings(), control, secrets),
            secrets_region=settings.aws_region if settings.secret_store == "aws" else None,
            prices=price_list(),
        )
    finally:
        await control.close()


def _fail(message: str) -> None:
    errors.print(f"bezant: orphans cannot be looked for: {message}", style="red", soft_wrap=True)
    raise typer.Exit(1)


def _total(orphans: Sequence[Orphan]) -> tuple[float, float, int]:
    """Return (low, high, how many have no known price)."""
    known = [orphan for orphan in orphans if orphan.low_usd_per_day is not None]
    low = sum(orphan.low_usd_per_day or 0.0 for orphan in known)
    high = sum(orphan.high_usd_per_day or 0.0 for orphan in known)
    return low, high, len(orphans) - len(known)


def _document(orphans: Sequence[Orphan]) -> dict[str, object]:
    low, high, unknown = _total(orphans)
    return {
        "orphans": orphans,
        "prices_as_of": price_list().as_of,
        "usd_per_day": {"low": round(low, 6), "high": round(high, 6), "of_unknown_price": unknown},
    }


def _dollars(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "unknown"
    return f"${low:,.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"${low:,.2f}-{high:,.2f}"


def _table(orphans: Sequence[Orphan]) -> Table:
    table = Table("kind", "name", "where", "why", box=None)
    table.add_column("a day", justify="right")
    for orphan in orphans:
        where = " ".join(part for part in (orphan.region, orphan.cluster) if part) or "here"
        table.add_row(
            orphan.kind, orphan.name, where, orphan.reason, _dollars(orphan.low_usd_per_day, orphan.high_usd_per_day)
        )
    return table


def _sentence(orphans: Sequence[Orphan]) -> str:
    low, high, unknown = _total(orphans)
    things = "1 orphan" if len(orphans) == 1 else f"{len(orphans)} orphans"
    if unknown == len(orphans):
        return f"{things}, whose price is not known"
    rest = f", and {unknown} whose price is not known" if unknown else ""
    return f"{things}: {_dollars(low, high)} a day at the prices of {price_list().as_of}{rest}"
