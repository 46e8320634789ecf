"""The settings of a running local platform, for commands that talk to its control database."""

from pathlib import Path

from bezant.foundation.settings import Settings
from bezant.local.data_directory import DataDirectory
from bezant.local.options import DEFAULT_PORT_BASE, PlatformOptions
from bezant.local.service_processes import shared_settings


def settings_of(data_dir: Path) -> Settings:
    """Return the settings by which the platform in this data directory is reached."""
    directory = DataDirectory(data_dir.expanduser().absolute())
    port_base = directory.port_base() or DEFAULT_PORT_BASE
    shared = shared_settings(PlatformOptions(data_dir=str(directory.root), port_base=port_base))
    return Settings.model_validate(
        {name.removeprefix("BEZANT_").lower(): value for name, value in shared.items()} | {"instance_id": "cli"}
    )
