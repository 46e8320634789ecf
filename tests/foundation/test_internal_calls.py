"""Internal calls over real HTTP: many tenants in one request, each answered as soon as it is done."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import DeadlinePassed, InternalCallFailed, NotFound, Overloaded, TenantUnavailable
from bezant.foundation.deadlines import current_deadline, deadline
from bezant.foundation.http.problems import install_problem_handlers
from bezant.foundation.identity.internal_tokens import TokenSigner, TokenVerifier, new_signing_key
from bezant.foundation.internal_calls import InternalCalls, parts_route
from bezant.foundation.settings import Settings

from ..stores.fixtures import free_port

KEYS = {name: new_signing_key() for name in ("payment", "audit")}


class Ask(msgspec.Struct):
    number: int


class Told(msgspec.Struct):
    number: int


@dataclass
class Called:
    """The called service. `answer` is what it does with a tenant's items."""

    url: str = ""
    answer: Callable[[UUID, list[Ask]], Awaitable[list[Told]]] | None = None
    requests: list[int] = field(default_factory=list)
    """How many parts each HTTP request carried."""
    lost: int = 0
    """How many of the coming requests lose their connection before anything is answered."""
    opened: list[InternalCalls] = field(default_factory=list)

    def caller(self, service: str = "payment", **settings: Any) -> InternalCalls:
        calls = InternalCalls(Settings(internal_url=self.url, **settings), TokenSigner(service, KEYS[service][0]))
        self.opened.append(calls)
        return calls


async def _echo(_: UUID, items: list[Ask]) -> list[Told]:
    return [Told(item.number) for item in items]


@pytest.fixture
async def called() -> AsyncIterator[Called]:
    called = Called(answer=_echo)

    async def handle(tenant_id: UUID, caller: str, items: list[Ask]) -> list[Told]:
        assert caller == "payment"
        assert called.answer is not None
        return await called.answer(tenant_id, items)

    app = FastAPI()
    app.router.routes.append(parts_route("/internal/v1/asked/things", handle, item_type=Ask, callers={"payment"}))
    app.state.token_verifier = TokenVerifier("asked", {name: public for name, (_, public) in KEYS.items()})
    install_problem_handlers(app)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(_counted(app, called), port=port, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    called.url = f"http://127.0.0.1:{port}"
    yield called
    for calls in called.opened:
        await calls.close()
    server.should_exit = server.force_exit = True
    await running


def _counted(app: ASGIApp, called: Called) -> ASGIApp:
    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        if called.lost:
            called.lost -= 1
            with contextlib.suppress(Exception):
                # uvicorn closes the connection of an application that says nothing valid
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            return
        called.requests.append(len(msgspec.json.decode(body)["parts"]))

        given = False

        async def whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, whole, send)

    return counting


async def ask(calls: InternalCalls, tenant_id: UUID, *numbers: int, **options: Any) -> list[int]:
    told: list[Told] = await calls.call("asked", "asked/things", tenant_id, [Ask(n) for n in numbers], Told, **options)
    return [one.number for one in told]


async def test_the_parts_of_many_tenants_go_in_one_request(called: Called) -> None:
    calls = called.caller()
    tenants = [new_id() for _ in range(40)]
    results = await asyncio.gather(*(ask(calls, tenant_id, n, n + 1) for n, tenant_id in enumerate(tenants)))
    assert results == [[n, n + 1] for n in range(40)]
    assert called.requests == [40]


async def test_more_parts_than_a_request_may_carry_go_in_several(called: Called) -> None:
    calls = called.caller()
    await asyncio.gather(*(ask(calls, new_id(), n) for n in range(150)))
    assert sum(called.requests) == 150
    assert max(called.requests) <= 64


async def test_a_slow_tenant_does_not_delay_anothers_answer(called: Called) -> None:
    slow, release = new_id(), asyncio.Event()

    async def answer(tenant_id: UUID, items: list[Ask]) -> list[Told]:
        if tenant_id == slow:
            await release.wait()
        return await _echo(tenant_id, items)

    called.answer = answer
    calls = called.caller()
    waiting = asyncio.create_task(ask(calls, slow, 1))
    # in the same request, and in requests after it: more of them than there are slots for requests in flight
    assert await asyncio.gather(*(ask(calls, new_id(), n) for n in range(5))) == [[n] for n in range(5)]
    for n in range(5):
        assert await ask(calls, new_id(), n) == [n]
    assert not waiting.done()
    release.set()
    assert await waiting == [1]


