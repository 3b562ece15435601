"""A dashboard that has been taken over: it answers whatever a test wants, as slowly as it wants."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def hostile_dashboard(answer: Answer, heard: list[bytes] | None = None) -> Iterator[str]:
    """Lets ``answer`` speak once a request has begun, whose bytes ``heard`` gets; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            first = client.recv(65_536)
            if heard is not None:
                heard.append(first)
            answer(client)

    def accept() -> None:
        while not stopped.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        listener.close()


def body(content: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """An answer with this body."""

    def send(client: socket.socket) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(content)}", "connection: close", *headers]
        client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    return send


def drip(first: bytes, piece: bytes) -> Answer:
    """Sends a piece ever so often and never ends."""

    def send(client: socket.socket) -> None:
        client.sendall(first)
        pause = threading.Event()
        while not pause.wait(0.05):
            client.sendall(piece)

    return send


def endless(first: bytes, piece: bytes) -> Answer:
    """Sends as fast as it can and never ends."""

    def send(client: socket.socket) -> None:
        client.sendall(first)
        for _ in itertools.count():
            client.sendall(piece)

    return send


def cut(content: bytes) -> Answer:
    """Promises more than it sends."""
    return lambda client: client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + content)
