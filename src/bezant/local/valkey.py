"""A Valkey cluster of three shards, each with a replica in another zone than its primary.

Every node appends its writes to a file before it answers, so a node that is killed comes back with what it had; one
that came back empty would be copied to its replica and lose the shard. The cluster is formed once, without a CLI
(https://valkey.io/topics/cluster-spec/), and afterwards found in each node's nodes.conf.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bezant.local import binaries, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import StartFailed
from bezant.local.plan import ProbeResult, ProcessSpec, TaskSpec
from bezant.local.ports import HOST, VALKEY_NODES, Ports
from bezant.local.zones import ZONES

SHARDS: Final = 3
SLOTS_TASK: Final = "valkey-slots"
CLUSTER_TASK: Final = "valkey-cluster"
_SLOTS: Final = 16384
_NODE_TIMEOUT_MILLISECONDS: Final = 2000


def node_name(node: int) -> str:
    """Return the process name of a node; nodes 0 to 2 start as primaries, node n + 3 as the replica of n."""
    return f"valkey-{node}"


def node_zone(node: int) -> str:
    """Return the zone of a node: a shard's replica lies one zone further than its primary."""
    shard, is_replica = node % SHARDS, node >= SHARDS
    return ZONES[(shard + is_replica) % len(ZONES)]


