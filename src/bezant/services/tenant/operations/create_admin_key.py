"""Make a platform administrator's key. Called by `bezant admin create-key`, never by a starting replica."""

from bezant.foundation.control.database import ControlDatabase
from bezant.foundation.identity.api_keys import new_api_key
from bezant.services.tenant.sagas.steps import QUERIES
from bezant.services.tenant.storage.acts import record_act

_ACTOR = "cli"


async def create_admin_key(control: ControlDatabase, *, name: str) -> str:
    """Return the key; it is shown once and only its hash is kept."""
    key_id, api_key, secret_hash = new_api_key()
    async with control.transaction() as connection:
        await connection.execute(
            QUERIES["insert_api_key"],
            {
                "key_id": key_id,
                "tenant_id": None,
                "secret_hash": secret_hash,
                "name": name,
                "scopes": ["admin"],
                "created_by": _ACTOR,
                "expires_at": None,
            },
        )
        await record_act(
            connection, "platform.api_key_created", actor=_ACTOR, subject=key_id, name=name, scopes=["admin"]
        )
    return api_key
