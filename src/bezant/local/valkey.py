"""A Valkey cluster of three shards, each with a replica in another zone than its primary.

Every node appends its writes to a file before it answers, so a node that is killed comes back with what it had; one
that came back empty would be copied to its replica and lose the shard. The cluster is formed once, without a CLI
(https://valkey.io/topics/cluster-spec/), and afterwards found in each node's nodes.conf.
"""

import asyncio
import re
import time
from pathlib import Path
from typing import Final

from bezant.local import binaries, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import StartFailed
from bezant.local.plan import ProbeResult, ProcessSpec, TaskSpec
from bezant.local.ports import HOST, VALKEY_NODES, Ports
from bezant.local.zones import ZONES

SHARDS: Final = 3
CLUSTER_TASK: Final = "valkey-cluster"
_SLOTS: Final = 16384
_NODE_TIMEOUT_MILLISECONDS: Final = 2000
_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)@(\d+)")


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

    @property
    def addresses(self) -> str:
        """All nodes as `host:port,...`."""
        return ",".join(f"{HOST}:{self._ports.valkey(node)}" for node in range(VALKEY_NODES))

    def specs(self) -> list[ProcessSpec]:
        """Return the processes."""
        return [self._spec(node) for node in range(VALKEY_NODES)]

    def task(self) -> TaskSpec:
        """Return the step that forms the cluster, or waits until the nodes of a formed one have met again."""
        nodes = [node_name(node) for node in range(VALKEY_NODES)]
        return TaskSpec(name=CLUSTER_TASK, run=self.ensure_formed, depends_on=nodes)

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
            self._renumber(node)

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

    def _renumber(self, node: int) -> None:
        """Write this start's ports into nodes.conf: nodes look for each other where they were last time."""
        directory = self._directory.valkey / node_name(node)
        nodes, base_file = directory / "nodes.conf", directory / "port-base"
        base = self._ports.base
        if nodes.exists() and base_file.exists() and (moved_by := base - int(base_file.read_text())):
            text = _ADDRESS.sub(
                lambda found: f"{HOST}:{int(found[1]) + moved_by}@{int(found[2]) + moved_by}", nodes.read_text()
            )
            nodes.write_text(text)
        base_file.write_text(str(base))

    @property
    def _formed(self) -> Path:
        return self._directory.valkey / "formed"

    async def ensure_formed(self, within_seconds: float = 30.0) -> None:
        """Form the cluster if that was never finished, and return when all six nodes agree that it is complete.

        Raises `StartFailed` when they do not within the time.
        """
        deadline = time.monotonic() + within_seconds
        is_new = not self._formed.exists()
        if is_new:
            await self._form(deadline)
        while problem := await self._problem():
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"the Valkey cluster is not complete after {within_seconds:.0f} s: {problem}. If its files are "
                    f"damaged, delete {self._directory.valkey}: a new cluster is made, and its counters start again"
                )
            await asyncio.sleep(0.05)
        if is_new:
            self._formed.touch()

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

    async def _problem(self) -> str | None:
        """Return what is missing for the cluster to be complete in the eyes of every node; None when nothing is."""
        for node in range(VALKEY_NODES):
            try:
                async with wire.resp(self._ports.valkey(node)) as valkey:
                    info = _info(await valkey.command("CLUSTER", "INFO"))
                    role = await valkey.command("ROLE")
            except (OSError, EOFError, wire.RespError) as error:
                return f"{node_name(node)}: {error}"
            if info["cluster_state"] != "ok" or info["cluster_slots_ok"] != str(_SLOTS):
                return f"{node_name(node)} sees {info['cluster_slots_ok']} of {_SLOTS} slots served"
            if info["cluster_known_nodes"] != str(VALKEY_NODES):
                return f"{node_name(node)} knows {info['cluster_known_nodes']} of {VALKEY_NODES} nodes"
            if isinstance(role, list) and role[0] == "slave" and role[3] != "connected":
                return f"{node_name(node)} is not connected to its primary"
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
