"""Reads HTTP/1.1 requests off a socket into WSGI environments, and says how an answer leaves."""

import io
import socket
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 8 * 1024 * 1024


class Ending(StrEnum):
    """How an answer leaves the server."""

    ANSWER = "answer"
    HALF = "half"
    RESET = "reset"
    SILENCE = "silence"


@dataclass(slots=True)
class Wire:
    """The ending of one answer; `seconds` is how long a silence lasts. Found under `environ["sandbox.wire"]`."""

    ending: Ending = Ending.ANSWER
    seconds: float = 0.0


class Malformed(Exception):
    """A request that is not HTTP as this server reads it. Its text is the status line of the answer."""


@dataclass(slots=True)
class Request:
    """One request, whole. Header names are in lower case."""

    method: str
    target: str
    version: str
    headers: dict[str, str]
    body: bytes = b""
    wire: Wire = field(default_factory=Wire)

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may carry another request."""
        return self.version == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"

    def environ(self, host: str, port: int) -> dict[str, Any]:
        """The request as WSGI (PEP 3333) wants it."""
        path, _, query = self.target.partition("?")
        environ: dict[str, Any] = {}
        for name, value in self.headers.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.update(
            {
                "REQUEST_METHOD": self.method,
                "SCRIPT_NAME": "",
                "PATH_INFO": unquote(path, "latin-1"),
                "QUERY_STRING": query,
                "CONTENT_TYPE": environ.pop("HTTP_CONTENT_TYPE", ""),
                "CONTENT_LENGTH": str(len(self.body)),
                "SERVER_NAME": host,
                "SERVER_PORT": str(port),
                "SERVER_PROTOCOL": self.version,
                "REMOTE_ADDR": host,
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http",
                "wsgi.input": io.BytesIO(self.body),
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": True,
                "wsgi.multiprocess": False,
                "wsgi.run_once": False,
                "sandbox.wire": self.wire,
            }
        )
        return environ


class Reader:
    """Takes the requests of one connection off its socket, in order."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pending = b""

    def request(self) -> Request | None:
        """The next request, or None when the other side closed between two. Raises `Malformed` or `OSError`."""
        head = self._head()
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Malformed("400 Bad Request")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        if headers.get("expect", "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(words[0], words[1], words[2], headers, self._body(headers))

    def _head(self) -> bytes | None:
        while b"\r\n\r\n" not in self._pending:
            if len(self._pending) > LONGEST_HEAD:
                raise Malformed("431 Request Header Fields Too Large")
            received = self._connection.recv(65536)
            if not received:
                return None
            self._pending += received
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        return head

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise Malformed("400 Bad Request")
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        body = b""
        while size := self._chunk_size():
            body += self._exactly(size)
            self._exactly(2)
            if len(body) > LONGEST_BODY:
                raise Malformed("413 Content Too Large")
        while self._line():
            pass
        return body

    def _chunk_size(self) -> int:
        try:
            return int(self._line().split(b";")[0], 16)
        except ValueError:
            raise Malformed("400 Bad Request") from None

    def _exactly(self, length: int) -> bytes:
        if length > LONGEST_BODY:
            raise Malformed("413 Content Too Large")
        pieces, have = [self._pending], len(self._pending)
        while have < length:
            pieces.append(self._receive())
            have += len(pieces[-1])
        whole = b"".join(pieces)
        self._pending = whole[length:]
        return whole[:length]

    def _line(self) -> bytes:
        while b"\r\n" not in self._pending:
            if len(self._pending) > LONGEST_HEAD:
                raise Malformed("400 Bad Request")
            self._pending += self._receive()
        line, _, self._pending = self._pending.partition(b"\r\n")
        return line

    def _receive(self) -> bytes:
        received = self._connection.recv(65536)
        if not received:
            raise ConnectionResetError
        return received
