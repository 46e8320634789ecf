"""From the options to the plan: which parts are started here, and how they know of each other."""

from dataclasses import dataclass

from bezant.local import gateway_process, service_processes, valkey
from bezant.local.bootstrap import Bootstrap
from bezant.local.broker import Broker
from bezant.local.data_directory import DataDirectory
from bezant.local.gateway_process import Gateway
from bezant.local.options import PlatformOptions
from bezant.local.plan import PlatformPlan, ProcessSpec, TaskSpec
from bezant.local.ports import HOST
from bezant.local.postgres import PostgresServer
from bezant.local.valkey import ValkeyCluster

BOOTSTRAP_TASK = "control-database"
ROUTING_TASK = "routing"


@dataclass(frozen=True, slots=True)
class BuiltPlatform:
    """A plan and what belongs to it."""

    plan: PlatformPlan
    directory: DataDirectory
    url: str


def build(options: PlatformOptions) -> BuiltPlatform:
    """Return the platform that the options ask for. Raises `PlatformError` when it cannot be built."""
    directory = DataDirectory(options.directory)
    ports = options.ports
    external = options.external
    cluster = ValkeyCluster(directory, ports)
    broker = Broker(directory, ports)
    gateway = Gateway(directory, ports, service_processes.endpoints(options))
    processes: list[ProcessSpec] = []
    tasks: list[TaskSpec] = []
    infrastructure: list[str] = []
    database: list[str] = []
    if external.postgres is None:
        processes.append(PostgresServer(directory, ports).spec())
        database.append(processes[-1].name)
    if external.valkey_nodes is None:
        processes += cluster.specs()
        tasks.append(cluster.task())
        infrastructure.append(valkey.CLUSTER_TASK)
    if external.kafka_bootstrap is None:
        processes.append(broker.spec())
        infrastructure.append(processes[-1].name)
    tasks.append(TaskSpec(name=BOOTSTRAP_TASK, run=Bootstrap(options, directory).run, depends_on=database))
    infrastructure.append(BOOTSTRAP_TASK)
    processes.append(gateway.spec())
    shared = service_processes.shared_settings(options, cluster.addresses, broker.bootstrap)
    services = service_processes.specs(options, shared, tuple(infrastructure))
    processes += services
    tasks.append(
        TaskSpec(
            name=ROUTING_TASK,
            run=gateway.wait_for_replicas,
            depends_on=[gateway_process.NAME, *(service.name for service in services)],
        )
    )
    return BuiltPlatform(
        plan=PlatformPlan(processes=processes, tasks=tasks, traffic=gateway),
        directory=directory,
        url=f"http://{HOST}:{ports.gateway}",
    )
