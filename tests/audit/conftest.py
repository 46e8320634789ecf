"""Real stores for the audit service."""

from ..stores.fixtures import postgres_server, stores, tenant

__all__ = ["postgres_server", "stores", "tenant"]
