"""Real stores for the fraud service."""

from ..stores.fixtures import postgres_server, stores, tenant, valkey, valkey_port

__all__ = ["postgres_server", "stores", "tenant", "valkey", "valkey_port"]
