"""A TCP proxy in front of a server that can cut, stall or drop connections."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator


class BreakableProxy:
    """Passes bytes on until it is set otherwise. Counts what it passed, to break in the middle.

    With ``bytes_per_s`` it is a slow line: that is what each connection brings from the server, at most.
    """

    def __init__(
        self, port: int, host: str = "127.0.0.1", *, listen: str = "127.0.0.1", bytes_per_s: int = 0
    ) -> None:
        self._server, self._bytes_per_s = (host, port), bytes_per_s
        self._listener = socket.create_server((listen, 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._stalled = threading.Event()
        self._cut_after: int | None = None
        self.from_server = 0
        self.from_client = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, size: int | None) -> None:
        """Cut every connection that carries data once this many more bytes have passed, either way; once."""
        with self._turn:
            self._cut_after = None if size is None else self.from_server + self.from_client + size

    def cut(self) -> None:
        """Reset all connections now."""
        with self._turn:
            pairs, self._pairs = self._pairs, []
        self.cuts += 1
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    # Reset, as a firewall or a crashed host does it, instead of a polite end.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()

    def stall(self, stalled: bool = True) -> None:
        """Keep connections open and pass nothing on."""
        self._stalled.set() if stalled else self._stalled.clear()

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        with self._turn:
            return len(self._pairs)

    def close(self) -> None:
        """Stop listening and cut everything."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            # A thread that waits in accept() would still take one connection after a mere close.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            with self._turn:
                self._pairs.append((client, server))
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while True:
                if self._stalled.is_set():
                    time.sleep(0.05)
                    continue
                readable, _, _ = select.select([client, server], [], [], 0.2)
                for end in readable:
                    data = end.recv(65536)
                    if not data:
                        raise OSError
                    other = server if end is client else client
                    other.sendall(data)
                    self._count(end is server, len(data))
                    if end is server and self._bytes_per_s:
                        time.sleep(len(data) / self._bytes_per_s)
        except (OSError, ValueError):
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.close()
            with self._turn, contextlib.suppress(ValueError):
                self._pairs.remove((client, server))

    def _count(self, from_server: bool, size: int) -> None:
        with self._turn:
            if from_server:
                self.from_server += size
            else:
                self.from_client += size
            due = self._cut_after is not None and self.from_server + self.from_client >= self._cut_after
            if due:
                self._cut_after = None
        if due:
            self.cut()


@contextlib.contextmanager
def breakable_proxy(port: int) -> Iterator[BreakableProxy]:
    """A proxy to a loopback port for the length of a block."""
    proxy = BreakableProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()


def wait_until(happened: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait for something that is bound to happen; AssertionError where it does not."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
