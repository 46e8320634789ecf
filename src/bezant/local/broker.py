"""The Kafka-compatible broker (Tansu), in memory: whatever it held is gone when it restarts.

That is survivable by design: every event stays in an outbox until long after it was published. The topics are made
again at each start, and each start has a cluster id of its own, so that clients can notice an emptied broker.
"""

import asyncio
import struct
import time
import uuid
from typing import Final

from bezant.contracts.events import PARTITIONS
from bezant.local import binaries, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.errors import StartFailed
from bezant.local.plan import ProbeResult, ProcessSpec
from bezant.local.ports import HOST, Ports

NAME: Final = "broker"
# ApiVersions v0, correlation id 1, no client id (https://kafka.apache.org/protocol#The_Messages_ApiVersions)
_API_VERSIONS = struct.pack("!ihhih", 10, 18, 0, 1, -1)


class Broker:
    """The broker of one data directory."""

    def __init__(self, directory: DataDirectory, ports: Ports) -> None:
        self._directory = directory
        self._port = ports.broker

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self._port}"

    def spec(self) -> ProcessSpec:
        """Return the process."""
        program = binaries.broker()
        url = f"tcp://{HOST}:{self._port}"
        return ProcessSpec(
            name=NAME,
            role="broker",
            command=[
                program.path,
                "broker",
                "--storage-engine=memory://bezant/",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
            ],
            environment={"RUST_LOG": "warn"},
            probe=self.probe,
            on_ready=self.create_topics,
            log_path=self._directory.log(NAME),
            version=program.version,
            zone="us-east-1a",
            port=self._port,
            stop_grace_seconds=2,
            stop_stage=2,
        )

    async def probe(self, _pid: int) -> ProbeResult:
        """Ready when it answers an ApiVersions request."""
        try:
            async with wire.connection(self._port) as (reader, writer):
                writer.write(_API_VERSIONS)
                await reader.readexactly(8)
        except (OSError, EOFError) as error:
            return ProbeResult(False, str(error))
        return ProbeResult(True)

    async def create_topics(self) -> None:
        """Create the topics that are missing. Raises `StartFailed`."""
        await asyncio.to_thread(self._create_topics)

    def _create_topics(self, within_seconds: float = 10.0) -> None:
        # imported here: the other commands do without the client library
        from confluent_kafka import KafkaException  # noqa: PLC0415
        from confluent_kafka.admin import AdminClient, NewTopic  # noqa: PLC0415

        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + within_seconds
        while True:
            try:
                existing = client.list_topics(timeout=2).topics
                missing = [
                    NewTopic(topic, num_partitions=partitions, replication_factor=1)
                    for topic, partitions in PARTITIONS.items()
                    if topic not in existing
                ]
                if not missing:
                    return
                for created in client.create_topics(missing, operation_timeout=2, request_timeout=2).values():
                    created.result()
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise StartFailed(f"the topics could not be created: {error}") from error
                time.sleep(0.05)
