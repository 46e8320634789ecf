"""The little that readiness probes and the cluster's formation speak: HTTP/1.1 GET and RESP over asyncio streams.

A client library for either would double the supervisor's memory; each exchange here is one request on one connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bezant.local.ports import HOST


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a TCP connection on loopback. Raises OSError."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def http_request(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Return status and body of one request. Raises OSError, EOFError, ValueError when the answer is not HTTP."""
    async with connection(port) as (reader, writer):
        writer.write(
            f"{method} {path} HTTP/1.1\r\nhost: {HOST}:{port}\r\nconnection: close\r\n"
            "content-length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        status_line = await reader.readline()
        if not status_line.startswith(b"HTTP/1."):
            raise ValueError(f"not an HTTP answer: {status_line[:40]!r}")
        status = int(status_line.split()[1])
        chunked = False
        while (line := await reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            chunked |= name.lower() == b"transfer-encoding" and b"chunked" in value
        if not chunked:
            return status, await reader.read()
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        return status, body


class RespError(Exception):
    """The server answered with an error."""


Reply = str | int | None | list["Reply"]


class RespConnection:
    """One connection to a Valkey server, speaking RESP2 (https://valkey.io/topics/protocol/)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def command(self, *words: str | int) -> Reply:
        """Return the reply to one command. Raises `RespError`, OSError, EOFError."""
        parts = [str(word).encode() for word in words]
        self._writer.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        await self._writer.drain()
        return await self._reply()

    async def _reply(self) -> Reply:
        line = await self._reader.readuntil(b"\r\n")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"+":
            return text
        if kind == b"-":
            raise RespError(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            if int(text) < 0:
                return None
            return (await self._reader.readexactly(int(text) + 2))[:-2].decode()
        if kind == b"*":
            return [await self._reply() for _ in range(int(text))]
        raise ValueError(f"not a RESP2 reply: {line[:40]!r}")


@asynccontextmanager
async def resp(port: int) -> AsyncIterator[RespConnection]:
    """Open a RESP connection on loopback. Raises OSError."""
    async with connection(port) as (reader, writer):
        yield RespConnection(reader, writer)
