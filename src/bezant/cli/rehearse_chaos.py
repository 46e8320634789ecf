"""`bezant rehearse chaos`: faults on a platform of its own, one after another, while load runs."""

import time
from pathlib import Path
from typing import Annotated

import typer

from bezant.cli.console import errors
from bezant.cli.rehearse_reported import AsJson, ReportFile, finish
from bezant.cli.rehearse_watched import possible, run_until_told_to_end
from bezant.local.zones import ZONES
from bezant.rehearsal.chaos.faults import FAULTS
from bezant.rehearsal.chaos.report import report_of
from bezant.rehearsal.chaos.rounds import Plan, rehearse
from bezant.rehearsal.report.document import now_text

Names = Annotated[
    list[str] | None, typer.Option("--fault", help=f"Only this one, may be repeated: {', '.join(FAULTS)}")
]
Seconds = Annotated[float, typer.Option("--seconds", min=1, max=60, help="How long each fault is kept up")]
Target = Annotated[
    str | None,
    typer.Option(help="The process to kill, pause, slow or cut off, or the zone to lose, in place of the usual one"),
]
KeptIn = Annotated[
    Path | None, typer.Option("--data-dir", help="Keep the platform's data and logs here; deleted without it")
]


def chaos(
    fault: Names = None,
    seconds: Seconds = 4.0,
    target: Target = None,
    rate: Annotated[float, typer.Option(min=1, max=2000, help="Requests a second")] = 40,
    tenants: Annotated[int, typer.Option(min=2, max=20)] = 3,
    replicas: Annotated[int, typer.Option(min=2, max=6, help="Of every service")] = 2,
    data_dir: KeptIn = None,
    as_json: AsJson = False,
    report_file: ReportFile = None,
) -> None:
    """Kill, pause, slow, cut off and lose parts of a platform under load; then count what became of every payment.

    Starts a platform of its own on free ports. Exit code 1 when a promise is broken.
    """
    unknown = [name for name in fault or () if name not in FAULTS]
    if unknown:
        known = ", ".join(FAULTS)
        raise typer.BadParameter(f"there is no fault {unknown[0]!r}; the faults are {known}", param_hint="--fault")
    left_out = {name: why for name in fault or FAULTS if (why := FAULTS[name].why_impossible()) is not None}
    for name in left_out.keys() & set(fault or ()):
        raise typer.BadParameter(f"{name} cannot be rehearsed: {left_out[name]}", param_hint="--fault")
    plan = Plan(
        faults=tuple(name for name in fault or FAULTS if name not in left_out),
        hold_seconds=seconds,
        requests_per_second=rate,
        tenants=tenants,
        replicas=replicas,
        target=target,
        data_dir=None if data_dir is None else data_dir.absolute(),
        left_out=left_out,
    )
    untargeted = [name for name in plan.faults if not FAULTS[name].takes_a_target]
    if target is not None and untargeted:
        raise typer.BadParameter(f"{untargeted[0]} takes no target; choose with --fault", param_hint="--target")
    for name in plan.faults if target is not None else ():
        if (name == "zone") != (target in ZONES):
            known = f"the zones are {', '.join(ZONES)}" if name == "zone" else "it needs a process, such as payment-0"
            raise typer.BadParameter(f"{name} cannot be inflicted on {target}; {known}", param_hint="--target")
    started_at, began = now_text(), time.monotonic()

    def told(what: str) -> None:
        errors.print(f"{time.monotonic() - began:6.1f} s  {what}", style="dim", highlight=False)

    with possible(as_json=as_json):
        course = run_until_told_to_end(rehearse(plan, told=told))
    report = report_of(course, started_at=started_at, duration_seconds=time.monotonic() - began)
    finish(report, as_json=as_json, report_file=report_file)
