"""Whether the tenants of a local platform all fit its connections."""

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.control.directory import TenantDirectory
from bezant.foundation.secrets import open_secret_store
from bezant.local.administration import settings_of
from bezant.local.options import PlatformOptions
from bezant.local.service_processes import LAPTOP_DEFAULTS, connection_cap
from bezant.topology.capacity.residency import Residency

_MINIMUM = "BEZANT_POOL_MIN_CONNECTIONS"


async def residency(options: PlatformOptions) -> Residency:
    """Return how the tenants of a running platform fit. Raises `ControlUnavailable`, `SecretMissing`."""
    settings = settings_of(options.directory)
    control = await ControlDatabase.open(service="tenant", settings=settings, secrets=open_secret_store(settings))
    try:
        tenants = await TenantDirectory(control).tenants_with_databases()
    finally:
        await control.close()
    return residency_of(options, len(tenants))


def residency_of(options: PlatformOptions, tenants: int) -> Residency:
    """Return how so many tenants fit a platform with these options."""
    minimum = int(options.environment.get(_MINIMUM, LAPTOP_DEFAULTS[_MINIMUM]))
    return Residency(connection_cap(options), minimum, tenants)


def warning(found: Residency) -> str | None:
    """Return what to tell the user when some tenants' connections will be closed for others', or None."""
    if found.is_kept:
        return None
    return (
        f"{found.tenants} tenants have databases here, and each service can keep connections to {found.fitting} of "
        f"them ({found.arithmetic}). Payments of the others wait until a connection is opened. Run fewer replicas, or "
        "give the machine more memory"
    )
