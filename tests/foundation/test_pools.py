"""The pools on a real PostgreSQL behind a line that can be cut, frozen and mended."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import NotFound, TenantNotActive, TenantUnavailable
from bezant.foundation.secrets.names import tenant_secret
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases
from bezant.foundation.tenancy.pools import TenantPool

from ..stores.fixtures import Directory, Secrets, Stores, eventually, free_port


@dataclass
class Line:
    """A TCP line to the server. `up` False refuses; `frozen` takes bytes and passes none on."""

    server_port: int
    port: int = field(default_factory=free_port)
    frozen: bool = False
    listening: asyncio.Server | None = None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    moving: asyncio.Event = field(default_factory=asyncio.Event)

    async def mend(self) -> None:
        self.frozen = False
        self.moving.set()
        if self.listening is None:
            self.listening = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    def freeze(self) -> None:
        self.frozen = True
        self.moving.clear()

    async def cut(self) -> None:
        """Close every connection and refuse new ones."""
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        for writer in self.writers:
            writer.close()
        self.writers.clear()
        await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.server_port)
        self.writers += [writer, back]
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self.moving.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@dataclass
class LineSecrets(Secrets):
    """Sends each tenant through its own line, if it has one."""

    lines: dict[UUID, Line] = field(default_factory=dict)
    read_count: int = 0

    async def read(self, name: str) -> dict[str, str]:
        self.read_count += 1
        _, _, tenant, _ = name.split("/")
        line = self.lines.get(UUID(tenant))
        port = self.port if line is None else line.port
        url = f"postgresql://127.0.0.1:{port}/t{UUID(tenant).hex}"
        return tenant_secret(UUID(tenant), url=url, reader_url=url, user="test_payment", password="")


Make = Callable[..., TenantDatabases]


@pytest.fixture
async def secrets(stores: Stores) -> AsyncIterator[LineSecrets]:
    made = LineSecrets(stores.server.port)
    yield made
    for line in made.lines.values():
        line.moving.set()
        await line.cut()


@pytest.fixture
async def make(stores: Stores, secrets: LineSecrets) -> AsyncIterator[Make]:
    """Returns databases of one process with the given settings."""
    made: list[TenantDatabases] = []

    async def no_hint(_: UUID) -> None:
        """No other process looks."""

    def databases(directory: Any = stores.directory, **settings: Any) -> TenantDatabases:
        made.append(
            TenantDatabases(
                service="payment", directory=directory, secrets=secrets,
                settings=Settings(instance_id=f"test-{len(made)}-{new_id()}", **settings),
                before_events=no_hint, on_commit=lambda _, rows: None,
            )
        )  # fmt: skip
        return made[-1]

    yield databases
    for one in made:
        await one.close()


async def _select(databases: TenantDatabases, tenant_id: UUID, **options: Any) -> int:
    async with databases.transaction(tenant_id, **options) as tx:
        row = await tx.fetch_one("SELECT 1")
    assert row is not None
    return int(row[0])


@contextlib.asynccontextmanager
async def held(databases: TenantDatabases, tenant_id: UUID, count: int = 1) -> AsyncIterator[None]:
    """Keep transactions open on a tenant's database meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(databases.transaction(tenant_id))
        yield


def _pools(databases: TenantDatabases) -> dict[UUID, TenantPool]:
    return {pool.tenant_id: pool for pool in databases.resident_pools()}


async def _in_maintenance_database(stores: Stores, statement: str) -> list[Any]:
    dsn = stores.server.dsn("postgres")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(statement)  # type: ignore[arg-type]
        return await cursor.fetchall() if cursor.description else []


async def _connections(stores: Stores, databases: TenantDatabases) -> int:
    """How many connections of this process the server has."""
    name = databases._settings.instance_id
    ((count,),) = await _in_maintenance_database(
        stores, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"
    )
    return int(count)


async def test_a_pool_is_made_on_the_first_transaction_and_holds_its_minimum(
    stores: Stores, tenant: UUID, make: Make
) -> None:
    databases = make(pool_min_connections=2)
    assert databases.resident_pools() == []
    assert await _select(databases, tenant) == 1

    async def two() -> bool:
        return await _connections(stores, databases) == 2

    await eventually(two)


async def test_first_transactions_at_once_share_one_pool(stores: Stores, tenant: UUID, make: Make) -> None:
    databases = make(pool_max_connections=4)
    assert await asyncio.gather(*(_select(databases, tenant) for _ in range(30))) == [1] * 30
    assert len(databases.resident_pools()) == 1
    assert await _connections(stores, databases) <= 4


