"""The Envoy process, the files that tell it about routes and replicas, and how it is drained."""

import asyncio
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from bezant.local import binaries, gateway, gateway_listeners, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import InvalidOptions, StartFailed
from bezant.local.gateway import Config, Endpoint
from bezant.local.plan import STABLE, AddedReplica, ProbeResult, ProcessSpec
from bezant.local.ports import Ports
from bezant.local.zones import zone_of_replica

NAME: Final = "gateway"
_DRAIN_SECONDS: Final = 5
# measured: a replaced endpoints file is in force after about 50 ms
_IN_FORCE_SECONDS: Final = 0.15
_UPDATES: Final = "^(cluster_manager.cds|http.[a-z]*.rds.[a-z]*).update_(success|rejected)$"


class Gateway:
    """Envoy in front of the services of one data directory. Fulfils `TrafficControl`."""

    def __init__(self, directory: DataDirectory, ports: Ports, endpoints: Iterable[tuple[str, Endpoint]]) -> None:
        """`endpoints` are pairs of a service and one of its replicas."""
        self._directory = directory
        self._ports = ports
        self._members: dict[str, dict[str, Endpoint]] = {service: {} for service in gateway.PUBLIC_ROUTES}
        for service, endpoint in endpoints:
            self._members[service][endpoint.process] = endpoint
        self._arms: dict[str, set[str]] = {service: {STABLE} for service in self._members}
        self._weights: dict[str, dict[str, int]] = {}

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
        self._write_clusters()
        self._write_routes()

    def _replace(self, name: str, config: Config) -> None:
        path = self._directory.gateway / name
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(config, indent=1))
        # Envoy reloads on a rename into the watched directory, and on nothing else
        temporary.replace(path)

    def _write_endpoints(self, service: str) -> None:
        for arm in self._arms[service]:
            name = gateway.cluster_name(service, arm)
            members = [member for member in self._members[service].values() if member.arm == arm]
            config = gateway.discovery_response([gateway.endpoints(name, members)])
            self._replace(f"endpoints-{name}.json", config)

    def _write_clusters(self) -> None:
        names = [gateway.cluster_name(service, arm) for service, arms in self._arms.items() for arm in sorted(arms)]
        clusters = [gateway.cluster(name, self._directory.gateway / f"endpoints-{name}.json") for name in names]
        self._replace("clusters.json", gateway.discovery_response(clusters))

    def _write_routes(self) -> None:
        for routes in (
            gateway.routes("public", gateway.PUBLIC_ROUTES, self._weights, hash_policy=gateway.BY_CALLER),
            gateway.routes("internal", gateway.INTERNAL_ROUTES, self._weights),
        ):
            self._replace(f"routes-{routes['name']}.json", gateway.discovery_response([routes]))

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

    async def add(self, replica: AddedReplica) -> None:
        """See `TrafficControl.add`."""
        service = replica.service
        self._members[service][replica.name] = Endpoint(
            process=replica.name,
            port=self._ports.service(service, replica.replica),
            zone=zone_of_replica(replica.replica),
            arm=replica.arm,
        )
        is_new_arm = replica.arm not in self._arms[service]
        self._arms[service].add(replica.arm)
        self._write_endpoints(service)
        if is_new_arm:
            updates = await self._updates()
            self._write_clusters()
            await self._in_force({"cluster_manager.cds": updates["cluster_manager.cds"]})

    async def remove(self, process: str) -> None:
        """See `TrafficControl.remove`."""
        service = self._service_of(process)
        if service is not None:
            del self._members[service][process]
            self._write_endpoints(service)

    async def split(self, service: str, weights: Mapping[str, int]) -> None:
        """See `TrafficControl.split`. Raises `InvalidOptions` for an arm without replicas."""
        unknown = set(weights) - {member.arm for member in self._members.get(service, {}).values()}
        if unknown or sum(weights.values()) <= 0 or min(weights.values()) < 0:
            raise InvalidOptions(
                f"the requests of {service} cannot be split into {dict(weights)}: an arm needs a replica, "
                "weights are not negative and at least one is above 0"
            )
        self._weights[service] = {gateway.cluster_name(service, arm): weight for arm, weight in weights.items()}
        updates = await self._updates()
        self._write_routes()
        await self._in_force({name: count for name, count in updates.items() if ".rds." in name})

    async def _updates(self) -> dict[str, int]:
        """Return how often Envoy has taken over each changed file of clusters and routes."""
        _, body = await wire.http_request(self._ports.gateway_admin, f"/stats?filter={_UPDATES}")
        counts = {name: int(value) for name, _, value in (line.partition(": ") for line in body.decode().splitlines())}
        rejected = sorted(name for name, count in counts.items() if name.endswith("rejected") and count)
        if rejected:
            raise StartFailed(f"Envoy refused its configuration ({', '.join(rejected)}); its log says why")
        return {name.removesuffix(".update_success"): count for name, count in counts.items() if "success" in name}

    async def _in_force(self, before: Mapping[str, int], within_seconds: float = 5.0) -> None:
        """Return when every one of these files was taken over once more than before. Raises `StartFailed`."""
        try:
            async with asyncio.timeout(within_seconds):
                while not _all_above(await self._updates(), before):  # noqa: ASYNC110  no event tells
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise StartFailed(f"Envoy did not take over its new configuration in {within_seconds:.0f} s") from error

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

    async def wait_for_replicas(self, within_seconds: float = 30.0) -> None:
        """Return when the gateway sends requests to every replica in its files. Raises TimeoutError."""
        wanted = {
            gateway.cluster_name(service, arm): sum(
                member.arm == arm and not member.draining for member in self._members[service].values()
            )
            for service, arms in self._arms.items()
            for arm in arms
        }
        async with asyncio.timeout(within_seconds):
            while True:
                try:
                    if (await healthy_replicas(self._ports)).items() >= wanted.items():
                        return
                except (OSError, EOFError, ValueError):
                    pass  # Envoy is being restarted; the time limit above decides
                await asyncio.sleep(0.05)


async def healthy_replicas(ports: Ports) -> dict[str, int]:
    """Return how many replicas of each cluster the gateway sends requests to. Raises OSError, EOFError, ValueError."""
    _, body = await wire.http_request(ports.gateway_admin, "/stats?filter=membership_healthy$")
    found: dict[str, int] = {}
    for line in body.decode().splitlines():
        name, _, value = line.partition(": ")
        if name.startswith("cluster."):
            found[name.split(".")[1]] = int(value)
    return found


def _all_above(counts: Mapping[str, int], before: Mapping[str, int]) -> bool:
    return all(counts[name] > count for name, count in before.items())
