"""`bezant migrate`: what has to exist before the services of this version start, on an installation that is reached by
`BEZANT_` settings. It can run beside an older version, and again at any time.
"""

import asyncio
from pathlib import Path

import psycopg
import typer
from confluent_kafka import KafkaException

from bezant.cli.console import errors
from bezant.foundation.control.bootstrap import prepare_platform
from bezant.foundation.database.migrations import MigrationChanged
from bezant.foundation.events.kafka import kafka_configuration
from bezant.foundation.events.topics import ensure_topics
from bezant.foundation.secrets import SecretMissing, SecretStore, SecretStoreUnavailable, open_secret_store
from bezant.foundation.settings import Settings


def migrate_installation(administrator: Path) -> None:
    """Prepare the control database, the tenants' databases and the topics, and print what was done.

    `administrator` is a directory with the files `user` and `password`. Raises `typer.Exit` with code 1 when it failed.
    """
    settings = Settings()
    try:
        user, password = (_line(administrator / name) for name in ("user", "password"))
        # what is prepared is written to the store itself, and read there: mounts come after it
        secrets = open_secret_store(settings.model_copy(update={"platform_secrets_dir": None}))
        for line in asyncio.run(prepare(settings, secrets, user=user, password=password)):
            typer.echo(line)
    except (OSError, psycopg.Error, KafkaException, SecretMissing, SecretStoreUnavailable, MigrationChanged) as error:
        errors.print(f"bezant: {error}", style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _line(path: Path) -> str:
    return path.read_text("utf-8").strip()


async def prepare(settings: Settings, secrets: SecretStore, *, user: str, password: str) -> list[str]:
    """Prepare databases, then topics, and return what was done. Raises what the stores raise."""
    administrator: dict[str, object] = {
        "host": settings.control_database_host,
        "port": settings.control_database_port,
        "user": user,
        "password": password,
        "sslmode": settings.database_sslmode,
        "connect_timeout": 10,
    }
    if settings.database_sslrootcert is not None:
        administrator["sslrootcert"] = settings.database_sslrootcert
    done = await prepare_platform(
        administrator,
        control_database=settings.control_database_name,
        secrets=secrets,
        tenant_server=settings.tenant_server,
    )
    kafka = await kafka_configuration(settings, open_secret_store(settings))
    done += await asyncio.to_thread(ensure_topics, kafka, replication_factor=settings.kafka_replication_factor)
    return done
