"""`bezant rehearse canary`: a version gets growing shares of the requests, and is taken back by itself if it is bad."""

import time
from functools import partial
from typing import Annotated

import typer

from bezant.cli.console import errors
from bezant.cli.rehearse_reported import AsJson, ReportFile, finish
from bezant.cli.rehearse_rolling import KeptIn, Reference
from bezant.cli.rehearse_watched import possible, watched
from bezant.cli.topology_model import Model, load, reported_topology
from bezant.rehearsal.canary.odds import rehearse_odds
from bezant.rehearsal.canary.report import report
from bezant.rehearsal.canary.rollout import FAULTS, Plan, canary_of, rehearse
from bezant.rehearsal.report.document import now_text
from bezant.topology.rules.rule import Deployment


def canary(
    service: Annotated[str, typer.Argument(help="The service, one with a canary in the model")] = "payment",
    reference: Reference = "current",
    fault: Annotated[str | None, typer.Option(help=f"Plant a fault in the new version: {', '.join(FAULTS)}")] = None,
    model: Model = "production",
    compression: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds of the model that pass in one second")
    ] = 30,
    rate: Annotated[float, typer.Option(min=1, max=2000, help="Requests a second")] = 150,
    times: Annotated[int, typer.Option(min=1, max=100, help="Try so often, each time on a platform of its own")] = 1,
    simulated: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Simulate so many rollouts of each kind of version instead")
    ] = None,
    data_dir: KeptIn = None,
    as_json: AsJson = False,
    report_file: ReportFile = None,
) -> None:
    """Try a version as a canary, judged by the chart's own analysis. Exit 1 when a promise is broken."""
    if fault is not None and fault not in FAULTS:
        raise typer.BadParameter(f"there is no fault {fault!r}; the faults are {', '.join(FAULTS)}")
    if fault is not None and service != "payment":
        raise typer.BadParameter("faults can be planted in the payment service alone")
    with reported_topology(as_json=as_json):
        topology = load(model)
    with possible(as_json=as_json):
        declared = canary_of(topology, service)
    if simulated is not None:
        odds = rehearse_odds(Deployment(topology), service, declared, rollouts=simulated, told=errors.print)
        finish(odds, as_json=as_json, report_file=report_file)
    plan = Plan(
        service=service,
        reference=reference,
        fault=fault,
        topology=topology,
        compression=compression,
        requests_per_second=rate,
        times=times,
        data_dir=None if data_dir is None else data_dir.absolute(),
    )
    started_at, began = now_text(), time.monotonic()
    seen = watched(service, partial(rehearse, plan), as_json=as_json)
    finish(
        report(seen, started_at=started_at, seconds=time.monotonic() - began), as_json=as_json, report_file=report_file
    )
