"""HTTP/1.1 over one kept-alive connection, as lean as a load generator in Python can be.

A client library spends several times the CPU that these few lines spend, on the cores that are being measured. The
parser knows what the gateway sends: a status line, headers, and a body of a stated length or in chunks
(RFC 9112 sections 6 and 7.1).
"""

import asyncio
from typing import Final, cast

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_CHUNKED: Final = b"transfer-encoding: chunked"
_CLOSES: Final = b"connection: close"


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = bytearray()
        self._body_from = 0
        self._body_to = 0
        self._chunked = False
        self._closes = False

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        """Connect. Raises `OSError`."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    def request(self, raw: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Send a whole request; the future has the status and the body, or raises `ConnectionError`."""
        if not self.usable:
            raise ConnectionResetError("the connection is closed or busy")
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return self._answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports do not inherit from asyncio's
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(exc or "closed before the answer")))
        self._answer = None

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._received += data
        if not self._body_from and not self._read_head():
            return
        if self._chunked:
            if not self._received.endswith(b"0\r\n\r\n"):
                return
            body = _join_chunks(self._received[self._body_from :])
        elif len(self._received) < self._body_to:
            return
        else:
            body = bytes(self._received[self._body_from : self._body_to])
        status = int(self._received[9:12])
        answer, self._answer = self._answer, None
        self._received.clear()
        self._body_from = 0
        if self._closes:
            self.close()
        if answer is not None and not answer.done():
            answer.set_result((status, body))

    def _read_head(self) -> bool:
        end = self._received.find(_END)
        if end < 0:
            return False
        head = bytes(self._received[: end + 2]).lower()
        self._body_from = end + len(_END)
        self._chunked = _CHUNKED in head
        self._closes = _CLOSES in head
        length = 0
        at = head.find(_LENGTH)
        if at >= 0:
            length = int(head[at + len(_LENGTH) : head.index(b"\r\n", at)])
        self._body_to = self._body_from + length
        return True


def _join_chunks(raw: bytearray) -> bytes:
    body = bytearray()
    at = 0
    while True:
        line = raw.index(b"\r\n", at)
        size = int(raw[at:line].split(b";")[0], 16)
        if size == 0:
            return bytes(body)
        body += raw[line + 2 : line + 2 + size]
        at = line + 2 + size + 2
