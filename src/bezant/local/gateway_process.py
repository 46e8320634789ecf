"""The Envoy process, the files that tell it about routes and replicas, and how it is drained."""

import asyncio
import json
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from bezant.local import binaries, gateway, gateway_listeners, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.gateway import Config, Endpoint
from bezant.local.plan import ProbeResult, ProcessSpec
from bezant.local.ports import Ports

NAME: Final = "gateway"
_DRAIN_SECONDS: Final = 5
# measured: a replaced endpoints file is in force after about 50 ms
_IN_FORCE_SECONDS: Final = 0.15


class Gateway:
    """Envoy in front of the services of one data directory. Fulfils `TrafficControl`."""

    def __init__(self, directory: DataDirectory, ports: Ports, endpoints: Iterable[tuple[str, Endpoint]]) -> None:
        """`endpoints` are pairs of a service and one of its replicas."""
        self._directory = directory
        self._ports = ports
        self._members: dict[str, dict[str, Endpoint]] = {service: {} for service in gateway.PUBLIC_ROUTES}
        for service, endpoint in endpoints:
            self._members[service][endpoint.process] = endpoint

    def spec(self) -> ProcessSpec:
        """Return the process."""
        server = binaries.envoy()
        return ProcessSpec(
            name=NAME,
            role="gateway",
            command=[
                server.path,
                *("--config-path", self._directory.gateway / "bootstrap.json"),
                *("--concurrency", str(max(1, (os.cpu_count() or 2) // 2))),
                *("--drain-time-s", "1", "--drain-strategy", "immediate", "--parent-shutdown-time-s", "2"),
                *("--file-flush-interval-msec", "1000", "--log-level", "warning", "--disable-hot-restart"),
            ],
            probe=self.probe,
            prepare=self.prepare,
            log_path=self._directory.log(NAME),
            version=server.version,
            zone="us-east-1a",
            port=self._ports.gateway,
            other_ports=[self._ports.internal_gateway, self._ports.gateway_admin],
            stop_grace_seconds=5,
            stop_stage=1,
        )

    async def prepare(self) -> None:
        """Write all files."""
        directory = self._directory.gateway
        access_log = self._directory.log("gateway-access")
        bootstrap = gateway_listeners.bootstrap(ports=self._ports, directory=directory, access_log=access_log)
        self._replace("bootstrap.json", bootstrap)
        for service in self._members:
            self._write_endpoints(service)
        clusters = [gateway.cluster(service, directory / f"endpoints-{service}.json") for service in self._members]
        self._replace("clusters.json", gateway.discovery_response(clusters))
        for routes in (
            gateway.routes("public", gateway.PUBLIC_ROUTES, {}, hash_policy=gateway.BY_CALLER),
            gateway.routes("internal", gateway.INTERNAL_ROUTES, {}),
        ):
            self._replace(f"routes-{routes['name']}.json", gateway.discovery_response([routes]))

    def _replace(self, name: str, config: Config) -> None:
        path = self._directory.gateway / name
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(config, indent=1))
        # Envoy reloads on a rename into the watched directory, and on nothing else
        temporary.replace(path)

    def _write_endpoints(self, service: str) -> None:
        members = list(self._members[service].values())
        config = gateway.discovery_response([gateway.endpoints(service, members)])
        self._replace(f"endpoints-{service}.json", config)

    def _service_of(self, process: str) -> str | None:
        return next((service for service, members in self._members.items() if process in members), None)

    async def admit(self, process: str) -> None:
        """See `TrafficControl.admit`; a process that is no replica of a service is ignored."""
        await self._set_draining(process, draining=False)

    async def withdraw(self, process: str) -> None:
        """See `TrafficControl.withdraw`; a process that is no replica of a service is ignored."""
        if await self._set_draining(process, draining=True):
            await asyncio.sleep(_IN_FORCE_SECONDS)

    async def _set_draining(self, process: str, *, draining: bool) -> bool:
        service = self._service_of(process)
        if service is None or self._members[service][process].draining == draining:
            return False
        members = self._members[service]
        members[process] = replace(members[process], draining=draining)
        self._write_endpoints(service)
        return True

    async def drain(self) -> None:
        """See `TrafficControl.drain`: fail the health check, close the public listener, wait for what is under way."""
        admin = self._ports.gateway_admin
        deadline = time.monotonic() + _DRAIN_SECONDS
        try:
            await wire.http_request(admin, "/healthcheck/fail", "POST")
            await wire.http_request(admin, "/drain_listeners?graceful&inboundonly", "POST")
            while time.monotonic() < deadline and await self.active_requests():  # noqa: ASYNC110  no event tells
                await asyncio.sleep(0.05)
        except (OSError, EOFError, ValueError):
            return  # Envoy is not there: nothing is under way through it

    async def active_requests(self) -> int:
        """Return how many requests from outside are under way. Raises OSError, EOFError, ValueError."""
        _, body = await wire.http_request(self._ports.gateway_admin, "/stats?filter=^http.public.downstream_rq_active$")
        return int(body.rpartition(b":")[2].strip() or b"0")

    async def probe(self, _pid: int) -> ProbeResult:
        """Ready when Envoy is live and both listeners are open."""
        try:
            status, body = await wire.http_request(self._ports.gateway_admin, "/ready")
            if status == 200:
                async with wire.connection(self._ports.gateway), wire.connection(self._ports.internal_gateway):
                    pass
        except (OSError, EOFError, ValueError) as error:
            return ProbeResult(False, str(error))
        return ProbeResult(status == 200, "" if status == 200 else body.decode(errors="replace").strip().lower())

    async def healthy_replicas(self) -> dict[str, int]:
        """Return how many replicas of each service the gateway sends requests to. Raises OSError, ValueError."""
        _, body = await wire.http_request(self._ports.gateway_admin, "/stats?filter=membership_healthy$")
        found: dict[str, int] = {}
        for line in body.decode().splitlines():
            name, _, value = line.partition(": ")
            if name.startswith("cluster."):
                found[name.split(".")[1]] = int(value)
        return found

    async def wait_for_replicas(self, within_seconds: float = 30.0) -> None:
        """Return when the gateway sends requests to every replica in its files. Raises TimeoutError."""
        wanted = {
            service: sum(not member.draining for member in members.values())
            for service, members in self._members.items()
        }
        async with asyncio.timeout(within_seconds):
            while True:
                try:
                    if (await self.healthy_replicas()).items() >= wanted.items():
                        return
                except (OSError, EOFError, ValueError):
                    pass  # Envoy is being restarted; the time limit above decides
                await asyncio.sleep(0.05)
