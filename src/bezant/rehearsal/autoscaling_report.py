"""The rehearsal of a service's autoscaling as a report: what was done with each told load, and with a canary."""

import time
from collections.abc import Iterator, Sequence

from bezant.rehearsal.autoscaling import (
    START_SECONDS,
    Climb,
    Story,
    explaining_targets,
    rehearse_canary,
    rehearse_story,
)
from bezant.rehearsal.horizontal import SYNC_SECONDS
from bezant.rehearsal.report import (
    Event,
    Figure,
    Lane,
    Promise,
    Report,
    Series,
    Span,
    State,
    Table,
    Timeline,
    now_text,
)
from bezant.rehearsal.report_numbers import duration_text
from bezant.topology.assumptions import Assumptions
from bezant.topology.model.delivery import Autoscaling
from bezant.topology.model.workloads import Service


def rehearse_autoscaling(model: str, service: Service, scaling: Autoscaling) -> Report:
    """Return the report of one service: its story under the stated CPU target, or under the outermost that explain it.

    A step counts as reached when any of these targets reaches it: an unstated target may be any of them.
    """
    started_at, began = now_text(), time.monotonic()
    explaining = [] if scaling.cpu_target is not None else list(explaining_targets(scaling))
    targets = [scaling.cpu_target] if scaling.cpu_target is not None else sorted({*explaining[:1], *explaining[-1:]})
    stories = [rehearse_story(scaling, target) for target in targets]
    climbs = _climbs(service, scaling)
    figures = []
    if scaling.cpu_target is None:
        span = f"{explaining[0]} to {explaining[-1]}" if explaining else "none"
        figures.append(Figure("CPU targets that bring about every told step up", span, "%" if explaining else ""))
    for story in stories[:1]:
        figures += _figures(story)
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
            "time": "simulated",
        },
        promises=[*_promises(stories), *_canary_promises(climbs)],
        figures=figures,
        tables=[*map(_story_table, stories), *([_canary_table(climbs)] if climbs else [])],
        timeline=_timeline(stories) if stories else Timeline(),
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


def _figures(story: Story) -> Iterator[Figure]:
    yield Figure("most pods", max(moment.replicas for moment in story.timeline), "pods")
    decided = [one.decided_after_seconds for one in story.outcomes if one.decided_after_seconds is not None]
    if decided:
        yield Figure("fastest decision", min(decided), "s")
    yield Figure("simulated time", duration_text(story.end_seconds))


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


def _timeline(stories: Sequence[Story]) -> Timeline:
    """Return the lanes of the first story, and the pods of all of them."""
    story = stories[0]
    loads = Lane("load", [Span(load.start_seconds, load.end_seconds, load.words, State.PHASE) for load in story.loads])
    pods = []
    for pod in story.pods:
        end = story.end_seconds if pod.removed_seconds is None else pod.removed_seconds
        spans = [Span(min(pod.ready_seconds, end), end, "", State.STABLE)]
        if pod.ready_seconds > pod.created_seconds:
            spans.insert(0, Span(pod.created_seconds, min(pod.ready_seconds, end), "", State.STARTING))
        pods.append(Lane(pod.name, spans))
    series = []
    for one in stories:
        points = [(float(moment.at_seconds), float(moment.replicas)) for moment in one.timeline]
        points.append((float(one.end_seconds), points[-1][1]))
        name = "pods" if len(stories) == 1 else f"target {one.cpu_target:g} %"
        series.append(Series(name, "pods", points, panel="pods", is_stepped=True))
    busy = [(float(at), value) for at, value in story.utilisation]
    series.append(
        Series("CPU of a ready pod", "% of request", busy, limit=story.cpu_target, limit_name="target", is_stepped=True)
    )
    before = [story.timeline[0].replicas, *(moment.replicas for moment in story.timeline)]
    events = [
        Event(moment.at_seconds, f"{was} to {moment.replicas} pods: {moment.reason}", "change")
        for was, moment in zip(before, story.timeline, strict=False)
        if was != moment.replicas
    ]
    return Timeline([loads, *pods], series, events)
