"""What a tenant asks of reviews: which decisions need a second person."""

from uuid import UUID

from bezant.foundation.tenancy import TenantDatabases, TenantTransaction
from bezant.services.fraud.domain.cases import ReviewSettings, SecondPerson
from bezant.services.fraud.events.publishes import settings_changed
from bezant.services.fraud.storage import QUERIES


async def settings_in(tx: TenantTransaction) -> ReviewSettings:
    """Return the settings as a transaction sees them."""
    row = await tx.fetch_one(QUERIES["settings"])
    if row is None:
        raise LookupError(f"tenant {tx.tenant_id} has no fraud settings")
    return ReviewSettings(SecondPerson(row[0]), row[1], row[2])


async def read_settings(databases: TenantDatabases, tenant_id: UUID) -> ReviewSettings:
    """Return the tenant's settings."""
    async with databases.transaction(tenant_id) as tx:
        return await settings_in(tx)


async def set_settings(
    databases: TenantDatabases, tenant_id: UUID, second_person: SecondPerson, *, actor: str
) -> ReviewSettings:
    """Change the settings; a proposal that is open stays one, and one more decision settles it in any case."""

    async def work(tx: TenantTransaction) -> ReviewSettings:
        await tx.execute(QUERIES["set_settings"], {"second_person": second_person, "changed_by": actor})
        tx.emit(settings_changed(second_person, actor=actor))
        return await settings_in(tx)

    return await databases.run(tenant_id, work)
