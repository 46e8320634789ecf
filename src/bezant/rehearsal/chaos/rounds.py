"""Faults, really inflicted: one after another on a running platform under load, and what became of every payment.

Each fault has its own load, on the tenant that it may be about and on the others apart. The load goes on until the
platform says that it is whole again, and some seconds longer; then what was acknowledged is compared with what exists.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bezant.client import BezantClient
from bezant.contracts.fleet import SERVICES
from bezant.local.errors import InvalidOptions
from bezant.local.zones import ZONES
from bezant.rehearsal.chaos.faults import FAULTS, Fault, Scene
from bezant.rehearsal.chaos.process_history import ProcessHistory
from bezant.rehearsal.customers import Customer
from bezant.rehearsal.fleet import Fleet, rehearsed
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.load import SAYS_NOTHING, Load, Outcome
from bezant.services.audit.outside_verification import verify_log
from bezant.verifier.audit_log import VerificationFailed

CALM_SECONDS: Final = 3.0
"""How long load runs before a fault, and at least after the platform is whole again."""
RECOVERY_SECONDS: Final = 10.0
"""Within which requests succeed again."""
WHOLE_WITHIN_SECONDS: Final = 60.0
_AUDITED_WITHIN_SECONDS: Final = 60.0
"""An emptied broker is filled again from the outboxes; the log may take this long to catch up."""
_SETTINGS: Final = {
    # what takes half a minute in production is not waited for here; the mechanism is the same
    "BEZANT_KAFKA_SESSION_TIMEOUT_SECONDS": "3",
    "BEZANT_PAYMENT_STUCK_AFTER_SECONDS": "2",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Which faults to inflict, for how long, under how much load."""

    faults: tuple[str, ...]
    hold_seconds: float = 4.0
    requests_per_second: float = 40.0
    tenants: int = 3
    replicas: int = 2
    target: str | None = None
    data_dir: Path | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Faults that this machine cannot inflict, and why."""


@dataclass(slots=True)
class Audited:
    """What the audit logs say."""

    entries: int = 0
    unverified: list[str] = field(default_factory=list)
    """Tenants whose log does not verify, and why."""
    missing: list[str] = field(default_factory=list)
    """Payments that exist and are not in the log."""


@dataclass(frozen=True, slots=True)
class Inflicted:
    """One fault and its consequences. Times are seconds since the rehearsal began."""

    fault: Fault
    hurt: tuple[str, ...]
    load_began: float
    began: float
    lifted: float
    whole: float
    """When every process was ready again, or when this was given up."""
    is_whole: bool
    hit: tuple[Outcome, ...]
    """Requests of the tenant that a fault about one tenant is about; `at_seconds` since the rehearsal began."""
    others: tuple[Outcome, ...]
    unanswered: int
    """Payments whose answer never came, and which were asked for again afterwards."""
    ledger: Ledger
    audited: Audited

    @property
    def says(self) -> str:
        """What happened, in a sentence."""
        few = 3
        named = ", ".join(self.hurt) if len(self.hurt) <= few else f"{len(self.hurt)} processes"
        return self.fault.says.format(target=named)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All requests."""
        return tuple(sorted((*self.hit, *self.others)))

    @property
    def load_ended(self) -> float:
        """When the last request was sent."""
        return max([self.load_began, *(one.at_seconds for one in self.outcomes)])

    @property
    def since(self) -> float:
        """From when on requests should succeed again: others could take over, or the fault was lifted."""
        return self.began if self.fault.recovers_from == "its beginning" else self.lifted

    @property
    def recovery_seconds(self) -> float:
        """How long requests of those concerned failed after `since`: until the last one was sent that did."""
        return max([0.0, *(one.at_seconds - self.since for one in self._concerned if one.is_failed)])

    @property
    def is_recovered(self) -> bool:
        """Whether a request of those concerned has succeeded that was sent after the last failure."""
        since = self.since + self.recovery_seconds
        return any(not one.is_failed and one.at_seconds >= since for one in self._concerned)

    @property
    def over(self) -> float:
        """When the fault was over: all ready and the last failure behind, or its time to recover up."""
        return max(self.whole, min(self.since + self.recovery_seconds, self.since + RECOVERY_SECONDS))

    @property
    def _mine(self) -> tuple[Outcome, ...]:
        return self.hit if self.fault.is_about_one_tenant else self.outcomes

    @property
    def _concerned(self) -> list[Outcome]:
        return [one for one in self._mine if one.at_seconds + one.seconds >= self.began]

    @property
    def touched(self) -> list[Outcome]:
        """Requests that the fault may be blamed for: of those concerned, and under way while it lasted."""
        over = self.over
        return [one for one in self._concerned if one.at_seconds <= over]

    @property
    def untouched(self) -> list[Outcome]:
        """Requests that it has no excuse for: those of other tenants, and those before the fault or after it."""
        over = self.over
        strangers = self.others if self.fault.is_about_one_tenant else ()
        apart = [one for one in self._mine if one.at_seconds + one.seconds < self.began or one.at_seconds > over]
        return [*strangers, *apart]

    @property
    def untouched_failed_percent(self) -> float:
        """How many of those failed."""
        untouched = self.untouched
        return 100 * sum(one.is_failed for one in untouched) / max(1, len(untouched))

    @property
    def whole_seconds(self) -> float:
        """From the end of the fault until every process was ready."""
        return self.whole - self.lifted


@dataclass(frozen=True, slots=True)
class Course:
    """The whole rehearsal."""

    plan: Plan
    inflicted: tuple[Inflicted, ...]
    history: ProcessHistory
    end_seconds: float


