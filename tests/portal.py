"""A portal in the tests' own process: real HTTP, a real database, real threads, and the sandbox around it."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import select
from werkzeug.serving import make_server

from portal import create_app
from portal.config import Settings
from portal.extensions import db
from portal.installations import grants
from portal.installations.lifecycle import ensure_location
from portal.messaging import accepting, senders
from portal.messaging.provider_accounts import gates_of
from portal.models import Base, Event, Job, Message, Part, Sender, StatusChange
from portal.queue import gates
from portal.sandbox import Sandbox, world
from portal.sandbox.cast.provider import Progress
from portal.sandbox.ghl.grants import Owner
from portal.worker.process import WorkerProcess

PLACE = world.DEMO_LOCATIONS[0]


def settings_for(database_url: str, sandbox: Sandbox, folder: Path, **more) -> Settings:
    """Settings of a portal that takes the sandbox for the world."""
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    values = {
        "database_url": url,
        "app_url": "http://127.0.0.1:1",
        "secret_key": "a test's secret key of forty characters!",
        "encryption_keys": (Fernet.generate_key().decode(),),
        "ghl_client_id": world.CLIENT_ID,
        "ghl_client_secret": world.CLIENT_SECRET,
        "ghl_shared_secret": world.SHARED_SECRET,
        "ghl_providers": {world.PROVIDER_ID: "sms", world.CUSTOM_PROVIDER_ID: "custom"},
        "ghl_api_url": sandbox.url,
        "ghl_public_keys": (sandbox.public_key,),
        "ghl_app_id": world.APP_ID,
        "spool_dir": folder / "spool",
        "media_dir": folder / "media",
        "instance_dir": folder,
    }
    return Settings(**(values | more))


class Portal:
    """Web threads, worker threads, and helpers that look at what came of it."""

    def __init__(self, database_url: str, sandbox: Sandbox, folder: Path, **more) -> None:
        self.sandbox = sandbox
        # The carrier is quick and the first poll early: the tests wait for what happens, not for how long it takes.
        sandbox.cast.progress = Progress(sent_after=0.0, final_after=0.1)
        accepting.FIRST_POLL = timedelta(seconds=0.2)
        self.settings = settings_for(database_url, sandbox, folder, **more)
        self.app = create_app(self.settings)
        self.parts = self.app.extensions["portal"]
        self.database = self.parts.database
        Base.metadata.create_all(self.database.engine)
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        sandbox.portal_url = self.url
        self._web = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._web.start()
        self.worker: WorkerProcess | None = None

    def start(self) -> None:
        """Starts the worker."""
        self.worker = WorkerProcess(self.parts)
        self.worker.start()

    def stop_worker(self) -> bool:
        """Drains the worker."""
        worker, self.worker = self.worker, None
        return worker.stop() if worker else True

    def close(self) -> None:
        """Ends everything."""
        self.stop_worker()
        self.server.shutdown()
        self.server.server_close()
        with self.app.app_context():
            db.engine.dispose()

    def install(self, place=PLACE, country: str = "PH") -> int:
        """Consent, code, grant: as the OAuth callback does it. Returns the location's id."""
        code = self.sandbox.ghl.grants.mint_code(Owner(place.company_id, place.id))
        granted = self.parts.oauth.exchange_code(code, self.settings.redirect_uri)
        with self.database.write() as session:
            grants.save(session, self.parts.vault, granted, consented=True)
            location = ensure_location(session, place.id)
            location.country, location.name = country, place.name
            return location.id

    def add_sender(self, channel: str = "cast", place=PLACE, **more) -> int:
        """A sender at the sandbox's provider, without a limit unless `pace` sets one."""
        known = {
            "cast": {"api_key": world.CAST_API_KEY, "sender_id": place.sender_name},
            "whatsapp_cloud": {
                "phone_number_id": world.CLOUD_NUMBER_ID,
                "access_token": world.CLOUD_TOKEN,
                "waba_id": world.CLOUD_ACCOUNT,
            },
            "green_api": {"id_instance": world.GREEN_INSTANCE, "api_token": world.GREEN_TOKEN},
        }
        credentials = known.get(channel, {}) | more.pop("credentials", {})
        api_url = more.pop("api_url", self.sandbox.url if channel in known else "")
        wanted = senders.NewSender(channel, more.pop("name", channel), credentials, api_url, operator=True, **more)
        with self.database.write() as session:
            sender = senders.add(session, self.parts.vault, ensure_location(session, place.id), wanted)
            if wanted.pace is None:
                for key in gates_of(sender):
                    gates.ensure(session, key, pace=0.0, burst=1.0)
            return sender.id

    def sender_key(self, sender_id: int) -> str:
        """The unguessable part of its webhook address."""
        with self.database.read() as session:
            return session.get_one(Sender, sender_id).key

    @contextmanager
    def session(self):
        """A look at the database."""
        with self.database.read() as session:
            yield session

    def messages(self, direction: str = "out") -> list[Message]:
        """All messages of a direction, in their order."""
        with self.database.read() as session:
            return list(session.scalars(select(Message).where(Message.direction == direction).order_by(Message.id)))

    def parts_of(self, message: Message) -> list[Part]:
        """The message's parts."""
        with self.database.read() as session:
            return list(session.scalars(select(Part).where(Part.message_id == message.id).order_by(Part.number)))

    def history(self, message: Message) -> list[str]:
        """The statuses the message went through."""
        with self.database.read() as session:
            moves = select(StatusChange).where(StatusChange.message_id == message.id, StatusChange.part_id.is_(None))
            return [change.after for change in session.scalars(moves.order_by(StatusChange.id))]

    def statuses(self) -> Counter:
        """How many outbound messages are in which status."""
        return Counter(message.status for message in self.messages())

    def events(self) -> list[Event]:
        """The journal."""
        with self.database.read() as session:
            return list(session.scalars(select(Event).order_by(Event.id)))

    def jobs(self) -> list[Job]:
        """The queue."""
        with self.database.read() as session:
            return list(session.scalars(select(Job).order_by(Job.id)))

    def ghl_statuses(self) -> Counter:
        """What HighLevel shows."""
        return Counter(message.status for message in self.sandbox.ghl.mailbox.messages(direction="outbound"))


def eventually(check, seconds: float = 120.0, what: str = ""):
    """The check's first true value. A bound against hanging, never a measure of speed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what or 'it'} did not come true within {seconds} s; now: {check()!r}")
