"""A rollout of a canary on a fleet that only notes what is asked of it."""

import asyncio
import time
from dataclasses import replace
from typing import Any, cast

import pytest
from aiohttp import web

from bezant.local.plan import STABLE
from bezant.rehearsal.canary import decision_record
from bezant.rehearsal.canary.analysis import Judgement, analysis_of
from bezant.rehearsal.canary.attempt import Attempt, Verdict
from bezant.rehearsal.canary.report import _because, _shown, late_after, never_judged
from bezant.rehearsal.canary.rollout import CANARY, Plan, Rehearsed, Trial, _Rollout, canary_of
from bezant.rehearsal.canary.samples import Samples
from bezant.rehearsal.canary.scraping import scrape_gateway, scrape_replica
from bezant.rehearsal.fleet import NeverReady
from bezant.rehearsal.versions import Version
from bezant.topology.loading import load_model

PLAN = Plan("payment", "current", None, load_model("production"), compression=36_000, requests_per_second=100)


class _Fleet:
    """Six replicas; those that are added take as long as `starting_seconds` to be ready."""

    def __init__(self, starting_seconds: float) -> None:
        self.platform = self.options = self
        self.pods: tuple[Any, ...] = ()
        self.did: list[str] = []
        self.growing = asyncio.Event()
        self._starting_seconds = starting_seconds
        self._began = time.monotonic()

    def replica_count(self, _service: str) -> int:
        return 6

    def seconds(self) -> float:
        return time.monotonic() - self._began

    async def add(self, *_: object, **__: object) -> str:
        name = f"payment-{6 + sum(one.startswith('add') for one in self.did)}"
        self.did.append(f"add {name}")
        if "10 %" in self.did:
            self.growing.set()
        return name

    async def wait_ready(self, name: str, *, in_gateway: int) -> None:
        await asyncio.sleep(self._starting_seconds)
        self.did.append(f"{name} is ready, {in_gateway} in the gateway")

    async def remove(self, name: str) -> None:
        self.did.append(f"remove {name}")

    async def split(self, weights: dict[str, int]) -> None:
        self.did.append(f"{weights.get(CANARY, 0)} %")

    async def requests_sent(self, _arm: str) -> float:
        return 7.0


def _rollout(fleet: _Fleet) -> _Rollout:
    version = Version("next", cast(Any, None), "current", needs_migration=False)
    analysis = analysis_of("payment", canary=CANARY, stable=STABLE)
    return _Rollout(
        PLAN, canary_of(load_model("production"), "payment"), cast(Any, fleet), version=version, analysis=analysis,
        told=lambda _: None, which="canary",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Attempt]:
    """Where verdicts are written down."""
    written: list[Attempt] = []

    async def write(_fleet: object, _version: object, attempt: Attempt) -> str:
        written.append(attempt)
        return "id"

    monkeypatch.setattr(decision_record, "write", write)
    return written


async def test_replicas_start_one_after_another_since_they_share_the_cores_of_those_that_serve() -> None:
    fleet = _Fleet(starting_seconds=0.01)
    await _rollout(fleet)._grow(3)
    assert fleet.did == [
        "add payment-6", "payment-6 is ready, 1 in the gateway",
        "add payment-7", "payment-7 is ready, 2 in the gateway",
        "add payment-8", "payment-8 is ready, 3 in the gateway",
    ]  # fmt: skip


async def test_an_abort_while_more_replicas_start_takes_all_requests_back_before_these_are_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = _Fleet(starting_seconds=0.3)
    rollout = _rollout(fleet)

    async def aborts_while_it_grows() -> None:
        await fleet.growing.wait()
        question = rollout._analysis.questions[0]
        rollout._abort(Judgement(100.0, question, (0.5,)))

    monkeypatch.setattr(rollout, "_judge", aborts_while_it_grows)
    monkeypatch.setattr(rollout, "_has_enough", lambda: True)
    attempt = await rollout.run()
    assert attempt.verdict == "aborted"
    assert [one for one in fleet.did if one.endswith("%")] == ["10 %", "0 %"], "no larger share after the verdict"
    assert attempt.back_after_seconds < 0.25, "the replicas that start are not waited for"
    added = {one.removeprefix("add ") for one in fleet.did if one.startswith("add")}
    assert {one.removeprefix("remove ") for one in fleet.did if one.startswith("remove")} == added
    assert attempt.requests_after_abort == 0


