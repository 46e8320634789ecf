"""The infrastructure on its real servers: what survives, what comes back, what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]
from redis.cluster import RedisCluster
from redis.exceptions import RedisError

from bezant.contracts.events import PARTITIONS
from bezant.local import footprint, proc
from bezant.local.errors import DataDirectoryInUse, InvalidOptions, NotRunning, PortTaken
from bezant.local.platform import LocalPlatform
from bezant.local.postgres import SUPERUSER, max_connections
from bezant.local.status import PlatformState

from .parts import infrastructure, without_valkey

WITHIN_SECONDS = 30
MakeRoom = Callable[[], Path]
FindPorts = Callable[[], int]


def connect(platform: LocalPlatform) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host="127.0.0.1",
        port=platform.options.ports.postgres,
        user=SUPERUSER,
        password=platform.directory.superuser_password.read_text(),
        dbname="postgres",
        autocommit=True,
    )


def valkey(platform: LocalPlatform) -> RedisCluster:
    return RedisCluster(host="127.0.0.1", port=platform.options.ports.valkey(0), decode_responses=True)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bezant.cli.main", *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def bare(room: MakeRoom, port_block: FindPorts) -> Iterator[LocalPlatform]:
    """PostgreSQL, broker and gateway, not started."""
    made = LocalPlatform(without_valkey(room(), port_block()))
    yield made
    made.stop()


@pytest.fixture
def fresh(room: MakeRoom, port_block: FindPorts) -> Iterator[LocalPlatform]:
    """A platform that is not started."""
    made = LocalPlatform(infrastructure(room(), port_block()))
    yield made
    made.stop()


def test_what_was_written_is_there_after_down_and_up_and_after_killing_everything(fresh: LocalPlatform) -> None:
    fresh.start()
    with connect(fresh) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    valkey(fresh).set("kept", "1")
    fresh.stop()
    with pytest.raises(NotRunning):
        fresh.status()
    fresh.start()
    with connect(fresh) as connection:
        connection.execute("INSERT INTO kept VALUES (2)")
    cache = valkey(fresh)
    assert cache.get("kept") == "1"
    cache.set("kept", "2")
    pids = [process.pid for process in fresh.status().processes if process.pid is not None]
    for pid in (fresh.status().supervisor_pid, *pids):
        os.kill(pid, signal.SIGKILL)
    fresh.start()
    with connect(fresh) as connection:
        assert connection.execute("SELECT array_agg(n ORDER BY n) FROM kept").fetchone() == ([1, 2],)
    assert valkey(fresh).get("kept") == "2"


def test_killing_the_supervisor_ends_its_children(bare: LocalPlatform) -> None:
    bare.start()
    children = {process.name: process.pid for process in bare.status().processes}
    assert None not in children.values()
    # a stopped child still has to go
    bare.kill("broker", signal.SIGSTOP)
    bare.kill_supervisor()
    eventually(lambda: not any(proc.start_ticks(pid or 0) for pid in children.values()))
    bare.start()
    assert bare.status().state is PlatformState.READY


def test_a_platform_ends_with_the_process_that_started_it(room: MakeRoom, port_block: FindPorts) -> None:
    options = without_valkey(room(), port_block())
    program = (
        "import os, sys, msgspec\n"
        "from bezant.local.options import PlatformOptions\n"
        "from bezant.local.platform import LocalPlatform\n"
        "platform = LocalPlatform(msgspec.json.decode(sys.argv[1], type=PlatformOptions)).start()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, msgspec.json.encode(options).decode()], check=False, timeout=60)
    directory = LocalPlatform(options).directory
    directory.wait_until_free(WITHIN_SECONDS)


def test_a_killed_postgres_comes_back_with_what_it_confirmed(platform: LocalPlatform) -> None:
    with connect(platform) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS confirmed (n int)")
        connection.execute("INSERT INTO confirmed VALUES (1)")
        before = platform.kill("postgres")
    platform.wait_ready("postgres", not_pid=before.pid, timeout_seconds=WITHIN_SECONDS)
    with connect(platform) as connection:
        assert connection.execute("SELECT count(*) FROM confirmed").fetchone() == (1,)
    assert platform.process("postgres").restarts == 1


def test_postgres_is_tuned_without_giving_up_durability(platform: LocalPlatform) -> None:
    with connect(platform) as connection:
        settings = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("on", "on", "on")
    assert settings["recovery_init_sync_method"] == "syncfs"
    assert settings["max_connections"] == str(max_connections())
    assert settings["listen_addresses"] == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host="127.0.0.1", port=platform.options.ports.postgres, user=SUPERUSER, password="no", dbname="postgres"
        )


def test_a_killed_valkey_primary_takes_writes_again_and_its_shard_has_a_replica(platform: LocalPlatform) -> None:
    cache = valkey(platform)
    keys = [f"key-{n}" for n in range(50)]
    for key in keys:
        cache.set(key, "before")
    before = platform.kill("valkey-0")

    def all_written() -> bool:
        try:
            return all(cache.set(key, "after") for key in keys)
        except RedisError:
            return False

    eventually(all_written)
    platform.wait_ready("valkey-0", not_pid=before.pid, timeout_seconds=WITHIN_SECONDS)
    eventually(lambda: [n["connected"] for n in cache.cluster_nodes().values()] == [True] * 6)
    roles = sorted(process.detail for process in platform.status().processes if process.role == "cache")
    assert len(roles) == 6
    assert [cache.get(key) for key in keys] == ["after"] * 50


def test_a_killed_broker_comes_back_with_its_topics(platform: LocalPlatform) -> None:
    before = platform.kill("broker")
    platform.wait_ready("broker", not_pid=before.pid, timeout_seconds=WITHIN_SECONDS)
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{platform.options.ports.broker}"})
    topics = client.list_topics(timeout=5).topics
    assert {name: len(topics[name].partitions) for name in PARTITIONS} == PARTITIONS


def test_a_killed_gateway_comes_back(platform: LocalPlatform) -> None:
    before = platform.kill("gateway")
    platform.wait_ready("gateway", not_pid=before.pid, timeout_seconds=WITHIN_SECONDS)
    platform.wait_ready()


def test_a_directory_in_use_is_refused_by_name(platform: LocalPlatform, port_block: FindPorts) -> None:
    second = LocalPlatform(infrastructure(platform.directory.root, port_block()))
    with pytest.raises(
        DataDirectoryInUse, match=f"in use by the platform of process {platform.status().supervisor_pid}"
    ):
        second.start()
    assert platform.status().state is PlatformState.READY


def test_taken_ports_are_refused_before_anything_is_made(platform: LocalPlatform, room: MakeRoom) -> None:
    second = LocalPlatform(infrastructure(room(), platform.options.port_base))
    with pytest.raises(PortTaken, match=f"port {platform.options.ports.postgres} .*postgres"):
        second.start()
    assert not second.directory.postgres.exists()
    assert second.directory.port_base() is None


def test_another_port_base_than_the_directory_was_made_with_is_refused(
    bare: LocalPlatform, port_block: FindPorts
) -> None:
    bare.start()
    bare.stop()
    moved = LocalPlatform(without_valkey(bare.directory.root, port_block()))
    with pytest.raises(InvalidOptions, match=f"--port-base {bare.options.port_base}"):
        moved.start()


def test_no_secret_stands_in_arguments_environment_or_logs(platform: LocalPlatform) -> None:
    password = platform.directory.superuser_password.read_text()
    assert len(password) > 30
    assert platform.directory.superuser_password.stat().st_mode & 0o077 == 0
    for process in platform.status().processes:
        for source in ("cmdline", "environ"):
            assert password.encode() not in Path(f"/proc/{process.pid}/{source}").read_bytes()
    for log in platform.directory.logs.iterdir():
        assert password not in log.read_text()


def test_the_infrastructure_fits_into_400_mebibytes(platform: LocalPlatform) -> None:
    status = platform.status()
    pids = {process.name: process.pid for process in status.processes if process.pid is not None}
    parts = footprint.footprint(pids | {"supervisor": status.supervisor_pid})
    assert {part.name for part in parts} == {*pids, "supervisor"}
    assert all(part.pss_bytes > 0 for part in parts)
    assert sum(part.pss_bytes for part in parts) < 400 * 1024 * 1024


def test_the_commands_work_from_another_directory(platform: LocalPlatform, tmp_path: Path) -> None:
    data_dir = str(platform.directory.root)
    shown = subprocess.run(
        [sys.executable, "-m", "bezant.cli.main", "status", "--json", "--data-dir", data_dir],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document["state"] == "ready"
    fields = {"name", "role", "zone", "pid", "version", "port", "ready", "restarts", "started_at"}
    assert all(fields <= process.keys() for process in document["processes"])
    assert "postgres" in command("status", "--data-dir", data_dir).stdout
    assert "Cluster state changed: ok" in command("logs", "valkey-1", "--data-dir", data_dir).stdout
    unknown = command("logs", "nobody", "--data-dir", data_dir)
    assert unknown.returncode == 2
    assert "valkey-1" in unknown.stderr


def test_the_commands_say_when_nothing_runs(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "nothing")
    shown = command("status", "--json", "--data-dir", data_dir)
    assert (shown.returncode, json.loads(shown.stdout)["error"]) == (3, "not_running")
    assert command("down", "--data-dir", data_dir).returncode == 0


WITHOUT = [
    word
    for service in ("tenant", "account", "transaction", "payment", "fraud", "notification", "audit")
    for word in ("--without", service)
] + ["--external", "valkey=127.0.0.1:1"]


def test_up_detached_returns_when_ready_and_down_stops_it(room: MakeRoom, port_block: FindPorts) -> None:
    base, data_dir = port_block(), str(room())
    started = command(
        "up", "--detach", "--data-dir", data_dir, "--port", str(base + 459), "--port-base", str(base), *WITHOUT
    )
    try:
        assert started.returncode == 0, started.stderr
        assert f"ready at http://127.0.0.1:{base + 459}" in started.stdout
        again = command("up", "--data-dir", data_dir, *WITHOUT)
        assert (again.returncode, "in use by the platform of process" in again.stderr) == (4, True)
    finally:
        stopped = command("down", "--data-dir", data_dir)
    assert stopped.returncode == 0
    assert command("status", "--data-dir", data_dir).returncode == 3


def test_up_in_the_foreground_stops_in_order_on_sigterm(room: MakeRoom, port_block: FindPorts) -> None:
    base, data_dir = port_block(), room()
    up = subprocess.Popen(
        [
            *(sys.executable, "-m", "bezant.cli.main", "up", "--data-dir", str(data_dir)),
            *("--port", str(base + 459), "--port-base", str(base), *WITHOUT),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert up.stdout is not None
    started = set()
    for line in up.stdout:
        started.add(line.partition(":")[0])
        if {"postgres", "broker", "gateway"} <= started:
            break
    up.send_signal(signal.SIGTERM)
    rest = up.stdout.read()
    assert up.wait(30) == 0
    assert rest.index("gateway: stopped") < rest.index("postgres: stopped")
    assert "Bezant has stopped" in rest
    assert (data_dir / "postgres/data/PG_VERSION").exists()
    assert not (data_dir / "postgres/data/postmaster.pid").exists()


def test_up_that_is_interrupted_while_it_starts_leaves_nothing_running(room: MakeRoom, port_block: FindPorts) -> None:
    base, data_dir = port_block(), room()
    up = subprocess.Popen(
        [
            *(sys.executable, "-m", "bezant.cli.main", "up", "--data-dir", str(data_dir)),
            *("--port", str(base + 459), "--port-base", str(base), *WITHOUT),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert up.stdout is not None
    assert "ready" in up.stdout.readline()
    up.send_signal(signal.SIGINT)
    output, errors = up.communicate(timeout=30)
    assert (up.returncode, errors) == (0, "")
    assert output.endswith("Bezant has stopped.\n")
    assert [pid for pid in proc.pids() if str(data_dir) in proc.command_line(pid)] == []
