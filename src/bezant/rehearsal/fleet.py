"""A platform for a rehearsal: started for it, with tenants to load, and one service of which replicas come and go."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bezant.local import log_files
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.errors import DataDirectoryUnusable, InvalidOptions
from bezant.local.gateway import cluster_name
from bezant.local.gateway_process import healthy_replicas
from bezant.local.options import PlatformOptions
from bezant.local.plan import STABLE, AddedReplica
from bezant.local.platform import LocalPlatform
from bezant.local.ports import MAX_REPLICAS, Ports
from bezant.local.postgres import SUPERUSER
from bezant.local.service_processes import shared_settings
from bezant.local.status import PlatformStatus, ProcessState
from bezant.local.wire import http_request
from bezant.rehearsal import temporary_data, versions
from bezant.rehearsal.customers import Customer, furnish
from bezant.rehearsal.following import follow
from bezant.rehearsal.load import Load
from bezant.rehearsal.questions import QUESTIONS
from bezant.rehearsal.report.document import Lane, Span, State
from bezant.rehearsal.versions import Version, VersionUnusable

_READY_WITHIN_SECONDS: Final = 60.0
_LOG_LINES: Final = 8
_SHOWN_AS: Final = {
    ProcessState.WAITING: State.STARTING,
    ProcessState.PREPARING: State.STARTING,
    ProcessState.STARTING: State.STARTING,
    ProcessState.UNREADY: State.DOWN,
    ProcessState.BACKING_OFF: State.DOWN,
    ProcessState.STOPPING: State.DRAINING,
}


class NeverReady(VersionUnusable):
    """A replica of the version did not become ready."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A replica of the rehearsed service as it was at one moment."""

    name: str
    version: str
    arm: str
    state: ProcessState
    is_ready: bool
    restarts: int
    pid: int | None

    @property
    def number(self) -> int:
        """The replica's number, which says its port."""
        return int(self.name.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class Moment:
    """The replicas at one moment, and how requests were split over the arms."""

    at_seconds: float
    pods: tuple[Pod, ...]
    weights: Mapping[str, int]

    @property
    def ready(self) -> int:
        """How many are ready."""
        return sum(pod.is_ready for pod in self.pods)


@dataclass
class Fleet:
    """The replicas of one service on a running platform. Methods belong to one event loop."""

    platform: LocalPlatform
    service: str
    version: str
    """What the replicas call themselves that were there first."""
    tenants: list[Customer]
    admin_key: str
    on_change: Callable[[Moment], None] | None = None
    history: list[Moment] = field(default_factory=list)
    """Every change since `begin`."""
    _arms: dict[str, str] = field(default_factory=dict)
    _weights: dict[str, int] = field(default_factory=lambda: {STABLE: 100})
    began: float = 0.0
    _next: int = 0
    _taken: set[int] = field(default_factory=set)
    _ended: float | None = None

    def begin(self) -> None:
        """Take the present moment as second 0 of the rehearsal and follow every change from now on."""
        self.began = time.monotonic()
        self._next = self.platform.options.replica_count(self.service)
        self._taken = set(range(self._next))
        follow(self.platform, self._changed)

    def load(self, requests_per_second: float) -> Load:
        """Return load on the tenants, with questions to the service beside the payments; it has not started."""
        question = QUESTIONS.get(self.service)
        return Load(self.platform.url, self.tenants, requests_per_second=requests_per_second, question=question)

    def end(self) -> None:
        """Let the rehearsal's time end here: what changes later, as the platform stops, is not part of it."""
        self._ended = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since `begin`, at most until `end`."""
        return (self._ended or time.monotonic()) - self.began

    def _changed(self, status: PlatformStatus) -> None:
        pods = tuple(
            Pod(one.name, one.version, self._arms.get(one.name, STABLE), one.state, one.ready, one.restarts, one.pid)
            for one in status.processes
            if one.role == self.service
        )
        self._keep(Moment(self.seconds(), pods, dict(self._weights)))

    def _keep(self, moment: Moment) -> None:
        if self._ended is not None:
            return
        self.history.append(moment)
        if self.on_change is not None:
            self.on_change(moment)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The replicas as they are now, as far as is known."""
        return self.history[-1].pods if self.history else ()

    async def add(
        self,
        version: Version,
        *,
        arm: str = STABLE,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] | None = None,
    ) -> str:
        """Start one more replica and return its name; it is not ready yet. `command` is the version's by default."""
        number = self._free_number()
        replica = AddedReplica(
            service=self.service,
            replica=number,
            arm=arm,
            version=version.label,
            command=command or version.command,
            environment=dict(environment or {}),
        )
        self._next = number + 1
        self._taken.add(number)
        self._arms[replica.name] = arm
        await asyncio.to_thread(self.platform.add_replica, replica)
        return replica.name

    async def wait_ready(self, name: str, *, in_gateway: int) -> None:
        """Return when it is ready and the gateway sends requests to so many of its arm.

        Raises `NeverReady`, with the end of its log or saying that only the gateway does not follow.
        """
        try:
            await asyncio.to_thread(self.platform.wait_ready, name, timeout_seconds=_READY_WITHIN_SECONDS)
        except TimeoutError as error:
            log = self.platform.directory.log(name)
            tail = "\n".join(await asyncio.to_thread(log_files.last_lines, log, _LOG_LINES))
            raise NeverReady(
                f"{name} was not ready within {_READY_WITHIN_SECONDS:.0f} s, so that nothing was taken away from the "
                f"stable version. Its log ends with:\n{tail}"
            ) from error
        cluster = cluster_name(self.service, self._arms.get(name, STABLE))
        try:
            async with asyncio.timeout(_READY_WITHIN_SECONDS):
                while (await healthy_replicas(self.platform.options.ports)).get(cluster, 0) < in_gateway:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise NeverReady(
                f"{name} was ready, but within {_READY_WITHIN_SECONDS:.0f} s the gateway did not send requests to "
                f"{in_gateway} replicas of {cluster}"
            ) from error

    async def remove(self, name: str) -> str:
        """Take a replica out of the gateway, let it end gracefully, and return how it has: "" is cleanly."""
        ended = await asyncio.to_thread(self.platform.remove_replica, name)
        self._taken.discard(_number(name))
        return ended

    def _free_number(self) -> int:
        """Return the next number; from the beginning again after the last, for which there is a port."""
        numbers = [(self._next + n) % MAX_REPLICAS for n in range(MAX_REPLICAS)]
        free = next((number for number in numbers if number not in self._taken), None)
        if free is None:
            raise InvalidOptions(f"{self.service} has {MAX_REPLICAS} replicas already")
        return free

    async def split(self, weights: Mapping[str, int]) -> None:
        """Split the service's requests over the arms; in force when this returns."""
        await asyncio.to_thread(self.platform.split_traffic, self.service, weights)
        self._weights = dict(weights)
        if self.history:
            self._keep(Moment(self.seconds(), self.pods, dict(weights)))

    async def requests_sent(self, arm: str) -> float:
        """Return how many requests the gateway has sent to an arm since it started."""
        cluster = cluster_name(self.service, arm)
        admin = self.platform.options.ports.gateway_admin
        _, body = await http_request(admin, f"/stats?filter=^cluster\\.{cluster}\\.upstream_rq_total$")
        return float(body.rpartition(b":")[2].strip() or 0)

    async def migrate(self, version: Version) -> str:
        """Run a version's migrations beside the running one, if it has its own."""
        if not version.needs_migration:
            return ""
        directory = self.platform.directory
        administrator = directory.keys / "administrator"
        administrator.mkdir(mode=0o700, exist_ok=True)
        (administrator / "user").write_text(SUPERUSER)
        (administrator / "password").write_bytes(directory.superuser_password.read_bytes())
        settings = shared_settings(self.platform.options)
        return await asyncio.to_thread(versions.migrate, version, settings, administrator)

    def lanes(self, until_seconds: float) -> list[Lane]:
        """Return each replica's life as a lane of the timeline."""
        spans: dict[str, list[Span]] = {}
        open_since: dict[str, tuple[float, str, State]] = {}

        def close(name: str, at_seconds: float) -> None:
            began, label, state = open_since.pop(name)
            spans.setdefault(name, []).append(Span(began, at_seconds, label, state))

        for moment in self.history:
            now = {pod.name: self._shown(pod) for pod in moment.pods if pod.state is not ProcessState.STOPPED}
            for name in [
                name for name, (_, _, state) in open_since.items() if now.get(name, ("", None))[1] is not state
            ]:
                close(name, moment.at_seconds)
            for name, (label, state) in now.items():
                if name not in open_since:
                    open_since[name] = (moment.at_seconds, label, state)
        for name in list(open_since):
            close(name, until_seconds)
        return [Lane(name, spans[name]) for name in sorted(spans, key=_number)]

    def _shown(self, pod: Pod) -> tuple[str, State]:
        serving = State.STABLE if pod.version == self.version and pod.arm == STABLE else State.NEXT
        return pod.version, _SHOWN_AS.get(pod.state, serving)


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