async def test_requests_go_back_when_more_replicas_of_a_version_never_get_ready(
    monkeypatch: pytest.MonkeyPatch, recorded: list[Attempt]
) -> None:
    fleet = _Fleet(starting_seconds=0)
    rollout = _rollout(fleet)

    async def only_the_first_is_ready(name: str, *, in_gateway: int) -> None:
        if name != "payment-6":
            raise NeverReady(f"{name} was not ready, nor {in_gateway}")

    monkeypatch.setattr(fleet, "wait_ready", only_the_first_is_ready)
    monkeypatch.setattr(rollout, "_has_enough", lambda: True)
    monkeypatch.setattr(rollout, "_judge", asyncio.Event().wait)
    attempt = await rollout.run()
    assert (attempt.verdict, recorded) == ("inconclusive", [attempt])
    assert "payment-7 was not ready" in attempt.trouble
    assert [one for one in fleet.did if one.endswith("%")] == ["10 %", "0 %"]
    assert {one for one in fleet.did if one.startswith("remove")} == {"remove payment-6", "remove payment-7"}


def _late(arm: str, samples: Samples, *, of: int, late: int) -> None:
    """Of so many requests so many took longer than half a second."""
    common = {"namespace": "bezant", "rollouts_pod_template_hash": arm, "reporter": "destination", "pod": f"{arm}-0"}
    for at_seconds, share in ((0.0, 0), (60.0, 1)):
        samples.add("istio_requests_total", {**common, "response_code": "201"}, at_seconds, share * of)
        for limit, count in (("500", of - late), ("1000", of), ("+Inf", of)):
            labels = {**common, "le": limit}
            samples.add("istio_request_duration_milliseconds_bucket", labels, at_seconds, share * count)


@pytest.mark.parametrize(
    ("stable_late", "told"),
    [
        (10, "p99-latency 900, wanted len(result) == 0 || result[0] <= 500; the stable version's is 496"),
        (
            2_000,
            "p99-latency 900, wanted len(result) == 0 || result[0] <= 500; the stable version's is 987.5 and would not "
            "have passed either: nothing is learnt about the version",
        ),
    ],
)
async def test_what_takes_a_version_back_is_held_against_the_stable_one_s(stable_late: int, told: str) -> None:
    rollout = _rollout(_Fleet(starting_seconds=0))
    _late(CANARY, rollout._attempt.samples, of=1_000, late=50)
    _late(STABLE, rollout._attempt.samples, of=5_000, late=stable_late)
    question = next(one for one in rollout._analysis.questions if one.name == "p99-latency")
    rollout._abort(rollout._note(question, 60.0))
    attempt = rollout._attempt
    assert attempt.reason is not None
    assert _because(attempt.reason, attempt.stable_answered) == told


def test_a_question_that_compares_both_versions_is_not_asked_of_one() -> None:
    of_stable = analysis_of("fraud", canary=CANARY, stable=STABLE).of_stable
    assert sorted(of_stable) == ["error-rate", "failed-parts", "p99-latency"]
    assert all(f'"{STABLE}"' in question.query and CANARY not in question.query for question in of_stable.values())


def _trial(verdict: Verdict) -> Trial:
    return Trial(cast(Any, None), Attempt(0.0, verdict=verdict), is_on_record=True)


@pytest.mark.parametrize(
    ("verdicts", "fault", "number"),
    [
        (["promoted", "promoted"], None, 2),
        (["promoted", "aborted", "inconclusive"], None, 2),
        (["aborted", "aborted"], "errors", 2),
        (["promoted", "aborted"], "errors", 1),
    ],
)
def test_of_several_rollouts_the_first_that_went_wrong_is_drawn(
    verdicts: list[Verdict], fault: str | None, number: int
) -> None:
    topology = load_model("production")
    plan = replace(PLAN, fault=fault, times=len(verdicts))
    analysis = analysis_of("payment", canary=CANARY, stable=STABLE)
    seen = Rehearsed(plan, canary_of(topology, "payment"), 6, analysis, list(map(_trial, verdicts)))
    assert _shown(seen) == (number, seen.trials[number - 1])


async def test_a_gateway_that_does_not_answer_leaves_a_gap() -> None:
    samples = Samples()
    assert not await scrape_gateway(samples, admin_port=1, service="payment", arms=[STABLE], at_seconds=60)


_METRICS = """# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 612.0
# HELP bezant_http_requests_total Requests
# TYPE bezant_http_requests_total counter
bezant_http_requests_total{route="/v1/payments",status="201"} 40.0
bezant_http_requests_total{route="/v1/payments/{id}",status="200"} 9.0
bezant_http_requests_total{route="/v1/refunds",status="201"} 2.0
# TYPE bezant_http_requests_created gauge
bezant_http_requests_created{route="/v1/payments",status="201"} 1.7e+09
# TYPE bezant_http_request_duration_seconds histogram
bezant_http_request_duration_seconds_bucket{le="0.5",route="/v1/payments"} 39.0
bezant_http_request_duration_seconds_bucket{le="+Inf",route="/v1/payments"} 40.0
# TYPE bezant_payments_total counter
bezant_payments_total{status="captured"} 38.0
"""


