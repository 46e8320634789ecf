"""A process in a network namespace of its own hears and says only what is passed on, and nothing while that is off."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from bezant.local.ports import HOST, Ports
from bezant.rehearsal.chaos import cable_process
from bezant.rehearsal.chaos.own_network import NetworkUnavailable, OwnNetwork, why_unavailable
from bezant.rehearsal.chaos.tcp_proxy import Mode, TcpProxy

UNAVAILABLE = why_unavailable()
pytestmark = pytest.mark.skipif(UNAVAILABLE is not None, reason=str(UNAVAILABLE))
_ASKS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=float(sys.argv[2])) as connection:
    connection.sendall(b"hello\\n")
    sys.stdout.write(connection.makefile().readline())
"""


@pytest.fixture
def network() -> Iterator[OwnNetwork]:
    with OwnNetwork() as made:
        yield made


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server outside that says again what it hears."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def _asked_from_inside(network: OwnNetwork, port: int, *, timeout_seconds: float = 5) -> tuple[str, str]:
    """Return what a process inside heard, and the last line of what it complained of."""
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ASKS, str(port), str(timeout_seconds), preexec_fn=network.enter,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    heard, complaint = await asking.communicate()
    return heard.decode(), complaint.decode().strip().rpartition("\n")[2]


async def test_a_process_inside_reaches_nobody_outside(network: OwnNetwork, echo: int) -> None:
    assert "ConnectionRefusedError" in (await _asked_from_inside(network, echo))[1]


async def test_what_is_passed_on_is_heard_until_it_is_dropped_and_again_after(network: OwnNetwork, echo: int) -> None:
    lead = TcpProxy(HOST, echo, own_port=echo, make_listener=network.socket)
    await lead.open()
    try:
        assert (await _asked_from_inside(network, echo))[0] == "hello\n"
        await lead.switch(Mode.DROP)
        # neither refused nor reset: nobody answers
        assert "TimeoutError" in (await _asked_from_inside(network, echo, timeout_seconds=0.5))[1]
        await lead.switch(Mode.PASS)
        assert (await _asked_from_inside(network, echo))[0] == "hello\n"
    finally:
        await lead.close()


async def test_who_is_inside_can_be_called(network: OwnNetwork) -> None:
    inside = network.socket()
    inside.bind((HOST, 0))
    port = inside.getsockname()[1]
    server = await asyncio.start_server(lambda _, writer: writer.close(), sock=inside)
    lead = TcpProxy(HOST, port, make_caller=network.socket)
    await lead.open()
    try:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)
        reader, writer = await asyncio.open_connection(HOST, lead.port)
        assert await reader.read() == b""
        writer.close()
    finally:
        await lead.close()
        server.close()


def test_the_network_goes_with_its_keeper(network: OwnNetwork) -> None:
    network.close()
    with pytest.raises(OSError, match=r"closed|Bad file"):
        network.socket()


def test_where_no_network_may_be_made_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has rights to give away")
    plain = subprocess.Popen

    def without_rights(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        return plain(["setpriv", "--bounding-set=-sys_admin", *command], **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(subprocess, "Popen", without_rights)
    assert "Operation not permitted" in str(why_unavailable())
    with pytest.raises(NetworkUnavailable, match="may not make a network namespace"):
        OwnNetwork()


def test_a_cable_has_a_lead_for_everything_that_a_service_calls() -> None:
    ports = Ports(gateway=9000, base=21000)
    leads = {int(port) for port in cable_process.command(ports)[-1].split(",")}
    assert leads == {
        ports.postgres,
        ports.postgres_control,
        ports.broker,
        ports.internal_gateway,
        *(ports.valkey(n) for n in range(6)),
    }
