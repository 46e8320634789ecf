"""Traces, logs, metrics and probes of the running platform."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from bezant.contracts.event_catalogue import EVENT_CATALOGUE
from bezant.local.platform import LocalPlatform
from bezant.services.audit.operations.erase_personal_values import ERASED_EVENT_TYPE

from ..stores.fixtures import eventually
from .conftest import TestTenant

SERVICE_PORTS = ("tenant", "account", "transaction", "payment", "fraud", "notification", "audit")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def _pay(http: aiohttp.ClientSession, tenant: TestTenant, traceparent: str) -> str:
    async with http.post(
        f"{tenant.url}/v1/payments",
        json=tenant.order("bank", "alice", 5),
        headers={
            "authorization": f"Bearer {tenant.api_key}", "idempotency-key": str(uuid4()), "traceparent": traceparent,
        },
    ) as response:  # fmt: skip
        assert response.status == 201
        return response.headers["x-request-id"]


def _spans(platform: LocalPlatform, trace_id: str) -> dict[str, list[dict[str, Any]]]:
    """The spans of a trace by service."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in platform.directory.traces.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            if trace_id in line:
                found.setdefault(path.stem.rpartition("-")[0], []).append(json.loads(line))
    return found


async def test_one_trace_leads_from_the_client_through_the_services_to_the_consumers_of_the_event(
    platform: LocalPlatform, tenant: TestTenant, http: aiohttp.ClientSession
) -> None:
    trace_id, parent = uuid4().hex, uuid4().hex[:16]
    await _pay(http, tenant, f"00-{trace_id}-{parent}-01")
    wanted = {"payment", "fraud", "transaction", "notification", "audit"}

    async def arrived() -> bool:
        return wanted <= _spans(platform, trace_id).keys()

    await eventually(arrived, within_seconds=30)
    spans = _spans(platform, trace_id)
    (request,) = [span for span in spans["payment"] if span["kind"] == "SpanKind.SERVER"]
    assert request["parent_id"] == f"0x{parent}"
    assert request["attributes"]["bezant.tenant_id"] == tenant.id
    assert request["attributes"]["http.response.status_code"] == 201
    assert {span["context"]["trace_id"] for of_one in spans.values() for span in of_one} == {f"0x{trace_id}"}
    assert any(span["name"] == "consume" for span in spans["audit"])
    assert any("ledger/commands" in span["name"] for span in spans["transaction"])
    assert any("fraud/assessments" in span["name"] for span in spans["fraud"])


async def test_a_trace_that_its_client_does_not_sample_leaves_no_span(
    platform: LocalPlatform, tenant: TestTenant, http: aiohttp.ClientSession
) -> None:
    unsampled, sampled = uuid4().hex, uuid4().hex
    await _pay(http, tenant, f"00-{unsampled}-{'2' * 16}-00")
    await _pay(http, tenant, f"00-{sampled}-{'2' * 16}-01")

    async def arrived() -> bool:
        return "audit" in _spans(platform, sampled)

    await eventually(arrived, within_seconds=30)
    assert _spans(platform, unsampled) == {}


@pytest.mark.parametrize(
    "traceparent", ["nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff-1-2-3", "é", "x" * 5000]
)
async def test_a_traceparent_that_is_none_is_passed_over(
    tenant: TestTenant, http: aiohttp.ClientSession, traceparent: str
) -> None:
    await _pay(http, tenant, traceparent)


def test_every_line_of_every_service_is_json_with_its_origin(platform: LocalPlatform) -> None:
    seen = set()
    for service in SERVICE_PORTS:
        for path in platform.directory.logs.glob(f"{service}-*.log"):
            for number, line in enumerate(path.read_text().splitlines()):
                document = json.loads(line)
                assert {"service", "instance", "level", "timestamp", "event"} <= document.keys(), (path, number)
                assert (document["service"], document["instance"]) == (service, path.stem)
                seen.add(service)
    assert seen == set(SERVICE_PORTS)


