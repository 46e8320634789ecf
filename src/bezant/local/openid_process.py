"""The local OpenID provider as a process of the platform."""

import sys
from typing import Final

import bezant
from bezant.local import wire
from bezant.local.data_directory import DataDirectory
from bezant.local.plan import ProbeResult, ProcessSpec
from bezant.local.ports import HOST, Ports

NAME: Final = "identity"


def issuer(ports: Ports) -> str:
    """Return what the provider calls itself."""
    return f"http://{HOST}:{ports.identity}"


def spec(directory: DataDirectory, ports: Ports) -> ProcessSpec:
    """Return the process."""

    people = str(directory.identity)

    async def probe(_pid: int) -> ProbeResult:
        try:
            status, _ = await wire.http_request(ports.identity, "/.well-known/openid-configuration")
        except (OSError, EOFError, ValueError) as error:
            return ProbeResult(False, str(error))
        return ProbeResult(status == 200)

    return ProcessSpec(
        name=NAME,
        role="identity provider",
        command=[sys.executable, "-m", "bezant.local.openid_provider", HOST, str(ports.identity), people],
        environment={},
        probe=probe,
        log_path=directory.log(NAME),
        version=bezant.__version__,
        zone="us-east-1a",
        port=ports.identity,
        stop_grace_seconds=2,
        stop_stage=2,
    )
