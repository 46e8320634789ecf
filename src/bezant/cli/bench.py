"""`bezant bench`: how fast this machine is, with a platform made for it."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer
import uvloop
from rich.table import Table

from bezant.bench.tenants import Measured, Plan, bench_tenants
from bezant.cli.console import console, errors, reported
from bezant.local.options import PlatformOptions

app = typer.Typer(help="Measure how fast the platform is on this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure how fast the platform is on this machine."""


@app.command()
def tenants(
    tenants: Annotated[int, typer.Option("--tenants", min=1, max=2000, help="How many tenants share the load.")] = 100,
    clients: Annotated[int, typer.Option(min=1, max=1024, help="Clients of a closed loop.")] = 64,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="How long the load lasts.")] = 20,
    rate: Annotated[
        float | None,
        typer.Option(min=1, max=20_000, help="Payments a second of an open loop, instead of a closed one."),
    ] = None,
    load: Annotated[
        Literal["uniform", "zipf", "hot"],
        typer.Option(help="Every tenant alike; by Zipf's law (s = 1); or all of a tenant's payments from one account."),
    ] = "uniform",
    customers: Annotated[
        int | None, typer.Option(min=2, help="Accounts of each tenant.", show_default="200 in all, 4 at least")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the platform keeps its data.", show_default="a temporary directory")
    ] = None,
    port: Annotated[int, typer.Option(help="The gateway's port.")] = 28080,
    port_base: Annotated[int, typer.Option(help="The first of the 450 ports of the other parts.")] = 28100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Register tenants on a platform made for it, load all of them at once, and check every ledger.

    Exit code 1: a payment was decided without a score or left processing, or a ledger does not balance.
    """
    plan = Plan(
        tenants=tenants, customers=customers or max(4, 200 // tenants), load=load, clients=clients, seconds=seconds,
        rate=rate,
    )  # fmt: skip
    with reported(as_json=as_json), tempfile.TemporaryDirectory(prefix="bezant-bench-", dir="/tmp") as temporary:
        # PostgreSQL's own account has to pass
        Path(temporary).chmod(0o755)
        options = PlatformOptions(
            data_dir=str(data_dir or f"{temporary}/platform"), gateway_port=port, port_base=port_base
        )
        measured = uvloop.run(bench_tenants(options, plan, told=_told))
    if as_json:
        sys.stdout.write(json.dumps(measured.document(), indent=2) + "\n")
    else:
        console.print(_table(measured))
    kept = not (measured.result.unscored or measured.result.statuses["202"] or measured.inconsistent_ledgers)
    raise typer.Exit(0 if kept else 1)


def _told(line: str) -> None:
    errors.print(line, style="dim", markup=False, highlight=False)


def _table(measured: Measured) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    result = measured.result
    rows = {
        "payments a second": f"{result.payments_per_second:,.1f}",
        "answered 201 / 202": f"{result.statuses['201']:,} / {result.statuses['202']:,}",
        "refused (429, 503)": f"{len(result.refused_ms):,}",
        "p50 / p99 / max": f"{result.percentile(0.5):.1f} / {result.percentile(0.99):.1f} / "
        f"{max(result.latencies_ms, default=0):.1f} ms",
        "decided without a score": f"{result.unscored:,}",
        "connections to PostgreSQL": f"{measured.connections:,}",
        "audited after": f"{measured.audited_after_seconds:.1f} s",
        "ledgers that do not balance": f"{measured.inconsistent_ledgers}",
        "processor time a payment": ", ".join(
            f"{name} {value} µs" for name, value in measured.cpu_us_per_payment.items() if value
        ),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
