"""A network namespace for one process, and sockets in it for whoever stays outside.

A socket belongs for ever to the namespace that it was made in (network_namespaces(7)): with sockets that somebody
inside has made, a process outside accepts and calls inside. That somebody is the keeper, a process that makes the
namespace, which lives as long as it does, and hands out sockets over a Unix socket (SCM_RIGHTS, unix(7)).

Root may do this, and everybody where the kernel lets everybody make user namespaces (user_namespaces(7)).
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
# of ioctl(2) on network devices, after netdevice(7)
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_INTERFACE: Final = struct.Struct("16sh14x")
_READY: Final = b"ready"
_LONGEST_REASON: Final = 1000

_libc = ctypes.CDLL(None, use_errno=True)


class NetworkUnavailable(Exception):
    """No network namespace can be made here."""


class OwnNetwork:
    """A namespace with a loopback device of its own, connected with nothing. Raises `NetworkUnavailable`."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._keeper = subprocess.Popen(  # noqa: S603  this very module
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._namespaces: list[tuple[int, int]] = []
        told = self._channel.recv(_LONGEST_REASON)
        if told != _READY:
            self.close()
            raise NetworkUnavailable(f"this account may not make a network namespace here: {told.decode()}")
        of_keeper = Path("/proc", str(self._keeper.pid), "ns")
        kinds = {"net": _CLONE_NEWNET} if os.geteuid() == 0 else {"user": _CLONE_NEWUSER, "net": _CLONE_NEWNET}
        for name, kind in kinds.items():
            self._namespaces.append((os.open(of_keeper / name, os.O_RDONLY | os.O_CLOEXEC), kind))

    def socket(self) -> socket.socket:
        """Return a new TCP socket that belongs to the namespace."""
        self._channel.send(b"?")
        _, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        if not descriptors:
            raise ConnectionError("the keeper of the network namespace has ended")
        return socket.socket(fileno=descriptors[0])

    def enter(self) -> None:
        """Move this process into the namespace. For a child between fork and exec: it has one thread there."""
        for descriptor, kind in self._namespaces:
            _checked(_libc.setns(descriptor, kind))

    def close(self) -> None:
        """End the keeper. The namespace goes with the last process and the last socket in it."""
        self._channel.close()
        self._keeper.wait()
        for descriptor, _ in self._namespaces:
            os.close(descriptor)
        self._namespaces.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def why_unavailable() -> str | None:
    """Return why no namespace can be made here; None when one can."""
    try:
        OwnNetwork().close()
    except NetworkUnavailable as error:
        return str(error)
    return None


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _leave_the_others() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        _checked(_libc.unshare(_CLONE_NEWNET))
        return
    _checked(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))
    # the same account inside, so that its files stay its own; a group may be mapped only without setgroups(2)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _raise_loopback() -> None:
    with socket.socket() as any_socket:
        wanted = _INTERFACE.pack(b"lo", 0)
        name, flags = _INTERFACE.unpack(fcntl.ioctl(any_socket, _SIOCGIFFLAGS, wanted))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _INTERFACE.pack(name, flags | _IFF_UP))


def _keep(channel: socket.socket) -> None:
    """Make the namespace and a socket for each request, until the other end is closed."""
    try:
        _leave_the_others()
        _raise_loopback()
    except OSError as error:
        channel.send(str(error).encode()[:_LONGEST_REASON])
        return
    channel.send(_READY)
    while channel.recv(1):
        with socket.socket() as made:
            socket.send_fds(channel, [b"!"], [made.fileno()])


if __name__ == "__main__":
    _keep(socket.socket(fileno=int(sys.argv[1])))
