"""A canary, really run: a new version takes growing shares of the requests, and is judged all the time.

What Argo Rollouts does with the chart's Rollout (https://argo-rollouts.readthedocs.io/en/stable/features/canary/): at
each step the canary's pods come first, then its weight; the analysis is asked at its intervals from the first step on,
and the first answer beyond a limit takes all requests back. Time is compressed: an hour of the model takes a minute
with a compression of 60, and the samples' moments are those of the model, so that the questions need no change.
"""

import asyncio
import math
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bezant.local.plan import STABLE
from bezant.local.status import ProcessState
from bezant.rehearsal.canary import decision_record
from bezant.rehearsal.canary.analysis import Analysis, Judgement, Question, analysis_of
from bezant.rehearsal.canary.attempt import Attempt
from bezant.rehearsal.canary.scraping import scrape_gateway, scrape_replica
from bezant.rehearsal.fleet import Fleet, NeverReady
from bezant.rehearsal.load import Outcome
from bezant.rehearsal.upgrade import Prepared, Told, Upgrade, upgrade
from bezant.rehearsal.versions import Version, resolve
from bezant.topology.model.delivery import Canary
from bezant.topology.model.deployment import Topology

CANARY: Final = "canary"
FAULTS: Final = ("errors", "latency", "declines", "crash")
_WAITS_AT_MOST: Final = 3
"""How many times a step's length it waits for samples; on a cluster it would wait for a person."""
_BEFORE: Final = 200
"""Requests answered before the first step, and after the last."""


