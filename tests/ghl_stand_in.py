"""A HighLevel on loopback that answers what a test told it to, and holds every request against the specification."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.ghl_spec import check_request


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class StandIn:
    """`answer` queues what comes back, in order; `seen` holds what was asked."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    answers: list[tuple[int, bytes, Mapping[str, str]]] = field(default_factory=list)

    def answer(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.answers.append((status, raw, headers or {}))

    def take(self, request: Seen) -> tuple[int, bytes, Mapping[str, str]]:
        self.seen.append(request)
        try:
            check_request(request.method, request.path, request.headers, request.query, request.body)
        except AssertionError as error:
            self.faults.append(str(error))
        return self.answers.pop(0)


@contextmanager
def running() -> Iterator[StandIn]:
    """The stand-in, answering. On leaving, every request must have been one that the specification takes."""
    stand_in = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
    server.daemon_threads = True
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
    assert stand_in.faults == []


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            status, raw, extra = stand_in.take(Seen(self.command, parts.path, query, headers, body))
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler
