"""The service processes: which there are, and the settings each is started with."""

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import bezant
from bezant.contracts.fleet import SERVICES
from bezant.local import openid_process, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import InvalidOptions
from bezant.local.gateway import Endpoint
from bezant.local.options import PlatformOptions
from bezant.local.plan import AddedReplica, ProbeResult, ProcessSpec
from bezant.local.ports import HOST, MAX_REPLICAS, VALKEY_NODES
from bezant.local.postgres import max_connections
from bezant.local.zones import zone_of_replica

CONTROL_DATABASE = "bezant_control"
LAPTOP_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # nobody tries three days of retries on a laptop: the whole schedule in an hour
        "BEZANT_NOTIFICATION_SCHEDULE_COMPRESSION": "72",
        # many tenants share one server here, and each connection is a process of it
        "BEZANT_POOL_MIN_CONNECTIONS": "1",
    }
)
"""Settings that a laptop is better served with, and that the environment of `bezant up` may set otherwise."""
_KEPT_BACK = 40
# what a user may set for every process, besides the settings of Bezant itself
_PASSED_ON_PREFIXES = ("BEZANT_", "OTEL_", "AWS_", "PYTHON", "SSL_CERT_", "LC_")


_OWN_COMMAND: Final = (sys.executable, "-m", "bezant.cli.serve_process")
"""Not the `bezant` script: its command line's libraries would cost every service 0.1 s and 10 MB."""


def replicas(options: PlatformOptions) -> list[tuple[str, int]]:
    """Return every (service, replica) that the platform starts with."""
    return [(service, replica) for service in options.services for replica in range(options.replica_count(service))]


def endpoints(options: PlatformOptions) -> list[tuple[str, Endpoint]]:
    """Return the replicas as the gateway sees them."""
    return [
        (
            service,
            Endpoint(
                process=f"{service}-{replica}",
                port=options.ports.service(service, replica),
                zone=zone_of_replica(replica),
            ),
        )
        for service, replica in replicas(options)
    ]


def shared_settings(options: PlatformOptions) -> dict[str, str]:
    """Return the settings that all processes share. None of them is a secret: those are in the secret store."""
    directory = DataDirectory(options.directory)
    ports = options.ports
    valkey_nodes = ",".join(f"{HOST}:{ports.valkey(node)}" for node in range(VALKEY_NODES))
    database_host, database_port = HOST, str(ports.postgres_control if options.control_server else ports.postgres)
    if options.external.postgres is not None:
        database_host, _, database_port = options.external.postgres.rpartition(":")
    return {
        "BEZANT_HOST": HOST,
        "BEZANT_CONTROL_DATABASE_HOST": database_host,
        "BEZANT_CONTROL_DATABASE_PORT": database_port,
        "BEZANT_CONTROL_DATABASE_NAME": CONTROL_DATABASE,
        "BEZANT_KAFKA_BOOTSTRAP": options.external.kafka_bootstrap or f"{HOST}:{ports.broker}",
        "BEZANT_VALKEY_NODES": options.external.valkey_nodes or valkey_nodes,
        "BEZANT_INTERNAL_URL": f"http://{HOST}:{ports.internal_gateway}",
        "BEZANT_SECRET_STORE": "file",
        "BEZANT_SECRET_STORE_DIR": str(directory.secrets),
        "BEZANT_SECRET_STORE_KEY_FILE": str(directory.secret_store_key),
        "BEZANT_LOG_LEVEL": options.log_level,
        "BEZANT_TENANT_EXPORT_DIR": str(directory.exports),
        # a laptop's webhook receivers listen on loopback and without TLS
        "BEZANT_NOTIFICATION_ALLOW_HTTP": "true",
        "BEZANT_NOTIFICATION_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        **(
            {"BEZANT_TENANT_SERVER_HOST": HOST, "BEZANT_TENANT_SERVER_PORT": str(ports.postgres)}
            if options.control_server
            else {}
        ),
        **({"BEZANT_TENANT_OIDC_ISSUER": openid_process.issuer(ports)} if options.sign_in else {}),
    }


def inherited_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a service process takes over from the environment of `bezant up`."""
    return {name: value for name, value in environ.items() if name.startswith(_PASSED_ON_PREFIXES)}


def specs(options: PlatformOptions, shared: Mapping[str, str], depends_on: tuple[str, ...]) -> list[ProcessSpec]:
    """Return the processes."""
    return [
        replica_spec(options, shared, depends_on, AddedReplica(service=service, replica=replica))
        for service, replica in replicas(options)
    ]


def connection_cap(options: PlatformOptions) -> int:
    """Return how many tenant connections each process may hold, so that all of them fit into PostgreSQL's limit.

    What is kept back is for the processes' control connections, provisioning, and an administrator.
    """
    most = {
        service: options.replica_count(service) + options.spare_replicas.get(service, 0) for service in options.services
    }
    processes = sum(count for service, count in most.items() if SERVICES[service].schema is not None)
    return max(10, (max_connections() - _KEPT_BACK - 6 * sum(most.values())) // max(1, processes))


def replica_spec(
    options: PlatformOptions, shared: Mapping[str, str], depends_on: tuple[str, ...], added: AddedReplica
) -> ProcessSpec:
    """Return the process of one replica. Raises `InvalidOptions` for a service or a number that there is not."""
    service, replica, name = added.service, added.replica, added.name
    if service not in options.services or not 0 <= replica < MAX_REPLICAS:
        raise InvalidOptions(
            f"there can be no replica {name}; services here are {', '.join(options.services)}, "
            f"replicas are 0 to {MAX_REPLICAS - 1}"
        )
    directory = DataDirectory(options.directory)
    port = options.ports.service(service, replica)
    zone = zone_of_replica(replica)
    version = added.version or options.versions.get(service, bezant.__version__)

    async def probe(_pid: int) -> ProbeResult:
        return await _readiness(port)

    return ProcessSpec(
        name=name,
        role=SERVICES[service].name,
        command=[*(added.command or _OWN_COMMAND), service],
        environment={
            # a user's own settings come first, so that what the platform knows better wins
            **LAPTOP_DEFAULTS,
            **inherited_settings(os.environ),
            **shared,
            "BEZANT_INSTANCE_ID": name,
            "BEZANT_ZONE": zone,
            "BEZANT_VERSION": version,
            "BEZANT_PORT": str(port),
            "BEZANT_PROCESS_CONNECTION_CAP": str(connection_cap(options)),
            "BEZANT_TRACE_FILE": str(directory.traces / f"{name}.jsonl"),
            **options.environment,
            **options.service_environment.get(service, {}),
            **options.service_environment.get(name, {}),
            **added.environment,
        },
        working_directory=directory.root,
        probe=probe,
        log_path=directory.log(name),
        version=version,
        zone=zone,
        port=port,
        depends_on=depends_on,
        stop_grace_seconds=options.stop_grace_seconds,
        longest_backoff_seconds=options.longest_backoff_seconds,
        stop_stage=0,
    )


async def _readiness(port: int) -> ProbeResult:
    try:
        status, body = await wire.http_request(port, "/readyz")
    except (OSError, EOFError, ValueError) as error:
        return ProbeResult(False, str(error))
    return ProbeResult(status == 200, "" if status == 200 else body.decode(errors="replace")[:200])
