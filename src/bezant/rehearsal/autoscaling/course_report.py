"""What the course of pods and nodes promises, and how it is shown: figures, a table for each load, the timeline."""

from collections.abc import Iterator

from bezant.rehearsal.autoscaling.cluster import NodeLife
from bezant.rehearsal.autoscaling.course import MAXIMUM, Course
from bezant.rehearsal.autoscaling.nodes import SCAN_SECONDS
from bezant.rehearsal.autoscaling.story import START_SECONDS, PodLife
from bezant.rehearsal.report.document import Event, Figure, Lane, Promise, Series, Span, State, Table, Timeline
from bezant.rehearsal.report.numbers import duration_text
from bezant.topology.model.deployment import Topology


def node_promises(course: Course, topology: Topology) -> Iterator[Promise]:
    """Yield whether all pods found nodes, how long those waited that needed new ones, and what became of these."""
    scaler = topology.node_autoscaler
    asked = len(course.pods)
    found = sum(pod.name in course.placed for pod in course.pods)
    why = "" if not course.stuck else f"; first {course.stuck[0].reason}"
    most = max((one.pods for one in course.stuck), default=0)
    yield Promise(
        "Every pod that is asked for finds a node",
        not course.stuck,
        f"{found} of {asked} pods" if not course.stuck else f"{found} of {asked} pods, up to {most} wait for ever{why}",
    )
    longest = scaler.provision_minutes.high * 60 + 3 * SCAN_SECONDS
    yield Promise(
        f"A pod that needs a new node has it within {duration_text(longest)}: provisioning and three looks",
        course.longest_wait_seconds <= longest,
        f"{duration_text(course.longest_wait_seconds)}, serving {duration_text(START_SECONDS)} later"
        if course.longest_wait_seconds
        else "no pod waited for one",
    )
    before, after = _start(course), int(course.sizes[-1][1])
    yield Promise(
        f"Nodes that for {scaler.scale_down_after_minutes:g} min are used below "
        f"{scaler.scale_down_below_utilisation:g} % go again",
        after == before,
        f"{before} nodes, at most {_most(course)}, in the end {after}",
    )


def _start(course: Course) -> int:
    return sum(node.ready_seconds == 0 for node in course.nodes)


def _most(course: Course) -> int:
    return int(max(size for _, size in course.sizes))


def node_figures(course: Course) -> Iterator[Figure]:
    """Yield what one wants to know at a glance."""
    yield Figure("most pods", max(moment.replicas for moment in course.moments), "pods")
    yield Figure("nodes", f"{_start(course)} to {_most(course)}")
    yield Figure("longest wait for a node", duration_text(course.longest_wait_seconds))
    yield Figure("simulated time", duration_text(course.end_seconds))


def node_tables(course: Course) -> Iterator[Table]:
    """Yield what stood at the end of each load."""
    rows = []
    for load in course.loads:
        within = [m for m in course.moments if m.at_seconds <= load.end_seconds]
        size = next(size for at, size in reversed(course.sizes) if at <= load.end_seconds)
        most = max(size for at, size in course.sizes if load.start_seconds < at <= load.end_seconds)
        waiting = [one for one in course.stuck if one.load == load.words]
        rows.append(
            [
                load.words,
                str(within[-1].replicas),
                f"{size:.0f}" if size == most else f"{size:.0f}, at most {most:.0f}",
                ", ".join(f"{one.pods} of {one.workload}" for one in waiting) or "none",
                duration_text(load.end_seconds - load.start_seconds),
            ]
        )
    columns = ["load", "pods", "nodes", "pods without a node", "watched for"]
    yield Table(f"Pods and nodes under a CPU target of {course.cpu_target:g} %", columns, rows)
    first = {one.workload: one.reason for one in reversed(course.stuck)}
    if first:
        yield Table("Why pods find no node", ["workload", "the first, and how many nodes each filter removed"],
                    [[workload, reason] for workload, reason in first.items()])  # fmt: skip


def course_timeline(course: Course) -> Timeline:
    """Return loads, pods and nodes as lanes, and their numbers below."""
    end = course.end_seconds
    loads = Lane("load", [Span(load.start_seconds, load.end_seconds, load.words, State.PHASE) for load in course.loads])
    pods = [_pod_lane(pod, course, end) for pod in course.pods]
    grown = [_node_lane(node, end) for node in course.nodes if node.asked_seconds > 0]
    replicas = [(float(moment.at_seconds), float(moment.replicas)) for moment in course.moments]
    replicas.append((float(end), replicas[-1][1]))
    series = [
        Series("pods", "pods", replicas, is_stepped=True),
        Series("nodes", "nodes", _changes(course.sizes), is_stepped=True),
        Series("CPU of a ready pod", "% of request", _changes(course.utilisation), limit=course.cpu_target,
               limit_name="target", is_stepped=True),
        Series("requested of all nodes", "% of CPU", _changes(course.requested), is_stepped=True),
    ]  # fmt: skip
    before = [course.moments[0].replicas, *(moment.replicas for moment in course.moments)]
    events = [
        Event(moment.at_seconds, f"{was} to {moment.replicas} pods: {moment.reason}", "change")
        for was, moment in zip(before, course.moments, strict=False)
        if was != moment.replicas
    ]
    events += [Event(one.at_seconds, one.text) for one in course.happened]
    events += [
        Event(load.end_seconds, f"{one.pods} pods of {one.workload} have no node", "bad")
        for load in course.loads
        for one in course.stuck
        if one.load == load.words == MAXIMUM
    ]
    return Timeline([loads, *pods, *grown], series, events)


def _pod_lane(pod: PodLife, course: Course, end: int) -> Lane:
    until = end if pod.removed_seconds is None else pod.removed_seconds
    placed = min(course.placed.get(pod.name, until), until)
    ready = min(max(pod.ready_seconds, placed), until)
    steps = [
        (pod.created_seconds, placed, State.WAITING),
        (placed, ready, State.STARTING),
        (ready, until, State.STABLE),
    ]
    return Lane(pod.name, [Span(start, stop, "", state) for start, stop, state in steps if stop > start])


def _node_lane(node: NodeLife, end: int) -> Lane:
    ready = min(node.ready_seconds, end)
    draining = end if node.draining_seconds is None else node.draining_seconds
    gone = end if node.removed_seconds is None else min(node.removed_seconds, end)
    steps = [
        (node.asked_seconds, ready, State.STARTING),
        (ready, draining, State.STABLE),
        (draining, gone, State.DRAINING),
    ]
    return Lane(f"node {node.name}", [Span(start, stop, "", state) for start, stop, state in steps if stop > start])


def _changes(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points at which the value changes, and the last."""
    kept = [point for n, point in enumerate(points) if n == 0 or point[1] != points[n - 1][1]]
    return [*kept, points[-1]]
