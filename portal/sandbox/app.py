"""The sandbox put together: one world, its stand-ins, one WSGI app that serves them, and the port it listens on."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from portal.sandbox import context, control, gateway, guard, observer, page
from portal.sandbox.cast import api as cast_api
from portal.sandbox.cast.provider import CastProvider
from portal.sandbox.deliveries import Deliveries
from portal.sandbox.faults import Faults
from portal.sandbox.ghl import consent, frame, highlevel
from portal.sandbox.ghl.highlevel import HighLevel
from portal.sandbox.green_api import api as green_api
from portal.sandbox.green_api.provider import GreenProvider
from portal.sandbox.journeys import Journeys
from portal.sandbox.outgoing import Answer, listens
from portal.sandbox.phone import Phone, Text
from portal.sandbox.record import Records
from portal.sandbox.server import Server
from portal.sandbox.signing import SigningKey
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.provider import SmsProvider
from portal.sandbox.whatsapp_cloud import api as cloud_api
from portal.sandbox.whatsapp_cloud import page as cloud_page
from portal.sandbox.whatsapp_cloud.provider import CloudProvider
from portal.sandbox.world import Ids, World

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_PAUSE = 120.0
PORTAL_LOOK = 3.0
MOST_ERRANDS = 32
LARGEST_REQUEST = 8 * 1024 * 1024


class Sandbox:
    """A stand-in GHL, stand-in providers (Cast, GREEN-API, WhatsApp Cloud, those of `sms/dialects`) and a stand-in
    carrier, for one portal.

    `portal_url` may be set later, when the portal's port is known. `seed` makes the ids of new things repeatable;
    left out, every run has its own, because a portal remembers the ids of earlier runs. `keep` bounds every log and
    store. `clock` gives unix seconds; a test may move it.
    """

    world: World
    faults: Faults
    records: Records
    journeys: Journeys
    ghl: HighLevel
    cast: CastProvider
    green: GreenProvider
    cloud: CloudProvider
    sms: dict[str, SmsProvider]
    texts: deque[Text]
    deliveries: Deliveries
    phone: Phone

    def __init__(
        self,
        portal_url: str = "http://127.0.0.1:8000",
        *,
        key: SigningKey | None = None,
        seed: str = "",
        keep: int = 50_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.portal_url = portal_url.rstrip("/")
        self.key = key or SigningKey()
        self.clock = clock
        self.keep = keep
        self.ids = Ids(seed or secrets.token_hex(8))
        self.closing = threading.Event()
        self.url = ""
        self._begin()
        self._looked_at, self._portal_up = 0.0, False
        self._errands = threading.BoundedSemaphore(MOST_ERRANDS)
        self._server: Server | None = None
        self.app = _app(self)

    def _begin(self) -> None:
        self.world = World()
        self.faults = Faults()
        self.records = Records(self.keep, self.clock)
        self.journeys = Journeys(self.clock)
        self.ghl = HighLevel(self.key, self.world, self.ids, self.clock, self.keep)
        self.cast = CastProvider(self.ids, self.clock, self.keep)
        self.green = GreenProvider(
            self.ids, self.clock, self.keep, self.pause, lambda: self.closing, self._arrived, self._answered
        )
        self.cloud = CloudProvider(
            self.ids,
            self.clock,
            self.keep,
            self.pause,
            lambda: self.closing,
            lambda: self.portal_url,
            self._arrived,
            self._answered,
        )
        self.sms = {kind: SmsProvider(self, dialect) for kind, dialect in DIALECTS.items()}
        self.texts = deque(maxlen=1000)
        self.deliveries = Deliveries(self)
        self.phone = Phone(self)

    def _arrived(self, message_id: str, status: str) -> None:
        observer.arrived(self, message_id, status)

    def _answered(self, message_id: str, answer: Answer) -> None:
        self.journeys.step(message_id, "portal", answer.words, "good" if answer.taken else "bad")

    def reset(self) -> None:
        """Forgets everything seen and every fault, and keeps the senders and what the portal wrote into their lines.

        Tokens given before are still known.
        """
        senders, lines, cloud = self.phone.senders, self.green.instances, self.cloud
        self.green.stopped.set()
        cloud.stopped.set()
        for provider in self.sms.values():
            provider.stopped.set()
        self._begin()
        self.phone.senders = senders
        for line in lines.values():
            self.green.add(line.afresh())
        self.cloud.apps, self.cloud.accounts = cloud.apps, cloud.accounts
        self.cloud.numbers = {name: number.afresh() for name, number in cloud.numbers.items()}

    def serve(self, port: int = 0, host: str = "127.0.0.1") -> Server:
        """Listens in threads of this process, on any free port when `port` is 0, until the server's `stop()`."""
        self._server = Server(self.app, host, port).start()
        self.closing = self._server.closing
        self.url = self._server.url
        return self._server

    @property
    def public_key(self) -> str:
        """What GHL_WEBHOOK_PUBLIC_KEYS takes."""
        return self.key.public_key

    def portal_listens(self) -> bool:
        """Whether the portal takes connections, looked up at most every `PORTAL_LOOK` seconds."""
        now = time.monotonic()
        if now - self._looked_at > PORTAL_LOOK:
            self._looked_at, self._portal_up = now, listens(self.portal_url)
        return self._portal_up

    def pause(self, seconds: float) -> None:
        """Waits, at most `LONGEST_PAUSE` seconds and not beyond the server's stop."""
        if seconds > 0:
            self.closing.wait(min(seconds, LONGEST_PAUSE))

    def later(self, task: Callable[[], object]) -> None:
        """Runs the task beside the request, so that the page need not wait for the portal."""
        self._errands.acquire()
        threading.Thread(target=self._run, args=(task,), name="sandbox-errand", daemon=True).start()

    def _run(self, task: Callable[[], object]) -> None:
        try:
            task()
        finally:
            self._errands.release()


def _app(sandbox: Sandbox) -> Flask:
    app = Flask("portal.sandbox", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.json.sort_keys = False  # type: ignore[attr-defined]
    context.bind(app, sandbox)
    guard.install(app)
    gateway.install(app)
    app.register_blueprint(highlevel.api())
    app.register_blueprint(cast_api.blueprint, url_prefix="/api/v1")
    app.register_blueprint(cast_api.blueprint, url_prefix="/api", name="cast_old")
    app.register_blueprint(green_api.blueprint)
    app.register_blueprint(green_api.media)
    app.register_blueprint(cloud_api.blueprint)
    app.register_blueprint(cloud_api.files)
    app.register_blueprint(cloud_page.blueprint)
    for kind, dialect in DIALECTS.items():
        app.register_blueprint(dialect.blueprint, url_prefix=f"/{kind}")
    app.register_blueprint(consent.blueprint)
    app.register_blueprint(frame.blueprint)
    app.register_blueprint(control.blueprint, url_prefix="/control")
    app.register_blueprint(page.blueprint)
    return app
