"""The Kafka-compatible broker (Tansu), in memory: whatever it held is gone when it restarts.

That is survivable by design: every event stays in an outbox until long after it was published. The topics are made
again at each start.
"""

import struct
from typing import Final

from bezant.local import binaries, wire
from bezant.local.data_directory import DataDirectory
from bezant.local.plan import Hook, ProbeResult, ProcessSpec
from bezant.local.ports import HOST, Ports

NAME: Final = "broker"
# ApiVersions v0, correlation id 1, no client id (https://kafka.apache.org/protocol#The_Messages_ApiVersions)
_API_VERSIONS = struct.pack("!ihhih", 10, 18, 0, 1, -1)


class Broker:
    """The broker of one data directory."""

    def __init__(self, directory: DataDirectory, ports: Ports, create_topics: Hook) -> None:
        self._directory = directory
        self._create_topics = create_topics
        self._port = ports.broker

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
            on_ready=self._create_topics,
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
