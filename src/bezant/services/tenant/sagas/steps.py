"""What each step of a saga does, and how it is undone."""

import asyncio
import logging
import secrets as random_secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from bezant.contracts.events import TENANT_CHANGED, TENANT_CREATED, Event
from bezant.contracts.fleet import TENANT_SERVICES
from bezant.contracts.tenant_events import DatabasePlace, TenantDatabaseEvent, TenantStateChanged
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.database import load_queries
from bezant.foundation.events.relay import Relay
from bezant.foundation.failpoints import failpoint
from bezant.foundation.secrets import SecretStore, tenant_secret, tenant_secret_name
from bezant.foundation.tenancy.transaction import TenantTransaction
from bezant.services.tenant.domain.failures import FleetNotReady
from bezant.services.tenant.domain.steps import Kind, credential_slot
from bezant.services.tenant.provisioning.exports import Exports
from bezant.services.tenant.provisioning.provisioner import Placement, Provisioner, Report

QUERIES = load_queries("bezant.services.tenant.storage", "queries.sql")
ACTOR = "service:tenant"
CONTROL_OUTBOX = UUID(int=0)
_SERVICES = [service.name for service in TENANT_SERVICES]
_POLL_SECONDS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as its runner holds it."""

    id: UUID
    tenant_id: UUID
    kind: Kind
    request: dict[str, Any]


Step = Callable[[Operation, Report], Awaitable[None]]
"""Does or undoes one step, and says meanwhile how far it has come."""


class Steps:
    """The steps of all sagas. `forward` and `backward` are found by name."""

    def __init__(
        self,
        control: ControlDatabase,
        secrets: SecretStore,
        provisioner: Provisioner,
        relay: Relay,
        *,
        fleet_timeout_seconds: float,
        exports: Exports,
    ) -> None:
        self._control = control
        self._secrets = secrets
        self._provisioner = provisioner
        self._relay = relay
        self._fleet_timeout_seconds = fleet_timeout_seconds
        self._exports = exports
        self.forward: dict[str, Step] = {
            "provision_database": self._provision_database,
            "run_migrations": self._run_migrations,
            "create_roles": self._create_roles,
            "store_credentials": self._store_credentials,
            "publish_event": self._publish_event,
            "await_fleet": self._await_fleet,
            "activate": self._activate,
            "retire_roles": self._retire_roles,
            "delete_credentials": self._delete_credentials,
            "drop_roles": self._drop_roles,
            "export_data": self._export_data,
            "drop_database": self._drop_database,
            "close": self._close,
        }
        self.backward: dict[str, Step] = {
            "publish_event": self._publish_failure,
            "store_credentials": self._delete_credentials,
            "create_roles": self._drop_roles,
            "provision_database": self._drop_database,
        }

    async def placement(self, tenant_id: UUID) -> Placement:
        """Return where the tenant's database is."""
        row = await self._control.fetch_one(QUERIES["get_placement"], {"tenant_id": tenant_id})
        if row is None:
            raise LookupError(f"tenant {tenant_id} has no database")
        return Placement(*row)

    async def version_of(self, operation: Operation) -> int:
        """Return the credential version that the operation works towards."""
        if operation.kind is Kind.ONBOARDING:
            return 1
        return int(operation.request["credential_version"])

    async def _provision_database(self, operation: Operation, report: Report) -> None:
        row = await self._control.fetch_one(QUERIES["get_tenant"], {"id": operation.tenant_id})
        assert row is not None
        placement = await self._provisioner.provision_database(operation.tenant_id, tier=row[3], report=report)
        failpoint(f"{operation.kind}.database_provisioned")
        await self._control.execute(
            QUERIES["insert_placement"],
            {
                "tenant_id": operation.tenant_id,
                "writer_host": placement.writer_host,
                "writer_port": placement.writer_port,
                "reader_host": placement.reader_host,
                "reader_port": placement.reader_port,
                "database_name": placement.database_name,
            },
        )

    async def _run_migrations(self, operation: Operation, _: Report) -> None:
        await self._provisioner.run_migrations(await self.placement(operation.tenant_id))

    async def _create_roles(self, operation: Operation, _: Report) -> None:
        slot = credential_slot(await self.version_of(operation))
        await self._provisioner.create_roles(operation.tenant_id, slot=slot)

    async def _store_credentials(self, operation: Operation, _: Report) -> None:
        placement = await self.placement(operation.tenant_id)
        slot = credential_slot(await self.version_of(operation))

        async def store(service: str, schema: str) -> None:
            password = random_secrets.token_urlsafe(32)
            # The role first: a secret in the store always opens the database. A crash between the two is mended
            # by doing both again with another password.
            user = await self._provisioner.set_password(operation.tenant_id, schema, slot=slot, password=password)
            failpoint(f"{operation.kind}.password_set")
            await self._secrets.write(
                tenant_secret_name(operation.tenant_id, service),
                tenant_secret(
                    operation.tenant_id,
                    url=placement.writer_url,
                    reader_url=placement.reader_url,
                    user=user,
                    password=password,
                ),
            )

        await asyncio.gather(*(store(service.name, service.schema or "") for service in TENANT_SERVICES))

    async def _publish_event(self, operation: Operation, _: Report) -> None:
        try:
            placement = await self.placement(operation.tenant_id)
        except LookupError:
            if operation.kind is Kind.OFFBOARDING:
                # An earlier closing got as far as that: nobody is connected to a database that is gone.
                return
            raise
        version = await self.version_of(operation) if operation.kind is not Kind.OFFBOARDING else 0
        async with self._control.transaction() as connection:
            if operation.kind is Kind.ROTATION:
                await connection.execute(
                    QUERIES["set_credential_version"], {"id": operation.tenant_id, "version": version}
                )
            names = {
                Kind.ONBOARDING: "tenant.created",
                Kind.ROTATION: "tenant.credentials_rotated",
                Kind.OFFBOARDING: "tenant.closing",
            }
            data = TenantDatabaseEvent(
                tenant_id=operation.tenant_id,
                credential_version=version,
                db_config=DatabasePlace(
                    writer_host=placement.writer_host,
                    writer_port=placement.writer_port,
                    reader_host=placement.reader_host,
                    reader_port=placement.reader_port,
                    database_name=placement.database_name,
                ),
            )
            topic = TENANT_CREATED if operation.kind is Kind.ONBOARDING else TENANT_CHANGED
            actor = str(operation.request.get("actor", ACTOR))
            await emit(connection, operation.tenant_id, names[operation.kind], data, topic=topic, actor=actor)
        failpoint(f"{operation.kind}.event_written")
        self._relay.wake(CONTROL_OUTBOX)

    async def _await_fleet(self, operation: Operation, _: Report) -> None:
        published = await self._control.fetch_one(
            QUERIES["step_finished_at"], {"id": operation.id, "step": "publish_event"}
        )
        assert published is not None
        parameters = {
            "tenant_id": operation.tenant_id,
            "version": await self.version_of(operation),
            "services": _SERVICES,
            "published_at": published[0],
        }
        try:
            async with asyncio.timeout(self._fleet_timeout_seconds):
                for attempt in range(1_000_000):
                    missing = await self._control.fetch_all(QUERIES["fleet_missing"], parameters)
                    if not missing:
                        return
                    await asyncio.sleep(_POLL_SECONDS[min(attempt, len(_POLL_SECONDS) - 1)])
        except TimeoutError as error:
            missing = await self._control.fetch_all(QUERIES["fleet_missing"], parameters)
            names = sorted({instance or f"any instance of {service}" for service, instance in missing})
            raise FleetNotReady(f"not connected to the tenant's database: {', '.join(names)}") from error

    async def _activate(self, operation: Operation, _: Report) -> None:
        async with self._control.transaction() as connection:
            await connection.execute(QUERIES["set_status"], {"id": operation.tenant_id, "status": "active"})
            data = TenantStateChanged(tenant_id=operation.tenant_id)
            await emit(connection, operation.tenant_id, "tenant.activated", data)
        self._relay.wake(CONTROL_OUTBOX)

    async def _retire_roles(self, operation: Operation, _: Report) -> None:
        old = credential_slot(await self.version_of(operation) - 1)
        await self._provisioner.retire_roles(operation.tenant_id, slot=old)

    async def _delete_credentials(self, operation: Operation, _: Report) -> None:
        for service in _SERVICES:
            await self._secrets.delete(tenant_secret_name(operation.tenant_id, service))

    async def _drop_roles(self, operation: Operation, _: Report) -> None:
        await self._provisioner.drop_roles(operation.tenant_id)

    async def _export_data(self, operation: Operation, _: Report) -> None:
        try:
            placement = await self.placement(operation.tenant_id)
            manifest = await self._provisioner.export_database(
                operation.tenant_id, placement, self._exports.directory(operation.tenant_id)
            )
        except LookupError:
            manifest = None
        if manifest is None:
            # An earlier closing got further than this, and failed then.
            _log.warning("tenant %s has no database any more: nothing is exported", operation.tenant_id)
            return
        failpoint(f"{operation.kind}.data_exported")
        await self._control.execute(
            QUERIES["insert_export"],
            {
                "tenant_id": operation.tenant_id,
                "manifest": Jsonb(msgspec.to_builtins(manifest)),
                "days": self._exports.retention_days,
            },
        )

    async def _drop_database(self, operation: Operation, report: Report) -> None:
        # An onboarding that failed has left nothing worth keeping.
        final_snapshot = operation.kind is Kind.OFFBOARDING
        await self._provisioner.drop_database(operation.tenant_id, final_snapshot=final_snapshot, report=report)
        failpoint(f"{operation.kind}.database_dropped")
        await self._provisioner.drop_roles(operation.tenant_id)
        await self._control.execute(QUERIES["delete_placement"], {"tenant_id": operation.tenant_id})

    async def _publish_failure(self, operation: Operation, _: Report) -> None:
        async with self._control.transaction() as connection:
            data = TenantStateChanged(tenant_id=operation.tenant_id)
            await emit(connection, operation.tenant_id, "tenant.onboarding_failed", data)
        self._relay.wake(CONTROL_OUTBOX)

    async def _close(self, operation: Operation, _: Report) -> None:
        async with self._control.transaction() as connection:
            await connection.execute(QUERIES["set_status"], {"id": operation.tenant_id, "status": "closed"})
            data = TenantStateChanged(tenant_id=operation.tenant_id)
            await emit(connection, operation.tenant_id, "tenant.closed", data)
        self._relay.wake(CONTROL_OUTBOX)


async def emit(
    connection: AsyncConnection[Any],
    tenant_id: UUID,
    name: str,
    data: msgspec.Struct,
    *,
    topic: str = TENANT_CHANGED,
    actor: str = ACTOR,
) -> None:
    """Write one event of a tenant to the control database's outbox, in the caller's transaction."""
    outbox = TenantTransaction(connection, tenant_id=tenant_id, schema="control", source="tenant")
    outbox.emit(Event(type=name, topic=topic, subject=str(tenant_id), data=data, actor=actor))
    await outbox.write_outbox()
