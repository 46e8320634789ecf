"""Membership: this instance's lease, and its answer to `tenant.created` and `tenant.changed`.

An instance that gets `tenant.created` fetches the tenant's credential, opens its pool, connects once and
acknowledges; the tenant becomes active when the fleet has. One that missed the event learns of the tenant from
the registry at its next heartbeat.
"""

import asyncio
import logging
import time
from uuid import UUID

from bezant.contracts.events import ReceivedEvent
from bezant.contracts.problems import NotFound, Problem
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.control.remembered import REVOCATION_SECONDS
from bezant.foundation.tenancy import TenantDatabases

_log = logging.getLogger(__name__)


class Membership:
    """One process's place in the fleet. `databases` is None for the tenant service, which has no tenant role."""

    def __init__(self, control: ControlDatabase, directory: TenantDirectory, databases: TenantDatabases | None) -> None:
        self._control = control
        self._directory = directory
        self._databases = databases
        settings = control.settings
        self._instance = {
            "instance_id": settings.instance_id,
            "service": control.service,
            "zone": settings.zone,
            "version": settings.version,
            "lease_seconds": settings.lease_seconds,
        }
        self._joining: dict[UUID, asyncio.Lock] = {}
        self._serves_seconds = REVOCATION_SECONDS + settings.control_grace_seconds
        self._renewed_at: float | None = None

    @property
    def can_serve(self) -> bool:
        """Whether what this process knows of keys and tenants may still be acted on.

        A lease that was not renewed says that other processes need not wait for this one. It does not say that this
        one cannot serve: it can for as long as `Remembered` keeps what it knew when the lease was last renewed.
        """
        return self._renewed_at is not None and time.monotonic() - self._renewed_at < self._serves_seconds

    async def join(self) -> None:
        """Register this process under a fresh lease. Raises `ControlUnavailable`."""
        await self._control.execute(QUERIES["register_instance"], self._instance)
        self._renewed_at = time.monotonic()

    async def leave(self) -> None:
        """End the lease: the process is stopping."""
        await self._control.execute(QUERIES["end_lease"], self._instance)

    async def run(self) -> None:
        """Renew the lease and catch up with what was missed, until cancelled."""
        settings = self._control.settings
        while True:
            await asyncio.sleep(settings.heartbeat_seconds)
            try:
                await self._control.execute(QUERIES["renew_lease"], self._instance)
                self._renewed_at = time.monotonic()
                await self._catch_up()
            except Problem as error:
                _log.warning("the lease was not renewed: %s", error.detail)

    async def _catch_up(self) -> None:
        if self._databases is None:
            return
        for (tenant_id,) in await self._control.fetch_all(QUERIES["unacknowledged_tenants"], self._instance):
            try:
                await self._connect(tenant_id, rotated=True)
            except Problem as error:
                _log.info("not connected to tenant %s yet: %s", tenant_id, error.detail)

    async def on_event(self, event: ReceivedEvent) -> None:
        """Take note of an event on a broadcast topic."""
        self._directory.forget(event.tenant_id)
        if self._databases is None:
            return
        if event.type == "tenant.created":
            try:
                record = await self._directory.get(event.tenant_id)
            except NotFound:
                return
            # The topic is read from its start: tenants that are long active are connected to on their first request.
            if record.status == "onboarding":
                await self._connect(event.tenant_id, rotated=False)
        elif event.type == "tenant.credentials_rotated":
            await self._connect(event.tenant_id, rotated=True)
        elif event.type in ("tenant.closed", "tenant.onboarding_failed"):
            await self._databases.forget(event.tenant_id)

    async def _connect(self, tenant_id: UUID, *, rotated: bool) -> None:
        assert self._databases is not None
        lock = self._joining.setdefault(tenant_id, asyncio.Lock())
        async with lock:
            resident = any(pool.tenant_id == tenant_id for pool in self._databases.resident_pools())
            if rotated and resident:
                version = await self._databases.refresh_credential(tenant_id)
            else:
                version = await self._databases.warm(tenant_id)
            await self._control.execute(
                QUERIES["acknowledge_tenant"],
                {"tenant_id": tenant_id, "instance_id": self._instance["instance_id"], "credential_version": version},
            )
        self._joining.pop(tenant_id, None)
