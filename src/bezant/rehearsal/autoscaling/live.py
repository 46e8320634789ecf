"""The autoscaler at real replicas: the same controller as in `autoscaling`, fed with their measured CPU.

The load follows the model's story. What a replica requests is calibrated first: under the base load its measured CPU
counts as the model's utilisation on a usual day, so that a laptop's cores stand for a cluster's. Time is compressed:
with a compression of 10 the controller looks every 1.5 s instead of 15, and the windows shrink as well.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bezant.local import proc
from bezant.local.status import ProcessState
from bezant.rehearsal.autoscaling.horizontal import SYNC_SECONDS, TOLERANCE, Controller, Metric, Pod
from bezant.rehearsal.autoscaling.story import declared
from bezant.rehearsal.fleet import Fleet, Moment, rehearsed
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.load import Load
from bezant.rehearsal.report.document import Event, Figure, Promise, Report, Series, Table, Timeline, now_text
from bezant.rehearsal.versions import CURRENT, prepare
from bezant.topology.model.delivery import Autoscaling

_ROOM_ABOVE_THE_STORY: Final = 4
"""How many replicas more than the story's most a laptop is asked to hold."""
_CALIBRATED_OVER_SECONDS: Final = 10.0
_CPU_WINDOW_SECONDS: Final = 3.0
"""A replica's CPU is its mean over this long."""
_SETTLE_MODEL_SECONDS: Final = 400.0
_SETTLE_AT_LEAST_SECONDS: Final = 20.0
"""A replica takes some seconds to start, however fast the model's time passes."""
_NEARLY_IDLE_REQUESTS_PER_SECOND: Final = 1.0
_GONE: Final = frozenset({ProcessState.STOPPING, ProcessState.STOPPED})


class LoadNotSeen(Exception):
    """The base load does not show in the replicas' CPU. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A story to carry out."""

    service: str
    model: str
    scaling: Autoscaling
    cpu_target: float
    base_requests_per_second: float
    compression: float
    tenants: int = 6


@dataclass
class Step:
    """A load of the story, and what became of the replicas."""

    told: str
    requests_per_second: float
    began_seconds: float
    began_with: int
    goes_up: bool
    ended_seconds: float = 0.0
    reached: int = 0
    ended_at_percent: float = 0.0
    """The mean CPU at its end."""
    decided_after_seconds: float | None = None
    serving_after_seconds: float | None = None

    @property
    def serves(self) -> bool:
        """Whether what was decided serves; true as well when nothing had to be decided."""
        return self.decided_after_seconds is None or self.serving_after_seconds is not None


@dataclass
class Measured:
    """Each replica's CPU time at moments of the past few seconds."""

    seen: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, pid: int, now: float, used_seconds: float) -> None:
        """Note the CPU time that a process has used by now."""
        points = self.seen.setdefault(pid, [])
        points.append((now, used_seconds))
        while len(points) > 2 and points[1][0] <= now - _CPU_WINDOW_SECONDS:
            points.pop(0)

    def cores(self, pid: int) -> float | None:
        """Return how many cores it used on average; None while it was not seen for long enough."""
        points = self.seen.get(pid, [])
        if len(points) < 2 or points[-1][0] - points[0][0] < _CPU_WINDOW_SECONDS * 0.8:
            return None
        return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])


