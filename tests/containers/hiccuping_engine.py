"""A way to the Docker engine that now and then answers by itself, with an error that passes."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

ENGINE = "/var/run/docker.sock"
ERROR = b'{"message":"the engine is busy"}'
ANSWER = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(ERROR), ERROR)
)


class HiccupingEngine:
    """Passes everything on, but for one request of each kind that it is set to fail."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._to_fail: list[bytes] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self, *fragments: bytes) -> None:
        """For each of these, answer the next request whose first line holds it with status 500."""
        with self._lock:
            self._to_fail = list(fragments)

    @property
    def not_failed(self) -> list[bytes]:
        """What has not been asked for yet."""
        with self._lock:
            return list(self._to_fail)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(ENGINE)
            back = threading.Thread(target=_pass_on, args=(engine, client), daemon=True)
            back.start()
            while data := client.recv(65536):
                if self._is_to_fail(data):
                    client.sendall(ANSWER)
                    return
                engine.sendall(data)
            engine.shutdown(socket.SHUT_WR)
            back.join()

    def _is_to_fail(self, data: bytes) -> bool:
        line = data.partition(b"\r\n")[0]
        with self._lock:
            found = next((fragment for fragment in self._to_fail if fragment in line), None)
            if found is not None:
                self._to_fail.remove(found)
            return found is not None


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
