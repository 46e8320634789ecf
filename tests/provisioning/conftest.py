"""Provisioning on real PostgreSQL servers: beside the control database, and on Aurora as an emulator plays it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from bezant.contracts.fleet import TENANT_SERVICES
from bezant.contracts.identifiers import new_id
from bezant.foundation.control.bootstrap import prepare_platform
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import open_secret_store
from bezant.foundation.secrets.aws_secrets_manager import AwsSecretsManager
from bezant.foundation.settings import Settings
from bezant.services.tenant.domain.steps import Kind
from bezant.services.tenant.provisioning.aurora.names import dedicated_cluster
from bezant.services.tenant.provisioning.aurora.provisioner import AuroraProvisioner
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings
from bezant.services.tenant.provisioning.control_cluster import ControlCluster
from bezant.services.tenant.provisioning.exports import Exports
from bezant.services.tenant.provisioning.provisioner import Provisioner
from bezant.services.tenant.sagas.runner import SagaRunner
from bezant.services.tenant.sagas.steps import QUERIES, Operation, Steps

from ..stores.aws import AwsEdge
from ..stores.fixtures import PostgresServer, running_postgres

CONTROL = "control_of_tests"
_LEASE_SECONDS = 60.0
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="session")
def control_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def base_settings(aws: AwsEdge, control_server: PostgresServer) -> Settings:
    return Settings(
        control_database_port=control_server.port,
        control_database_name=CONTROL,
        secret_store="aws",
        aws_region="us-east-1",
        aws_endpoint_url=aws.url,
        transaction_timeout_seconds=20,
    )


@pytest.fixture(scope="session")
async def platform_prepared(base_settings: Settings, control_server: PostgresServer) -> None:
    administrator = {"host": "127.0.0.1", "port": control_server.port, "user": "postgres"}
    await prepare_platform(administrator, control_database=CONTROL, secrets=open_secret_store(base_settings))


@dataclass
class Place:
    """Where tenants' databases are made in a test, with all that sagas need."""

    settings: Settings
    aurora: AuroraSettings
    aws: AwsEdge
    servers: tuple[PostgresServer, PostgresServer]
    exports: Exports
    tier: str
    on_aurora: bool
    opened: list[ControlDatabase] = field(default_factory=list)
    runners: list[SagaRunner] = field(default_factory=list)

    @property
    def model(self) -> str:
        return self.aurora.model

    @cached_property
    def secrets(self) -> AwsSecretsManager:
        return AwsSecretsManager(region="us-east-1", endpoint_url=self.aws.url)

    async def control(self, instance: str = "first") -> ControlDatabase:
        settings = self.settings.model_copy(update={"instance_id": instance})
        database = await ControlDatabase.open(service="tenant", settings=settings, secrets=self.secrets)
        self.opened.append(database)
        return database

    async def provisioner(self, control: ControlDatabase | None = None, **changes: Any) -> Provisioner:
        if not self.on_aurora:
            return ControlCluster(self.settings, self.secrets)
        aurora = self.aurora.model_copy(update=changes)
        return AuroraProvisioner(self.settings, aurora, control or await self.control(), self.secrets)

    async def sql(self, statement: str, *parameters: Any) -> Rows:
        """Run SQL on the control database."""
        return await sql(self.servers[0], CONTROL, statement, *parameters)

    @property
    def server(self) -> PostgresServer:
        """Where the tenants' databases are."""
        return self.servers[1] if self.on_aurora else self.servers[0]

    async def new_tenant(self, tier: str | None = None) -> UUID:
        """Register a tenant whose fleet is ready."""
        tenant_id = new_id()
        await self.sql(
            "INSERT INTO control.tenants (id, slug, name, tier, status, default_currency, rate_limit_per_second) "
            "VALUES (%s, %s, 'Test', %s, 'onboarding', 'USD', 5000)",
            tenant_id, f"t-{tenant_id.hex[-12:]}", tier or self.tier,
        )  # fmt: skip
        for service in TENANT_SERVICES:
            await self.sql(
                "INSERT INTO control.instances (instance_id, service, zone, version, lease_expires_at) "
                "VALUES (%s, %s, 'a', '1', now() + interval '1 hour') ON CONFLICT DO NOTHING",
                f"{service.name}-x", service.name,
            )  # fmt: skip
            await self.sql(
                "INSERT INTO control.tenant_instances (tenant_id, instance_id, credential_version) VALUES (%s, %s, 99)",
                tenant_id, f"{service.name}-x",
            )  # fmt: skip
        return tenant_id

    async def runner(self, instance: str = "first", *, fleet_timeout_seconds: float = 5, **changes: Any) -> SagaRunner:
        """A process that does operations."""
        control = await self.control(instance)
        steps = Steps(
            control,
            self.secrets,
            await self.provisioner(control, **changes),
            _NoRelay(),  # type: ignore[arg-type]
            fleet_timeout_seconds=fleet_timeout_seconds,
            exports=self.exports,
        )
        runner = SagaRunner(control, steps, lease_seconds=_LEASE_SECONDS, on_change=lambda _: None)
        self.runners.append(runner)
        return runner

    async def begin(self, runner: SagaRunner, tenant_id: UUID, kind: Kind, **request: Any) -> Operation:
        async with self.opened[-1].transaction() as connection:
            operation = await runner.insert(connection, tenant_id, kind, request)
        runner.start(operation)
        return operation

    async def run(self, tenant_id: UUID, kind: Kind = Kind.ONBOARDING, **request: Any) -> str:
        """Do an operation to its end and return its status."""
        runner = await self.runner()
        operation = await self.begin(runner, tenant_id, kind, **request)
        await ended(runner)
        return await self.status(operation)

    async def status(self, operation: Operation) -> str:
        return str((await self.sql("SELECT status FROM control.operations WHERE id = %s", operation.id))[0][0])

    async def step(self, tenant_id: UUID, name: str = "provision_database") -> dict[str, Any]:
        """Return what the latest operation's step says."""
        rows = await self.sql(
            "SELECT s.status, s.attempts, s.error, s.progress FROM control.operation_steps s JOIN control.operations o "
            "ON o.id = s.operation_id WHERE o.tenant_id = %s AND s.step = %s ORDER BY o.created_at DESC LIMIT 1",
            tenant_id, name,
        )  # fmt: skip
        return dict(zip(("status", "attempts", "error", "progress"), rows[0], strict=True))

    async def carry_on(self, operation: Operation, **changes: Any) -> str:
        """Let another process take the operation over, as when the first one's lease has run out; return the status."""
        await self.sql(
            "UPDATE control.operations SET lease_expires_at = now() - interval '1 s' WHERE id = %s", operation.id
        )
        other = await self.runner(f"runner-{len(self.runners)}", **changes)
        row = await self.opened[-1].fetch_one(
            QUERIES["claim_operation"], {"holder": f"runner-{len(self.runners) - 1}", "lease_seconds": _LEASE_SECONDS}
        )
        assert row is not None
        assert row[0] == operation.id
        other.start(operation, compensating=row[3] == "compensating")
        await ended(other)
        return await self.status(operation)

    def log_groups(self, tenant_id: UUID) -> dict[str, Any]:
        """Return the log groups of a tenant's clusters by region."""
        prefix = f"/aws/rds/cluster/{dedicated_cluster(tenant_id)}"
        found = {}
        for region in ("us-east-1", "sa-east-1"):
            for group in self.aws.client("logs", region).describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]:
                found[region] = group
        return found

    async def left(self, tenant_id: UUID) -> list[str]:
        """Return everything that there is of a tenant, wherever it could be; snapshots aside."""
        found = [resource.kind for resource in await (await self.provisioner()).inventory()
                 if resource.tenant_id == tenant_id and resource.kind != "snapshot"]  # fmt: skip
        for region in ("us-east-1", "sa-east-1"):
            rds = self.aws.client("rds", region)
            found += [c["DBClusterIdentifier"] for c in rds.describe_db_clusters()["DBClusters"]
                      if tenant_id.hex in c["DBClusterIdentifier"]]  # fmt: skip
        for server in self.servers:
            found += [row[0] for row in await sql(
                server, "postgres", "SELECT datname FROM pg_database WHERE datname LIKE %s "
                "UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE %s",
                f"%{tenant_id.hex}%", f"%{tenant_id.hex}%",
            )]  # fmt: skip
        found += await self.secrets.names(f"bezant/tenants/{tenant_id}/")
        found += await self.secrets.names(f"bezant/administrator/t-{tenant_id.hex}")
        for table in ("placements", "cluster_assignments"):
            rows = await self.sql(f"SELECT 1 FROM control.{table} WHERE tenant_id = %s", tenant_id)
            found += [table] * len(rows)
        return found

    async def close(self) -> None:
        for runner in self.runners:
            await runner.close()
        for database in self.opened:
            await database.close()
        for table in ("operations", "cluster_assignments", "placements", "exports", "tenants", "outbox"):
            await self.sql(f"DELETE FROM control.{table}")


