"""What has to exist before the services start: the control database with its roles and secrets, and the topics.

Each is made by a short-lived process, `python -m bezant.local.preparation database` or `... topics`, so that the
client libraries do not stay in the supervisor's memory and a fault in one of them cannot end it. All of it is
idempotent. Passwords are read from files; neither arguments nor environment hold one.
"""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bezant.contracts.events import PARTITIONS
from bezant.local import child
from bezant.local.data_directory import DataDirectory

_USER = "BEZANT_ADMINISTRATOR_USER"
_PASSWORD_FILE = "BEZANT_ADMINISTRATOR_PASSWORD_FILE"
_TOPICS_WITHIN_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Preparation:
    """The preparing steps of one platform. `settings` are those that every service process gets."""

    directory: DataDirectory
    settings: Mapping[str, str]
    administrator_user: str
    password_file: Path

    async def database(self) -> None:
        """Make the secret store's key, the control database, its roles and secrets, and migrate every database.

        Raises `StartFailed`.
        """
        await self._run("database")

    async def topics(self) -> None:
        """Make the topics that are missing. Raises `StartFailed`."""
        await self._run("topics")

    async def _run(self, what: str) -> None:
        await child.run_to_end(
            f"preparing the {what}",
            [sys.executable, "-m", "bezant.local.preparation", what],
            log_path=self.directory.log(f"prepare-{what}"),
            told_lines=1,  # the sentence of the error; the rest is for its log
            environment={
                **self.settings,
                _USER: self.administrator_user,
                _PASSWORD_FILE: str(self.password_file),
            },
        )


async def prepare_database(environ: Mapping[str, str]) -> list[str]:
    """Prepare the database that the settings name, and return what was done."""
    # imported here: making topics must not wait for the database's libraries, nor the other way round
    from bezant.foundation.control.bootstrap import prepare_platform  # noqa: PLC0415
    from bezant.foundation.secrets import open_secret_store  # noqa: PLC0415
    from bezant.foundation.secrets.encrypted_files import EncryptedFiles  # noqa: PLC0415
    from bezant.foundation.settings import Settings  # noqa: PLC0415

    settings = Settings()
    if settings.secret_store == "file":
        EncryptedFiles.create_key(Path(settings.secret_store_key_file))
    administrator: dict[str, Any] = {
        "host": settings.control_database_host,
        "port": settings.control_database_port,
        "user": environ[_USER],
        "password": Path(environ[_PASSWORD_FILE]).read_text().strip(),  # noqa: ASYNC240  once, before anything else
        "sslmode": settings.database_sslmode,
    }
    if settings.database_sslrootcert is not None:
        administrator["sslrootcert"] = settings.database_sslrootcert
    return await prepare_platform(
        administrator,
        control_database=settings.control_database_name,
        secrets=open_secret_store(settings),
        tenant_server=settings.tenant_server,
    )


def prepare_topics(bootstrap: str) -> list[str]:
    """Make the topics that are missing on the local broker, and return what was done. Raises KafkaException."""
    from confluent_kafka import KafkaException  # noqa: PLC0415
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # noqa: PLC0415

    client = AdminClient({"bootstrap.servers": bootstrap})
    deadline = time.monotonic() + _TOPICS_WITHIN_SECONDS
    while True:
        try:
            existing = client.list_topics(timeout=2).topics
            missing = {name: count for name, count in PARTITIONS.items() if name not in existing}
            if missing:
                new = [NewTopic(name, num_partitions=count, replication_factor=1) for name, count in missing.items()]
                for created in client.create_topics(new, operation_timeout=2, request_timeout=2).values():
                    created.result()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return [f"made the topic {name}" for name in missing]


def main(arguments: list[str]) -> None:
    """Carry out one step and print what was done."""
    if arguments == ["database"]:
        done = asyncio.run(prepare_database(os.environ))
    elif arguments == ["topics"]:
        done = prepare_topics(os.environ["BEZANT_KAFKA_BOOTSTRAP"])
    else:
        sys.exit("usage: python -m bezant.local.preparation database|topics")
    for line in done:
        print(line)  # noqa: T201  its output is its log


if __name__ == "__main__":
    main(sys.argv[1:])