async def test_of_all_that_a_replica_tells_the_samples_hold_what_is_asked_for() -> None:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=_METRICS)

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    samples = Samples()
    try:
        port = runner.addresses[0][1]
        assert await scrape_replica(samples, name="payment-6", port=port, arm=CANARY, at_seconds=60)
    finally:
        await runner.cleanup()

    def told(metric: str, **wanted: str) -> list[float]:
        series = samples.window(metric, lambda labels: wanted.items() <= labels.items(), from_seconds=60, to_seconds=60)
        return sorted(value for _, _, values in series for value in values)

    assert told("istio_requests_total", rollouts_pod_template_hash=CANARY) == [9, 42]
    assert told("istio_requests_total", response_code="201") == [42]
    assert told("istio_request_duration_milliseconds_bucket", le="500") == [39]
    assert told("istio_request_duration_milliseconds_bucket", le="+Inf") == [40]
    assert told("bezant_payments_total", status="captured", pod="payment-6") == [38]
    assert told("python_gc_objects_collected_total") == []


async def test_the_record_holds_every_query_with_its_answer_and_the_samples_of_an_abort_at_the_first_step() -> None:
    rollout = _rollout(_Fleet(starting_seconds=0))
    rollout._abort(rollout._note(rollout._analysis.questions[0], 60.0))
    answers = decision_record._last_answers(rollout._attempt)
    assert list(answers) == ["error-rate", "samples"]
    assert answers["samples"]["answer"] == [0.0]
    assert answers["samples"]["model_seconds"] == 60
    assert answers["error-rate"]["query"] == rollout._analysis.questions[0].query


def test_a_promotion_of_which_a_question_was_never_answered_is_told() -> None:
    analysis = analysis_of("payment", canary=CANARY, stable=STABLE)
    judged = [Judgement(60.0, question, (0.0,)) for question in analysis.questions]
    unjudged = [Judgement(60.0, question, ()) for question in analysis.questions if question.name == "success-drop"]
    attempt = Attempt(0.0, verdict="promoted", judgements=[*judged[:2], *unjudged, *judged[3:]])
    assert never_judged(analysis, [attempt]) == ["success-drop"]
    assert never_judged(analysis, [Attempt(0.0, verdict="promoted", judgements=judged)]) == []
    assert never_judged(analysis, [Attempt(0.0, verdict="aborted")]) == []


async def test_what_is_on_record_is_what_an_administrator_is_answered() -> None:
    def act(number: int, name: str) -> dict[str, object]:
        return {"id": f"act-{number}", "act": name, "details": {"verdict": "aborted"}}

    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/v1/administrative-acts"
        if "cursor" not in request.query:
            return web.json_response({"data": [act(1, decision_record.ACT)], "next_cursor": "2"})
        more = [act(2, "tenant.created"), act(3, decision_record.ACT)]
        return web.json_response({"data": more, "next_cursor": None})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        recorded = await decision_record.read(f"http://127.0.0.1:{runner.addresses[0][1]}", "key")
    finally:
        await runner.cleanup()
    assert recorded == {"act-1": "aborted", "act-3": "aborted"}


def _ended(by: int, *, at_seconds: float, judged_first: float, enough: float | None) -> Attempt:
    question = analysis_of("payment", canary=CANARY, stable=STABLE).questions[by]
    judgements = [Judgement(judged_first, question, (0.0,)), Judgement(at_seconds, question, (1.0,))]
    return Attempt(0.0, judgements=judgements, verdict="aborted", reason=judgements[-1], enough_at_model_seconds=enough)


@pytest.mark.parametrize(
    ("attempt", "late_seconds"),
    [
        (_ended(0, at_seconds=660, judged_first=600, enough=600), 60),
        (_ended(2, at_seconds=900, judged_first=840, enough=600), 60),  # payments are enough later than requests are
        (_ended(3, at_seconds=390, judged_first=60, enough=None), 0),  # it had collapsed before there was enough
        (_ended(3, at_seconds=900, judged_first=60, enough=600), 300),
        (Attempt(0.0, verdict="inconclusive", trouble="never ready"), 0),
    ],
)
def test_a_verdict_is_late_from_when_there_was_enough_to_judge_by(attempt: Attempt, late_seconds: float) -> None:
    assert late_after(attempt) == late_seconds
