"""Migrations: numbered SQL files, each applied once and in one transaction, additive within a release.

A file is called `0001_pre_<what>.sql`. `pre` runs before the new code is rolled out and must leave the old
code working; `post` runs when no old code is left. The files of a service lie in its
`storage/migrations/`, those of the control database in `foundation/control/migrations/`, and what the services
of a tenant share in `foundation/idempotency/migrations/`.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

from psycopg import AsyncConnection

from bezant.contracts.fleet import SERVICES, TENANT_SERVICES

_FILE = re.compile(r"^(\d{4})_(pre|post)_[a-z0-9_]+\.sql$")


class MigrationChanged(RuntimeError):
    """A migration that was applied before has another text now; write a new file instead."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of one owner (`control` or a service)."""

    owner: str
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file's text, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(owner: str, package: str) -> list[Migration]:
    """Return an owner's migrations in their order: the event tables, then the files of its package.

    Raises `ValueError` on a file with a wrong name.
    """
    return [_event_tables(owner), *_files(owner, package)]


def _files(owner: str, package: str) -> list[Migration]:
    found = []
    for file in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        if not _FILE.match(file.name):
            raise ValueError(f"{package}/{file.name}: call it NNNN_pre_what.sql or NNNN_post_what.sql")
        found.append(Migration(owner, file.name, file.read_text()))
    return found


def _event_tables(owner: str) -> Migration:
    """Return the migration that gives a schema its outbox, inbox and relay state, the same for all."""
    schema = "control" if owner == "control" else SERVICES[owner].schema
    role = "bezant_control_tenant" if owner == "control" else f"bezant_{schema}"
    text = resources.files("bezant.foundation.events.storage").joinpath("event_tables.sql").read_text()
    return Migration(owner, "0000_pre_event_tables.sql", text.replace(":schema", str(schema)).replace(":role", role))


def shared_migrations() -> list[Migration]:
    """Return the migrations of what the services of a tenant share; those of the services build on them."""
    return _files("idempotency", "bezant.foundation.idempotency.migrations")


def tenant_migrations() -> list[Migration]:
    """Return the migrations of a tenant database: what its services share, then those of every service."""
    return [
        *shared_migrations(),
        *(
            migration
            for service in TENANT_SERVICES
            for migration in migrations_of(service.name, f"bezant.services.{service.name}.storage.migrations")
        ),
    ]


def control_migrations() -> list[Migration]:
    """Return the migrations of the control database."""
    return migrations_of("control", "bezant.foundation.control.migrations")


def digest(migrations: list[Migration]) -> str:
    """Return twelve hexadecimal digits that change when any migration does; template databases carry them."""
    return hashlib.sha256("".join(m.owner + m.name + m.checksum for m in migrations).encode()).hexdigest()[:12]


async def migrate(connection: AsyncConnection[Any], migrations: list[Migration]) -> list[str]:
    """Apply what is missing, one transaction a file, and return the names of what was applied.

    Two processes that migrate one database at once wait for each other (advisory lock). Raises
    `MigrationChanged` when the text of an applied file is not what it was.
    """
    await connection.set_autocommit(True)
    await connection.execute("SELECT pg_advisory_lock(hashtext('bezant migrations'))")
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS public.bezant_migrations (owner text, name text, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (owner, name))"
        )
        rows = await (await connection.execute("SELECT owner, name, checksum FROM public.bezant_migrations")).fetchall()
        applied = {(owner, name): checksum for owner, name, checksum in rows}
        done = []
        for migration in migrations:
            known = applied.get((migration.owner, migration.name))
            if known is None:
                async with connection.transaction():
                    await connection.execute(migration.sql.encode())
                    await connection.execute(
                        "INSERT INTO public.bezant_migrations (owner, name, checksum) VALUES (%s, %s, %s)",
                        (migration.owner, migration.name, migration.checksum),
                    )
                done.append(f"{migration.owner}/{migration.name}")
            elif known != migration.checksum:
                raise MigrationChanged(
                    f"{migration.owner}/{migration.name} was applied with another text; "
                    "leave applied migrations alone and add a new file"
                )
    finally:
        await connection.execute("SELECT pg_advisory_unlock(hashtext('bezant migrations'))")
    return done
