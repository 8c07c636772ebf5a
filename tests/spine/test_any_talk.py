"""What a line tells, in any order and any number of times, ends the same: one talk, rows linked, statuses true."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, select
from sqlalchemy.pool import StaticPool

from portal.channels.base import Inbound, Outcome, Receipt
from portal.channels.content import About, AddressKind, Kind, Peer, Relation
from portal.crypto import Vault
from portal.database import Database
from portal.messaging.inbound import take_inbound
from portal.messaging.receipts import take_receipt
from portal.models import (
    Address,
    Base,
    Conversation,
    Event,
    Job,
    LedgerEntry,
    Location,
    Message,
    Part,
    Sender,
    Wallet,
)
from portal.worker.process import WorkerProcess
from tests import pretend
from tests.portal import Portal, eventually
from tests.pretend import ANNA, LID

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PHONE, HERS = Peer(AddressKind.PHONE, ANNA), Peer(AddressKind.LID, LID)
BY_ID = {"sender": LID, "sender_kind": AddressKind.LID}


def said(minute: int, text: str, external_id: str, kind=Kind.TEXT, about=None, **more) -> Inbound:
    more = {"sender": ANNA} | more
    about = About(*about) if about else None
    return Inbound(
        text=text, external_id=external_id, kind=kind, about=about, at=NOON + timedelta(minutes=minute), **more
    )


TALK = (
    said(1, "Tow, please", "m1"),
    said(2, "Two", "e1", Kind.EDIT, (Relation.EDIT, "m1")),
    said(3, "Two, please", "e2", Kind.EDIT, (Relation.EDIT, "m1"), **BY_ID),
    said(4, "", "d1", Kind.DELETION, (Relation.DELETION, "m1")),
    said(5, "On my way", "p1", from_us=True),
    said(6, "👍", "r1", Kind.REACTION, (Relation.REACTION, "p1"), **BY_ID),
    said(7, "", "r2", Kind.REACTION, (Relation.REACTION, "p1")),
    said(8, "", "c1", Kind.CALL, details={"state": "ringing"}),
    said(9, "", "c1", Kind.CALL, details={"state": "answered"}),
    said(10, "", "c1", Kind.CALL, details={"state": "missed"}),
    said(11, "It is me", "m2", same_as=(PHONE,), **BY_ID),
    said(12, "A robot", "x1", from_us=True, by_api=True),
    said(13, "Yes", "q1", about=(Relation.REPLY, "x1")),
    Receipt("p1", Outcome.SENT),
    Receipt("p1", Outcome.DELIVERED),
    Receipt("p1", Outcome.READ),
)


VAULT = Vault((Fernet.generate_key().decode(),))


@pytest.fixture(scope="module")
def database():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connect(connection, _record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        # Each story begins on empty tables, also on those that are only added to.
        for name in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    with pretend.registered():
        yield Database(engine)
    engine.dispose()


def tell(database: Database, story) -> dict:
    """What is known after the story, without what the order may change (rows' numbers, times of ours)."""
    with database.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    with database.write() as session:
        session.add(Location(id=1, ghl_id="here", install_state="installed", country="DE", created_at=NOON))
        more = {"name": "line", "credentials": "", "created_at": NOON, "line_since": NOON - timedelta(days=1)}
        session.add(Sender(id=1, key="key", location_id=1, channel="pretend", family="whatsapp", **more))
        session.add(Wallet(location_id=1, unlimited=True, available=0, held=0, spent=0))
    for number, each in enumerate(story, start=1):
        with database.write() as session:
            sender = session.get_one(Sender, 1)
            if isinstance(each, Receipt):
                take_receipt(session, sender, each, None)
                continue
            heard = {"uuid": str(number), "source": "pretend", "lane": "l", "received_at": NOON + timedelta(hours=1)}
            row = Event(id=number, sender_key="key", verified=True, state="pending", **heard)
            session.add(row)
            session.flush()
            take_inbound(session, sender, each, row, VAULT)
    return known(database)


def known(database: Database) -> dict:
    with database.read() as session:
        rows = session.scalars(select(Message)).all()
        ids = {row.id: row.external_id for row in rows}
        parts = {part.message_id: (part.external_id, part.status) for part in session.scalars(select(Part))}
        messages = {
            row.external_id: (
                (row.kind, row.body, row.direction, row.status, row.credits, row.details.get("state")),
                (ids.get(row.about_id), row.about_text, row.edited_at, row.deleted_at, row.from_us, row.by_api),
                parts.get(row.id),
            )
            for row in rows
        }
        talks = {row.conversation_id for row in rows}
        owners = {row.contact_id for row in session.scalars(select(Address))}
        spent = sum(entry.spent for entry in session.scalars(select(LedgerEntry)))
        waiting = {job.lane for job in session.scalars(select(Job)) if job.kind == "post_message"}
    assert len(messages) == len(rows), "each once"
    return {"messages": messages, "talks": len(talks), "owners": len(owners), "spent": spent, "lanes": len(waiting)}


@pytest.fixture(scope="module")
def usual(database):
    """The end of the talk as it was held."""
    found = tell(database, TALK)
    assert (found["talks"], found["owners"], found["lanes"]) == (1, 1, 1)
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(TALK), st.lists(st.sampled_from(TALK), max_size=8), st.randoms(use_true_random=False))
def test_the_end_is_the_same(database, usual, order, again, chance):
    story = list(order)
    for each in again:
        story.insert(chance.randrange(len(story) + 1), each)
    assert tell(database, story) == usual


