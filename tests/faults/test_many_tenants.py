"""Two hundred tenants through one process: it never holds more connections than its cap, and all are served."""

import asyncio
import random
from uuid import UUID

import psycopg
import pytest

from bezant.contracts.identifiers import new_id
from bezant.foundation.secrets.names import tenant_secret
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases

from ..stores.fixtures import Directory, PostgresServer, Secrets, postgres_server

__all__ = ["postgres_server"]

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
TENANTS = 200
CAP = 60
_AT_ONCE = 16
_INSTANCE = "many-tenants"


class OneDatabase(Secrets):
    """Credentials of all tenants that open the same database: making two hundred would only take time."""

    async def read(self, name: str) -> dict[str, str]:
        tenant_id = UUID(name.split("/")[2])
        url = f"postgresql://127.0.0.1:{self.port}/template_services"
        return tenant_secret(tenant_id, url=url, reader_url=url, user="test_audit", password="")


async def test_two_hundred_tenants_stay_under_the_connection_cap_of_the_process(
    postgres_server: PostgresServer,
) -> None:
    tenants = [new_id() for _ in range(TENANTS)]
    databases = TenantDatabases(
        service="audit",
        directory=Directory(postgres_server.port, set(tenants)),  # type: ignore[arg-type]
        secrets=OneDatabase(postgres_server.port),
        settings=Settings(instance_id=_INSTANCE, process_connection_cap=CAP),
        before_events=_no_hint,
        on_commit=lambda _, rows: None,
    )
    chooser = random.Random(7)
    served: set[UUID] = set()
    finished = asyncio.Event()

    async def serve(order: list[UUID]) -> None:
        for tenant_id in order:
            async with databases.transaction(tenant_id) as transaction:
                assert await transaction.fetch_one("SELECT pg_sleep(0.001) IS NOT NULL") == (True,)
            served.add(tenant_id)

    watching = asyncio.create_task(_most_connections(postgres_server, finished))
    await asyncio.gather(*(serve(chooser.sample(tenants, TENANTS)) for _ in range(_AT_ONCE)))
    assert databases.granted_connections <= CAP
    finished.set()
    most = await watching
    await databases.close()
    assert served == set(tenants)
    assert most <= CAP, f"{most} connections at a time, the cap is {CAP}"
    assert most > _AT_ONCE, "the process used so few connections that nothing was shown"


async def _most_connections(server: PostgresServer, finished: asyncio.Event) -> int:
    most = 0
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    async with await psycopg.AsyncConnection.connect(server.dsn("postgres"), autocommit=True) as connection:
        while not finished.is_set():
            row = await (await connection.execute(query, (_INSTANCE,))).fetchone()
            assert row is not None
            most = max(most, row[0])
            await asyncio.sleep(0.005)
    return most


async def _no_hint(_: UUID) -> None:
    """Nothing is published here."""