async def test_a_pool_grows_under_load_up_to_its_maximum_and_gives_back(
    stores: Stores, tenant: UUID, make: Make
) -> None:
    databases = make(pool_min_connections=1, pool_max_connections=5)
    async with held(databases, tenant, 5):
        assert _pools(databases)[tenant].granted == 5
        waiting = asyncio.create_task(_select(databases, tenant))
        await eventually(_later(lambda: _pools(databases)[tenant].stats().get("requests_waiting") == 1))
    assert await waiting == 1
    assert _pools(databases)[tenant].granted == 5
    pool = _pools(databases)[tenant]._pool
    await pool.resize(1, 5)
    await databases.evict_idle()
    assert _pools(databases)[tenant].granted <= 5


def _later(check: Callable[[], bool]) -> Callable[[], Any]:
    async def asked() -> bool:
        return check()

    return asked


async def test_many_tenants_stay_under_the_cap_of_the_process(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=6, pool_min_connections=2, pool_max_connections=20)
    tenants = [await stores.new_tenant() for _ in range(9)]
    most = 0

    async def use(tenant_id: UUID) -> None:
        nonlocal most
        for _ in range(4):
            assert await _select(databases, tenant_id) == 1
            most = max(most, databases.granted_connections)

    await asyncio.gather(*(use(tenant_id) for tenant_id in tenants for _ in range(3)))
    assert 0 < most <= 6
    assert await _connections(stores, databases) <= 6


async def test_the_least_recently_used_idle_tenant_makes_room(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=3, pool_min_connections=1)
    a, b, c, d = [await stores.new_tenant() for _ in range(4)]
    for tenant_id in (a, b, c, a):
        await _select(databases, tenant_id)
    await _select(databases, d)
    assert set(_pools(databases)) == {a, c, d}


async def test_the_minimum_yields_before_a_neighbour_is_evicted(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=8, pool_min_connections=2)
    tenants = [await stores.new_tenant() for _ in range(6)]
    for tenant_id in tenants[:5]:
        await _select(databases, tenant_id)
    assert [pool.granted for pool in databases.resident_pools()] == [2, 2, 2, 1, 1]
    assert await _select(databases, tenants[5]) == 1
    assert set(_pools(databases)) == set(tenants[1:]), "now there was no room left"


async def test_room_is_made_beside_the_requests_before_it_is_needed(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=32, pool_min_connections=1)
    tenants = [await stores.new_tenant() for _ in range(32)]
    for tenant_id in tenants:
        await _select(databases, tenant_id)

    async def some_free() -> bool:
        return databases.granted_connections <= 30

    await eventually(some_free)
    assert tenants[-1] in _pools(databases)
    assert tenants[0] not in _pools(databases)


