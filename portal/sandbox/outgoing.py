"""The sandbox's own calls to the portal, over kept-alive connections, timed, and never through a proxy."""

import http.client
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What a post got. `status` is 0 when no whole answer came; then `error` says why. `at` is unix seconds."""

    at: float
    status: int
    ms: float
    body: str = ""
    error: str = ""

    @property
    def taken(self) -> bool:
        """Whether the portal answered 2xx, which is its word that the event is safe."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """The answer as a sentence."""
        if not self.status:
            return f"The portal could not be reached: {self.error}"
        return f"The portal answered {self.status} in {self.ms:.0f} ms"


class Line:
    """One connection to one host, opened when needed and kept. Belongs to one thread."""

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise ValueError("The sandbox posts to loopback addresses only.")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Posts once."""
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Calls once. Only a kept connection that the other side had closed meanwhile is tried anew."""
        at, started = time.time(), time.perf_counter()
        kept = self._connection.sock is not None
        try:
            try:
                status, text = self._exchange(method, path, body, headers)
            except http.client.RemoteDisconnected:
                if not kept:
                    raise
                self._connection.close()
                status, text = self._exchange(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Answer(at, 0, (time.perf_counter() - started) * 1000, error=_sentence(error))
        return Answer(at, status, (time.perf_counter() - started) * 1000, text)

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        self._connection.request(method, path, body or None if method == "GET" else body, dict(headers))
        response = self._connection.getresponse()
        return response.status, response.read()[:LONGEST_ANSWER].decode("utf-8", "replace")


def post(url: str, body: bytes, headers: Mapping[str, str], line: Line | None = None) -> Answer:
    """Posts to the address, over the line when one is given."""
    return send("POST", url, body, headers, line)


def send(method: str, url: str, body: bytes, headers: Mapping[str, str], line: Line | None = None) -> Answer:
    """Calls the address with the method. Raises `ValueError` for one that is not on this machine."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if line is not None:
        return line.send(method, path, body, headers)
    once = Line(url)
    try:
        return once.send(method, path, body, headers)
    finally:
        once.close()


def get(url: str, timeout: float = 10.0) -> Answer:
    """Asks once for what is at the address, at most `LONGEST_ANSWER` bytes of it."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise ValueError("The sandbox asks loopback addresses only.")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    at, started = time.time(), time.perf_counter()
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        response = connection.getresponse()
        text = response.read(LONGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return Answer(at, 0, (time.perf_counter() - started) * 1000, error=_sentence(error))
    finally:
        connection.close()
    return Answer(at, response.status, (time.perf_counter() - started) * 1000, text)


def listens(url: str) -> bool:
    """Whether anybody takes connections there."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=0.3):
            return True
    except OSError:
        return False


def _sentence(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return type(error).__name__