class ValkeyCluster:
    """The six nodes of one data directory."""

    def __init__(self, directory: DataDirectory, ports: Ports) -> None:
        self._directory = directory
        self._ports = ports

    def specs(self) -> list[ProcessSpec]:
        """Return the processes."""
        return [self._spec(node) for node in range(VALKEY_NODES)]

    def tasks(self) -> list[TaskSpec]:
        """Return the steps: form the cluster, so that clients can learn its slots, and wait until it is complete.

        They are two because a primary that was restarted takes no writes for 2 s (CLUSTER_WRITABLE_DELAY in Valkey's
        cluster_legacy.c), in which the services can already start.
        """
        nodes = [node_name(node) for node in range(VALKEY_NODES)]
        return [
            TaskSpec(name=SLOTS_TASK, run=self.ensure_formed, depends_on=nodes),
            TaskSpec(name=CLUSTER_TASK, run=self.wait_until_complete, depends_on=[SLOTS_TASK]),
        ]

    def _spec(self, node: int) -> ProcessSpec:
        server = binaries.valkey_server()
        directory = self._directory.valkey / node_name(node)
        port = self._ports.valkey(node)
        options = {
            "bind": HOST,
            "port": port,
            "cluster-port": self._ports.valkey_bus(node),
            "protected-mode": "yes",
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": _NODE_TIMEOUT_MILLISECONDS,
            # one shard without nodes must not stop the other two
            "cluster-require-full-coverage": "no",
            # replicas stay with their shard, so that they stay in another zone than its primary
            "cluster-allow-replica-migration": "no",
            "cluster-announce-ip": HOST,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "256mb",
            "maxmemory-policy": "volatile-lru",
            "repl-backlog-size": "1mb",
            "repl-diskless-sync-delay": 0,
            "daemonize": "no",
            "logfile": "",
            "loglevel": "notice",
            "availability-zone": node_zone(node),
            "shutdown-timeout": 2,
        }

        async def prepare() -> None:
            directory.mkdir(exist_ok=True)

        async def probe(_pid: int) -> ProbeResult:
            return await _probe(port)

        return ProcessSpec(
            name=node_name(node),
            role="cache",
            command=[server.path, *(word for name, value in options.items() for word in (f"--{name}", str(value)))],
            working_directory=directory,
            probe=probe,
            prepare=prepare,
            log_path=self._directory.log(node_name(node)),
            version=server.version,
            zone=node_zone(node),
            port=port,
            other_ports=[self._ports.valkey_bus(node)],
            stop_grace_seconds=5,
            stop_stage=2,
        )

    @property
    def _formed(self) -> Path:
        return self._directory.valkey / "formed"

    async def ensure_formed(self, within_seconds: float = 30.0) -> None:
        """Form the cluster if that was never finished, and return when all six nodes know who serves which slots.

        Raises `StartFailed` when they do not within the time.
        """
        deadline = time.monotonic() + within_seconds
        is_new = not self._formed.exists()
        if is_new:
            await self._form(deadline)
        await self._until_no_problem(self._formation_problem, deadline)
        if is_new:
            self._formed.touch()

    async def wait_until_complete(self, within_seconds: float = 30.0) -> None:
        """Return when all six nodes agree that every slot is served and every replica follows its primary.

        Raises `StartFailed` when they do not within the time.
        """
        await self._until_no_problem(self._completeness_problem, time.monotonic() + within_seconds)

    async def _until_no_problem(self, look: Callable[[int], Awaitable[str | None]], deadline: float) -> None:
        for node in range(VALKEY_NODES):
            while True:
                try:
                    problem = await look(node)
                except (OSError, EOFError, wire.RespError) as error:
                    problem = str(error)
                if problem is None:
                    break
                if time.monotonic() > deadline:
                    raise StartFailed(
                        f"the Valkey cluster is not complete: {node_name(node)} {problem}. If its files are damaged, "
                        f"delete {self._directory.valkey}: a new cluster is made, and its counters start again"
                    )
                await asyncio.sleep(0.05)

    async def _form(self, deadline: float) -> None:
        ids: list[str] = []
        for node in range(VALKEY_NODES):
            async with wire.resp(self._ports.valkey(node)) as valkey:
                # a formation that was interrupted left half a cluster; a fresh node takes no harm
                await valkey.command("CLUSTER", "RESET", "HARD")
                ids.append(str(await valkey.command("CLUSTER", "MYID")))
                # distinct epochs from the start spare the nodes the resolution of conflicts
                await valkey.command("CLUSTER", "SET-CONFIG-EPOCH", node + 1)
                if node < SHARDS:
                    first = _SLOTS * node // SHARDS
                    last = _SLOTS * (node + 1) // SHARDS - 1
                    await valkey.command("CLUSTER", "ADDSLOTSRANGE", first, last)
        async with wire.resp(self._ports.valkey(0)) as valkey:
            for node in range(1, VALKEY_NODES):
                port, bus = self._ports.valkey(node), self._ports.valkey_bus(node)
                await valkey.command("CLUSTER", "MEET", HOST, port, bus)
        for node in range(SHARDS, VALKEY_NODES):
            async with wire.resp(self._ports.valkey(node)) as valkey:
                await self._replicate(valkey, ids[node - SHARDS], deadline)

    async def _replicate(self, valkey: wire.RespConnection, primary: str, deadline: float) -> None:
        while True:
            try:
                await valkey.command("CLUSTER", "REPLICATE", primary)
            except wire.RespError as error:
                # the node has not yet heard of its primary
                if time.monotonic() > deadline:
                    raise StartFailed(f"a Valkey replica did not find its primary: {error}") from error
                await asyncio.sleep(0.02)
            else:
                return

    async def _formation_problem(self, node: int) -> str | None:
        async with wire.resp(self._ports.valkey(node)) as valkey:
            info = _info(await valkey.command("CLUSTER", "INFO"))
        if info["cluster_known_nodes"] != str(VALKEY_NODES):
            return f"knows {info['cluster_known_nodes']} of {VALKEY_NODES} nodes"
        if info["cluster_slots_assigned"] != str(_SLOTS):
            return f"knows the owners of {info['cluster_slots_assigned']} of {_SLOTS} slots"
        return None

    async def _completeness_problem(self, node: int) -> str | None:
        async with wire.resp(self._ports.valkey(node)) as valkey:
            info = _info(await valkey.command("CLUSTER", "INFO"))
            role = await valkey.command("ROLE")
        if info["cluster_state"] != "ok" or info["cluster_slots_ok"] != str(_SLOTS):
            return f"sees {info['cluster_slots_ok']} of {_SLOTS} slots served, state {info['cluster_state']}"
        if isinstance(role, list) and role[0] == "slave" and role[3] != "connected":
            return "is not connected to its primary"
        return None


def _info(reply: wire.Reply) -> dict[str, str]:
    return dict(line.split(":", 1) for line in str(reply).splitlines() if ":" in line)


async def _probe(port: int) -> ProbeResult:
    try:
        async with wire.resp(port) as valkey:
            await valkey.command("PING")
            role = await valkey.command("ROLE")
    except (OSError, EOFError, wire.RespError) as error:
        return ProbeResult(False, str(error))
    is_primary = isinstance(role, list) and role[0] == "master"
    return ProbeResult(True, "primary" if is_primary else "replica")