async def test_connections_to_one_server_are_opened_a_few_at_a_time(
    stores: Stores, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = most = 0
    connect = psycopg.AsyncConnection.connect.__func__  # type: ignore[attr-defined]

    async def counted(cls: Any, *arguments: Any, **parameters: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await connect(cls, *arguments, **parameters)
        finally:
            at_once -= 1

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", classmethod(counted))
    databases = make(pool_min_connections=1)
    tenants = [await stores.new_tenant() for _ in range(12)]
    await asyncio.gather(*(_select(databases, tenant_id) for tenant_id in tenants))
    assert 1 < most <= 4


async def test_a_tenant_at_work_is_not_evicted(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=4, pool_min_connections=2)
    a, b, c = [await stores.new_tenant() for _ in range(3)]
    async with held(databases, a):
        await _select(databases, b)
        await _select(databases, c)
        assert set(_pools(databases)) == {a, c}


async def test_when_all_are_at_work_the_next_tenant_waits_and_is_told(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=2, pool_min_connections=2, pool_checkout_timeout_seconds=2)
    a, b = [await stores.new_tenant() for _ in range(2)]
    async with held(databases, a):
        with pytest.raises(TenantUnavailable, match="connection cap"):
            await _select(databases, b)
        waiting = asyncio.create_task(_select(databases, b))
        await asyncio.sleep(0)
    assert await waiting == 1


async def test_a_tenant_that_waits_for_room_does_not_hold_up_those_that_have_some(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=4, pool_min_connections=2, pool_checkout_timeout_seconds=30)
    a, b, newcomer = [await stores.new_tenant() for _ in range(3)]
    async with held(databases, a, 2), contextlib.AsyncExitStack() as of_b:
        await of_b.enter_async_context(held(databases, b))
        second = contextlib.AsyncExitStack()
        await second.enter_async_context(databases.transaction(b))
        waiting = asyncio.create_task(_select(databases, newcomer))
        third = asyncio.create_task(_select(databases, b))
        await eventually(_later(lambda: _pools(databases)[b].in_use == 3))
        await second.aclose()
        async with asyncio.timeout(5):
            assert await third == 1, "served by the connection that was just given back"
        assert not waiting.done()
        waiting.cancel()


async def test_idle_tenants_are_looked_through_while_others_make_room(stores: Stores, make: Make) -> None:
    databases = make(process_connection_cap=8, pool_min_connections=2, pool_idle_seconds=-1)
    tenants = [await stores.new_tenant() for _ in range(6)]
    for _ in range(5):
        await asyncio.gather(databases.evict_idle(), *(_select(databases, tenant_id) for tenant_id in tenants))
        assert databases.granted_connections <= 8


async def test_idle_tenants_give_all_their_connections_back(stores: Stores, tenant: UUID, make: Make) -> None:
    databases = make(pool_idle_seconds=100)
    await _select(databases, tenant)
    assert await databases.evict_idle() == 0
    _pools(databases)[tenant].last_used -= 101
    async with held(databases, tenant):
        _pools(databases)[tenant].last_used -= 101
        assert await databases.evict_idle() == 0, "not while it works"
    _pools(databases)[tenant].last_used -= 101
    assert await databases.evict_idle() == 1

    async def none() -> bool:
        return await _connections(stores, databases) == 0

    await eventually(none)
    assert await _select(databases, tenant) == 1


@pytest.fixture
async def lines(stores: Stores, secrets: LineSecrets) -> tuple[UUID, Line, UUID]:
    """A tenant whose line a test may cut, and another."""
    tenant_id, other = [await stores.new_tenant() for _ in range(2)]
    line = secrets.lines[tenant_id] = Line(stores.server.port)
    await line.mend()
    return tenant_id, line, other


async def test_a_database_that_is_down_costs_its_own_tenant_milliseconds_and_others_nothing(
    lines: tuple[UUID, Line, UUID], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id, line, other = lines
    databases = make(pool_checkout_timeout_seconds=2)
    await _select(databases, tenant_id)
    await line.cut()
    with pytest.raises((TenantUnavailable, psycopg.OperationalError)):
        await _select(databases, tenant_id)
    monkeypatch.setattr("bezant.foundation.tenancy.pools._CIRCUIT_SECONDS", 3600.0)
    with pytest.raises((TenantUnavailable, psycopg.OperationalError)):
        _pools(databases)[tenant_id]._open_again_at = 1e-9
        await _select(databases, tenant_id)
    began = time.monotonic()
    for _ in range(200):
        with pytest.raises(TenantUnavailable) as refused:
            await _select(databases, tenant_id)
    assert time.monotonic() - began < 200 * 2 / 10, "nobody waits for the check-out while the circuit is open"
    assert refused.value.retry_after_seconds == 2
    assert await _select(databases, other) == 1


async def test_one_probe_at_a_time_closes_the_circuit_once_the_database_is_back(
    lines: tuple[UUID, Line, UUID], make: Make
) -> None:
    tenant_id, line, _ = lines
    databases = make(pool_checkout_timeout_seconds=2)
    await line.cut()
    with pytest.raises(TenantUnavailable):
        await _select(databases, tenant_id)
    await line.mend()

    async def back() -> bool:
        try:
            return await _select(databases, tenant_id) == 1
        except (TenantUnavailable, psycopg.OperationalError):
            return False

    await eventually(back)
    assert await asyncio.gather(*(_select(databases, tenant_id) for _ in range(10))) == [1] * 10


async def test_a_transaction_longer_than_its_limit_is_cut(lines: tuple[UUID, Line, UUID], make: Make) -> None:
    tenant_id, _, _ = lines
    databases = make(transaction_timeout_seconds=0.2)
    began = time.monotonic()
    with pytest.raises((TenantUnavailable, psycopg.OperationalError)):
        async with databases.transaction(tenant_id) as tx:
            await tx.execute("SELECT pg_sleep(30)")
    assert time.monotonic() - began < 5
    async with databases.transaction(tenant_id, timeout_seconds=20) as tx:
        await tx.execute("SELECT pg_sleep(0.3)")


async def test_a_frozen_database_fails_its_transactions_in_time(lines: tuple[UUID, Line, UUID], make: Make) -> None:
    tenant_id, line, other = lines
    databases = make(transaction_timeout_seconds=2, pool_checkout_timeout_seconds=2)
    await _select(databases, tenant_id)
    line.freeze()

    async def ask() -> int:
        return await databases.run(tenant_id, lambda tx: tx.execute("SELECT 1"))

    began = time.monotonic()
    results = await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, TenantUnavailable) for result in results), results
    assert time.monotonic() - began < 10
    assert await _select(databases, other) == 1
    await line.mend()

    async def back() -> bool:
        with contextlib.suppress(TenantUnavailable):
            return await ask() == 1
        return False

    await eventually(back)


async def test_idempotent_work_goes_on_when_its_connection_was_lost(lines: tuple[UUID, Line, UUID], make: Make) -> None:
    tenant_id, line, _ = lines
    databases = make()
    attempts = 0

    async def work(tx: Any) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await line.cut()
            await line.mend()
        return int((await tx.fetch_one("SELECT 7"))[0])

    # the circuit opens for a moment: what is tried again meanwhile is told to come again
    async def done() -> bool:
        with contextlib.suppress(TenantUnavailable):
            return await databases.run(tenant_id, work) == 7
        return False

    await eventually(done)
    assert attempts >= 2


async def test_a_writer_that_became_a_reader_is_left(stores: Stores, tenant: UUID, make: Make) -> None:
    # One connection, so that none is still being opened with the settings of before.
    databases = make(pool_min_connections=1, pool_max_connections=1)
    await _select(databases, tenant)
    await _in_maintenance_database(stores, f"ALTER DATABASE t{tenant.hex} SET default_transaction_read_only = on")
    await databases.refresh_credential(tenant)
    insert = "INSERT INTO payment.inbox (event_id) VALUES (gen_random_uuid())"
    with pytest.raises(TenantUnavailable):
        await databases.run(tenant, lambda tx: tx.execute(insert))
    await _in_maintenance_database(stores, f"ALTER DATABASE t{tenant.hex} RESET default_transaction_read_only")
    assert await databases.run(tenant, lambda tx: tx.execute(insert)) == 1


async def test_a_read_only_transaction_cannot_write(tenant: UUID, make: Make) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        async with make().transaction(tenant, read_only=True) as tx:
            await tx.execute("INSERT INTO payment.inbox (event_id) VALUES (gen_random_uuid())")


async def test_an_error_of_the_work_itself_is_not_tried_again(tenant: UUID, make: Make) -> None:
    databases, attempts = make(), 0

    async def work(tx: Any) -> None:
        nonlocal attempts
        attempts += 1
        await tx.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await databases.run(tenant, work)
    assert attempts == 1
    assert await _select(databases, tenant) == 1


async def test_a_deadlock_is_tried_again(tenant: UUID, make: Make) -> None:
    databases = make()
    met = asyncio.Barrier(2)
    rounds = 0

    async def work(first: int, second: int) -> int:
        async def locked(tx: Any) -> int:
            nonlocal rounds
            rounds += 1
            await tx.execute("SELECT pg_advisory_xact_lock(%s)", (first,))
            if rounds <= 2:
                await met.wait()
            await tx.execute("SELECT pg_advisory_xact_lock(%s)", (second,))
            return first

        return await databases.run(tenant, locked)

    assert await asyncio.gather(work(1, 2), work(2, 1)) == [1, 2]
    assert rounds == 3


async def test_each_new_connection_asks_for_the_credential(tenant: UUID, make: Make, secrets: LineSecrets) -> None:
    databases = make(pool_min_connections=1)
    await _select(databases, tenant)
    before = secrets.read_count
    await _select(databases, tenant)
    assert secrets.read_count == before
    assert await databases.refresh_credential(tenant) == 1
    assert secrets.read_count > before


async def test_tenants_that_are_unknown_not_provisioned_or_gone_are_refused(stores: Stores, make: Make) -> None:
    from dataclasses import replace

    tenant_id = await stores.new_tenant()
    with pytest.raises(NotFound):
        await _select(make(), new_id())

    class Changed(Directory):
        async def get(self, tenant_id: UUID) -> Any:
            return replace(await super().get(tenant_id), **self.changes)

        changes: dict[str, Any]

    changed = Changed(stores.server.port, stores.directory.tenants)
    for changed.changes in ({"status": "closed"}, {"status": "failed"}, {"writer": None}):
        with pytest.raises(TenantNotActive):
            await _select(make(changed), tenant_id)
    for changed.changes in ({"status": "suspended"}, {"status": "closing"}, {"status": "onboarding"}):
        assert await _select(make(changed), tenant_id) == 1


async def test_a_tenant_that_is_closed_leaves_nothing_open(stores: Stores, tenant: UUID, make: Make) -> None:
    databases = make()
    await _select(databases, tenant)
    await databases.forget(tenant)
    assert databases.resident_pools() == []

    async def none() -> bool:
        return await _connections(stores, databases) == 0

    await eventually(none)


async def test_the_figures_of_each_tenants_pool_are_told(tenant: UUID, make: Make) -> None:
    from bezant.foundation.telemetry.metrics import PoolCollector

    databases = make()
    async with held(databases, tenant):
        found = {
            (metric.name, sample.labels.get("tenant")): sample.value
            for metric in PoolCollector(databases).collect()
            for sample in metric.samples
        }
    assert found["bezant_pool_connections_in_use", str(tenant)] == 1
    assert found["bezant_pool_connections", str(tenant)] >= 1
    assert found["bezant_pool_waiting", str(tenant)] == 0
    assert ("bezant_pool_wait_seconds_total", str(tenant)) in found
    assert found["bezant_pool_granted_connections", None] == 2
