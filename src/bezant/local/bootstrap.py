"""What has to exist before the services start, made on the first start and found again on every later one."""

from dataclasses import dataclass

from bezant.foundation.secrets.encrypted_files import EncryptedFiles
from bezant.local.data_directory import DataDirectory
from bezant.local.options import PlatformOptions
from bezant.local.service_processes import SECRET_STORE_KEY


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The first steps of one platform."""

    options: PlatformOptions
    directory: DataDirectory

    async def run(self) -> None:
        """Make the secret store's key, the control database, its roles and their secrets. Idempotent."""
        EncryptedFiles.create_key(self.directory.keys / SECRET_STORE_KEY)
