"""`bezant rehearse`: try the model's operational promises before they are needed."""

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from bezant.cli.console import console
from bezant.cli.topology_model import Model, load, reported_topology
from bezant.rehearsal.autoscaling import Climb, Story, explaining_targets, rehearse_canary, rehearse_story
from bezant.topology.assumptions import Assumptions
from bezant.topology.model.workloads import Service

app = typer.Typer(help="Rehearse what the deployment model promises.", no_args_is_help=True)


@app.callback()
def rehearse() -> None:
    """Rehearse what the deployment model promises."""


@app.command()
def autoscale(
    model: Model = "production",
    service: Annotated[str, typer.Option(help="Which service.")] = "payment",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the autoscaler's algorithm over the loads that the model tells of, and over its canary.

    Time is simulated. Exit code 1 when a told step is not reached, or when a canary drives replicas up.
    """
    with reported_topology(as_json=as_json):
        topology = load(model)
    chosen = next((one for one in topology.services if one.name == service), None)
    if chosen is None or chosen.autoscaling is None:
        names = ", ".join(one.name for one in topology.services if one.autoscaling is not None)
        raise typer.BadParameter(f"{service} has no autoscaling in this model; {names} have", param_hint="--service")
    stories, explaining = _stories(chosen)
    climbs = _climbs(chosen)
    # with an unstated target a step counts as reached when some explaining target reaches it
    broken = [
        number
        for number, steps in enumerate(zip(*(story.outcomes for story in stories), strict=True))
        if not any(outcome.is_as_told for outcome in steps)
    ]
    kept = not broken and not any(climb.is_ratchet for climb in climbs)
    if as_json:
        document = {
            "model": model, "service": service, "kept": kept, "explaining_cpu_targets": explaining,
            "stories": [_document(story) for story in stories], "canary": [asdict(climb) for climb in climbs],
        }  # fmt: skip
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        _print(chosen, stories, climbs, explaining=explaining, kept=kept)
    raise typer.Exit(0 if kept else 1)


def _stories(service: Service) -> tuple[list[Story], list[int]]:
    """Return the story under the stated target, or under the lowest and the highest that explain its steps up."""
    scaling = service.autoscaling
    assert scaling is not None
    if scaling.cpu_target is not None:
        return [rehearse_story(scaling, scaling.cpu_target)], []
    explaining = list(explaining_targets(scaling))
    return [rehearse_story(scaling, target) for target in sorted({*explaining[:1], *explaining[-1:]})], explaining


def _climbs(service: Service) -> list[Climb]:
    scaling, canary = service.autoscaling, service.canary
    if scaling is None or canary is None or not scaling.uses_memory:
        return []
    assumed = Assumptions()
    # The story's largest figure is the hardest case; a usual day is the model's.
    used = scaling.normal_memory_utilisation or assumed.memory_utilisation_percent
    target = scaling.memory_target or assumed.memory_target_percent
    return list(rehearse_canary(scaling, canary, utilisation=used, target=target))


def _document(story: Story) -> dict[str, Any]:
    return {
        "cpu_target": story.cpu_target,
        "steps": [
            {
                "told": {"from": outcome.told.replicas_before, "to": outcome.told.replicas_after},
                "began_with": outcome.began_with,
                "reached": outcome.reached,
                "as_told": outcome.is_as_told,
                "decided_after_seconds": outcome.decided_after_seconds,
                "ready_after_seconds": outcome.ready_after_seconds,
            }
            for outcome in story.outcomes
        ],
        "timeline": [asdict(moment) for moment in story.timeline],
    }


def _print(service: Service, stories: list[Story], climbs: list[Climb], *, explaining: list[int], kept: bool) -> None:
    if explaining:
        console.print(f"No CPU target is stated; {explaining[0]} to {explaining[-1]} % bring about every told step up.")
    for story in stories:
        table = Table(title=f"{service.name}, CPU target {story.cpu_target:g} %", title_justify="left")
        for column in ("load", "told", "reached", "decided after", "ready after", "told after", ""):
            table.add_column(column)
        for outcome in story.outcomes:
            told = outcome.told
            table.add_row(
                f"{told.cpu_utilisation:g} % of {told.replicas_before}",
                f"{told.replicas_before} -> {told.replicas_after}",
                f"{outcome.began_with} -> {outcome.reached}",
                _duration(outcome.decided_after_seconds),
                _duration(outcome.ready_after_seconds),
                "" if told.after_minutes is None else f"{told.after_minutes:g} min",
                "as told" if outcome.is_as_told else "[red]not reached[/red]",
            )
        console.print(table)
        for moment in story.timeline:
            bar = "█" * moment.replicas
            console.print(f"  {_duration(moment.at_seconds):>9}  {moment.replicas:>3} {bar}  {moment.reason}")
    if climbs:
        table = Table(title="Memory during a canary", title_justify="left")
        for column in ("weight", "canary pods", "(1 + weight) x utilisation / target", "replicas"):
            table.add_column(column)
        for climb in climbs:
            path = f"{climb.before} -> {climb.after}"
            table.add_row(
                f"{climb.weight:g} %", str(climb.canary_pods), f"{climb.ratio:g}",
                f"[red]{path}, and up only[/red]" if climb.is_ratchet else path,
            )  # fmt: skip
        console.print(table)
    console.print("Every promise is kept." if kept else "[bold red]Not every promise is kept.[/bold red]")


def _duration(seconds: int | None) -> str:
    return "never" if seconds is None else f"{seconds // 60} min {seconds % 60:02d} s"
