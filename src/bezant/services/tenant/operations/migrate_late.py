"""Migrate the tenants' databases that did not answer when this version was released."""

import asyncio
import logging

import psycopg

from bezant.contracts.problems import Problem
from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.database.migrations import MigrationChanged, digest, tenant_migrations
from bezant.foundation.secrets import SecretStoreUnavailable
from bezant.services.tenant.provisioning.provisioner import Placement, Provisioner
from bezant.services.tenant.sagas.steps import QUERIES

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 15.0


async def migrate_late(control: ControlDatabase, provisioner: Provisioner) -> int:
    """Migrate those that answer by now and return how many. Raises `ControlUnavailable`."""
    migrated = 0
    wanted = {"wanted": digest(tenant_migrations())}
    for tenant_id, *where in await control.fetch_all(QUERIES["late_migrations"], wanted):
        try:
            await provisioner.run_migrations(Placement(*where))
        except (psycopg.Error, MigrationChanged, SecretStoreUnavailable) as error:
            _log.warning("the database of tenant %s is still to be migrated: %s", tenant_id, type(error).__name__)
            continue
        await control.execute(QUERIES["migrated_late"], {"tenant_id": tenant_id, **wanted})
        _log.info("the database of tenant %s was migrated late", tenant_id)
        migrated += 1
    return migrated


async def keep_migrating(control: ControlDatabase, provisioner: Provisioner) -> None:
    """Look for such databases until cancelled."""
    while True:
        try:
            await migrate_late(control, provisioner)
        except Problem as error:
            _log.info("late migrations cannot be looked for: %s", error.detail)
        await asyncio.sleep(_LOOK_SECONDS)