class NoCanary(Exception):
    """The model states no canary for the service. The message says which services have one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Canaries to rehearse."""

    service: str
    reference: str
    fault: str | None
    topology: Topology
    compression: float
    """How many seconds of the model one second takes."""
    requests_per_second: float
    times: int = 1
    """How often the version is tried, each time on a platform of its own."""
    tenants: int = 2
    data_dir: Path | None = None
    """Where the platform's data is kept; below it a directory for each rollout, when there are several."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One rollout, on a platform of its own."""

    seen: Upgrade
    attempt: Attempt
    is_on_record: bool
    """Whether an administrator finds this verdict among the administrative acts."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Everything that was seen."""

    plan: Plan
    canary: Canary
    replicas: int
    analysis: Analysis
    trials: list[Trial]

    @property
    def attempts(self) -> list[Attempt]:
        """How each rollout went."""
        return [trial.attempt for trial in self.trials]

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of every request of every load."""
        return [outcome for trial in self.trials for outcome in trial.seen.load.outcomes]


async def rehearse(plan: Plan, *, told: Told = lambda _: None, prepared: Prepared | None = None) -> Rehearsed:
    """Run the canary as often as planned and return what was seen.

    Each rollout gets a platform of its own: what one leaves behind cannot help or hurt the next.
    Raises `PlatformError`, `VersionUnusable`, `NoCanary`.
    """
    canary = canary_of(plan.topology, plan.service)
    replicas = next(one.replicas for one in plan.topology.services if one.name == plan.service)
    seen = Rehearsed(plan, canary, replicas, analysis_of(plan.service, canary=CANARY, stable=STABLE), [])
    reference = await asyncio.to_thread(resolve, plan.reference)
    for number in range(1, plan.times + 1):
        which = f"canary {number} of {plan.times}" if plan.times > 1 else "canary"
        seen.trials.append(await _trial(seen, reference, number, which, told=told, prepared=prepared))
    return seen


async def _trial(
    seen: Rehearsed, reference: str, number: int, which: str, *, told: Told, prepared: Prepared | None
) -> Trial:
    plan, data_dir = seen.plan, seen.plan.data_dir
    if data_dir is not None and plan.times > 1:
        data_dir /= str(number)
    async with upgrade(
        plan.service, reference, replicas=seen.replicas, spare=seen.replicas, tenants=plan.tenants,
        requests_per_second=plan.requests_per_second, data_dir=data_dir, told=told, prepared=prepared,
    ) as upgraded:  # fmt: skip
        fleet, load = upgraded.fleet, upgraded.load
        await load.more(_BEFORE)
        rollout = _Rollout(
            plan, seen.canary, fleet, version=upgraded.version, analysis=seen.analysis, told=told, which=which
        )
        attempt = await rollout.run()
        recorded = await decision_record.read(fleet.platform.url, fleet.admin_key)
        await load.more(_BEFORE)
    return Trial(upgraded, attempt, recorded.get(attempt.record_id) == attempt.verdict)


def canary_of(topology: Topology, service: str) -> Canary:
    """Return the canary that the model states for a service. Raises `NoCanary`."""
    with_canary = {one.name: one.canary for one in topology.services if one.canary is not None}
    if service not in with_canary:
        known = ", ".join(with_canary)
        raise NoCanary(f"the model {topology.name} states no canary for {service}; there is one for {known}")
    return with_canary[service]


class _Rollout:
    """One attempt at a rollout."""

    def __init__(
        self,
        plan: Plan,
        canary: Canary,
        fleet: Fleet,
        *,
        version: Version,
        analysis: Analysis,
        told: Told,
        which: str,
    ) -> None:
        self._plan = plan
        self._canary = canary
        self._replicas = fleet.platform.options.replica_count(plan.service)
        self._fleet = fleet
        self._version = version
        self._analysis = analysis
        self._told = told
        self._which = which
        self._attempt = Attempt(fleet.seconds())
        self._began = time.monotonic()
        self._ended = asyncio.Event()
        self._ended_at: float | None = None
        self._is_back = False
        self._sent_before = 0.0
        self._pods: list[str] = []

    def _model_seconds(self) -> float:
        return (time.monotonic() - self._began) * self._plan.compression

    async def run(self) -> Attempt:
        """Go through the steps until the end or an abort, and end the replicas of the version that lost."""
        judging = asyncio.create_task(self._judge(), name="analysis")
        try:
            await self._steps(judging)
        finally:
            judging.cancel()
            await asyncio.wait([judging])
        attempt = self._attempt
        attempt.ended_seconds = attempt.ended_seconds or self._fleet.seconds()
        if attempt.verdict == "promoted":
            self._told(f"{self._which}: promoted; the old version's replicas end")
            old = [pod.name for pod in self._fleet.pods if pod.arm == STABLE and pod.state is not ProcessState.STOPPED]
            await asyncio.gather(*(self._fleet.remove(name) for name in old))
        else:
            self._told(f"{self._which}: {attempt.verdict}; all requests go to the stable version")
            await self._take_back()
        attempt.record_id = await decision_record.write(self._fleet, self._version, attempt)
        return attempt

    async def _steps(self, judging: "asyncio.Task[None]") -> None:
        attempt = self._attempt
        for step in self._canary.steps:
            pods = math.ceil(self._replicas * step.weight / 100) if self._canary.pods_follow_weight else step.pods
            self._told(f"{self._which}: {step.weight:g} % on {pods} of {self._replicas + pods} replicas")
            try:
                if await self._ends_before(self._grow(pods), judging):
                    return
            except NeverReady as error:
                if not attempt.steps:  # it has answered no request, and can answer none
                    raise
                attempt.trouble = str(error)
                return
            await self._fleet.split({STABLE: round(100 - step.weight), CANARY: round(step.weight)})
            attempt.steps.append((self._fleet.seconds(), step.weight, pods))
            hold_seconds = step.hold_minutes * 60 / self._plan.compression
            if await self._ends_within(hold_seconds, judging):
                return
            waited = 0.0
            while not self._has_enough():
                if waited >= _WAITS_AT_MOST * hold_seconds:
                    return
                waited += 1.0
                if await self._ends_within(1.0, judging):
                    return
        attempt.verdict = "promoted"

    async def _ends_before(self, growing: Coroutine[Any, Any, None], judging: "asyncio.Task[None]") -> bool:
        """Wait for more replicas, and return whether the analysis has ended the rollout meanwhile: then all requests
        have gone back already, and those replicas are not waited for. Raises what broke the analysis."""
        adding, ended = asyncio.create_task(growing), asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({adding, ended, judging}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.is_set():
                await self._give_back()
                # what starts in another thread cannot be called off: it has to be there before it can be removed
                await asyncio.gather(adding, return_exceptions=True)
                return True
            if judging.done():
                judging.result()
            await adding
        finally:
            ended.cancel()
            adding.cancel()
        return False

    async def _grow(self, pods: int) -> None:
        # One after another: on a cluster each starts on cores of its own, here on those of the replicas that serve,
        # and several at once would make both versions late.
        while len(self._pods) < pods and not self._ended.is_set():
            name = await self._fleet.add(self._version, arm=CANARY, environment=self._fault(), command=self._command())
            self._pods.append(name)
            await self._fleet.wait_ready(name, in_gateway=len(self._pods))

    def _has_enough(self) -> bool:
        return self._note(self._analysis.samples, self._model_seconds()).passes

    def _note(self, question: Question, at_seconds: float) -> Judgement:
        judgement = Judgement(at_seconds, question, tuple(question.ask(self._attempt.samples, at_seconds)))
        self._attempt.judgements.append(judgement)
        return judgement

    async def _ends_within(self, seconds: float, judging: "asyncio.Task[None]") -> bool:
        """Wait, and return whether the analysis has ended the rollout meanwhile. Raises what broke the analysis."""
        ended = asyncio.create_task(self._ended.wait())
        done, _ = await asyncio.wait({ended, judging}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if judging in done:
            judging.result()
        return self._ended.is_set()

    def _fault(self) -> Mapping[str, str]:
        return {} if self._plan.fault is None else {"BEZANT_REHEARSED_FAULT": self._plan.fault}

    def _command(self) -> tuple[str, ...]:
        if self._plan.fault is None:
            return self._version.command
        return (str(self._version.python), str(Path(__file__).with_name("faulty_service.py")))

    async def _judge(self) -> None:
        """Scrape and ask at the shortest interval of the analysis, until something ends the rollout."""
        questions = self._analysis.questions
        tick = min(question.interval_seconds for question in questions)
        due = dict.fromkeys((question.name for question in questions), 0.0)
        count = 0
        while True:
            count += 1
            await asyncio.sleep(max(0.0, count * tick / self._plan.compression - (time.monotonic() - self._began)))
            now = self._model_seconds()
            await self._scrape(now)
            self._note_samples(now)
            for question in questions:
                if due[question.name] > now + tick / 2:
                    continue
                due[question.name] = now + question.interval_seconds
                judgement = self._note(question, now)
                if not judgement.passes:
                    self._abort(judgement)
                    return

    def _abort(self, reason: Judgement) -> None:
        self._attempt.reason = reason
        alone = self._analysis.of_stable.get(reason.question.name)
        if alone is not None:
            answered = tuple(alone.ask(self._attempt.samples, reason.at_seconds))
            self._attempt.stable_answered = Judgement(reason.at_seconds, alone, answered)
        # the record says how many samples a verdict rests on, also where no step has ended
        self._note(self._analysis.samples, reason.at_seconds)
        self._attempt.verdict = "aborted"
        self._attempt.ended_seconds = self._fleet.seconds()
        self._ended_at = time.monotonic()
        self._ended.set()

    def _note_samples(self, now: float) -> None:
        if self._attempt.enough_at_model_seconds is None:
            asked = self._analysis.samples
            if asked.condition.holds(asked.ask(self._attempt.samples, now)):
                self._attempt.enough_at_model_seconds = now

    async def _scrape(self, at_seconds: float) -> None:
        ports = self._fleet.platform.options.ports
        samples = self._attempt.samples
        arms = sorted({pod.arm for pod in self._fleet.pods})
        await asyncio.gather(
            *(
                scrape_replica(
                    samples,
                    name=pod.name,
                    port=ports.service(self._plan.service, pod.number),
                    arm=pod.arm,
                    at_seconds=at_seconds,
                )
                for pod in self._fleet.pods
                if pod.is_ready
            ),
            scrape_gateway(
                samples, admin_port=ports.gateway_admin, service=self._plan.service, arms=arms, at_seconds=at_seconds
            ),
        )

    async def _give_back(self) -> None:
        """Send every request to the stable version again, and note how long after the verdict that was."""
        if not self._is_back:
            since = self._ended_at or time.monotonic()
            await self._fleet.split({STABLE: 100})
            self._attempt.back_after_seconds = time.monotonic() - since
            self._is_back = True
            self._sent_before = await self._fleet.requests_sent(CANARY)

    async def _take_back(self) -> None:
        attempt = self._attempt
        await self._give_back()
        await asyncio.gather(*(self._fleet.remove(name) for name in self._pods))
        attempt.requests_after_abort = await self._fleet.requests_sent(CANARY) - self._sent_before
