"""Real stores, started once for a run: a PostgreSQL server and a Valkey node that serves a whole cluster."""

from .stores.fixtures import postgres_server, stores, tenant, valkey, valkey_port

__all__ = ["postgres_server", "stores", "tenant", "valkey", "valkey_port"]