async def test_the_gateways_access_log_ties_requests_to_traces_without_queries_or_headers(
    platform: LocalPlatform, tenant: TestTenant, http: aiohttp.ClientSession
) -> None:
    trace_id = uuid4().hex
    request_id = await _pay(http, tenant, f"00-{trace_id}-{'3' * 16}-01")
    async with http.get(
        f"{tenant.url}/v1/payments?limit=1&cursor=planted-query", headers={"authorization": f"Bearer {tenant.api_key}"}
    ) as response:
        assert response.status == 400

    def lines() -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for path in platform.directory.logs.glob("gateway*.log")
            for line in path.read_text().splitlines()
            if request_id in line
        ]

    async def written() -> bool:
        return bool(lines())

    await eventually(written, within_seconds=20)
    (line,) = lines()
    assert trace_id in line["traceparent"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/payments", 201)
    assert not any("planted-query" in path.read_text() for path in platform.directory.logs.glob("gateway*.log"))


async def test_metrics_name_tenants_routes_and_pools(
    platform: LocalPlatform, tenant: TestTenant, http: aiohttp.ClientSession
) -> None:
    await _pay(http, tenant, f"00-{uuid4().hex}-{'4' * 16}-00")
    texts = {}
    for process in platform.status().processes:
        if process.role in SERVICE_PORTS:
            async with http.get(f"http://127.0.0.1:{process.port}/metrics") as response:
                assert response.status == 200
                texts.setdefault(process.role, "")
                texts[process.role] += await response.text()
    assert (
        f'bezant_http_requests_total{{method="POST",route="/v1/payments",service="payment",status="201",'
        f'tenant="{tenant.id}"}}' in texts["payment"]
    )
    assert 'bezant_payments_total{status="captured"}' in texts["payment"]
    assert 'bezant_internal_parts_total{operation="fraud/assessments",outcome="answered"}' in texts["fraud"]
    for role in ("payment", "transaction", "fraud", "audit"):
        assert f'bezant_pool_connections{{tenant="{tenant.id}"}}' in texts[role], role
    assert 'bezant_internal_calls_total{audience="transaction",operation="ledger/commands"' in texts["payment"]
    assert 'bezant_relayed_events_total{service="payment"}' in texts["payment"]
    assert 'bezant_consumed_events_total{service="audit"}' in texts["audit"]


async def test_probes_tell_alive_ready_and_started_apart(platform: LocalPlatform, http: aiohttp.ClientSession) -> None:
    for process in platform.status().processes:
        if process.role in SERVICE_PORTS:
            for probe, status in (("livez", "alive"), ("readyz", "ready"), ("startupz", "started")):
                async with http.get(f"http://127.0.0.1:{process.port}/{probe}") as response:
                    assert (response.status, (await response.json())["status"]) == (200, status)


async def test_a_process_that_stops_is_alive_and_no_longer_ready_until_it_has_ended(
    platform: LocalPlatform, http: aiohttp.ClientSession
) -> None:
    port = platform.process("account-1").port
    stopping = asyncio.create_task(asyncio.to_thread(platform.stop_process, "account-1"))
    seen: list[tuple[int, int]] = []
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/readyz") as ready:
                        document = await ready.json()
                    async with http.get(f"http://127.0.0.1:{port}/livez") as alive:
                        seen.append((ready.status, alive.status))
                    if ready.status == 503:
                        assert "draining" in document["missing"]
                except aiohttp.ClientError:
                    break
    finally:
        await stopping
        await asyncio.to_thread(platform.start_process, "account-1")
        await asyncio.to_thread(platform.wait_ready, "account-1")
    assert (503, 200) in seen
    assert {live for _, live in seen} == {200}
    assert [ready for ready, _ in seen] == sorted(ready for ready, _ in seen), "not ready again on the way down"


async def test_every_event_that_reached_the_audit_log_is_documented(tenant: TestTenant) -> None:
    await tenant.pay("bank", "alice", 3)
    seen = {entry["type"] async for entry in tenant.client.pages("/v1/audit/entries", limit=1000)}
    assert "payment.captured" in seen
    assert seen <= {*EVENT_CATALOGUE, ERASED_EVENT_TYPE}
