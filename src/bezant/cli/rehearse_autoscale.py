"""`bezant rehearse autoscale`: the autoscaler's algorithm over the loads that the model tells of."""

from typing import Annotated

import typer

from bezant.cli.rehearse_reported import AsJson, ReportFile, finish
from bezant.cli.topology_model import Model, load, reported_topology
from bezant.rehearsal.autoscaling_report import rehearse_autoscaling


def autoscale(
    model: Model = "production",
    service: Annotated[str, typer.Option(help="Which service.")] = "payment",
    as_json: AsJson = False,
    report: ReportFile = None,
) -> None:
    """Run the autoscalers' algorithms over the loads that the model tells of: pods, canary, and nodes.

    Time is simulated. Exit code 1 when a told step is not reached, when a canary drives replicas up, or when the
    node groups cannot hold the pods in time.
    """
    with reported_topology(as_json=as_json):
        topology = load(model)
    chosen = next((one for one in topology.services if one.name == service), None)
    if chosen is None or chosen.autoscaling is None:
        names = ", ".join(one.name for one in topology.services if one.autoscaling is not None)
        raise typer.BadParameter(f"{service} has no autoscaling in this model; {names} have", param_hint="--service")
    finish(rehearse_autoscaling(model, topology, chosen, chosen.autoscaling), as_json=as_json, report_file=report)