async def _start(platform: LocalPlatform) -> None:
    """Start it, and leave nothing behind when it does not come up or when this is called off meanwhile."""
    starting = asyncio.ensure_future(asyncio.to_thread(platform.start))
    try:
        await asyncio.shield(starting)
    except BaseException:
        await asyncio.to_thread(platform.give_up)
        # the thread cannot be called off: it raises once its supervisor has ended
        [came_up] = await asyncio.gather(starting, return_exceptions=True)
        if not isinstance(came_up, BaseException):
            await asyncio.to_thread(platform.stop)
        raise


@asynccontextmanager
async def rehearsed(
    service: str,
    *,
    replicas: Mapping[str, int],
    spare: int,
    tenants: int,
    data_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Fleet]:
    """Start a platform on free ports with so many replicas, and room for `spare` more of `service`; stop it at the end.

    Without `data_dir`, an absolute path, its data lies in a temporary directory that is deleted. `told` hears what is
    being done.
    Raises `PlatformError` when it does not start.
    """
    ports = Ports.free()
    try:
        root = temporary_data.make_directory() if data_dir is None else data_dir
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        place = data_dir or temporary_data.PLACE
        raise DataDirectoryUnusable(f"{place} cannot hold the platform's data: {error.strerror}") from error
    options = PlatformOptions(
        data_dir=str(root / "data"),
        gateway_port=ports.gateway,
        port_base=ports.base,
        replicas=dict(replicas),
        spare_replicas={service: spare},
        environment=dict(environment or {}),
        longest_backoff_seconds=1.0,
    )
    platform = LocalPlatform(options)
    told("starting the platform")
    try:
        await _start(platform)
        try:
            told("onboarding tenants")
            admin_key = await make_admin_key(settings_of(platform.directory.root), "rehearsal")
            customers = await furnish(platform.url, admin_key, tenants=tenants, tag="rehearsal")
            version = platform.process(f"{service}-0").version
            yield Fleet(platform, service, version, customers, admin_key)
        finally:
            told("stopping the platform")
            await asyncio.to_thread(platform.stop)
    finally:
        if data_dir is None:
            shutil.rmtree(root)