class _NoRelay:
    """Events stay in the outbox, where a test can read them."""

    def wake(self, tenant_id: UUID) -> None:
        """Nobody is woken."""


async def ended(runner: SagaRunner) -> None:
    """Wait until the runner has nothing more to do."""
    while runner._tasks:
        await asyncio.gather(*runner._tasks, return_exceptions=True)


async def sql(server: PostgresServer, database: str, statement: str, *parameters: Any) -> Rows:
    """Run SQL as the superuser of a server."""
    async with await psycopg.AsyncConnection.connect(server.dsn(database), autocommit=True) as connection:
        cursor = await connection.execute(statement, parameters)  # type: ignore[arg-type]
        return await cursor.fetchall() if cursor.description else []


async def _place(
    kind: str, aws: AwsEdge, base: Settings, servers: tuple[PostgresServer, PostgresServer], directory: Path
) -> AsyncIterator[Place]:
    model = f"m-{uuid4().hex[:8]}"
    aurora = AuroraSettings(model=model, poll_seconds=0.01, poll_max_seconds=0.02, api_attempts=1)
    tier = "dedicated" if kind == "aurora dedicated" else "shared"
    place = Place(base, aurora, aws, servers, Exports(directory, 90), tier, kind != "control cluster")
    if kind == "aurora shared":
        aws.add_shared_cluster(f"bezant-shared-{model}", model=model)
    yield place
    aws.reset()
    await place.close()


