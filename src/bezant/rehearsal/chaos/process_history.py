"""What became of every process of a platform while a rehearsal ran, for the lanes of its timeline."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bezant.local.platform import LocalPlatform
from bezant.local.status import PlatformStatus, ProcessState
from bezant.rehearsal.following import follow
from bezant.rehearsal.report.document import Lane, Span, State

_SHOWN_AS: Final = {
    ProcessState.WAITING: State.STARTING,
    ProcessState.PREPARING: State.STARTING,
    ProcessState.STARTING: State.STARTING,
    ProcessState.UNREADY: State.PAUSED,
    ProcessState.BACKING_OFF: State.DOWN,
    ProcessState.STOPPING: State.DRAINING,
    ProcessState.STOPPED: State.DOWN,
}


@dataclass
class ProcessHistory:
    """The states of all processes since `follow`. Methods belong to one event loop."""

    platform: LocalPlatform
    seconds: Callable[[], float]
    """The clock of the rehearsal."""
    changes: dict[str, list[tuple[float, State]]] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)

    def follow(self) -> None:
        """Note every change from now on, until the platform ends."""
        follow(self.platform, self._changed)

    def _changed(self, status: PlatformStatus) -> None:
        at = self.seconds()
        for process in status.processes:
            self.zones[process.name] = process.zone
            state = _SHOWN_AS.get(process.state, State.STABLE)
            known = self.changes.setdefault(process.name, [])
            if not known or known[-1][1] is not state:
                known.append((at, state))

    def lanes(self, until_seconds: float) -> list[Lane]:
        """Return a lane for each process, by zone and name; the label of a span is the zone."""
        lanes = []
        for name in sorted(self.changes, key=lambda name: (self.zones[name], name)):
            # what happens while the platform is stopped belongs to no rehearsal
            changes = [change for change in self.changes[name] if change[0] < until_seconds]
            changes.append((until_seconds, State.STABLE))
            spans = [
                Span(max(0.0, at), following, self.zones[name] if state is State.STABLE else "", state)
                for (at, state), (following, _) in itertools.pairwise(changes)
                if following > max(0.0, at)
            ]
            lanes.append(Lane(name, spans))
        return lanes
