"""The load of a rehearsal against a server that answers badly: every request has an outcome, and none is forgotten."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import bezant.contracts
from bezant.client import asynchronous
from bezant.rehearsal import load as loads
from bezant.rehearsal.customers import Customer
from bezant.rehearsal.ledger import Ledger
from bezant.rehearsal.load import Load, Outcome
from bezant.rehearsal.questions import QUESTIONS

API: dict[str, Any] = json.loads((Path(bezant.contracts.__file__).parent / "openapi.json").read_text())
TENANT = Customer("id", "acme", "key", "bank", ["alice"])
Answer = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def patient_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asynchronous, "wait_before_next", lambda *_: None)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (503, "no healthy upstream", "None"),
        (201, '{"id": "a", "sta', "201 without a payment"),
        (200, "[]", "200 without a payment"),
        (502, "", "None"),
    ],
)
async def test_an_answer_that_is_no_payment_is_a_failed_request(status: int, body: str, told: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async with served(answer) as url:
        load = Load(url, [TENANT], requests_per_second=200)
        await load.start()
        await load.more(5)
        await load.stop()
        assert len(load._open) == len(load.outcomes), "each is asked for again afterwards"
    assert {(outcome.is_failed, outcome.told) for outcome in load.outcomes} == {(True, told)}


async def test_what_the_platform_does_not_say_afterwards_breaks_a_promise_and_ends_nothing() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"code": "unavailable", "title": "no", "status": 503}, status=503)

    async with served(answer) as url:
        load = Load(url, [TENANT], requests_per_second=200)
        await load.start()
        await load.more(3)
        await load.stop()
        without = await load.settle()
        ledger = await load.judge()
    assert without == len(load.outcomes)
    assert len(ledger.untold) == without + 1, "every payment, and the tenant's list and ledger"
    broken = [promise.text for promise in ledger.promises() if not promise.kept]
    assert broken == ["The load moves money", "What became of every payment can be asked afterwards"]


@pytest.mark.parametrize(
    ("posted", "broken"), [(-500, []), (-1000, ["The ledger has moved what the payments say, to the cent"])]
)
async def test_money_that_moved_twice_for_one_payment_breaks_a_promise(
    posted: int, broken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loads, "_AGREED_WITHIN_SECONDS", 0)

    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/v1/accounts/bank/balance":
                return web.json_response({"posted": {"amount_minor": posted}})
            case "/v1/ledger/check":
                return web.json_response({"consistent": True})
        payments = [
            {"id": "a", "reference": "a", "source_account_id": "bank", "captured": {"amount_minor": 500}},
            {"id": "b", "reference": "b", "source_account_id": "alice", "captured": {"amount_minor": 0}},
        ]
        return web.json_response({"data": payments, "next_cursor": None})

    async with served(answer) as url:
        ledger = await Load(url, [TENANT], requests_per_second=1).judge()
    assert [one.text for one in ledger.promises()[1:] if not one.kept] == broken


def test_the_rate_that_was_reached_is_of_all_the_load() -> None:
    load = Load("http://127.0.0.1:1", [TENANT], requests_per_second=100)
    assert load.sent_a_second() == 0
    load.outcomes += [Outcome(n / 50, 0.1, "payment", 201, "captured") for n in range(1, 101)]
    assert load.sent_a_second() == 50, "not the hundred that were asked for"


@pytest.mark.parametrize("service", QUESTIONS)
async def test_a_service_is_asked_what_it_answers_itself(service: str) -> None:
    asked: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.json_response({"id": "a", "status": "captured"}, status=201)
        asked.add(request.path_qs)
        return web.json_response(
            {QUESTIONS[service].answered_by: "x"} if "payments" not in request.path else {"id": "a"}
        )

    async with served(answer) as url:
        load = Load(url, [TENANT], requests_per_second=400, question=QUESTIONS[service])
        await load.start()
        await load.more(60)
        await load.stop()
    assert not any(outcome.is_failed for outcome in load.outcomes)
    questions = [outcome for outcome in load.outcomes if outcome.kind == "question"]
    assert 0.1 < len(questions) / len(load.outcomes) < 0.45
    assert QUESTIONS[service].path.format(account="alice") in asked
    path = QUESTIONS[service].path.partition("?")[0].replace("{account}", "{account_id}")
    described = API["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    answered = API["components"]["schemas"][described["$ref"].rpartition("/")[2]]
    assert QUESTIONS[service].answered_by in answered["required"]


def test_what_several_ledgers_say_together() -> None:
    ledgers = [Ledger(3, lost=["a"], successful=2, checked=1), Ledger(4, lost=["b"], doubled=["c"], checked=1)]
    together = Ledger.together(ledgers)
    assert together == Ledger(7, lost=["a", "b"], doubled=["c"], successful=2, checked=2)
    assert ledgers[0].lost == ["a"], "what was found of one stays its own"
    assert Ledger.together([]) == Ledger()
