"""Real PostgreSQL for the payment service."""

from ..stores.fixtures import postgres_server, stores, tenant

__all__ = ["postgres_server", "stores", "tenant"]