async def test_a_failing_part_fails_alone(called: Called) -> None:
    tenants = {name: new_id() for name in ("fine", "down", "frozen", "refused", "broken", "short", "also fine")}

    async def answer(tenant_id: UUID, items: list[Ask]) -> list[Told]:
        if tenant_id == tenants["down"]:
            raise TenantUnavailable("its database is down", retry_after_seconds=7)
        if tenant_id == tenants["frozen"]:
            raise psycopg.OperationalError("the connection is lost")
        if tenant_id == tenants["refused"]:
            raise NotFound("there is no such thing")
        if tenant_id == tenants["broken"]:
            raise KeyError("planted-secret")
        return (await _echo(tenant_id, items))[: 1 if tenant_id == tenants["short"] else 2]

    called.answer = answer
    calls = called.caller()
    results = await asyncio.gather(*(ask(calls, one, 1, 2) for one in tenants.values()), return_exceptions=True)
    got = dict(zip(tenants, results, strict=True))
    assert called.requests == [len(tenants)]
    assert got["fine"] == got["also fine"] == [1, 2]
    assert isinstance(got["down"], TenantUnavailable)
    assert got["down"].retry_after_seconds == 7
    assert isinstance(got["frozen"], TenantUnavailable)
    assert isinstance(got["refused"], InternalCallFailed)
    assert isinstance(got["broken"], InternalCallFailed)
    assert "planted-secret" not in str(got["broken"])
    assert isinstance(got["short"], InternalCallFailed)


def _parts(outcome: str) -> float:
    return (
        REGISTRY.get_sample_value("bezant_internal_parts_total", {"operation": "asked/things", "outcome": outcome}) or 0
    )


async def test_the_called_service_counts_parts_by_outcome(called: Called) -> None:
    down, wrong = new_id(), new_id()

    async def answer(tenant_id: UUID, items: list[Ask]) -> list[Told]:
        if tenant_id == down:
            raise TenantUnavailable("its database is down", retry_after_seconds=7)
        if tenant_id == wrong:
            raise NotFound("there is no such thing")
        return await _echo(tenant_id, items)

    called.answer = answer
    before = {outcome: _parts(outcome) for outcome in ("answered", "refused", "failed")}
    calls = called.caller()
    await asyncio.gather(*(ask(calls, one, 1) for one in (new_id(), new_id(), down, wrong)), return_exceptions=True)
    assert {outcome: _parts(outcome) - number for outcome, number in before.items()} == {
        "answered": 2, "refused": 1, "failed": 1,
    }  # fmt: skip


async def test_a_service_that_is_not_expected_gets_nothing(called: Called) -> None:
    with pytest.raises(InternalCallFailed, match="does not accept this call from the audit service"):
        await ask(called.caller("audit"), new_id(), 1)


async def test_a_token_for_another_tenant_opens_nothing(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, other = called.caller(), new_id()
    token = calls._signer.token("asked", other)
    monkeypatch.setattr(calls._signer, "token", lambda *_: token)
    with pytest.raises(InternalCallFailed, match="another tenant"):
        await ask(calls, new_id(), 1)
    assert await ask(calls, other, 1) == [1]


async def test_a_connection_that_was_closed_meanwhile_is_replaced_once(called: Called) -> None:
    calls = called.caller()
    assert await ask(calls, new_id(), 1) == [1]
    called.lost = 1
    assert await ask(calls, new_id(), 2) == [2]
    called.lost = 2
    with pytest.raises(InternalCallFailed, match="same Idempotency-Key"):
        await ask(calls, new_id(), 3)
    assert await ask(calls, new_id(), 4) == [4]


async def test_a_service_that_is_away_fails_the_call(called: Called) -> None:
    called.url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(InternalCallFailed) as failed:
        await ask(called.caller(), new_id(), 1)
    assert (failed.value.status, failed.value.retry_after_seconds) == (503, 1)


async def test_a_caller_waits_no_longer_than_it_says_and_no_call_for_ever(called: Called) -> None:
    release = asyncio.Event()

    async def answer(tenant_id: UUID, items: list[Ask]) -> list[Told]:
        await release.wait()
        return await _echo(tenant_id, items)

    called.answer = answer
    calls = called.caller(internal_timeout_seconds=2)
    with pytest.raises(TimeoutError):
        await ask(calls, new_id(), 1, timeout_seconds=0.02)
    with pytest.raises(InternalCallFailed, match="in time"):
        await ask(calls, new_id(), 1)
    release.set()
    assert await ask(calls, new_id(), 1) == [1]


async def test_what_is_no_call_of_this_version_is_refused(called: Called) -> None:
    import aiohttp

    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{called.url}/internal/v1/asked/things", data=b'{"parts": [{"tenant_id": 1}]}') as response,
    ):
        assert (response.status, (await response.json(content_type=None))["code"]) == (400, "invalid_request")


