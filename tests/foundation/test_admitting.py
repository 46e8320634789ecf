"""The gate on real HTTP: who is refused, how soon, and that nothing was done for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import aiohttp
import pytest
from fastapi import APIRouter, Depends
from prometheus_client import REGISTRY

from bezant.contracts.identifiers import new_id
from bezant.contracts.problems import Conflict
from bezant.foundation.admission import Admission, ConcurrencyLimit
from bezant.foundation.deadlines import current_deadline
from bezant.foundation.http import require
from bezant.foundation.identity.api_keys import Caller

from ..stores.fixtures import Stores, eventually
from ..stores.http import Api, serving

LIMIT = 4


@dataclass
class Work:
    """What the routes do: they wait until they are let go, and note what they saw."""

    begun: list[UUID] = field(default_factory=list)
    seconds_left: list[float | None] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/v1/things")
        async def make(caller: Annotated[Caller, Depends(require("accounts:write"))]) -> dict[str, str]:
            self.begun.append(caller.tenant)
            until = current_deadline()
            self.seconds_left.append(None if until is None else until - time.monotonic())
            await self.go.wait()
            return {}

        @router.get("/v1/fails")
        async def fail() -> None:
            raise Conflict("it is taken")

        @router.post("/v1/tenants")
        async def administer(caller: Annotated[Caller, Depends(require("admin"))]) -> dict[str, str]:
            return {}

        @router.post("/internal/v1/things")
        async def called() -> dict[str, str]:
            assert current_deadline() is None
            return {}

        return router


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def admission() -> Admission:
    limit = ConcurrencyLimit(target_seconds=0.2, smallest=LIMIT, largest=LIMIT, initial=LIMIT)
    return Admission(limit, queue_seconds=0.01, patience_seconds=30.0)


@pytest.fixture
async def api(stores: Stores, work: Work, admission: Admission) -> AsyncIterator[Api]:
    async with serving("account", [work.router()], stores, admission=admission) as running:
        yield running
        work.go.set()


async def _fill(api: Api, work: Work, key: str) -> list["asyncio.Task[tuple[int, Any]]"]:
    """Let one tenant take every permit."""
    tasks = [asyncio.create_task(api.call(key, "POST", "/v1/things")) for _ in range(LIMIT)]

    async def full() -> bool:
        return len(work.begun) == LIMIT

    await eventually(full)
    return tasks


async def test_past_the_limit_a_request_is_refused_at_once_and_nothing_is_done(
    api: Api, work: Work, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    inside = await _fill(api, work, key)
    labels = {"service": "account", "reason": "waited"}
    before = REGISTRY.get_sample_value("bezant_admission_refused_total", labels) or 0.0
    took = []
    for _ in range(20):
        began = time.monotonic()
        async with api.session.post(f"{api.base_url}/v1/things", headers={"authorization": f"Bearer {key}"}) as refused:
            document = await refused.json(content_type=None)
        took.append(time.monotonic() - began)
        assert (refused.status, document["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["x-request-id"]
        assert refused.headers["cache-control"] == "no-store"
        assert refused.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert sorted(took)[10] < 0.05
    assert (REGISTRY.get_sample_value("bezant_admission_refused_total", labels) or 0.0) - before == 20
    assert work.begun == [tenant] * LIMIT
    work.go.set()
    assert [status for status, _ in await asyncio.gather(*inside)] == [200] * LIMIT
    assert (await api.call(key, "POST", "/v1/things"))[0] == 200


async def test_a_tenant_within_its_share_waits_for_what_another_has_more_than_its_own(
    api: Api, work: Work, tenant: UUID, stores: Stores
) -> None:
    other = await stores.new_tenant()
    noisy, quiet = api.keys.give(tenant), api.keys.give(other)
    await _fill(api, work, noisy)
    waiting = asyncio.create_task(api.call(quiet, "POST", "/v1/things"))
    await asyncio.sleep(0.05)
    answers = [await api.call(noisy, "POST", "/v1/things") for _ in range(3)]
    assert {status for status, _ in answers} <= {429, 503}
    assert not waiting.done()
    work.go.set()
    assert (await waiting)[0] == 200
    assert work.begun[LIMIT] == other


async def test_who_uses_more_than_its_share_gets_a_429(api: Api, work: Work, tenant: UUID) -> None:
    noisy, quiet = api.keys.give(tenant), api.keys.give(new_id())
    await _fill(api, work, noisy)
    waiting = asyncio.create_task(api.call(quiet, "POST", "/v1/things"))
    await asyncio.sleep(0.02)
    # one of them has the place in the short queue
    answers = await asyncio.gather(*(api.call(noisy, "POST", "/v1/things") for _ in range(5)))
    told = [(status, document["code"]) for status, document in answers]
    assert (429, "share_exceeded") in told
    assert set(told) <= {(429, "share_exceeded"), (503, "overloaded")}
    work.go.set()
    await waiting


async def test_probes_metrics_administrators_and_other_services_are_always_let_in(
    api: Api, work: Work, tenant: UUID
) -> None:
    await _fill(api, work, api.keys.give(tenant))
    for path in ("/livez", "/readyz", "/startupz"):
        async with api.session.get(api.base_url + path) as response:
            assert response.status == 200
    async with api.session.get(f"{api.base_url}/metrics") as response:
        text = await response.text()
    assert f'bezant_admission_limit{{service="account"}} {LIMIT}.0' in text
    assert f'bezant_admission_in_flight{{service="account"}} {LIMIT}.0' in text
    assert (await api.call(api.keys.give(None, "admin"), "POST", "/v1/tenants"))[0] == 200
    assert (await api.call("any", "POST", "/internal/v1/things"))[0] == 200


async def test_keys_that_are_not_known_share_one_share(api: Api, work: Work, tenant: UUID) -> None:
    """A flood with made-up keys takes one share, and then costs no look-up."""
    await _fill(api, work, api.keys.give(tenant))
    flood = [asyncio.create_task(api.call(f"made-up-{number}", "POST", "/v1/things")) for number in range(20)]

    async def refused() -> bool:
        return sum(task.done() for task in flood) >= 18

    await eventually(refused)
    work.go.set()
    statuses = sorted(status for status, _ in await asyncio.gather(*flood))
    assert statuses[:2] == [401, 401], "their share is half of four"
    assert set(statuses[2:]) <= {429, 503}


async def test_what_fails_and_what_breaks_off_gives_its_room_back(
    api: Api, work: Work, tenant: UUID, admission: Admission
) -> None:
    key = api.keys.give(tenant)
    for _ in range(LIMIT * 3):
        assert (await api.call(key, "GET", "/v1/fails"))[0] == 409
        assert (await api.call(key, "GET", "/v1/nothing"))[0] == 404
        assert (await api.call("made-up", "GET", "/v1/fails"))[0] == 401
    timeout = aiohttp.ClientTimeout(total=0.1)
    for _ in range(LIMIT):
        with pytest.raises(TimeoutError):
            async with api.session.post(
                f"{api.base_url}/v1/things", headers={"authorization": f"Bearer {key}"}, timeout=timeout
            ):
                pass
    work.go.set()

    async def empty() -> bool:
        return admission.in_flight == 0

    await eventually(empty)
    assert admission.waiting == 0


async def test_a_request_has_a_deadline_that_is_never_later_than_the_gateways(
    api: Api, work: Work, tenant: UUID
) -> None:
    key = api.keys.give(tenant)
    work.go.set()
    for told, expected in ((None, 10), ("3000", 3), ("60000", 10), ("nonsense", 10), ("9" * 12, 10)):
        headers = {"authorization": f"Bearer {key}"} | ({"x-envoy-expected-rq-timeout-ms": told} if told else {})
        async with api.session.post(f"{api.base_url}/v1/things", headers=headers) as response:
            assert response.status == 200
        assert round(work.seconds_left[-1] or 0) == expected


async def test_a_large_request_takes_more_room(stores: Stores, work: Work, tenant: UUID) -> None:
    limit = ConcurrencyLimit(target_seconds=0.2, smallest=40, largest=40, initial=40)
    admission = Admission(limit, queue_seconds=0.01, patience_seconds=30.0)
    async with serving("account", [work.router()], stores, admission=admission) as api:
        key = api.keys.give(tenant)
        sending = [asyncio.create_task(api.call(key, "POST", "/v1/things", "x" * size)) for size in (10, 3000, 500_000)]

        async def begun() -> bool:
            return len(work.begun) == 3

        await eventually(begun)
        assert admission.in_flight == 1 + 5 + 10
        work.go.set()
        await asyncio.gather(*sending)
