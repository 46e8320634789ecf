"""The seven services under the supervisor: started, labelled, routed to, stopped."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec

from bezant.contracts.fleet import SERVICES
from bezant.local import footprint
from bezant.local.platform import LocalPlatform

from .parts import infrastructure


def get(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_whole_platform_starts_serves_and_stops(room: Callable[[], Path], port_block: Callable[[], int]) -> None:
    options = msgspec.structs.replace(
        infrastructure(room(), port_block()),
        services=tuple(SERVICES),
        replicas={"payment": 2},
        versions={"payment": "1.2.3"},
    )
    with LocalPlatform(options) as platform:
        status = platform.status()
        services = {process.name: process for process in status.processes if process.role in SERVICES}
        assert services.keys() == {f"{name}-0" for name in SERVICES} | {"payment-1"}
        assert all(process.ready for process in services.values())
        assert (services["payment-1"].zone, services["payment-1"].version) == ("us-east-1b", "1.2.3")
        for path in (
            "tenants",
            "accounts",
            "transfers",
            "payments",
            "fraud/rules",
            "webhook-endpoints",
            "audit/entries",
        ):
            code, problem = get(f"{platform.url}/v1/{path}")
            assert (code, problem["code"]) == (401, "unauthenticated"), path
        pids = {process.name: process.pid for process in status.processes if process.pid is not None}
        parts = footprint.footprint(pids | {"supervisor": status.supervisor_pid})
        assert sum(part.pss_bytes for part in parts) < 1024**3
        before = services["payment-0"]
        platform.kill("payment-0")
        # what the replica had taken on dies with it (503: whether it had effect is not known); the other one answers
        answers = [get(f"{platform.url}/v1/payments")[0] for _ in range(30)]
        assert answers.count(401) >= 28
        assert answers[-20:] == [401] * 20
        platform.wait_ready("payment-0", not_pid=before.pid)
    assert not (platform.directory.postgres / "data" / "postmaster.pid").exists()
