"""Choose the secret store that the settings name."""

from pathlib import Path

from bezant.foundation.secrets.store import SecretStore
from bezant.foundation.settings import Settings


def open_secret_store(settings: Settings) -> SecretStore:
    """Return the secret store of this process. Raises `SecretStoreUnavailable` when it cannot be opened."""
    store = _open(settings)
    if settings.platform_secrets_dir is None:
        return store
    from bezant.foundation.secrets.kubernetes_files import KubernetesFiles  # noqa: PLC0415
    from bezant.foundation.secrets.mounted_platform import MountedPlatformSecrets  # noqa: PLC0415

    return MountedPlatformSecrets(KubernetesFiles(Path(settings.platform_secrets_dir)), store)


def _open(settings: Settings) -> SecretStore:
    if settings.secret_store == "aws":
        # boto3 costs 0.2 s to import, which only the processes that use it should pay
        from bezant.foundation.secrets.aws_secrets_manager import AwsSecretsManager  # noqa: PLC0415

        replicas = [region for region in settings.secret_replica_regions.split(",") if region]
        return AwsSecretsManager(
            region=settings.aws_region,
            endpoint_url=settings.aws_endpoint_url,
            replica_regions=replicas,
            kms_key_id=settings.secret_kms_key_id,
        )
    if settings.secret_store == "kubernetes":
        from bezant.foundation.secrets.kubernetes_files import KubernetesFiles  # noqa: PLC0415

        return KubernetesFiles(Path(settings.secret_store_dir))
    from bezant.foundation.secrets.encrypted_files import EncryptedFiles  # noqa: PLC0415

    return EncryptedFiles(Path(settings.secret_store_dir), Path(settings.secret_store_key_file))
