"""The picture that a rehearsal draws while it runs: replicas, their versions, their share of the requests."""

from collections import defaultdict

from rich.console import Group, RenderableType
from rich.text import Text

from bezant.local.status import ProcessState
from bezant.rehearsal.fleet import Fleet, Moment, Pod
from bezant.rehearsal.load import Load, percentile

_LOOK_BACK_SECONDS = 3.0
_MARKS = {
    ProcessState.WAITING: ("◌", "yellow"),
    ProcessState.PREPARING: ("◌", "yellow"),
    ProcessState.STARTING: ("◌", "yellow"),
    ProcessState.STOPPING: ("◍", "magenta"),
    ProcessState.UNREADY: ("✕", "red"),
    ProcessState.BACKING_OFF: ("✕", "red"),
}


class Picture:
    """Drawn again and again from what the fleet and the load say at the moment."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._doing = ""
        self._fleet: Fleet | None = None
        self._load: Load | None = None
        self._moment: Moment | None = None

    def told(self, doing: str) -> None:
        """Show what is being done."""
        self._doing = doing

    def follow(self, fleet: Fleet, load: Load) -> None:
        """Show these from now on."""
        self._fleet, self._load = fleet, load
        fleet.on_change = self._changed

    def _changed(self, moment: Moment) -> None:
        self._moment = moment

    def draw(self) -> RenderableType:
        """Return the picture of this moment."""
        lines = [Text(f"{self._doing} ...", style="bold")]
        if self._moment is not None and self._fleet is not None:
            lines += self._arms(self._moment, self._fleet)
        if self._load is not None and self._load.outcomes:
            lines.append(_traffic(self._load))
        return Group(*lines)

    def last(self) -> RenderableType:
        """Return the picture of the end, without what is being done."""
        if self._moment is None or self._fleet is None:
            return Text("")
        return Group(*self._arms(self._moment, self._fleet))

    def _arms(self, moment: Moment, fleet: Fleet) -> list[Text]:
        pods: dict[tuple[str, str], list[Pod]] = defaultdict(list)
        for pod in moment.pods:
            if pod.state is not ProcessState.STOPPED:
                pods[pod.arm, pod.version].append(pod)
        serving = {arm: sum(pod.is_ready for pod in moment.pods if pod.arm == arm) for arm in moment.weights}
        lines = []
        for (arm, version), members in pods.items():
            ready = sum(pod.is_ready for pod in members)
            share = moment.weights.get(arm, 0) * ready / serving[arm] if serving.get(arm) else 0.0
            line = Text(f"  {self._service} {version:<16.16} {share:5.1f} % of requests  ")
            for pod in members:
                mark, style = _MARKS.get(pod.state, ("●", "green" if version == fleet.version else "cyan"))
                line.append(mark + " ", style=style)
            line.append(f" {ready} ready")
            lines.append(line)
        return lines


def _traffic(load: Load) -> Text:
    recent = list(load.since(load.seconds() - _LOOK_BACK_SECONDS))
    failed = sum(outcome.is_failed for outcome in load.outcomes)
    p99 = percentile((outcome.seconds * 1000 for outcome in recent), 0.99)
    line = Text(f"  {len(load.outcomes):,} requests, {len(recent) / _LOOK_BACK_SECONDS:.0f}/s, p99 {p99:.0f} ms, ")
    line.append(f"{failed} failed", style="red" if failed else "green")
    return line
