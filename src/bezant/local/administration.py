"""What the owner of a data directory may do past the API: reach the control database, make the first admin key."""

from pathlib import Path

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import open_secret_store
from bezant.foundation.settings import Settings
from bezant.local.data_directory import DataDirectory
from bezant.local.options import DEFAULT_PORT_BASE, PlatformOptions
from bezant.local.service_processes import shared_settings
from bezant.services.tenant.operations.create_admin_key import create_admin_key


def settings_of(data_dir: Path) -> Settings:
    """Return the settings by which the platform in this data directory is reached."""
    directory = DataDirectory(data_dir.expanduser().absolute())
    port_base = directory.port_base() or DEFAULT_PORT_BASE
    options = PlatformOptions(
        data_dir=str(directory.root), port_base=port_base, control_server=directory.has_control_server
    )
    shared = shared_settings(options)
    return Settings.model_validate(
        {name.removeprefix("BEZANT_").lower(): value for name, value in shared.items()} | {"instance_id": "cli"}
    )


async def make_admin_key(settings: Settings, name: str) -> str:
    """Return a fresh administrator's key. Raises `ControlUnavailable`, `SecretMissing`."""
    control = await ControlDatabase.open(service="tenant", settings=settings, secrets=open_secret_store(settings))
    try:
        return await create_admin_key(control, name=name)
    finally:
        await control.close()
