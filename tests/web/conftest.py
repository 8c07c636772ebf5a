"""The whole application on a SQLite file, two agencies with a location each, and people who sign in."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal import clock, create_app
from portal.accounts import passwords
from portal.accounts.users import create_user
from portal.config import Settings
from portal.database import Database
from portal.messaging import contacts, senders
from portal.messaging.outbound import Request, queue_message
from portal.models import Agency, Base, Event, EventState, InstallState, Job, Location, Message, User, UserLocation
from portal.models.base import new_uuid
from portal.queue.jobs import Due
from portal.services import Services
from portal.worker.tasks import handlers
from tests.conftest import with_tables

PASSWORD = "a password of my own"
BEFORE = "the one-time password"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Most pages are the same on either engine; a module with `BOTH_ENGINES` counts, locks or pages, and tries both."""
    if "database_url" in metafunc.fixturenames:
        engines = ["sqlite"]
        if getattr(metafunc.module, "BOTH_ENGINES", False):
            engines.append(pytest.param("postgresql", marks=pytest.mark.postgres))
        metafunc.parametrize("database_url", engines, indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from with_tables(request, tmp_path)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._hash_of_nobody.cache_clear()
    yield
    passwords._hash_of_nobody.cache_clear()


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> Iterator[Flask]:
    settings = Settings(
        database_url=database_url.replace("postgresql://", "postgresql+psycopg://"),
        app_url="http://localhost",
        secret_key="not a secret, only long enough for a test",
        encryption_keys=(Fernet.generate_key().decode(),),
        ghl_client_id="app-test",
        ghl_client_secret="client secret",
        ghl_shared_secret="the app's shared secret",
        ghl_providers={"provider": "sms"},
        spool_dir=tmp_path / "spool",
        media_dir=tmp_path / "media",
        instance_dir=tmp_path,
    )
    app = create_app(settings)
    app.testing = True
    Base.metadata.create_all(parts_of(app).database.engine)
    yield app
    parts_of(app).database.engine.dispose()


def parts_of(app: Flask) -> Services:
    return app.extensions["portal"]


@pytest.fixture
def parts(app: Flask) -> Services:
    return parts_of(app)


@pytest.fixture
def database(parts: Services) -> Database:
    return parts.database


@dataclass
class Tenant:
    agency: int
    company: str
    location: int
    ghl_id: str
    sender: int
    sender_key: str


@pytest.fixture
def tenant(parts: Services) -> Callable[[str], Tenant]:
    """Makes an agency with one installed location and one simulated sender."""

    def make(name: str) -> Tenant:
        with parts.database.write() as session:
            agency = Agency(company_id=f"company-{name}", name=name, whitelabel_domain="", created_at=clock.now())
            session.add(agency)
            session.flush()
            location = Location(
                ghl_id=f"location-{name}",
                agency_id=agency.id,
                name=f"{name} dentists",
                country="PH",
                install_state=InstallState.INSTALLED,
                created_at=clock.now(),
            )
            session.add(location)
            session.flush()
            line = senders.add(session, parts.vault, location, senders.NewSender("simulator", f"{name} line", {}))
            return Tenant(agency.id, agency.company_id, location.id, location.ghl_id, line.id, line.key)

    return make


@pytest.fixture
def acme(tenant: Callable[[str], Tenant]) -> Tenant:
    return tenant("Acme")


@pytest.fixture
def rival(tenant: Callable[[str], Tenant]) -> Tenant:
    return tenant("Rival")


Queue = Callable[..., Message]


@pytest.fixture
def queue(database: Database) -> Queue:
    """Queues a message as a delivery of HighLevel would, with its event."""

    def queue(tenant: Tenant, body: str = "See you at ten.", phone: str = "+639170000042", **more: object) -> Message:
        event = record(database, f"ghl:{tenant.ghl_id}:contact", state=EventState.APPLIED, body=body.encode())
        with database.write() as session:
            location = session.get_one(Location, tenant.location)
            contact = contacts.for_ghl(session, location.id, f"contact-{phone}", phone or None)
            told = {"ghl_message_id": f"ghl-{event.id}", "event_id": event.id, **more}
            wanted = Request(contact, phone, body, event.id, event.received_at, **told)
            return queue_message(session, location, wanted)

    return queue


def record(database: Database, lane: str, **values: object) -> Event:
    """Writes an event as the journal does."""
    fields = {
        "uuid": new_uuid(),
        "source": "ghl",
        "lane": lane,
        "received_at": clock.now(),
        "verified": True,
        "headers": {"content-type": "application/json"},
        "body": b'{"type":"SMS"}',
        "state": EventState.PARKED,
        "note": "It could not be read.",
        **values,
    }
    with database.write() as session:
        event = Event(**fields)
        session.add(event)
        session.flush()
        return event


@pytest.fixture
def person(database: Database) -> Callable[..., User]:
    """Makes a user who has chosen a password already."""

    def make(email: str, agency: int | None = None, role: str = "owner", places: Sequence[int] = ()) -> User:
        with database.write() as session:
            user = create_user(session, email, PASSWORD, agency)
            user.must_change_password = False
            user.role, user.all_locations = role, not places
            user.places = [UserLocation(location_id=each) for each in places]
            return user

    return make


def token(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, query: str = "") -> TestResponse:
    page = client.get(f"/login{query}")
    form = {"email": email, "password": password, "csrf_token": token(page)}
    return client.post(f"/login{query}", data=form)


def post(client: FlaskClient, path: str, page: str = "/admin", **form: str) -> TestResponse:
    """Posts a form as the page it is on would."""
    return client.post(path, data={"csrf_token": token(client.get(page)), **form})


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def signed_in(app: Flask, person: Callable[..., User]) -> Callable[..., FlaskClient]:
    """A browser of somebody who is signed in: the operator, or with an agency one of its people."""

    def make(agency: int | None = None, role: str = "owner", places: Sequence[int] = ()) -> FlaskClient:
        client = app.test_client()
        email = f"{role if role != 'owner' else 'user'}{agency or ''}@example.com"
        person(email, agency, role, places)
        assert sign_in(client, email).status_code == 303
        return client

    return make


def reload(database: Database, message: Message) -> Message:
    with database.read() as session:
        found = session.scalars(select(Message).where(Message.id == message.id)).one()
        list(found.parts)
        return found


def carry_out(parts: Services, kind: str = "send") -> None:
    """Does every queued job of a kind, as a worker would."""
    calls = {"send": parts.outbox.send, "check_status": parts.poller.check}
    with parts.database.read() as session:
        jobs = session.scalars(select(Job).where(Job.kind == kind).order_by(Job.id)).all()
    for job in jobs:
        calls[kind](Due(job.id, job.kind, job.subject, job.lane, job.gate, job.priority, job.attempts, job.created_at))


def release(parts: Services) -> None:
    """Tries again what is held, as a worker would when a person has asked for it."""
    kinds = handlers(parts)
    for kind in ("release_held", "release"):
        with parts.database.read() as session:
            rows = session.scalars(select(Job).where(Job.kind == kind)).all()
        for job in rows:
            due = Due(job.id, job.kind, job.subject, job.lane, job.gate, job.priority, job.attempts, job.created_at)
            kinds[kind](due)


def jobs(database: Database) -> list[tuple[str, int]]:
    with database.read() as session:
        return [(job.kind, job.subject) for job in session.scalars(select(Job).order_by(Job.id))]
