"""How secrets are named and shaped."""

from uuid import UUID


def control_secret_name(service: str) -> str:
    """Return where the service's control database credential is kept."""
    return f"bezant/platform/control/{service}"


def signing_secret_name(service: str) -> str:
    """Return where the private key is kept with which the service signs its internal tokens."""
    return f"bezant/platform/signing/{service}"


def verifying_secret_name() -> str:
    """Return where every service's public key is kept."""
    return "bezant/platform/verifying"


def platform_secret_name(purpose: str) -> str:
    """Return where a platform-wide secret is kept, such as `provisioner` or `audit-signing`."""
    return f"bezant/platform/{purpose}"


def tenant_secret_name(tenant_id: UUID, service: str) -> str:
    """Return where the service's credential for one tenant database is kept."""
    return f"bezant/tenants/{tenant_id}/{service}"


def tenant_secret(tenant_id: UUID, *, url: str, reader_url: str, user: str, password: str) -> dict[str, str]:
    """Return a tenant credential with the key names of the deployment document. The URLs hold no password."""
    prefix = f"tenant_{tenant_id}_db"
    return {
        f"{prefix}_url": url,
        f"{prefix}_reader_url": reader_url,
        f"{prefix}_user": user,
        f"{prefix}_password": password,
    }
