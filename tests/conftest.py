"""Real stores, started once for a run: a PostgreSQL server and a Valkey node that serves a whole cluster."""

from hypothesis import settings

from .stores.fixtures import postgres_server, stores, tenant, valkey, valkey_port

__all__ = ["postgres_server", "stores", "tenant", "valkey", "valkey_port"]

# Machines are noisy: how long an example takes says nothing here.
settings.register_profile("bezant", deadline=None)
settings.load_profile("bezant")
