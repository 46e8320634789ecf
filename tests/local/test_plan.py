import socket
from pathlib import Path

import msgspec
import pytest

from bezant.contracts.fleet import SERVICES
from bezant.local import service_processes
from bezant.local.build import build
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import InvalidOptions, PortTaken
from bezant.local.options import ExternalParts, PlatformOptions
from bezant.local.plan import PlatformPlan, TaskSpec
from bezant.local.ports import Ports, refuse_taken


def options(tmp_path: Path, **changes: object) -> PlatformOptions:
    return PlatformOptions(**{"data_dir": str(tmp_path), **changes})  # type: ignore[arg-type]


async def nothing() -> None:
    return


def task(name: str, *depends_on: str) -> TaskSpec:
    return TaskSpec(name=name, run=nothing, depends_on=depends_on)


def test_every_service_runs_once_unless_replicas_are_asked_for(tmp_path: Path) -> None:
    plan = build(options(tmp_path, replicas={"payment": 4})).plan
    services = {spec.name: spec for spec in plan.processes if spec.role in SERVICES}
    assert set(services) == {f"{name}-0" for name in SERVICES} | {"payment-1", "payment-2", "payment-3"}
    assert [services[f"payment-{n}"].zone for n in range(4)] == [
        "us-east-1a",
        "us-east-1b",
        "us-east-1c",
        "us-east-1a",
    ]


def test_no_two_processes_share_a_port(tmp_path: Path) -> None:
    everything = build(options(tmp_path, replicas=dict.fromkeys(SERVICES, 50), control_server=True)).plan
    ports = [port for spec in everything.processes for port in (spec.port, *spec.other_ports)]
    assert None not in ports
    assert len(ports) == len(set(ports))


def test_a_valkey_replica_lies_in_another_zone_than_its_primary(tmp_path: Path) -> None:
    zones = {spec.name: spec.zone for spec in build(options(tmp_path)).plan.processes}
    for shard in range(3):
        assert zones[f"valkey-{shard}"] != zones[f"valkey-{shard + 3}"]
    assert len({zones[f"valkey-{shard}"] for shard in range(3)}) == 3


def test_services_start_after_the_infrastructure_they_need(tmp_path: Path) -> None:
    plan = build(options(tmp_path)).plan
    payment = next(spec for spec in plan.processes if spec.name == "payment-0")
    assert set(payment.depends_on) == {"postgres", "broker", "control-database", "valkey-slots"}


def test_a_part_that_runs_elsewhere_is_not_started_and_its_address_reaches_the_services(tmp_path: Path) -> None:
    external = ExternalParts(
        postgres="db.example:5433", valkey_nodes="a.example:6379,b.example:6379", kafka_bootstrap="k.example:9092"
    )
    plan = build(options(tmp_path, external=external)).plan
    assert {spec.role for spec in plan.processes} == {"gateway", *SERVICES}
    environment = plan.processes[-1].environment
    assert environment["BEZANT_CONTROL_DATABASE_HOST"] == "db.example"
    assert environment["BEZANT_CONTROL_DATABASE_PORT"] == "5433"
    assert environment["BEZANT_VALKEY_NODES"] == "a.example:6379,b.example:6379"
    assert environment["BEZANT_KAFKA_BOOTSTRAP"] == "k.example:9092"


def test_a_control_server_has_the_control_database_and_the_other_one_the_tenants(tmp_path: Path) -> None:
    chosen = options(tmp_path, control_server=True)
    plan = build(chosen).plan
    databases = {spec.name: spec.port for spec in plan.processes if spec.role == "database"}
    assert databases == {"postgres": chosen.ports.postgres, "postgres-control": chosen.ports.postgres_control}
    payment = next(spec for spec in plan.processes if spec.name == "payment-0")
    assert {"postgres", "postgres-control"} <= set(payment.depends_on)
    assert payment.environment["BEZANT_CONTROL_DATABASE_PORT"] == str(chosen.ports.postgres_control)
    assert payment.environment["BEZANT_TENANT_SERVER_PORT"] == str(chosen.ports.postgres)
    assert "BEZANT_TENANT_SERVER_PORT" not in build(options(tmp_path)).plan.processes[-1].environment


def test_a_data_directory_keeps_its_control_database_where_it_was_made(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "apart")
    directory.create()
    directory.keep_control_server(wanted=True)
    assert directory.has_control_server
    directory.keep_control_server(wanted=True)
    with pytest.raises(InvalidOptions, match="start it with --control-server"):
        directory.keep_control_server(wanted=False)
    beside = DataDirectory(tmp_path / "beside")
    beside.create()
    beside.keep_control_server(wanted=False)
    beside.postgres.mkdir()
    with pytest.raises(InvalidOptions, match="without --control-server"):
        beside.keep_control_server(wanted=True)


def test_settings_for_one_process_win_over_its_services_and_over_all(tmp_path: Path) -> None:
    plan = build(
        options(
            tmp_path,
            replicas={"payment": 2},
            environment={"BEZANT_A": "all", "BEZANT_B": "all", "BEZANT_C": "all"},
            service_environment={
                "payment": {"BEZANT_B": "service", "BEZANT_C": "service"},
                "payment-1": {"BEZANT_C": "one"},
            },
        )
    ).plan
    payment = {spec.name: spec.environment for spec in plan.processes}["payment-1"]
    assert (payment["BEZANT_A"], payment["BEZANT_B"], payment["BEZANT_C"]) == ("all", "service", "one")


def test_services_inherit_only_what_is_theirs_of_the_callers_environment() -> None:
    inherited = service_processes.inherited_settings(
        {"BEZANT_LOG_LEVEL": "DEBUG", "OTEL_SERVICE_NAME": "x", "DATABASE_PASSWORD": "hunter2"}
    )
    assert inherited == {"BEZANT_LOG_LEVEL": "DEBUG", "OTEL_SERVICE_NAME": "x"}


def test_options_survive_the_way_to_a_detached_supervisor(tmp_path: Path) -> None:
    sent = options(tmp_path, replicas={"fraud": 2}, external=ExternalParts(kafka_bootstrap="k:9092"))
    assert msgspec.json.decode(msgspec.json.encode(sent), type=PlatformOptions) == sent


@pytest.mark.parametrize(
    "changes",
    [
        {"replicas": {"nobody": 1}},
        {"replicas": {"payment": 0}},
        {"replicas": {"payment": 51}},
        {"services": ("nobody",)},
        {"versions": {"nobody": "1"}},
    ],
)
def test_impossible_options_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidOptions):
        options(tmp_path, **changes)


@pytest.mark.parametrize(("gateway", "base"), [(0, 18000), (70000, 18000), (8080, 65500), (8080, 80), (18005, 18000)])
def test_impossible_ports_are_refused(gateway: int, base: int) -> None:
    with pytest.raises(InvalidOptions):
        Ports(gateway, base)


def test_a_taken_port_is_refused_naming_port_part_and_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken) as refusal:
            refuse_taken(port, "gateway")
    assert f"port {port} on 127.0.0.1, which gateway needs" in str(refusal.value)
    assert "pytest" in str(refusal.value)
    assert "--port" in str(refusal.value)


def test_dependencies_that_are_missing_or_circular_are_refused() -> None:
    with pytest.raises(ValueError, match="missing or circular"):
        PlatformPlan(processes=(), tasks=[task("a", "b")])
    with pytest.raises(ValueError, match="missing or circular"):
        PlatformPlan(processes=(), tasks=[task("a", "b"), task("b", "a")])
    with pytest.raises(ValueError, match="same name"):
        PlatformPlan(processes=(), tasks=[task("a"), task("a")])
