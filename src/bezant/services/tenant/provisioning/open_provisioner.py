"""Choose the provisioner that the settings name."""

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.secrets import SecretStore
from bezant.foundation.settings import Settings
from bezant.services.tenant.provisioning.control_cluster import ControlCluster
from bezant.services.tenant.provisioning.provisioner import Provisioner
from bezant.services.tenant.settings import TenantSettings


def open_provisioner(
    settings: Settings, tenant: TenantSettings, control: ControlDatabase, secrets: SecretStore
) -> Provisioner:
    """Return where tenant databases come from. Raises `WrongRegion` when Aurora's settings contradict each other."""
    if tenant.provisioner == "aurora":
        # boto3 costs 0.2 s to import, which only the processes that use it should pay
        from bezant.services.tenant.provisioning.aurora.provisioner import AuroraProvisioner  # noqa: PLC0415
        from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings  # noqa: PLC0415

        return AuroraProvisioner(settings, AuroraSettings(), control, secrets)
    return ControlCluster(settings, secrets)
