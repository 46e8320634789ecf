"""From the options to the plan: which parts are started here, and how they know of each other."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bezant.local import gateway_process, openid_process, postgres, service_processes, valkey
from bezant.local.broker import Broker
from bezant.local.data_directory import DataDirectory
from bezant.local.gateway_process import Gateway
from bezant.local.options import PlatformOptions
from bezant.local.plan import PlatformPlan, ProcessSpec, TaskSpec
from bezant.local.ports import HOST
from bezant.local.postgres import SUPERUSER, PostgresServer
from bezant.local.preparation import Preparation
from bezant.local.valkey import ValkeyCluster

DATABASE_TASK = "control-database"
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
    shared = service_processes.shared_settings(options)
    preparation = Preparation(
        directory=directory,
        settings={**service_processes.inherited_settings(os.environ), **shared, **options.environment},
        administrator_user=SUPERUSER if external.postgres is None else external.postgres_user,
        password_file=Path(external.postgres_password_file or directory.superuser_password),
    )
    processes: list[ProcessSpec] = []
    tasks: list[TaskSpec] = []
    needed: list[str] = []
    if external.postgres is None:
        servers = [postgres.NAME, *([postgres.CONTROL_NAME] if options.control_server else [])]
        processes += [PostgresServer(directory, ports, name).spec() for name in servers]
        needed += servers
    can_prepare = external.postgres is None or external.postgres_password_file is not None
    if options.services and can_prepare:
        tasks.append(TaskSpec(name=DATABASE_TASK, run=preparation.database, depends_on=tuple(needed)))
        needed.append(DATABASE_TASK)
    if external.valkey_nodes is None:
        cluster = ValkeyCluster(directory, ports)
        processes += cluster.specs()
        tasks += cluster.tasks()
        needed.append(valkey.SLOTS_TASK)
    if external.kafka_bootstrap is None:
        processes.append(Broker(directory, ports, preparation.topics).spec())
        needed.append(processes[-1].name)
    gateway = Gateway(directory, ports, service_processes.endpoints(options))
    processes.append(gateway.spec())
    if options.sign_in:
        processes.append(openid_process.spec(directory, ports))
    services = service_processes.specs(options, shared, tuple(needed))
    processes += services
    tasks.append(
        TaskSpec(
            name=ROUTING_TASK,
            run=gateway.wait_for_replicas,
            depends_on=[gateway_process.NAME, *(service.name for service in services)],
        )
    )
    return BuiltPlatform(
        plan=PlatformPlan(
            processes=processes,
            tasks=tasks,
            traffic=gateway,
            replica=partial(service_processes.replica_spec, options, shared, tuple(needed)),
        ),
        directory=directory,
        url=f"http://{HOST}:{ports.gateway}",
    )
