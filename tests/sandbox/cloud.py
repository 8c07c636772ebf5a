"""Short ways to call the stand-in Cloud API, and a portal that keeps what Meta posts to it."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests

from portal.sandbox import Sandbox
from portal.sandbox.whatsapp_cloud.numbers import Progress
from portal.sandbox.world import (
    CLOUD_ACCOUNT,
    CLOUD_APP_SECRET,
    CLOUD_NUMBER_ID,
    CLOUD_TOKEN,
    CLOUD_VERIFY_TOKEN,
)
from tests.sandbox.conftest import Caller

RAMON, LIZA = "639275550201", "639285550202"
QUICK = Progress(0.0, 0.0, 0.0)


class Meta:
    """Calls the stand-in as the portal would."""

    def __init__(self, call: Caller) -> None:
        self.call = call

    def __call__(self, method: str, path: str, token: str = CLOUD_TOKEN, **more: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.call.request(method, f"/v26.0/{path}", headers=headers, **more)

    def send(self, text: str = "Hello", to: str = RAMON, **more: object) -> requests.Response:
        return self.order({"type": "text", "text": {"body": text}} | more, to)

    def order(self, body: dict, to: str = RAMON) -> requests.Response:
        whom = {"recipient": to} if "." in to else {"to": to}
        return self("POST", f"{CLOUD_NUMBER_ID}/messages", json={"messaging_product": "whatsapp", **whom, **body})

    def template(self, name: str, *parameters: str, to: str = RAMON, language: str = "en") -> requests.Response:
        filled = [{"type": "body", "parameters": [{"type": "text", "text": each} for each in parameters]}]
        own = {"name": name, "language": {"code": language}} | ({"components": filled} if parameters else {})
        return self.order({"type": "template", "template": own}, to)

    def list(self, path: str, **query: object) -> dict:
        return self("GET", f"{CLOUD_ACCOUNT}/{path}", params=query).json()


class Portal:
    """Takes webhooks whose signature is right, and confirms its address. `statuses` is what it answers next."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        self.raw: list[bytes] = []
        self.refused = 0
        self.statuses: list[int] = []
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                good = asked.get("hub.verify_token") == [CLOUD_VERIFY_TOKEN]
                self.reply(200 if good else 403, asked["hub.challenge"][0].encode() if good else b"no")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                made = hmac.new(CLOUD_APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
                if self.headers.get("X-Hub-Signature-256") != f"sha256={made}":
                    portal.refused += 1
                    return self.reply(401, b"")
                portal.raw.append(body)
                portal.got.append(json.loads(body))
                return self.reply(portal.statuses.pop(0) if portal.statuses else 200, b"")

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def values(self, field: str = "messages") -> list[dict]:
        changes = [change for body in list(self.got) for entry in body["entry"] for change in entry["changes"]]
        return [change["value"] for change in changes if change["field"] == field]

    def messages(self) -> list[dict]:
        return [one for value in self.values() for one in value.get("messages", [])]

    def statuses_of(self, wamid: str) -> list[str]:
        told = [one for value in self.values() for one in value.get("statuses", [])]
        return [one["status"] for one in told if one["id"] == wamid]

    def status(self, wamid: str) -> dict:
        told = [one for value in self.values() for one in value.get("statuses", [])]
        return next(one for one in told if one["id"] == wamid)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def prepare(sandbox: Sandbox, portal: Portal) -> None:
    """Webhooks go to this portal, at once, and nobody is written to too fast."""
    sandbox.portal_url = portal.url
    sandbox.cloud.progress = QUICK
    sandbox.cloud.limits.enforced = False
