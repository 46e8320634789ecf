"""Faults that a rehearsal inflicts on a running platform, each lifted again when its time is over.

All are real: signals to processes, refused and dropped connections, a process in a network of its own whose cable is
pulled. Packets are dropped on the way to a tenant's database by a proxy that the tenant is placed behind.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec import structs

from bezant.contracts.fleet import SERVICES
from bezant.foundation.secrets.encrypted_files import EncryptedFiles
from bezant.local import log_files
from bezant.local.errors import InvalidOptions, StartFailed
from bezant.local.plan import AddedReplica
from bezant.local.platform import LocalPlatform
from bezant.local.ports import HOST
from bezant.local.superuser import allow_connections, end_sessions, rows
from bezant.local.zones import ZONES
from bezant.rehearsal.chaos import cable_process, own_network
from bezant.rehearsal.chaos.tcp_proxy import Mode, TcpProxy
from bezant.rehearsal.customers import Customer

LOST_ZONE: Final = ZONES[1]
"""The zone that is lost unless another is chosen: the first holds the only PostgreSQL, broker and gateway."""
_LOG_LINES: Final = 8
_SLOW_PERIOD_SECONDS: Final = 0.1
_SLOW_SHARE: Final = 0.7
"""The share of the time for which a slow process stands still."""


@dataclass
class Scene:
    """What a fault is inflicted on, and what it reports of itself."""

    platform: LocalPlatform
    hit: Customer
    """The tenant that a fault about one tenant is about."""
    hold_seconds: float
    target: str | None = None
    hurt: list[str] = field(default_factory=list)
    """Names of the processes that the fault was inflicted on."""
    _killed: dict[str, int] = field(default_factory=dict)

    async def status(self) -> list[tuple[str, str, str, str]]:
        """Return name, role, zone and detail of every process."""
        found = await asyncio.to_thread(self.platform.status)
        return [(one.name, one.role, one.zone, one.detail) for one in found.processes]

    async def signal(self, process: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        before = await asyncio.to_thread(self.platform.kill, process, number)
        if number is signal.SIGKILL and before.pid is not None:
            self._killed[process] = before.pid

    async def whole(self, within_seconds: float) -> bool:
        """Return whether, in that time, what was killed runs anew and everything is ready; at once when it is."""
        try:
            await self._wait_whole(within_seconds)
        except TimeoutError:
            return False
        return True

    async def _wait_whole(self, within_seconds: float) -> None:
        for process, pid in self._killed.items():
            await asyncio.to_thread(self.platform.wait_ready, process, not_pid=pid, timeout_seconds=within_seconds)
        await asyncio.to_thread(self.platform.wait_ready, timeout_seconds=within_seconds)


Inflict = Callable[[Scene], AbstractAsyncContextManager[None]]


def _as_it_is(_scene: Scene) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def _always_possible() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    says: str
    """A sentence for people, in which `{target}` is what it was inflicted on."""
    inflict: Inflict
    recovers_from: Literal["its beginning", "its end"]
    """Whether others can take over at once, or whether nothing can be done until it is lifted."""
    is_about_one_tenant: bool = False
    takes_a_target: bool = False
    prepared: Inflict = _as_it_is
    """What has to be arranged before the load begins, and is put back when it has been judged."""
    why_impossible: Callable[[], str | None] = _always_possible
    """Says what this machine lacks for it."""


@asynccontextmanager
async def _killed(scene: Scene, process: str) -> AsyncIterator[None]:
    scene.hurt.append(process)
    await scene.signal(process, signal.SIGKILL)
    yield


@asynccontextmanager
async def kill(scene: Scene) -> AsyncIterator[None]:
    """Kill a process with SIGKILL; its supervisor starts it again."""
    async with _killed(scene, scene.target or "payment-0"):
        yield


@asynccontextmanager
async def pause(scene: Scene) -> AsyncIterator[None]:
    """Stop a process with SIGSTOP: it accepts connections, through the kernel, and never answers."""
    process = scene.target or "transaction-0"
    scene.hurt.append(process)
    await scene.signal(process, signal.SIGSTOP)
    try:
        await asyncio.sleep(scene.hold_seconds)
        yield
    finally:
        await scene.signal(process, signal.SIGCONT)


@asynccontextmanager
async def slow(scene: Scene) -> AsyncIterator[None]:
    """Let a process run for a third of the time only, as one does that pages, collects garbage or is throttled."""
    process = scene.target or "fraud-0"
    scene.hurt.append(process)
    still = _SLOW_PERIOD_SECONDS * _SLOW_SHARE
    try:
        for _ in range(round(scene.hold_seconds / _SLOW_PERIOD_SECONDS)):
            await scene.signal(process, signal.SIGSTOP)
            await asyncio.sleep(still)
            await scene.signal(process, signal.SIGCONT)
            await asyncio.sleep(_SLOW_PERIOD_SECONDS - still)
        yield
    finally:
        await scene.signal(process, signal.SIGCONT)


def _cut_off_process(scene: Scene) -> str:
    return scene.target or "payment-1"


@asynccontextmanager
async def behind_a_cable(scene: Scene) -> AsyncIterator[None]:
    """Run a replica in a network of its own, joined with the others' by a cable.

    Raises LookupError, `InvalidOptions` for what is no replica of a service, `StartFailed`.
    """
    process = _cut_off_process(scene)
    service, _, number = process.rpartition("-")
    await asyncio.to_thread(scene.platform.process, process)
    if service not in SERVICES:
        raise InvalidOptions(f"{process} cannot be put behind a cable; name a replica of a service, such as payment-1")
    plain = AddedReplica(service=service, replica=int(number))
    await _replace(scene, structs.replace(plain, command=cable_process.command(scene.platform.options.ports)))
    try:
        yield
    finally:
        await _replace(scene, plain)


async def _replace(scene: Scene, replica: AddedReplica) -> None:
    await asyncio.to_thread(scene.platform.remove_replica, replica.name)
    await asyncio.to_thread(scene.platform.add_replica, replica)
    try:
        await asyncio.to_thread(scene.platform.wait_ready, replica.name)
    except TimeoutError as error:
        # in words, since the log goes with the rehearsal
        tail = await asyncio.to_thread(log_files.last_lines, scene.platform.directory.log(replica.name), _LOG_LINES)
        raise StartFailed(f"{error}. Its log ends with:\n" + "\n".join(tail)) from error


@asynccontextmanager
async def cut_off(scene: Scene) -> AsyncIterator[None]:
    """Lose every packet between a process and all others; it runs on and does not know."""
    process = _cut_off_process(scene)
    scene.hurt.append(process)
    await scene.signal(process, cable_process.PULL)
    try:
        await asyncio.sleep(scene.hold_seconds)
        yield
    finally:
        await scene.signal(process, cable_process.PLUG_IN)


@asynccontextmanager
async def tenant_database(scene: Scene) -> AsyncIterator[None]:
    """Refuse connections to one tenant's database and end those that there are."""
    scene.hurt.append(f"the database of {scene.hit.slug}")
    await allow_connections(scene.platform, scene.hit.id, allowed=False)
    try:
        await asyncio.sleep(scene.hold_seconds)
        yield
    finally:
        await allow_connections(scene.platform, scene.hit.id, allowed=True)


