"""What reaches a receiver and what is made of its answer: on real sockets, with names from a name server of our own."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bezant.foundation.secrets import SecretStore
from bezant.services.notification.domain.problems import EndpointUrlRefused
from bezant.services.notification.settings import NotificationSettings
from bezant.services.notification.storage.client_certificate import ClientCertificate
from bezant.services.notification.transport import Answer, WebhookTransport

from ..stores.fixtures import free_port

_A, _AAAA = 1, 28


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers for the names in `addresses`, never for those that begin with `slow`, and knows no others (RFC 1035)."""

    port: int
    addresses: dict[str, list[str]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name, kind = ".".join(labels).lower(), struct.unpack("!H", data[at + 1 : at + 3])[0]
        if name.startswith("slow"):
            self.unanswered.add(name)
            self.asked.set()
            return
        known = [ipaddress.ip_address(each) for each in self.addresses.get(name, [])]
        answers = [each.packed for each in known if each.version == {_A: 4, _AAAA: 6}.get(kind)]
        head = data[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, len(answers), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(each)) + each for each in answers)
        assert self._transport is not None
        self._transport.sendto(head + data[12 : at + 5] + records, addr)


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    server = NameServer(free_port())
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", server.port)
    )
    yield server
    transport.close()


MakeTransport = Callable[..., WebhookTransport]


@pytest.fixture
async def make_transport(names: NameServer) -> AsyncIterator[MakeTransport]:
    async with AsyncExitStack() as stack:

        def make(**settings: Any) -> WebhookTransport:
            given = {"allow_http": True, "nameservers": f"127.0.0.1:{names.port}"} | settings
            # none of these requests shows a client certificate
            made = WebhookTransport(NotificationSettings(**given), ClientCertificate(cast("SecretStore", None)))
            stack.push_async_callback(made.close)
            return made

        yield make


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A receiver that reads one request's head and answers with these bytes, as they are."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _post(transport: WebhookTransport, url: str) -> Answer:
    return await transport.post(url, {"content-type": "application/json"}, b"{}", client_certificate=False)


_END = b"content-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nx-policy: " + b"a" * 9_000 + b"\r\n" + _END,
        b"HTTP/1.1 200 OK\r\n" + b"set-cookie: a=b; Path=/\r\n" * 130 + _END,
        b"HTTP/1.1 200 " + b"O" * 9_000 + b"\r\n" + _END,
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nset-cookie: \xff=\x80; expires=never\r\n" + _END,
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-type: no/such; charset=none\r\ncontent-length: 3\r\n\r\n\xff\xfe\x00",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbroken off",
        b"HTTP/1.1 200 OK\r\nretry-after: in a while\r\n" + _END,
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n" + _END,
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ],
)
async def test_an_answer_of_200_is_taken_whatever_else_it_holds(make_transport: MakeTransport, answer: bytes) -> None:
    """Otherwise a message that the receiver has taken is sent again for days."""
    transport = make_transport(allowed_networks="127.0.0.0/8")
    async with answering(answer) as port:
        answered = await _post(transport, f"http://127.0.0.1:{port}/")
    assert answered.error is None
    assert answered.status_code in (200, 204)


@pytest.mark.parametrize(
    "answer",
    [
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot chunked",
    ],
)
async def test_an_answer_that_cannot_be_read_is_none_and_says_why(make_transport: MakeTransport, answer: bytes) -> None:
    transport = make_transport(allowed_networks="127.0.0.0/8")
    async with answering(answer) as port:
        answered = await _post(transport, f"http://127.0.0.1:{port}/")
    assert answered.status_code is None
    assert answered.error is not None
    assert answered.error.startswith("the answer cannot be read as HTTP: ")


async def test_names_whose_servers_never_answer_hold_up_nobody_else(
    make_transport: MakeTransport, names: NameServer
) -> None:
    transport = make_transport(allowed_networks="127.0.0.0/8")
    names.addresses["quick.example.com"] = ["127.0.0.1"]
    slow = [asyncio.create_task(_post(transport, f"http://slow-{number}.example.com/")) for number in range(100)]
    async with answering(b"HTTP/1.1 200 OK\r\n" + _END) as port:
        async with asyncio.timeout(20):
            while len(names.unanswered) < len(slow):
                names.asked.clear()
                await names.asked.wait()
        # a hundred names are being looked up: more than there are threads to look them up
        answered = await _post(transport, f"http://quick.example.com:{port}/")
    assert (answered.status_code, answered.error) == (200, None)
    assert not any(task.done() for task in slow), "the quick one waited for a slow one"
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


@pytest.mark.parametrize(
    "inner",
    ["169.254.169.254", "10.0.0.8", "::ffff:0:a9fe:a9fe", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00::1"],
)
async def test_a_name_is_judged_by_what_it_resolves_to_when_registered_and_when_connected_to(
    make_transport: MakeTransport, names: NameServer, inner: str
) -> None:
    transport = make_transport()
    names.addresses["hooks.example.com"] = [inner]
    with pytest.raises(EndpointUrlRefused):
        await transport.check("http://hooks.ex%61mple.com/")
    names.addresses["hooks.example.com"] = ["8.8.8.8", inner]
    with pytest.raises(EndpointUrlRefused):
        await transport.check("http://hooks.example.com/")
    names.addresses["hooks.example.com"] = ["8.8.8.8"]
    assert await transport.check("http://hooks.ex%61mple.com/x") == "http://hooks.example.com/x"
    names.addresses["hooks.example.com"] = [inner]
    answered = await _post(transport, "http://hooks.ex%61mple.com/")
    assert answered.status_code is None
    # a machine without IPv6 does not ask for such addresses
    refusal = "resolves to no public address" if ":" not in inner else "DNS"
    assert refusal in str(answered.error)


async def test_a_name_that_does_not_resolve_yet_can_be_registered(make_transport: MakeTransport) -> None:
    assert await make_transport().check("http://not-yet.example.com") == "http://not-yet.example.com"
