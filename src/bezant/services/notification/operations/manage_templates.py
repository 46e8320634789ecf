"""A tenant's own words for its e-mails."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.notification.domain.problems import EmailTemplateNotFound
from bezant.services.notification.domain.templates import Template, check_template
from bezant.services.notification.events.publishes import template_changed
from bezant.services.notification.storage import QUERIES


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """A template as the tenant keeps it."""

    event_type: str
    template: Template
    updated_at: datetime
    updated_by: str


async def list_templates(databases: TenantDatabases, tenant_id: UUID) -> list[OwnTemplate]:
    """Return the tenant's templates by event type."""
    async with databases.transaction(tenant_id) as tx:
        rows = await tx.fetch_all(QUERIES["list_templates"])
    return [OwnTemplate(row[0], Template(row[1], row[2]), row[3], row[4]) for row in rows]


async def put_template(
    databases: TenantDatabases, tenant_id: UUID, event_type: str, template: Template, *, actor: str
) -> OwnTemplate:
    """Write a template. Raises `EmailTemplateInvalid`."""
    check_template(event_type, template)

    async def work(tx: TenantTransaction) -> OwnTemplate:
        row = await tx.fetch_one(
            QUERIES["put_template"],
            {"event_type": event_type, "subject": template.subject, "body": template.body, "updated_by": actor},
        )
        assert row is not None
        tx.emit(template_changed(event_type, removed=False, actor=actor))
        return OwnTemplate(row[0], Template(row[1], row[2]), row[3], row[4])

    return await databases.run(tenant_id, work)


async def delete_template(databases: TenantDatabases, tenant_id: UUID, event_type: str, *, actor: str) -> None:
    """Go back to Bezant's own words. Raises `EmailTemplateNotFound`."""

    async def work(tx: TenantTransaction) -> None:
        if await tx.fetch_one(QUERIES["delete_template"], {"event_type": event_type}) is None:
            raise EmailTemplateNotFound(f"There is no template of your own for {event_type}.")
        tx.emit(template_changed(event_type, removed=True, actor=actor))

    await databases.run(tenant_id, work)


async def templates_of(tx: TenantTransaction, event_types: Iterable[str]) -> dict[str, Template]:
    """Return the tenant's own templates among these event types."""
    rows = await tx.fetch_all(QUERIES["templates_of"], {"event_types": sorted(event_types)})
    return {event_type: Template(subject, body) for event_type, subject, body in rows}