@pytest.fixture(params=["control cluster", "aurora shared", "aurora dedicated"])
async def place(
    request: pytest.FixtureRequest, aws: AwsEdge, base_settings: Settings, platform_prepared: None,
    control_server: PostgresServer, aurora_server: PostgresServer, tmp_path: Path,
) -> AsyncIterator[Place]:  # fmt: skip
    async for made in _place(request.param, aws, base_settings, (control_server, aurora_server), tmp_path):
        yield made


@pytest.fixture
async def dedicated(
    aws: AwsEdge, base_settings: Settings, platform_prepared: None,
    control_server: PostgresServer, aurora_server: PostgresServer, tmp_path: Path,
) -> AsyncIterator[Place]:  # fmt: skip
    async for made in _place("aurora dedicated", aws, base_settings, (control_server, aurora_server), tmp_path):
        yield made


@pytest.fixture
async def shared(
    aws: AwsEdge, base_settings: Settings, platform_prepared: None,
    control_server: PostgresServer, aurora_server: PostgresServer, tmp_path: Path,
) -> AsyncIterator[Place]:  # fmt: skip
    """Aurora without any shared cluster yet."""
    async for made in _place("aurora", aws, base_settings, (control_server, aurora_server), tmp_path):
        yield made


@pytest.fixture(autouse=True)
def no_failpoints_of_others() -> None:
    assert "BEZANT_FAILPOINT_DIR" not in os.environ
