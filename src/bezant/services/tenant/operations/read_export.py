"""The export of a closed tenant: what it holds, its files, and its end."""

import asyncio
import logging
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bezant.contracts.problems import Problem
from bezant.foundation.control.database import ControlDatabase
from bezant.services.tenant.domain.problems import ExportNotFound
from bezant.services.tenant.provisioning.exports import Exports
from bezant.services.tenant.provisioning.provisioner import Provisioner
from bezant.services.tenant.sagas.steps import ACTOR, QUERIES
from bezant.services.tenant.storage.acts import record_act

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Export:
    """An export as it was written down."""

    made_at: datetime
    keep_until: datetime
    files: list[dict[str, Any]]


async def read_export(control: ControlDatabase, tenant_id: UUID) -> Export:
    """Return what was exported. Raises `ExportNotFound`."""
    row = await control.fetch_one(QUERIES["get_export"], {"tenant_id": tenant_id})
    if row is None:
        raise ExportNotFound(
            f"there is no export of tenant {tenant_id}: one is made by closing it, and kept for a time"
        )
    return Export(row[0], row[2], row[1]["files"])


async def export_file(control: ControlDatabase, exports: Exports, tenant_id: UUID, name: str) -> Path:
    """Return where a file of the export lies. Raises `ExportNotFound`."""
    export = await read_export(control, tenant_id)
    # Only names that the manifest has: a path made of anything else never reaches the file system.
    path = exports.directory(tenant_id) / name if name in {file["name"] for file in export.files} else None
    if path is None or not await asyncio.to_thread(path.is_file):
        raise ExportNotFound(f"the export of tenant {tenant_id} has no file {name} here")
    return path


async def remove_exports_that_are_over(control: ControlDatabase, exports: Exports, provisioner: Provisioner) -> int:
    """Remove what has been kept for long enough, the database's final snapshot too, and return how many exports."""
    removed = 0
    for (tenant_id,) in await control.fetch_all(QUERIES["exports_over"]):
        await provisioner.remove_final_snapshot(tenant_id)
        await asyncio.to_thread(shutil.rmtree, exports.directory(tenant_id), ignore_errors=True)
        async with control.transaction() as connection:
            await connection.execute(QUERIES["remove_export"], {"tenant_id": tenant_id})
            await record_act(
                connection, "export.removed", actor=ACTOR, subject=str(tenant_id),
                tenant_id=tenant_id,
            )  # fmt: skip
        removed += 1
    return removed


async def keep_removing(control: ControlDatabase, exports: Exports, provisioner: Provisioner) -> None:
    """Look every hour, until cancelled."""
    while True:
        try:
            await remove_exports_that_are_over(control, exports, provisioner)
        except (Problem, OSError, RuntimeError) as error:
            _log.info("exports are looked at again later: %s", error)
        await asyncio.sleep(_LOOK_SECONDS)
