"""Routes of the exports of closed tenants."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.http import require
from bezant.foundation.identity.api_keys import Caller
from bezant.services.tenant.operations.read_export import export_file, read_export
from bezant.services.tenant.provisioning.exports import Exports

Admin = Annotated[Caller, Depends(require("admin"))]


class ExportedFileAnswer(BaseModel):
    """One file: gzipped JSON Lines, a table's rows."""

    name: str
    rows: int
    bytes: int
    sha256: str = Field(description="Of the file as it is downloaded")


class ExportAnswer(BaseModel):
    """What was exported of a tenant before its database was removed."""

    made_at: datetime
    keep_until: datetime
    files: list[ExportedFileAnswer]


def export_routes(control: ControlDatabase, exports: Exports) -> APIRouter:
    """Return the routes below `/v1/tenants/{tenant_id}/export`."""
    router = APIRouter(tags=["tenants"])

    @router.get("/v1/tenants/{tenant_id}/export")
    async def get_export(tenant_id: UUID, caller: Admin) -> ExportAnswer:
        """Return what was exported when the tenant was closed."""
        export = await read_export(control, tenant_id)
        files = [ExportedFileAnswer.model_validate(file) for file in export.files]
        return ExportAnswer(made_at=export.made_at, keep_until=export.keep_until, files=files)

    @router.get(
        "/v1/tenants/{tenant_id}/export/files/{name}",
        response_class=FileResponse,
        responses={200: {"content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}}},
    )
    async def get_export_file(
        tenant_id: UUID, name: Annotated[str, Path(pattern=r"^[a-z_]+\.[a-z_]+\.jsonl\.gz$")], caller: Admin
    ) -> FileResponse:
        """Return one file of the export."""
        return FileResponse(await export_file(control, exports, tenant_id, name), media_type="application/gzip")

    return router