class _Live:
    """The controller's loop over one fleet."""

    def __init__(self, plan: Plan, fleet: Fleet, most: int) -> None:
        scaling = plan.scaling.model_copy(update={"max_replicas": most})
        self.plan = plan
        self.fleet = fleet
        self.wanted = plan.scaling.min_replicas
        self.request_cores = 1.0
        self.idle_cores = 0.0
        self.utilisation: list[tuple[float, float]] = []
        self.decisions: list[tuple[float, int, str]] = []
        self._controller = Controller(declared(scaling, plan.cpu_target))
        self._measured = Measured()
        self._version = prepare(CURRENT, fleet.platform.directory.root)
        self._changes: set[asyncio.Task[object]] = set()

    def look(self) -> list[Pod]:
        """Measure every replica, and return them as the controller sees them."""
        now, pods, figures = time.monotonic(), [], []
        for pod in self.fleet.pods:
            if pod.state in _GONE or pod.pid is None:
                continue
            used_seconds = proc.cpu_seconds(pod.pid)
            if used_seconds is not None:
                self._measured.add(pod.pid, now, used_seconds)
            cores = self._measured.cores(pod.pid) if pod.is_ready else None
            figure = None if cores is None else max(0.0, 100 * (cores - self.idle_cores) / self.request_cores)
            pods.append(Pod({Metric.CPU: figure}, is_ready=pod.is_ready))
            if figure is not None:
                figures.append(figure)
        if figures:
            self.utilisation.append((self.fleet.seconds(), sum(figures) / len(figures)))
        return pods

    def recent_percent(self) -> float:
        """Return the mean CPU of the last few seconds."""
        recent = [percent for at, percent in self.utilisation if at >= self.fleet.seconds() - _CPU_WINDOW_SECONDS]
        return sum(recent) / len(recent) if recent else 0.0

    async def calibrate(self, load: Load) -> None:
        """Let the CPU of the base load be the model's utilisation on a usual day.

        What a replica uses without requests (its polls and heartbeats) is taken off everywhere: six replicas of a
        laptop's small load would else be six times that, and nothing else.
        """
        normal = self.plan.scaling.normal_cpu_utilisation or self.plan.cpu_target
        load.requests_per_second = _NEARLY_IDLE_REQUESTS_PER_SECOND
        await asyncio.sleep(_CPU_WINDOW_SECONDS)  # what is under way ends
        self.idle_cores = await self._mean_cores()
        load.requests_per_second = self.plan.base_requests_per_second
        await asyncio.sleep(_CPU_WINDOW_SECONDS)
        self.request_cores = (await self._mean_cores() - self.idle_cores) * 100 / normal
        if self.request_cores <= 0:
            raise LoadNotSeen(
                f"at {self.plan.base_requests_per_second:g} requests a second the replicas use no more CPU than "
                "at rest: raise --rate, or let nothing else run beside"
            )

    async def _mean_cores(self) -> float:
        began = {pod.pid: proc.cpu_seconds(pod.pid) or 0.0 for pod in self.fleet.pods if pod.pid is not None}
        started = time.monotonic()
        await asyncio.sleep(_CALIBRATED_OVER_SECONDS)
        elapsed = time.monotonic() - started
        used = [((proc.cpu_seconds(pid) or before) - before) / elapsed for pid, before in began.items()]
        return sum(used) / len(used)

    async def control(self) -> None:
        """Look, decide and change, at the controller's interval, for ever."""
        while True:
            await asyncio.sleep(SYNC_SECONDS / self.plan.compression)
            pods = self.look()
            decision = self._controller.decide(self.fleet.seconds() * self.plan.compression, self.wanted, pods)
            if decision.replicas != self.wanted:
                self.decisions.append((self.fleet.seconds(), decision.replicas, decision.proposals[0].arithmetic))
                await self._resize(decision.replicas)

    async def _resize(self, replicas: int) -> None:
        change, self.wanted = replicas - self.wanted, replicas
        for _ in range(change):
            await self.fleet.add(self._version)
        alive = [pod for pod in self.fleet.pods if pod.state not in _GONE]
        for pod in sorted(alive, key=lambda one: one.number)[len(alive) + change :] if change < 0 else []:
            # the youngest go, each in its own time
            task: asyncio.Task[object] = asyncio.create_task(self.fleet.remove(pod.name))
            self._changes.add(task)

    async def finish(self) -> None:
        """Return when every replica that was told to go has gone. Raises what went wrong."""
        await asyncio.gather(*self._changes)


async def rehearse_live(
    plan: Plan, *, told: Callable[[str], None] = lambda _: None, prepared: Callable[[Fleet, Load], None] | None = None
) -> Report:
    """Carry out the story on real replicas and report. Raises `PlatformError`, `LoadNotSeen`."""
    started_at, began = now_text(), time.monotonic()
    most = max(step.replicas_after for step in plan.scaling.story) + _ROOM_ABOVE_THE_STORY
    async with rehearsed(
        plan.service,
        replicas={plan.service: plan.scaling.min_replicas},
        spare=most - plan.scaling.min_replicas,
        tenants=plan.tenants,
        told=told,
    ) as fleet:
        load = fleet.load(plan.base_requests_per_second)
        fleet.begin()
        if prepared is not None:
            prepared(fleet, load)
        await load.start()
        live = _Live(plan, fleet, most)
        controlling: asyncio.Task[None] | None = None
        try:
            await load.more(int(plan.base_requests_per_second * 2))
            told("measuring what a replica uses under the base load")
            await live.calibrate(load)
            controlling = asyncio.create_task(live.control(), name="autoscaler")
            steps = [step async for step in _story(plan, live, load, controlling, told)]
            for step in steps:
                follow(step, [at for at, _, _ in live.decisions], fleet.history)
        finally:
            if controlling is not None:
                controlling.cancel()
                await asyncio.wait([controlling])
            await load.stop()
        await live.finish()
        fleet.end()
        told("comparing every acknowledged payment with the ledger")
        await load.settle()
        ledger = await load.judge()
    return _report(plan, live, load, steps, ledger, started_at=started_at, seconds=time.monotonic() - began)