@asynccontextmanager
async def partition(scene: Scene) -> AsyncIterator[None]:
    """Drop every packet between all services and one tenant's database."""
    scene.hurt.append(f"the way to the database of {scene.hit.slug}")
    postgres = scene.platform.options.ports.postgres
    proxy = TcpProxy(HOST, postgres)
    await proxy.open()
    try:
        await place_tenant(scene.platform, scene.hit.id, proxy.port)
        await proxy.switch(Mode.DROP)
        await asyncio.sleep(scene.hold_seconds)
        yield
    finally:
        await proxy.switch(Mode.PASS)
        await place_tenant(scene.platform, scene.hit.id, postgres)
        await proxy.close()


async def place_tenant(platform: LocalPlatform, tenant_id: str, port: int) -> None:
    """Have a tenant's database reached over another port from now on: its placement, its secrets, its sessions."""
    secrets = EncryptedFiles(platform.directory.secrets, platform.directory.secret_store_key)
    for name in await secrets.names(f"bezant/tenants/{tenant_id}/"):
        secret = await secrets.read(name)
        for key in (f"tenant_{tenant_id}_db_url", f"tenant_{tenant_id}_db_reader_url"):
            address, _, database = secret[key].rpartition("/")
            secret[key] = f"{address.rpartition(':')[0]}:{port}/{database}"
        await secrets.write(name, secret)
    query = "UPDATE control.placements SET writer_port = %s, reader_port = %s WHERE tenant_id = %s"
    await rows(platform, query, port, port, tenant_id)
    await end_sessions(platform, tenant_id)


