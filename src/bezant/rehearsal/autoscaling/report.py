"""The rehearsal of a service's autoscaling as a report: what was done with each told load, and with a canary."""

import time
from collections.abc import Iterator, Sequence

from bezant.rehearsal.autoscaling.course import rehearse_course
from bezant.rehearsal.autoscaling.course_report import course_timeline, node_figures, node_promises, node_tables
from bezant.rehearsal.autoscaling.horizontal import SYNC_SECONDS
from bezant.rehearsal.autoscaling.nodes import SCAN_SECONDS
from bezant.rehearsal.autoscaling.story import (
    START_SECONDS,
    Climb,
    Story,
    explaining_targets,
    rehearse_canary,
    rehearse_story,
)
from bezant.rehearsal.report.document import (
    Figure,
    Promise,
    Report,
    Table,
    Timeline,
    now_text,
)
from bezant.rehearsal.report.numbers import duration_text
from bezant.topology.assumptions import Assumptions
from bezant.topology.model.delivery import Autoscaling
from bezant.topology.model.deployment import Topology
from bezant.topology.model.workloads import Service


def rehearse_autoscaling(model: str, topology: Topology, service: Service, scaling: Autoscaling) -> Report:
    """Return the report of one service: its story under the stated CPU target, or under the outermost that explain it.

    A step counts as reached when any of these targets reaches it: an unstated target may be any of them.
    """
    started_at, began = now_text(), time.monotonic()
    explaining = [] if scaling.cpu_target is not None else list(explaining_targets(scaling))
    targets = [scaling.cpu_target] if scaling.cpu_target is not None else sorted({*explaining[:1], *explaining[-1:]})
    stories = [rehearse_story(scaling, target) for target in targets]
    climbs = _climbs(service, scaling)
    course = rehearse_course(topology, service, scaling, targets[0]) if targets else None
    figures = []
    if scaling.cpu_target is None:
        span = f"{explaining[0]} to {explaining[-1]}" if explaining else "none"
        figures.append(Figure("CPU targets that bring about every told step up", span, "%" if explaining else ""))
    figures += _decision_figure(stories)
    if course is not None:
        figures += node_figures(course)
    return Report(
        rehearsal="autoscale",
        title=f"Autoscaling of {service.name}",
        model=model,
        started_at=started_at,
        duration_seconds=round(time.monotonic() - began, 3),
        settings={
            "service": service.name,
            "pods": f"{scaling.min_replicas} to {scaling.max_replicas}",
            "CPU target": "not stated" if scaling.cpu_target is None else f"{scaling.cpu_target:g} %",
            "scale-down window": f"{scaling.scale_down_stabilisation_minutes:g} min",
            "the controller looks every": f"{SYNC_SECONDS} s",
            "a new pod is ready after": f"{START_SECONDS} s",
            "a new node takes pods after": f"{topology.node_autoscaler.provision_minutes.high:g} min",
            "the node autoscaler looks every": f"{SCAN_SECONDS} s",
            "node groups grow by": "least waste, balanced over the zones",
            "time": "simulated",
        },
        promises=[
            *_promises(stories),
            *_canary_promises(climbs),
            *(node_promises(course, topology) if course is not None else ()),
        ],
        figures=figures,
        tables=[
            *(_story_table(story) for story in stories if story.outcomes),
            *([_canary_table(climbs)] if climbs else []),
            *(node_tables(course) if course is not None else ()),
        ],
        timeline=course_timeline(course) if course is not None else Timeline(),
    )


def _climbs(service: Service, scaling: Autoscaling) -> list[Climb]:
    if service.canary is None or not scaling.uses_memory:
        return []
    assumed = Assumptions()
    # The story's largest figure is the hardest case; a usual day is the model's.
    used = scaling.normal_memory_utilisation or assumed.memory_utilisation_percent
    target = scaling.memory_target or assumed.memory_target_percent
    return list(rehearse_canary(scaling, service.canary, utilisation=used, target=target))


def _promises(stories: Sequence[Story]) -> Iterator[Promise]:
    if not stories:
        yield Promise(
            "Some CPU target brings about every step up that is told", kept=False, figure="none of 20 to 95 %"
        )
    for outcomes in zip(*(story.outcomes for story in stories), strict=True):
        told = outcomes[0].told
        best = next((one for one in outcomes if one.is_as_told), outcomes[0])
        reached = sorted({f"{one.began_with} to {one.reached} pods" for one in outcomes})
        when = "" if best.ready_after_seconds is None else f", ready after {duration_text(best.ready_after_seconds)}"
        yield Promise(
            text=f"{told.cpu_utilisation:g} % of CPU leads from {told.replicas_before} to {told.replicas_after} pods",
            kept=any(one.is_as_told for one in outcomes),
            figure=" or ".join(reached) + when,
        )


def _canary_promises(climbs: Sequence[Climb]) -> Iterator[Promise]:
    if climbs:
        ratchets = [climb for climb in climbs if climb.is_ratchet]
        path = " → ".join(str(count) for count in [climbs[0].before, *(climb.after for climb in climbs)])
        yield Promise("A canary does not drive the number of pods up", not ratchets, f"{path} pods over its steps")


def _decision_figure(stories: Sequence[Story]) -> Iterator[Figure]:
    """Yield how fast a told step was decided, if any step is told and decided at all."""
    known = [one.decided_after_seconds for story in stories[:1] for one in story.outcomes]
    decided = [seconds for seconds in known if seconds is not None]
    if decided:
        yield Figure("fastest decision", min(decided), "s")


def _story_table(story: Story) -> Table:
    rows = []
    for outcome in story.outcomes:
        told = outcome.told
        rows.append(
            [
                f"{told.cpu_utilisation:g} % of {told.replicas_before}",
                f"{told.replicas_before} -> {told.replicas_after}",
                f"{outcome.began_with} -> {outcome.reached}",
                duration_text(outcome.decided_after_seconds),
                duration_text(outcome.ready_after_seconds),
                "" if told.after_minutes is None else f"{told.after_minutes:g} min",
                "as told" if outcome.is_as_told else "not reached",
            ]
        )
    columns = ["load", "told", "reached", "decided after", "ready after", "told after", "verdict"]
    return Table(f"Steps under a CPU target of {story.cpu_target:g} %", columns, rows)


def _canary_table(climbs: Sequence[Climb]) -> Table:
    rows = [
        [f"{climb.weight:g} %", str(climb.canary_pods), f"{climb.ratio:g}", f"{climb.before} -> {climb.after}",
         "up, and up only" if climb.is_ratchet else ""]
        for climb in climbs
    ]  # fmt: skip
    columns = ["weight", "canary pods", "(1 + weight) x utilisation / target", "pods", "verdict"]
    return Table("Memory during a canary", columns, rows)