def test_people_who_prove_to_be_one_while_everybody_talks(database_url, sandbox, tmp_path, caplog):
    """Eight connections tell of both addresses while the workers, two on PostgreSQL, put them together."""
    sandbox.ghl.limit.enforced = False
    with pretend.registered():
        portal = Portal(database_url, sandbox, tmp_path)
        portal.install(country="DE")
        key = portal.sender_key(portal.add_sender("pretend"))
        workers = [WorkerProcess(portal.parts) for _ in range(1 if portal.database.sqlite else 2)]
        for worker in workers:
            worker.start()
        try:
            people = [(f"+49151123456{n:02}", f"1206503793009{n:02}") for n in range(3)]
            story = [each for phone, lid in people for each in _talk(phone, lid)]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda each: pretend.post(portal, key, each), story))
            eventually(lambda: {each.state for each in portal.events()} == {"applied"}, what="all applied")
            eventually(lambda: not portal.jobs(), what="all told")
            with portal.session() as session:
                rows = session.execute(select(Message.address, Message.conversation_id).distinct()).all()
                gone = select(Message.id).join(Conversation, Conversation.id == Message.conversation_id)
                assert session.scalars(gone.where(Conversation.merged_into_id.is_not(None))).all() == []
            talks = {row.address: row.conversation_id for row in rows}
            assert all(talks[phone] == talks[lid] for phone, lid in people) and len(rows) == 2 * len(people)
            there = sandbox.ghl.mailbox.messages(direction="inbound")
            assert len(there) == len(story) and len({each.text for each in there}) == len(story)
            assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
        finally:
            for worker in workers:
                worker.stop()
            portal.close()


def _talk(phone: str, lid: str) -> list[Inbound]:
    by_id = {"sender_kind": AddressKind.LID}
    talk = [Inbound(phone, f"{phone} {n}", f"{phone}-{n}") for n in range(5)]
    talk += [Inbound(lid, f"{lid} {n}", f"{lid}-{n}", **by_id) for n in range(5)]
    talk.insert(4, Inbound(lid, f"{lid} me", f"{lid}-me", same_as=(Peer(AddressKind.PHONE, phone),), **by_id))
    talk.insert(8, Inbound(phone, f"{phone} me", f"{phone}-me", same_as=(Peer(AddressKind.LID, lid),)))
    return talk
