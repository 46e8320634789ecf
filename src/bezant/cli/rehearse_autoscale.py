"""`bezant rehearse autoscale`: the autoscaler's algorithm over the loads that the model tells of."""

from functools import partial
from typing import Annotated

import typer

from bezant.cli.rehearse_reported import AsJson, ReportFile, finish
from bezant.cli.rehearse_watched import watched
from bezant.cli.topology_model import Model, load, reported_topology
from bezant.rehearsal.autoscaling.live import Plan, rehearse_live
from bezant.rehearsal.autoscaling.report import rehearse_autoscaling
from bezant.topology.model.delivery import Autoscaling


def autoscale(
    model: Model = "production",
    service: Annotated[str, typer.Option(help="Which service.")] = "payment",
    live: Annotated[bool, typer.Option("--live", help="Scale real replicas by their measured CPU.")] = False,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="With --live: requests a second on a usual day.")] = 60,
    compression: Annotated[float, typer.Option(min=1, max=60, help="With --live: how much faster time passes.")] = 10,
    as_json: AsJson = False,
    report: ReportFile = None,
) -> None:
    """Run the autoscalers' algorithms over the loads that the model tells of: pods, canary, and nodes.

    Time is simulated; with --live the pods' autoscaler drives real replicas under real load instead. Exit code 1 when
    a told step is not reached, when a canary drives replicas up, or when the node groups cannot hold the pods in time.
    """
    with reported_topology(as_json=as_json):
        topology = load(model)
    chosen = next((one for one in topology.services if one.name == service), None)
    if chosen is None or chosen.autoscaling is None:
        names = ", ".join(one.name for one in topology.services if one.autoscaling is not None)
        raise typer.BadParameter(f"{service} has no autoscaling in this model; {names} have", param_hint="--service")
    if live:
        plan = Plan(service, model, chosen.autoscaling, _target(chosen.autoscaling), rate, compression)
        finish(watched(service, partial(rehearse_live, plan), as_json=as_json), as_json=as_json, report_file=report)
    finish(rehearse_autoscaling(model, topology, chosen, chosen.autoscaling), as_json=as_json, report_file=report)


def _target(scaling: Autoscaling) -> float:
    if scaling.cpu_target is None:
        raise typer.BadParameter(
            "this model states no CPU target, so that no replicas can follow it", param_hint="--live"
        )
    return scaling.cpu_target
