"""A channel whose lines are linked phones, and its provider on loopback: for what the portal does with such lines."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portal.channels import registry
from portal.channels.base import (
    Accepted,
    ChannelError,
    CredentialField,
    Family,
    Inbound,
    Line,
    LineState,
    Notice,
    Probe,
    Scope,
)
from portal.channels.capabilities import LinkCode
from portal.channels.content import Kind, Limits
from portal.channels.simulator.client import Simulator
from portal.http import NotSent, OutcomeUnknown
from portal.installations.lifecycle import ensure_location
from portal.messaging import senders
from tests.portal import PLACE

NAME = re.compile(rb'"instance":\s*"?(\w+)')
# Two pictures, as codes that follow one another.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAE0lEQVR4nGP4zwCBDAz/0SBJIgB8BB/hqRvM5AAAAABJRU5ErkJggg=="
NEWER = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAE0lEQVR4nGP4HwCBDFD6PwNZIgDkEynh99oSAwAAAABJRU5ErkJggg=="


@dataclass
class Provider:
    """One line at the provider. `faults` are the statuses of the next answers, `slow` delays each by so much."""

    url: str = ""
    state: str = "ready"
    detail: str = ""
    number: str = "+4915100000001"
    webhook: str = ""
    secret: str = ""
    written: int = 0
    code: str = PIXEL
    faults: list[int] = field(default_factory=list)
    slow: float = 0.0
    asked: list[str] = field(default_factory=list)
    sent: list[dict] = field(default_factory=list)

    def answer(self, path: str, said: dict) -> tuple[int, dict]:
        self.asked.append(path)
        time.sleep(self.slow)
        if self.faults:
            return self.faults.pop(0), {}
        return 200, getattr(self, path)(said)

    def line(self, said: dict) -> dict:
        return {"state": self.state, "detail": self.detail, "number": self.number}

    def send(self, said: dict) -> dict:
        self.sent.append(said)
        return {"id": f"m-{len(self.sent)}"}

    def settings(self, said: dict) -> dict:
        if "webhook" in said:
            self.webhook, self.secret, self.written = said["webhook"], said["secret"], self.written + 1
        return {"webhook": self.webhook, "secret": self.secret}

    def qr(self, said: dict) -> dict:
        return {"linked": self.state == "ready", "image": "" if self.state == "ready" else self.code}

    def pair(self, said: dict) -> dict:
        return {"code": f"PAIR-{said['phone'][-4:]}"}

    def logout(self, said: dict) -> dict:
        self.state = "signed_out"
        return {}

    def reboot(self, said: dict) -> dict:
        self.state = "starting"
        return {}


@contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = provider.answer(self.path.strip("/"), said)
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield provider
    server.shutdown()
    server.server_close()


class Linked(Simulator):
    """Speaks to that provider. A request proves itself by the token, and names its line by `instance`."""

    kind = "linked"
    name = "Linked phone"
    family = Family.WHATSAPP
    fields = (
        CredentialField("id_instance", "Instance"),
        CredentialField("api_token", "Token", secret=True),
    )
    polls = False
    webhook_path = "linked"
    kinds = frozenset({Kind.LOCATION, Kind.CONTACT, Kind.POLL, Kind.BUTTONS})
    quotes = True
    limits = Limits(text=200, caption=20)

    def _call(self, http, account, path, **said):
        try:
            answer = http.request("POST", f"{account.api_url}/{path}", json=said, private_hosts=True)
        except NotSent as error:
            raise ChannelError(error.message, scope=Scope.SENDER, retry=True) from None
        except OutcomeUnknown as error:
            raise ChannelError(error.message, unknown=True) from None
        if answer.status != 200:
            retry = answer.status >= 500
            raise ChannelError(
                f"It answered {answer.status}.", scope=Scope.SENDER, retry=retry, code=str(answer.status)
            )
        return answer.json()

    def send(self, http, account, part):
        content = part.content
        said = {
            "to": part.to,
            "kind": part.to_kind.value,
            "text": part.text,
            "quotes": part.quotes,
            "files": [file.url for file in part.files],
            "content": {"kind": content.kind.value, **content.details} if content else None,
        }
        return Accepted(self._call(http, account, "send", **said)["id"])

    def status(self, http, account, external_id):
        return None

    def probe(self, http, account):
        return Probe(True, "It is there.")

    def line(self, http, account):
        said = self._call(http, account, "line")
        return Line(LineState(said["state"]), said["state"], said["detail"], said["number"])

    def link_code(self, http, account):
        said = self._call(http, account, "qr")
        return LinkCode(said["image"], said["linked"], "" if said["image"] or said["linked"] else "It is starting.")

    def pairing_code(self, http, account, phone):
        return self._call(http, account, "pair", phone=phone)["code"]

    def sign_out(self, http, account):
        self._call(http, account, "logout")

    def restart(self, http, account):
        self._call(http, account, "reboot")

    def connect(self, http, account, webhook_url):
        wanted = {"webhook": webhook_url, "secret": account.credentials["api_token"]}
        if self._call(http, account, "settings") == wanted:
            return False
        self._call(http, account, "settings", **wanted)
        return True

    def disconnect(self, http, account, webhook_url):
        if self._call(http, account, "settings")["webhook"] == webhook_url:
            self._call(http, account, "settings", webhook="", secret="")

    def addressed(self, request):
        found = NAME.search(request.body)
        return found[1].decode() if found else ""

    def verify(self, account, request):
        return request.headers.get("authorization") == f"Bearer {account.credentials['api_token']}"

    def lane(self, request):
        return "chat"

    def parse(self, request):
        try:
            said = json.loads(request.body)
        except ValueError:
            raise ChannelError("The notification cannot be read.") from None
        if "line" in said:
            return [Line(LineState(said["line"]), said["line"])]
        if "notice" in said:
            return [Notice("quota", said["notice"])]
        return [Inbound(said["from"], said["text"], said["id"])]

    def answer(self, request):
        return "{}", "application/json"


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Linked()
    monkeypatch.setitem(registry._BY_KIND, "linked", channel)
    monkeypatch.setattr(registry, "_CHANNELS", (*registry._CHANNELS, channel))


def add_line(
    portal, provider: Provider, place=PLACE, instance: str = "7105", token: str = "first token", **more
) -> int:
    """A sender whose phone is linked; how its line is has not been asked yet."""
    credentials = {"id_instance": instance, "api_token": token}
    name = more.pop("name", "Front desk")
    wanted = senders.NewSender("linked", name, credentials, provider.url, operator=True, **more)
    with portal.database.write() as session:
        return senders.add(session, portal.parts.vault, ensure_location(session, place.id), wanted).id
