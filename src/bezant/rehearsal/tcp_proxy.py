"""A TCP proxy on loopback whose behaviour is switched while connections run through it."""

import asyncio
import contextlib
import socket
from enum import Enum, auto


class Mode(Enum):
    """What the proxy does with connections, those that exist and those that come."""

    PASS = auto()
    REFUSE = auto()
    """Existing ones are reset and new ones refused: the server is down."""
    FREEZE = auto()
    """The server does not answer: connections are accepted and bytes taken, and nothing ever comes back."""
    DROP = auto()
    """Packets are lost: new connections get no answer at all, existing ones fall silent."""


class TcpProxy:
    """Passes connections on to one address until it is told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._mode = Mode.PASS
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._full: list[socket.socket] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Listen, on the port of before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more and reset every connection."""
        await self._close_listener()
        self._reset_connections()

    async def switch(self, mode: Mode) -> None:
        """Behave so from now on. Connections that fell silent are reset when the proxy passes again."""
        await self._close_listener()
        self._mode = mode
        if mode is Mode.PASS:
            self._reset_connections()
            self._flowing.set()
        else:
            self._flowing.clear()
        if mode is Mode.REFUSE:
            self._reset_connections()
        elif mode is Mode.DROP:
            self._listen_with_a_full_backlog()
        else:
            await self.open()

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in self._full:
            each.close()
        self._full.clear()

    def _listen_with_a_full_backlog(self) -> None:
        """Make the kernel drop what comes: nobody accepts, and the queue for those who wait is full."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(0)
        self._full.append(listener)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", self.port))
            self._full.append(waiting)

    def _reset_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            target_reader, target_writer = await asyncio.open_connection(*self._target)
            self._writers.add(target_writer)
            try:
                await asyncio.gather(self._pump(reader, target_writer), self._pump(target_reader, writer))
            finally:
                self._writers.discard(target_writer)
                target_writer.close()
        except OSError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
