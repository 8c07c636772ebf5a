"""A server of files on loopback, with every way in which one can misbehave; and a channel whose messages have files."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from portal.channels.base import Accepted, ChannelError, Family, Inbound, Outgoing, Probe
from portal.channels.content import File, Kind, Limits

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 120
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\x01" * 300
PDF = b"%PDF-1.7\n" + b"%" * 200
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40
HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'

Handler = BaseHTTPRequestHandler
Answer = Callable[[Handler], None]


def whole(body: bytes, kind: str = "application/octet-stream", **headers: str) -> Answer:
    """The file, or the range of it that is asked for."""

    def answer(handler: Handler) -> None:
        start, end, status = 0, len(body), 200
        asked = handler.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last) + 1, len(body)), 206
        handler.send_response(status)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
        for name, value in {"Content-Type": kind, "Content-Length": str(end - start), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body[start:end])

    return answer


def status(code: int, **headers: str) -> Answer:
    """A status without a body."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()

    return answer


def one_by_one(*answers: Answer) -> Answer:
    """Each answer once, the last one for ever."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


def endless(handler: Handler) -> None:
    """No length, and no end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def broken_off(handler: Handler) -> None:
    """A length, and less than that."""
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(PNG)


def trickling(handler: Handler) -> None:
    """Some of it at once, then a byte now and then."""
    handler.send_response(200)
    handler.send_header("Content-Length", "50000")
    handler.end_headers()
    handler.wfile.write(b"x" * 20_000)
    for _ in range(600):
        handler.wfile.write(b"x" * 10)
        handler.wfile.flush()
        time.sleep(0.05)


class FileServer:
    """`files` maps paths to answers; `asked` holds what came, as (path, headers)."""

    def __init__(self) -> None:
        self.files: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Serving(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                self.close_connection = True
                with contextlib.suppress(OSError):
                    outer.files.get(self.path.partition("?")[0], status(404))(self)

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serving)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FileServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class Pigeon:
    """A channel whose webhook is JSON: `{id, from, text, files: [{url, name, mime, size, fault}]}`."""

    kind, name, family, fields = "pigeon", "Pigeon", Family.WHATSAPP, ()
    idempotent = polls = confirms_delivery = False
    separate_attachments = calls_back = True
    limits = Limits(file_bytes=50_000, files=("image/*", "application/pdf", "video/mp4"))

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []

    def media_request(self, http, account, url):
        if url.startswith("denied:"):
            raise ChannelError("The pigeon has lost it.", retry=False)
        return url, {"X-Pigeon": "coo"}

    def send(self, http, account, part):
        self.sent.append(part)
        return Accepted(f"pigeon-{len(self.sent)}")

    def status(self, http, account, external_id):
        return None

    def probe(self, http, account):
        return Probe(True, "It flies.")

    def verify(self, account, request):
        return True

    def lane(self, request):
        return str(json.loads(request.body).get("from", ""))

    def parse(self, request):
        said = json.loads(request.body)
        files = [File(**each) for each in said.get("files", [])]
        kind = Kind.IMAGE if files else Kind.TEXT
        return [Inbound(said["from"], said.get("text", ""), said["id"], files=files, kind=kind)]

    def answer(self, request):
        return "", "text/plain"