async def rehearse(plan: Plan, *, told: Callable[[str], None] = lambda _: None) -> Course:
    """Inflict the planned faults one after another.

    Raises `PlatformError` when the platform does not start, or has no such target.
    """
    replicas = dict.fromkeys(SERVICES, plan.replicas)
    async with rehearsed(
        "payment",
        replicas=replicas,
        spare=0,
        tenants=plan.tenants,
        data_dir=plan.data_dir,
        environment=_SETTINGS,
        told=told,
    ) as fleet:
        if plan.target is not None and plan.target not in ZONES:
            await _check_target(plan.target, fleet)
        rounds = _Rounds(plan, fleet, told)
        history = ProcessHistory(fleet.platform, rounds.seconds)
        history.follow()
        inflicted = [await rounds.one(FAULTS[name]) for name in plan.faults]
        return Course(plan, tuple(inflicted), history, rounds.seconds())


async def _check_target(target: str, fleet: Fleet) -> None:
    try:
        await asyncio.to_thread(fleet.platform.process, target)
    except LookupError as error:
        known = ", ".join(one.name for one in (await asyncio.to_thread(fleet.platform.status)).processes)
        raise InvalidOptions(f"there is no process {target!r} to inflict a fault on; there are {known}") from error


@dataclass(frozen=True, slots=True)
class _Rounds:
    """What all faults of a rehearsal have in common."""

    plan: Plan
    fleet: Fleet
    told: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Return the seconds since the rehearsal began."""
        return time.monotonic() - self.began

    async def one(self, fault: Fault) -> Inflicted:
        """Inflict one fault under load and judge what became of every payment."""
        target = self.plan.target if fault.takes_a_target else None
        scene = Scene(self.fleet.platform, self.fleet.tenants[0], self.plan.hold_seconds, target)
        async with fault.prepared(scene):
            return await self._under_load(fault, scene)

    async def _under_load(self, fault: Fault, scene: Scene) -> Inflicted:
        plan, url, (hit, *others) = self.plan, self.fleet.platform.url, self.fleet.tenants
        share = plan.requests_per_second / len(self.fleet.tenants)
        loads = [
            Load(url, [hit], requests_per_second=share),
            Load(url, others, requests_per_second=share * len(others), seed=2),
        ]
        load_began = self.seconds()
        try:
            for load in loads:
                await load.start()
            await asyncio.sleep(CALM_SECONDS)
            self.told(f"{fault.name}: inflicted for {plan.hold_seconds:g} s at the most")
            began = self.seconds()
            async with fault.inflict(scene):
                pass
            lifted = self.seconds()
            is_whole = await scene.whole(WHOLE_WITHIN_SECONDS)
            whole = self.seconds()
            await self._calm(loads)
        finally:
            for load in loads:
                await load.stop()
        self.told(f"{fault.name}: comparing what was acknowledged with what is there")
        unanswered, ledger = await _judged(loads)
        audited = await _audit(url, self.fleet.tenants)
        shifted = [
            tuple(one._replace(at_seconds=one.at_seconds + load_began) for one in load.outcomes) for load in loads
        ]
        return Inflicted(
            fault, tuple(scene.hurt), load_began, began, lifted, whole, is_whole, shifted[0], shifted[1], unanswered,
            ledger, audited,
        )  # fmt: skip

    async def _calm(self, loads: Sequence[Load]) -> None:
        """Let the load go on until for a while all that was sent has succeeded, or for longer than recovery may take.

        Load that ended while requests still fail would say that the failures had an end.
        """
        until = self.seconds() + RECOVERY_SECONDS + CALM_SECONDS
        await asyncio.sleep(CALM_SECONDS)
        while self.seconds() < until and not all(map(_is_calm, loads)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _is_calm(load: Load) -> bool:
    recent = list(load.since(load.seconds() - CALM_SECONDS))
    return bool(recent) and not any(outcome.is_failed for outcome in recent)


async def _judged(loads: Sequence[Load]) -> tuple[int, Ledger]:
    """Return how many payments were asked for again, and what the tenants' lists and ledgers say of all of them."""
    unanswered, ledgers = 0, list[Ledger]()
    for load in loads:
        unanswered += await load.settle()
        ledgers.append(await load.judge())
    return unanswered, Ledger.together(ledgers)


async def _audit(url: str, tenants: Sequence[Customer]) -> Audited:
    """Verify each tenant's log from outside, and look up every payment in it."""
    found = Audited()
    await asyncio.gather(*(_audit_one(url, tenant, found) for tenant in tenants))
    return found


async def _audit_one(url: str, tenant: Customer, found: Audited) -> None:
    try:
        await _look_up(url, tenant, found)
        found.entries += (await verify_log(url, tenant.api_key)).size
    except (VerificationFailed, *SAYS_NOTHING) as failure:
        found.unverified.append(f"{tenant.slug}: {failure}")


async def _look_up(url: str, tenant: Customer, found: Audited) -> None:
    async with BezantClient(url, tenant.api_key) as client:
        missing = {payment["id"] async for payment in client.pages("/v1/payments", limit=200)}
        cursor: str | None = None
        deadline = time.monotonic() + _AUDITED_WITHIN_SECONDS
        # events are on their way for a while: the log is read on from where it ended
        while missing and time.monotonic() < deadline:
            page = await client.get("/v1/audit/entries", limit=1000, cursor=cursor)
            missing -= {entry["subject"] for entry in page["data"]}
            if page["next_cursor"] is None:
                await asyncio.sleep(0.2)
            else:
                cursor = page["next_cursor"]
    found.missing += sorted(missing)
