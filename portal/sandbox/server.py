"""A small threaded HTTP/1.1 server with keep-alive whose answers can be spoilt on purpose.

An ordinary server will not send half an answer or reset a connection; a stand-in provider must. The WSGI app finds a
`Wire` under `environ["sandbox.wire"]` and sets how its answer leaves.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from portal.sandbox.wire import Ending, Malformed, Reader, Request

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

LONGEST_SILENCE = 120.0
MOST_CONNECTIONS = 512
IDLE_SECONDS = 75.0


class Server:
    """Serves one WSGI app on one loopback port, a thread per connection, until `stop`."""

    def __init__(self, app: WsgiApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self.closing = threading.Event()
        self._listener = socket.create_server((host, port), backlog=1024)
        self._listener.settimeout(0.5)
        self.host, self.port = self._listener.getsockname()[:2]
        self.url = f"http://{self.host}:{self.port}"
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self._accept, name="sandbox-accept", daemon=True)

    def start(self) -> "Server":
        """Begins to accept, in a thread of its own."""
        self._acceptor.start()
        return self

    def wait(self) -> None:
        """Blocks until the server was stopped."""
        self.closing.wait()

    def stop(self) -> None:
        """Closes the port and every connection. The port may be bound again at once."""
        self.closing.set()
        with suppress(OSError):  # wakes accept() on Linux; elsewhere its time-out does
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(timeout=5)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.closing.is_set():
            if not self._room.acquire(timeout=0.5):
                continue
            try:
                connection, _ = self._listener.accept()
            except OSError:
                self._room.release()
                continue
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="sandbox-serve", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(IDLE_SECONDS)
            self._converse(connection)
        except Malformed as error:
            with suppress(OSError):
                connection.sendall(f"HTTP/1.1 {error}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        except OSError:
            pass  # the caller went away
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()
            self._room.release()

    def _converse(self, connection: socket.socket) -> None:
        reader = Reader(connection)
        while not self.closing.is_set() and (request := reader.request()) is not None:
            head, body = _answer(self.app, request, request.environ(self.host, self.port))
            if not self._finish(connection, request, head, body) or not request.keeps_alive:
                return

    def _finish(self, connection: socket.socket, request: Request, head: bytes, body: bytes) -> bool:
        """Lets the answer leave as the wire says. False when the connection ends with it."""
        ending = request.wire.ending
        if ending is Ending.ANSWER:
            connection.sendall(head + body)
        elif ending is Ending.HALF:
            connection.sendall(head + body[: len(body) // 2])
        elif ending is Ending.SILENCE:
            self._keep_silent(connection, request.wire.seconds)
        else:
            # Linger 0 makes close() send RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return ending is Ending.ANSWER

    def _keep_silent(self, connection: socket.socket, seconds: float) -> None:
        """Says nothing until the time is over, the caller hangs up or the server stops."""
        until = time.monotonic() + min(seconds, LONGEST_SILENCE)
        while (left := until - time.monotonic()) > 0 and not self.closing.is_set():
            connection.settimeout(min(left, 0.5))
            with suppress(TimeoutError):
                if not connection.recv(65536):
                    return


def _answer(app: WsgiApp, request: Request, environ: dict[str, Any]) -> tuple[bytes, bytes]:
    """The head and the body that the app answers with."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started[:] = [status, headers]

    chunks = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    lines = [f"HTTP/1.1 {started[0]}"]
    lines += [f"{name}: {value}" for name, value in started[1] if name.lower() != "content-length"]
    lines += [f"Connection: {'keep-alive' if request.keeps_alive else 'close'}"]
    if not started[0].startswith(("204", "304")):
        lines += [f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), b"" if request.method == "HEAD" else body
