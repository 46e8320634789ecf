"""Which part listens where. All ports but the gateway's are fixed offsets from one base, so that addresses stay the
same from one start to the next and two platforms on one machine need only different bases.
"""

import errno
import os
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from bezant.contracts.fleet import SERVICES
from bezant.local import proc
from bezant.local.errors import InvalidOptions, PortTaken

HOST: Final = "127.0.0.1"
DEFAULT_GATEWAY_PORT: Final = 8080
MAX_REPLICAS: Final = 50
VALKEY_NODES: Final = 6

_SERVICES_OFFSET = 100
_SPAN = _SERVICES_OFFSET + MAX_REPLICAS * len(SERVICES)
_SERVICE_INDEX: Final = {name: index for index, name in enumerate(SERVICES)}


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one platform: the gateway's, and a block of 450 that starts at `base`."""

    gateway: int = DEFAULT_GATEWAY_PORT
    base: int = 18000

    def __post_init__(self) -> None:
        if not (1 <= self.gateway <= 65535 and 1024 <= self.base <= 65535 - _SPAN):
            raise InvalidOptions(
                f"ports are out of range: gateway {self.gateway} (1 to 65535), "
                f"base {self.base} (1024 to {65535 - _SPAN})"
            )
        if self.base <= self.gateway < self.base + _SPAN:
            raise InvalidOptions(
                f"the gateway's port {self.gateway} lies in the block {self.base} to {self.base + _SPAN - 1} "
                "that the other parts use; choose another --port or --port-base"
            )

    @classmethod
    def free(cls) -> Self:
        """Return a block of ports that nothing uses at the moment. Raises `PortTaken`."""
        base = free_base()
        return cls(gateway=base + _SPAN, base=base)

    @property
    def internal_gateway(self) -> int:
        """The listener for calls from service to service."""
        return self.base

    @property
    def gateway_admin(self) -> int:
        """Envoy's administration interface."""
        return self.base + 1

    @property
    def broker(self) -> int:
        """The Kafka protocol."""
        return self.base + 2

    @property
    def identity(self) -> int:
        """The OpenID provider, if the platform has one of its own."""
        return self.base + 3

    @property
    def postgres(self) -> int:
        """PostgreSQL."""
        return self.base + 5

    @property
    def postgres_control(self) -> int:
        """PostgreSQL with the control database alone, if the platform has one."""
        return self.base + 6

    def valkey(self, node: int) -> int:
        """Clients' port of a Valkey node."""
        return self.base + 10 + node

    def valkey_bus(self, node: int) -> int:
        """The port on which a Valkey node talks to the other nodes."""
        return self.base + 20 + node

    def service(self, service: str, replica: int) -> int:
        """The port of one replica of a service."""
        return self.base + _SERVICES_OFFSET + MAX_REPLICAS * _SERVICE_INDEX[service] + replica


def free_base(besides: Collection[int] = ()) -> int:
    """Return a base, none of `besides`, of which the block and the port after it are free. Raises `PortTaken`.

    It lies below the range that the kernel hands out to clients.
    """
    first = 20000 + os.getpid() % 20 * 500
    bases: list[int] = [*range(first, 31500, 500), *range(20000, first, 500)]
    for base in bases:
        if base not in besides and all(_is_free(port) for port in range(base, base + _SPAN + 1)):
            return base
    raise PortTaken("no block of 451 ports is free between 20000 and 31999")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def refuse_taken(port: int, user_of_port: str) -> None:
    """Raise `PortTaken`, naming the port, who wants it and who has it, when something listens on it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # the servers set SO_REUSEADDR as well, so connections in TIME_WAIT do not count as taken
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise PortTaken(
                    f"port {port} for {user_of_port} may not be opened by this account; choose a port above 1023"
                ) from error
            raise PortTaken(_who_has(port, user_of_port)) from error


def _who_has(port: int, user_of_port: str) -> str:
    holder = proc.listener(port)
    if holder is None:
        who = (
            "the process that has it could not be seen (another account's, or an outgoing connection)"
            if proc.listening_inodes(port)
            else "an outgoing connection uses it at the moment"
        )
    else:
        who = f"process {holder} has it: {proc.command_line(holder)}"
    option = "--port" if user_of_port == "gateway" else "--port-base"
    return (
        f"port {port} on {HOST}, which {user_of_port} needs, is taken: {who}. "
        f"If it is another Bezant, stop it with `bezant down --data-dir ...`; otherwise choose {option}"
    )
