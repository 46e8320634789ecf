"""The seven services: their names, their schemas in a tenant database and who may call whom."""

from typing import Final, NamedTuple


class Service(NamedTuple):
    """One service: the name of its process type, and its schema in each tenant database, if it has one."""

    name: str
    schema: str | None


SERVICES: Final[dict[str, Service]] = {
    service.name: service
    for service in (
        Service("tenant", None),
        Service("account", "account"),
        Service("transaction", "ledger"),
        Service("payment", "payment"),
        Service("fraud", "fraud"),
        Service("notification", "notification"),
        Service("audit", "audit"),
    )
}
"""Every service by name. The tenant service lives in the control database and has no tenant schema."""

TENANT_SERVICES: Final = tuple(service for service in SERVICES.values() if service.schema is not None)
"""The services that keep data in tenant databases."""
