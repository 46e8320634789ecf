"""A fraud service that is down, and one that is slow: only the first lets the tenant's policy decide."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from bezant.contracts.identifiers import new_id
from bezant.contracts.internal.fraud import Assessment, Decision
from bezant.contracts.problems import DeadlinePassed, InternalCallFailed, Overloaded, Problem, TenantUnavailable
from bezant.services.payment.domain.payments import Payment, Status
from bezant.services.payment.operations.decide import FraudChecks

TENANT = new_id()
TIMEOUT, SILENCE, WAIT = 0.05, 0.3, 0.9


@dataclass
class Fraud:
    """Stands for the internal calls to the fraud service. `answers` is what becomes of a call, `signs` of a sign."""

    answers: Callable[[], Awaitable[None]]
    signs: Callable[[], Awaitable[bool]]
    heard: float = 0.0
    asked_for_signs: int = 0
    calls: list[float] = field(default_factory=list)

    async def call(self, _: str, __: str, ___: UUID, items: list[Any], ____: Any, **options: Any) -> list[Assessment]:
        self.calls.append(options["timeout_seconds"])
        async with asyncio.timeout(options["timeout_seconds"]):
            await self.answers()
        self.heard = time.monotonic()
        return [
            Assessment(payment_id=item.payment_id, decision=Decision.APPROVE, score=7, reasons=[], ruleset_version=1)
            for item in items
        ]

    def heard_at(self, _: str, __: str) -> float:
        return self.heard

    async def ask_for_a_sign(self, _: str, __: str, *, timeout_seconds: float) -> bool:
        self.asked_for_signs += 1
        try:
            async with asyncio.timeout(timeout_seconds):
                answered = await self.signs()
        except TimeoutError:
            return False
        if answered:
            self.heard = time.monotonic()
        return answered


async def _never() -> Any:
    await asyncio.Event().wait()


async def _alive() -> bool:
    return True


def _after(seconds: float) -> Callable[[], Awaitable[None]]:
    return lambda: asyncio.sleep(seconds)


def _raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def answer() -> None:
        raise error

    return answer


class _Directory:
    async def get(self, _: UUID) -> Any:
        return SimpleNamespace(policies={"fraud_unavailable": {"review_from_major": 100}})


def _checks(fraud: Fraud, *, silence: float = SILENCE) -> FraudChecks:
    return FraudChecks(
        fraud,  # type: ignore[arg-type]
        _Directory(),  # type: ignore[arg-type]
        timeout_seconds=TIMEOUT,
        silence_seconds=lambda: silence,
        wait_seconds=WAIT,
    )


def _payment(amount_minor: int = 100) -> Payment:
    now = datetime.now(UTC)
    return Payment(
        id=new_id(), source_account_id=new_id(), destination_account_id=new_id(), amount_minor=amount_minor,
        currency="USD", capture="automatic", splits=[], reference="", metadata={}, context={},
        status=Status.PROCESSING, idempotency_key="k", actor="key:x", created_at=now, updated_at=now,
        expires_at=now + timedelta(days=1),
    )  # fmt: skip


def _counted(name: str, reason: str) -> float:
    return REGISTRY.get_sample_value(f"bezant_payments_{name}_total", {"reason": reason}) or 0.0


async def test_a_score_that_comes_late_is_waited_for_while_others_are_answered() -> None:
    fraud = Fraud(_after(SILENCE * 2), _never)
    checks = _checks(fraud)
    judging = asyncio.create_task(checks.assess(TENANT, [_payment()]))
    while not judging.done():
        fraud.heard = time.monotonic()
        await asyncio.sleep(TIMEOUT / 5)
    (verdict,) = await judging
    assert (verdict.scored, verdict.risk["score"]) == (True, 7)
    assert fraud.asked_for_signs == 0


async def test_a_service_that_has_nothing_but_this_call_is_slow_as_long_as_it_gives_a_sign() -> None:
    fraud = Fraud(_after(SILENCE * 2), _alive)
    (verdict,) = await _checks(fraud).assess(TENANT, [_payment()])
    assert verdict.scored
    assert fraud.asked_for_signs >= 1


async def test_a_service_that_answers_nobody_is_down_and_the_policy_decides() -> None:
    fraud = Fraud(_never, _never)
    checks = _checks(fraud)
    before = _counted("unscored", "silent")
    began = time.monotonic()
    verdicts = await checks.assess(TENANT, [_payment(9_999), _payment(10_000)])
    assert time.monotonic() - began >= SILENCE
    assert [(verdict.scored, verdict.decision) for verdict in verdicts] == [
        (False, Decision.APPROVE), (False, Decision.REVIEW),
    ]  # fmt: skip
    assert _counted("unscored", "silent") - before == 2

    began = time.monotonic()
    (again,) = await checks.assess(TENANT, [_payment()])
    assert not again.scored
    assert time.monotonic() - began < SILENCE, "a silence that is known is not waited for again"


async def test_a_service_that_is_back_is_waited_for_again() -> None:
    fraud = Fraud(_never, _never)
    checks = _checks(fraud)
    assert not (await checks.assess(TENANT, [_payment()]))[0].scored
    fraud.answers, fraud.signs = _after(SILENCE * 2), _alive
    # the first sign since may come after its own payment was decided; from then on scores are waited for
    await checks.assess(TENANT, [_payment()])
    await asyncio.sleep(0)
    fraud.heard = time.monotonic()
    (verdict,) = await checks.assess(TENANT, [_payment()])
    assert verdict.scored


@pytest.mark.parametrize("error", [InternalCallFailed("answered 503"), InternalCallFailed("connection refused")])
async def test_a_service_that_cannot_be_reached_is_down_at_once(error: Problem) -> None:
    before = _counted("unscored", "failed")
    (verdict,) = await _checks(Fraud(_raising(error), _alive)).assess(TENANT, [_payment()])
    assert not verdict.scored
    assert _counted("unscored", "failed") - before == 1


@pytest.mark.parametrize(
    "error", [Overloaded("too much"), DeadlinePassed("too late"), TenantUnavailable("no connection")]
)
async def test_a_service_that_answers_that_it_cannot_now_leaves_the_payment_undecided(error: Problem) -> None:
    before, unscored = _counted("left_processing", error.code), _counted("unscored", "failed")
    with pytest.raises(type(error)):
        await _checks(Fraud(_raising(error), _alive)).assess(TENANT, [_payment()])
    assert _counted("left_processing", error.code) - before == 1
    assert _counted("unscored", "failed") == unscored


async def test_a_score_that_does_not_come_at_all_leaves_the_payment_undecided() -> None:
    before = _counted("left_processing", "slow")
    began = time.monotonic()
    with pytest.raises(Overloaded):
        await _checks(Fraud(_never, _alive)).assess(TENANT, [_payment()])
    assert WAIT <= time.monotonic() - began < WAIT + 5
    assert _counted("left_processing", "slow") - before == 1


async def test_a_process_that_is_kept_from_running_does_not_take_its_own_silence_for_the_others() -> None:
    ready = asyncio.Event()
    fraud = Fraud(ready.wait, _alive)  # type: ignore[arg-type]
    judging = asyncio.create_task(_checks(fraud).assess(TENANT, [_payment()]))
    await asyncio.sleep(TIMEOUT / 2)
    # the answer is there, unread, for longer than any silence lasts
    asyncio.get_running_loop().call_soon(ready.set)
    time.sleep(SILENCE * 2)  # noqa: ASYNC251 - this is the fault
    (verdict,) = await judging
    assert verdict.scored


async def test_a_hundred_groups_at_once_under_a_slow_service_are_all_scored() -> None:
    """One answer at a time, each later than the time-out of 250 ms stands for: none is decided without a score."""
    one_at_a_time = asyncio.Lock()

    async def answer() -> None:
        async with one_at_a_time:
            await asyncio.sleep(0.005)

    fraud = Fraud(answer, _never)
    checks = _checks(fraud)
    verdicts = await asyncio.gather(*(checks.assess(TENANT, [_payment()]) for _ in range(100)))
    assert all(verdict.scored for (verdict,) in verdicts)


async def test_a_process_at_its_limit_does_not_take_starvation_for_silence() -> None:
    """Nobody is answered for long, as every process is short of processor time: the payments wait, undecided."""
    checks = _checks(Fraud(_never, _never), silence=60.0)
    unscored = _counted("unscored", "silent")
    for _ in range(2):
        with pytest.raises(Overloaded):
            await checks.assess(TENANT, [_payment()])
    assert _counted("unscored", "silent") == unscored


async def test_a_silence_lasts_over_many_short_calls_and_is_found_while_calls_keep_coming() -> None:
    fraud = Fraud(_never, _never)
    checks = _checks(fraud)
    calls = []
    for _ in range(20):
        calls.append(asyncio.create_task(checks.assess(TENANT, [_payment()])))
        await asyncio.sleep(SILENCE / 10)
    assert not any(verdict.scored for (verdict,) in await asyncio.gather(*calls))


async def test_a_silence_is_forgotten_when_nobody_has_asked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bezant.services.payment.operations.fraud_signs._REMEMBERED_SECONDS", 0.1)
    fraud = Fraud(_never, _never)
    checks = _checks(fraud)
    assert not (await checks.assess(TENANT, [_payment()]))[0].scored
    await asyncio.sleep(0.15)
    fraud.answers = _after(SILENCE * 0.8)
    assert (await checks.assess(TENANT, [_payment()]))[0].scored