async def _story(
    plan: Plan, live: _Live, load: Load, controlling: "asyncio.Task[None]", told: Callable[[str], None]
) -> AsyncIterator[Step]:
    normal = plan.scaling.normal_cpu_utilisation or plan.cpu_target
    for one in plan.scaling.story:
        if one.cpu_utilisation is None:
            continue
        ratio = one.replicas_before * one.cpu_utilisation / (plan.scaling.min_replicas * normal)
        goes_up = one.replicas_after > one.replicas_before
        step = Step(
            f"{one.cpu_utilisation:g} % of {one.replicas_before}: {one.replicas_before} -> {one.replicas_after}",
            plan.base_requests_per_second * ratio,
            live.fleet.seconds(),
            live.wanted,
            goes_up,
        )
        told(f"{step.requests_per_second:.0f} requests a second, as {step.told}")
        load.requests_per_second = step.requests_per_second
        lasts = max(_SETTLE_AT_LEAST_SECONDS, _SETTLE_MODEL_SECONDS / plan.compression)
        if not goes_up:
            lasts += plan.scaling.scale_down_stabilisation_minutes * 60 / plan.compression
        done, _ = await asyncio.wait([controlling], timeout=lasts)
        if done:
            controlling.result()
        step.reached = live.wanted
        step.ended_at_percent = live.recent_percent()
        step.ended_seconds = live.fleet.seconds()
        yield step


def follow(step: Step, decisions: Sequence[float], history: Sequence[Moment]) -> None:
    """Note when the first change of a step was decided, and when what it reached was serving, if only in the next."""
    decided = [at for at in decisions if step.began_seconds <= at < step.ended_seconds]
    if not decided:
        return
    step.decided_after_seconds = decided[0] - step.began_seconds

    def serves(moment: Moment) -> bool:
        return moment.ready >= step.reached if step.goes_up else moment.ready <= step.reached

    serving = [one.at_seconds for one in history if one.at_seconds >= decided[-1] and serves(one)]
    if serving:
        step.serving_after_seconds = serving[0] - step.began_seconds


def _report(
    plan: Plan, live: _Live, load: Load, steps: list[Step], ledger: Ledger, *, started_at: str, seconds: float
) -> Report:
    fleet, outcomes = live.fleet, load.outcomes
    failed = sum(outcome.is_failed for outcome in outcomes)
    highest = plan.cpu_target * (1 + TOLERANCE)
    numbers = [plan.scaling.min_replicas, *(step.reached for step in steps)]
    path = " -> ".join(map(str, numbers))

    return Report(
        rehearsal="autoscale",
        title=f"Autoscaling of {plan.service}, on real replicas",
        model=plan.model,
        started_at=started_at,
        duration_seconds=seconds,
        settings={
            "service": plan.service,
            "cpu_target": f"{plan.cpu_target:g} %",
            "base_requests_per_second": f"{plan.base_requests_per_second:g}",
            "compression": f"{plan.compression:g}",
            "a replica requests": f"{live.request_cores * 1000:.0f} millicores",
            "taken off for what it uses at rest": f"{live.idle_cores * 1000:.0f} millicores",
        },
        promises=[
            Promise("Replicas follow the load both ways", numbers[-1] < max(numbers) > numbers[0], path),
            Promise(
                "Each step ends with a CPU within the tolerance of the target, or below",
                all(step.ended_at_percent <= highest for step in steps),
                f"{', '.join(f'{step.ended_at_percent:.0f} %' for step in steps)} of at most {highest:g} %",
            ),
            Promise(
                "What is decided serves",
                all(step.serves for step in steps),
                ", ".join("-" if one.serving_after_seconds is None else f"{one.serving_after_seconds:.1f} s"
                          for one in steps),
            ),
            Promise("No request fails", not failed, f"{failed} of {len(outcomes):,}"),
            *ledger.promises(),
        ],
        figures=[Figure("requests", len(outcomes)), Figure("decisions", len(live.decisions))],
        tables=[
            Table(
                "Story",
                ["told", "requests", "replicas", "CPU at its end", "decided after", "serving after"],
                [
                    [
                        step.told,
                        f"{step.requests_per_second:.0f}/s",
                        f"{step.began_with} -> {step.reached}",
                        f"{step.ended_at_percent:.0f} %",
                        "never" if step.decided_after_seconds is None else f"{step.decided_after_seconds:.1f} s",
                        "never" if step.serving_after_seconds is None else f"{step.serving_after_seconds:.1f} s",
                    ]
                    for step in steps
                ],
            ),
            Table(
                "Decisions",
                ["at", "replicas", "arithmetic"],
                [[f"{at:.1f} s", str(replicas), why] for at, replicas, why in live.decisions],
            ),
        ],
        timeline=Timeline(
            lanes=fleet.lanes(fleet.seconds()),
            series=[
                Series("CPU of what is requested", "%", live.utilisation, limit=plan.cpu_target, limit_name="target"),
                Series("ready replicas", "replicas", [(one.at_seconds, one.ready) for one in fleet.history],
                       is_stepped=True),
                *load.series(began=fleet.began),
            ],
            events=[Event(one.began_seconds, f"{one.requests_per_second:.0f} requests/s", "change") for one in steps],
        ),
    )  # fmt: skip