@asynccontextmanager
async def database(scene: Scene) -> AsyncIterator[None]:
    """Kill the database server of all tenants."""
    async with _killed(scene, "postgres"):
        yield


@asynccontextmanager
async def broker(scene: Scene) -> AsyncIterator[None]:
    """Stop the broker, which keeps everything in memory: what it held is gone."""
    scene.hurt.append("broker")
    await scene.signal("broker", signal.SIGKILL)
    await asyncio.to_thread(scene.platform.stop_process, "broker")
    try:
        await asyncio.sleep(scene.hold_seconds)
        yield
    finally:
        await asyncio.to_thread(scene.platform.start_process, "broker")


@asynccontextmanager
async def cache(scene: Scene) -> AsyncIterator[None]:
    """Kill a primary of the Valkey cluster."""
    primary = next(name for name, role, _, detail in await scene.status() if (role, detail) == ("cache", "primary"))
    async with _killed(scene, primary):
        yield


@asynccontextmanager
async def zone(scene: Scene) -> AsyncIterator[None]:
    """Lose a zone: all of its processes fall silent at once, without a word to their peers; later new ones come."""
    wanted = scene.target or LOST_ZONE
    lost = [name for name, role, zone, _ in await scene.status() if zone == wanted and role in (*SERVICES, "cache")]
    if not lost:
        raise InvalidOptions(f"nothing can be lost with {wanted}; the zones are {', '.join(ZONES)}")
    scene.hurt += lost
    await asyncio.gather(*(scene.signal(process, signal.SIGSTOP) for process in lost))
    try:
        await asyncio.sleep(scene.hold_seconds)
        yield
    finally:
        await asyncio.gather(*(scene.signal(process, signal.SIGKILL) for process in lost))


FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("kill", "{target} is killed", kill, "its beginning", takes_a_target=True),
        Fault("pause", "{target} stands still", pause, "its beginning", takes_a_target=True),
        Fault("slow", "{target} runs a third of the time", slow, "its beginning", takes_a_target=True),
        Fault(
            "cut-off",
            "{target} is cut off from everything",
            cut_off,
            "its beginning",
            takes_a_target=True,
            prepared=behind_a_cable,
            why_impossible=own_network.why_unavailable,
        ),
        Fault("partition", "packets on {target} are dropped", partition, "its end", is_about_one_tenant=True),
        Fault("tenant-database", "{target} is down", tenant_database, "its end", is_about_one_tenant=True),
        Fault("database", "{target} is killed", database, "its beginning"),
        Fault("broker", "{target} is down and has lost everything", broker, "its beginning"),
        Fault("cache", "{target}, a primary, is killed", cache, "its beginning"),
        Fault("zone", "{target} fall silent: a zone is lost", zone, "its beginning", takes_a_target=True),
    )
}
"""All faults by name, in the order in which they are inflicted."""