async def test_what_is_left_of_the_deadline_goes_along(called: Called) -> None:
    told: list[float | None] = []

    async def answer(_: UUID, items: list[Ask]) -> list[Told]:
        until = current_deadline()
        told.append(None if until is None else until - time.monotonic())
        return [Told(item.number) for item in items]

    called.answer = answer
    calls = called.caller()
    await ask(calls, new_id(), 1)
    with deadline(time.monotonic() + 30):
        await ask(calls, new_id(), 1)
        await ask(calls, new_id(), 1, timeout_seconds=10)
    await ask(calls, new_id(), 1, timeout_seconds=10)
    assert told[0] is None
    assert [round(left or 0) for left in told[1:]] == [30, 10, 10]


async def test_a_part_that_nobody_waits_for_is_not_sent(called: Called) -> None:
    calls = called.caller()
    with deadline(time.monotonic() - 1), pytest.raises(DeadlinePassed):
        await ask(calls, new_id(), 1)
    assert called.requests == []


async def test_a_part_whose_time_ran_out_on_the_way_is_dropped_before_it_begins(called: Called) -> None:
    begun: list[int] = []

    async def answer(_: UUID, items: list[Ask]) -> list[Told]:
        begun.extend(item.number for item in items)
        return await _echo(_, items)

    called.answer = answer
    for left, code in ((0, "deadline_passed"), (5000, None)):
        answered = await _post_part(called, deadline_milliseconds=left)
        assert (answered.get("problem") or {}).get("code") == code
    assert begun == [3]


async def test_a_service_that_says_it_has_too_much_to_do_has_not_failed(called: Called) -> None:
    async def answer(_: UUID, items: list[Ask]) -> list[Told]:
        raise Overloaded("too much")

    called.answer = answer
    with pytest.raises(Overloaded):
        await ask(called.caller(), new_id(), 1)


async def test_a_caller_of_the_last_version_says_nothing_of_deadlines(called: Called) -> None:
    """Its parts have no such field, and are worked on without one."""
    told: list[float | None] = []

    async def answer(_: UUID, items: list[Ask]) -> list[Told]:
        told.append(current_deadline())
        return await _echo(_, items)

    called.answer = answer
    assert (await _post_part(called))["results"] == [{"number": 3}]
    assert told == [None]


async def _post_part(called: Called, **fields: Any) -> dict[str, Any]:
    """Send a part as JSON, with these fields besides what every version sends."""
    tenant_id = new_id()
    token = TokenSigner("payment", KEYS["payment"][0]).token("asked", tenant_id)
    part = {"tenant_id": str(tenant_id), "token": token, "items": [{"number": 3}], **fields}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{called.url}/internal/v1/asked/things", json={"parts": [part]}) as response,
    ):
        assert response.status == 200
        answered: dict[str, Any] = await response.json(content_type=None)
        return answered


async def test_a_sign_of_life_costs_no_work_and_comes_while_everything_else_waits(called: Called) -> None:
    release = asyncio.Event()

    async def answer(_: UUID, items: list[Ask]) -> list[Told]:
        await release.wait()
        return await _echo(_, items)

    called.answer = answer
    calls = called.caller()
    waiting = asyncio.create_task(ask(calls, new_id(), 1))
    await asyncio.sleep(0.01)
    assert calls.heard_at("asked", "asked/things") == 0.0
    assert await calls.ask_for_a_sign("asked", "asked/things", timeout_seconds=5.0)
    assert calls.heard_at("asked", "asked/things") > 0.0
    release.set()
    assert await waiting == [1]
    called.lost = 2
    assert not await calls.ask_for_a_sign("asked", "asked/things", timeout_seconds=5.0)
