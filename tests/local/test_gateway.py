"""The gateway's configuration, and Envoy carrying it out in front of stand-in services."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bezant.local import binaries, gateway, gateway_listeners
from bezant.local.data_directory import DataDirectory
from bezant.local.gateway import Endpoint
from bezant.local.gateway_process import Gateway
from bezant.local.plan import PlatformPlan, TaskSpec
from bezant.local.ports import Ports
from bezant.local.supervisor import Supervisor

from .parts import BLOCK, eventually, stand_in


class Fleet:
    """Envoy, two payment replicas and one tenant replica."""

    def __init__(self, directory: DataDirectory, ports: Ports) -> None:
        self.ports = ports
        self.directory = directory
        members = [("payment", 0, "us-east-1a"), ("payment", 1, "us-east-1b"), ("tenant", 0, "us-east-1a")]
        endpoints = [
            (service, Endpoint(f"{service}-{replica}", ports.service(service, replica), zone))
            for service, replica, zone in members
        ]
        self.gateway = Gateway(directory, ports, endpoints)
        processes = [
            self.gateway.spec(),
            *(stand_in(directory, endpoint.process, endpoint.port) for _, endpoint in endpoints),
        ]
        routing = TaskSpec(
            name="routing", run=self.gateway.wait_for_replicas, depends_on=[spec.name for spec in processes]
        )
        plan = PlatformPlan(processes=processes, tasks=[routing], traffic=self.gateway)
        self.supervisor = Supervisor(plan, directory, url="", supervisor_pid=os.getpid())
        self.http: aiohttp.ClientSession

    def url(self, path: str, *, internal: bool = False) -> str:
        return f"http://127.0.0.1:{self.ports.internal_gateway if internal else self.ports.gateway}{path}"

    async def get(self, path: str, *, internal: bool = False, **headers: str) -> tuple[int, str, dict[str, str]]:
        async with self.http.get(self.url(path, internal=internal), headers=headers) as answer:
            return answer.status, await answer.text(), {k.lower(): v for k, v in answer.headers.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fleet(room: Callable[[], Path], port_block: Callable[[], int]) -> AsyncIterator[Fleet]:
    base = port_block()
    running = Fleet(DataDirectory(room()), Ports(base + BLOCK - 1, base))
    running.supervisor.claim_directory()
    await running.supervisor.start()
    async with aiohttp.ClientSession() as running.http:
        yield running
    await running.supervisor.stop()


def test_envoy_accepts_the_configuration(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "with space")
    directory.create()
    made = Gateway(directory, Ports(), [("payment", Endpoint("payment-0", 18250, "us-east-1a"))])
    asyncio.run(made.prepare())
    checked = subprocess.run(
        [binaries.envoy().path, "--mode", "validate", "--config-path", directory.gateway / "bootstrap.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_weights_split_a_services_requests() -> None:
    config = gateway.routes("public", gateway.PUBLIC_ROUTES, {"payment": {"payment": 90, "payment-canary": 10}})
    route = next(r for r in config["virtual_hosts"][0]["routes"] if r["name"] == "payment:/v1/payments")
    assert route["route"]["weighted_clusters"] == {
        "clusters": [{"name": "payment", "weight": 90}, {"name": "payment-canary", "weight": 10}]
    }


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/payments", "payment"),
        ("/v1/payments/1/capture", "payment"),
        ("/v1/idempotency/k", "payment"),
        ("/v1/tenants", "tenant"),
        ("/v1/api-keys?limit=3", "tenant"),
        ("/docs", "tenant"),
        ("/static-offline-docs/x.js", "tenant"),
    ],
)
async def test_a_path_reaches_its_service(fleet: Fleet, path: str, service: str) -> None:
    status, body, _ = await fleet.get(path)
    assert status == 200
    name, seen_path, *_ = body.split("\n")
    assert name.startswith(service)
    assert seen_path == path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/paymentsx",
        "/v2/payments",
        "/metrics",
        "/livez",
        "/readyz",
        "/internal/v1/ledger/commands",
        "/v1/payments/../../internal/v1/ledger",
        "//internal/v1/ledger",
    ],
)
async def test_any_other_path_is_not_found(fleet: Fleet, path: str) -> None:
    # sent by hand: a client library would clean the path before sending it
    status, headers, body = await raw(fleet.ports.gateway, f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
    assert status == 404
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["code"] == "not_found"


async def raw(port: int, request: str) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    status = int((await reader.readline()).split()[1])
    headers = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    writer.close()
    return status, headers, body


async def test_internal_paths_are_served_on_the_internal_listener_alone(fleet: Fleet) -> None:
    status, body, _ = await fleet.get("/internal/v1/payments/x", internal=True)
    assert (status, body.split("\n")[1]) == (200, "/internal/v1/payments/x")
    assert (await fleet.get("/v1/payments", internal=True))[0] == 404


async def test_an_encoded_slash_is_refused(fleet: Fleet) -> None:
    status, _, body = await raw(fleet.ports.gateway, "GET /v1/payments/a%2Fb HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (status, json.loads(body)["code"]) == (400, "malformed_http")


async def test_a_service_without_a_ready_replica_answers_503_with_retry_after(fleet: Fleet) -> None:
    status, body, headers = await fleet.get("/v1/accounts")
    assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "unavailable", "1")
    assert headers["content-type"] == "application/problem+json"


async def test_a_body_above_a_mebibyte_is_refused_at_the_gateway(fleet: Fleet) -> None:
    async with fleet.http.post(
        fleet.url("/v1/payments"), data=b"x" * (gateway_listeners.BODY_LIMIT_BYTES + 1)
    ) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type="application/problem+json"))["code"] == "body_too_large"
    async with fleet.http.post(fleet.url("/v1/payments"), data=b"x" * 1_000_000) as answer:
        assert answer.status == 200


async def test_headers_above_the_limit_are_refused(fleet: Fleet) -> None:
    request = f"GET /v1/payments HTTP/1.1\r\nhost: x\r\nx-long: {'a' * 40_000}\r\n\r\n"
    status, _, body = await raw(fleet.ports.gateway, request)
    assert (status, json.loads(body)["code"]) == (431, "headers_too_large")


async def _refusals(
    fleet: Fleet, key: str, reason: str, times: int
) -> tuple[int, list[tuple[int, str, dict[str, str]]]]:
    """Send requests that the service refuses; returns how many it saw, and the answers that the gateway gave itself."""
    seen, own = 0, []
    for _ in range(times):
        status, body, headers = await fleet.get(f"/v1/payments/refused-as-{reason}", authorization=f"Bearer {key}")
        assert "x-bezant-refused" not in headers, "what services tell the gateway is nobody else's business"
        if body.startswith("payment-"):
            seen += 1
        else:
            own.append((status, body, headers))
    return seen, own


async def _taken(fleet: Fleet, key: str, times: int) -> int:
    answers = [await fleet.get("/v1/payments/taken", authorization=f"Bearer {key}") for _ in range(times)]
    return sum(status == 200 for status, _, _ in answers)


@pytest.mark.parametrize(("reason", "status", "code"), [("full", 503, "overloaded"), ("share", 429, "share_exceeded")])
async def test_what_a_service_refuses_of_a_key_the_gateway_refuses_itself(
    fleet: Fleet, reason: str, status: int, code: str
) -> None:
    seen, own = await _refusals(fleet, f"noisy-{reason}", reason, 400)
    assert seen < 200, "at most a part of what is refused costs the service anything"
    for answered, body, headers in own:
        assert (answered, json.loads(body)["code"]) == (status, code)
        assert (headers["retry-after"], headers["content-type"]) == ("1", "application/problem+json")
        assert headers["x-request-id"]


async def test_a_throttled_key_costs_other_keys_nothing_and_is_free_again_soon(fleet: Fleet) -> None:
    _, own = await _refusals(fleet, "once noisy", "full", 400)
    assert own
    assert await _taken(fleet, "quiet", 200) == 200

    async def free() -> bool:
        return await _taken(fleet, "once noisy", 30) == 30

    async with asyncio.timeout(5):
        while not await free():
            pass


async def test_one_refusal_throttles_nobody(fleet: Fleet) -> None:
    for _ in range(5):
        seen, _ = await _refusals(fleet, "unlucky", "full", 1)
        assert seen == 1
        assert await _taken(fleet, "unlucky", 40) == 40


async def test_the_request_id_is_ours_and_the_trace_context_passes(fleet: Fleet) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, body, headers = await fleet.get(
        "/v1/payments", **{"x-request-id": "mine", "traceparent": parent, "x-envoy-upstream-rq-timeout-ms": "1"}
    )
    assert headers["x-request-id"] != "mine"
    assert f"x-request-id: {headers['x-request-id']}" in body
    assert f"traceparent: {parent}" in body
    assert "x-envoy-upstream-rq-timeout-ms" not in body


async def test_the_access_log_holds_neither_credentials_nor_query(fleet: Fleet) -> None:
    _, _, headers = await fleet.get("/v1/payments/secretless?q=hidden-value", authorization="Bearer bz_hidden-key")
    log = fleet.directory.log("gateway-access")
    await eventually(lambda: headers["x-request-id"] in log.read_text())
    text = log.read_text()
    line = next(json.loads(line) for line in text.splitlines() if headers["x-request-id"] in line)
    assert (line["path"], line["status"], line["route"]) == ("/v1/payments/secretless", 200, "payment:/v1/payments")
    assert "hidden" not in text


async def test_a_callers_requests_go_to_one_replica_until_it_has_more_than_its_share(fleet: Fleet) -> None:
    async def replica(path: str, key: str) -> str:
        return (await fleet.get(path, authorization=f"Bearer {key}"))[1].split("\n")[0]

    assert len({await replica("/v1/payments", "one") for _ in range(20)}) == 1
    assert len({await replica("/v1/payments", f"key {number}") for number in range(30)}) == 2

    async def one_after_the_other(count: int) -> list[str]:
        return [await replica("/v1/payments/slow", "one") for _ in range(count)]

    # a request counts as active once it has a connection, which the first of each client makes
    answered = await asyncio.gather(*(one_after_the_other(4) for _ in range(20)))
    later = [name for names in answered for name in names[1:]]
    home = await replica("/v1/payments", "one")
    share = later.count(home) / len(later)
    assert 0.5 <= share <= 0.85, "about 1.5 times the mean of two replicas"


async def test_requests_are_spread_over_replicas_and_none_is_lost_while_one_stops(fleet: Fleet) -> None:
    served: list[str] = []
    failures: list[int] = []
    over = asyncio.Event()

    async def ask() -> None:
        while not over.is_set():
            status, body, _ = await fleet.get("/v1/payments/slow-ish")
            if status == 200:
                served.append(body.split("\n")[0])
            else:
                failures.append(status)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await eventually(lambda: {"payment-0", "payment-1"} <= set(served))
    await fleet.supervisor.stop_process("payment-0")
    mark = len(served)
    await eventually(lambda: len(served) > mark + 20)
    assert set(served[mark + 4 :]) == {"payment-1"}
    await fleet.supervisor.start_process("payment-0")
    mark = len(served)
    await eventually(lambda: "payment-0" in served[mark:])
    over.set()
    await asyncio.gather(*asking)
    assert failures == []


async def test_stopping_the_platform_finishes_the_requests_in_flight(fleet: Fleet) -> None:
    """The last test of this module: it stops the fleet."""
    in_flight = asyncio.create_task(fleet.get("/v1/tenants/slow"))
    # the access log is written at the end of a request, so the proof of its arrival is the gateway's gauge
    async with asyncio.timeout(5):
        while not await fleet.gateway.active_requests():  # noqa: ASYNC110  Envoy has no event for this
            await asyncio.sleep(0.01)
    await fleet.supervisor.stop()
    assert (await in_flight)[0] == 200
    with pytest.raises(aiohttp.ClientConnectionError):
        await fleet.get("/v1/tenants")
