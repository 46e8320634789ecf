"""Stores, started once for a run: PostgreSQL servers, a Valkey node that serves a whole cluster, an AWS emulator."""

from importlib.util import find_spec

from hypothesis import settings

from .stores.aws import aurora_server, aws, aws_credentials
from .stores.fixtures import postgres_server, stores, tenant, valkey, valkey_port

__all__ = ["aurora_server", "aws", "aws_credentials", "postgres_server", "stores", "tenant", "valkey", "valkey_port"]

# Machines are noisy: how long an example takes says nothing here.
settings.register_profile("bezant", deadline=None)
settings.load_profile("bezant")

# these have tools of their own: `make test-chart`, `make test-infra`
collect_ignore = [
    folder for folder, needed in (("chart", "kubernetes_validate"), ("infra", "aws_cdk")) if find_spec(needed) is None
]
