"""A TCP proxy on loopback whose behaviour is switched while connections run through it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from enum import Enum, auto

from bezant.local.ports import HOST


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

    def __init__(
        self,
        host: str,
        port: int,
        *,
        own_port: int = 0,
        make_listener: Callable[[], socket.socket] = socket.socket,
        make_caller: Callable[[], socket.socket] = socket.socket,
    ) -> None:
        """`own_port` is a free one by default. What makes the sockets says which network namespace they belong to."""
        self._target = (host, port)
        self._make_listener = make_listener
        self._make_caller = make_caller
        self._mode = Mode.PASS
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._full: list[socket.socket] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = own_port

    async def open(self) -> None:
        """Listen, on the port of before if there was one."""
        listener = self._bound()
        self._server = await asyncio.start_server(self._serve, sock=listener)
        self.port = listener.getsockname()[1]

    def _bound(self) -> socket.socket:
        listener = self._make_listener()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, self.port))
        return listener

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
        listener = self._bound()
        listener.listen(0)
        self._full.append(listener)
        for _ in range(4):
            waiting = self._make_listener()
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect((HOST, self.port))
            self._full.append(waiting)

    def _reset_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            target_reader, target_writer = await self._call()
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

    async def _call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        caller = self._make_caller()
        caller.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(caller, self._target)
        except BaseException:
            caller.close()
            raise
        return await asyncio.open_connection(sock=caller)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
