"""Secret store: one interface, three back ends (AWS Secrets Manager, Kubernetes Secrets, encrypted files).

A secret is a JSON object of strings under a path-like name. A service reads only its own names:

- `bezant/platform/control/<service>`: `user`, `password` for the control database
- `bezant/platform/signing/<service>`: `private_key` for internal tokens (Ed25519, base64)
- `bezant/platform/verifying`: one public key for each service
- `bezant/tenants/<tenant_id>/<service>`: `tenant_<id>_db_url`, `_db_user`, `_db_password`
"""

from bezant.foundation.secrets.names import (
    control_secret_name,
    platform_secret_name,
    signing_secret_name,
    tenant_secret,
    tenant_secret_name,
    verifying_secret_name,
)
from bezant.foundation.secrets.open_store import open_secret_store
from bezant.foundation.secrets.store import SecretMissing, SecretStore, SecretStoreUnavailable

__all__ = [
    "SecretMissing",
    "SecretStore",
    "SecretStoreUnavailable",
    "control_secret_name",
    "open_secret_store",
    "platform_secret_name",
    "signing_secret_name",
    "tenant_secret",
    "tenant_secret_name",
    "verifying_secret_name",
]
