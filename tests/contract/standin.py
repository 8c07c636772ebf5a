"""A scripted HTTP server on loopback: real sockets, with every way in which a provider can misbehave."""

import json
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """One request as it arrived. Header names are lower-case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Exchange:
    """One connection at the moment a request has been read from it."""

    wire: socket.socket
    call: Call
    stopped: threading.Event

    def send(self, data: bytes) -> None:
        self.wire.sendall(data)

    def reset(self) -> None:
        reset(self.wire)

    def trickle(self, data: bytes, pause: float = 0.02) -> None:
        """One byte at a time, which never lets a time-out per read run out."""
        for byte in data:
            if self.stopped.wait(pause):
                return
            self.wire.sendall(bytes([byte]))

    def wait(self) -> None:
        self.stopped.wait(30)


# A step handles one request and says whether the connection lives on.
Step = Callable[[Exchange], bool]


def reset(wire: socket.socket) -> None:
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Word", *headers, "", ""]).encode()


def answer(status: int, payload: object = None, headers: tuple[str, ...] = (), body: bytes | None = None) -> Step:
    body = json.dumps(payload).encode() if body is None else body

    def step(exchange: Exchange) -> bool:
        exchange.send(head(status, f"Content-Length: {len(body)}", "Content-Type: application/json", *headers) + body)
        return True

    return step


def raw(data: bytes, keep: bool = False) -> Step:
    """Exactly these bytes, then the end of the connection."""

    def step(exchange: Exchange) -> bool:
        exchange.send(data)
        return keep

    return step


def reset_after(exchange: Exchange) -> bool:
    exchange.reset()
    return False


def close_after(exchange: Exchange) -> bool:
    return False


def silent(exchange: Exchange) -> bool:
    exchange.wait()
    return False


def trickled_head(exchange: Exchange) -> bool:
    exchange.trickle(head(200, "Content-Length: 2", *(f"X-{n}: {'x' * 60}" for n in range(50))))
    return False


def trickled_body(exchange: Exchange) -> bool:
    exchange.send(head(200, "Content-Length: 4000"))
    exchange.trickle(b"x" * 4000)
    return False


class StandIn:
    """Serves `steps` one request each, the last one for ever. `calls` holds what arrived."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.steps: list[Step] = []
        self.calls: list[Call] = []
        self.accepted = 0
        self.reset_at_once = False
        self._tls = tls
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> "StandIn":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in self._open:
            with suppress(OSError):
                wire.close()

    def script(self, *steps: Step) -> None:
        self.steps = list(steps)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(wire)
            if self.reset_at_once:
                reset(wire)
            else:
                threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        with suppress(OSError, ValueError):  # ValueError: what arrived is no HTTP
            if self._tls:
                wire = self._tls.wrap_socket(wire, server_side=True)
            with wire, wire.makefile("rb") as reader:
                while (call := self._read(reader)) is not None:
                    self.calls.append(call)
                    step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                    if not step(Exchange(wire, call, self._stopped)):
                        break
                with suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)

    def _read(self, reader: object) -> Call | None:
        line = reader.readline()
        if not line.strip():
            return None
        method, target, _ = line.decode().split(" ", 2)
        headers = {}
        while (line := reader.readline().strip()) and b":" in line:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Call(method, target, headers, reader.read(int(headers.get("content-length", 0))))


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def everything(error):
    """All that a log could show of an error: text, representation, and the whole chain, suppressed parts too."""
    told = ""
    link = error
    while link is not None:
        told += repr(link) + str(link) + repr(vars(link)) + "".join(traceback.format_exception_only(link))
        link = link.__cause__ or link.__context__
    return told
