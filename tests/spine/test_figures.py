"""Figures beside the messages: exact whatever the order of commits, and how sub-accounts stand."""

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts.notices import ACCOUNT_WELL, LINE_DOWN, raise_alert
from portal.figures import counting, standing
from portal.journal.entry import Entry
from portal.journal.store import store
from portal.messaging.releasing import HELD
from portal.models import (
    Contact,
    Conversation,
    CountMark,
    Job,
    Location,
    Message,
    MessageDay,
    MessageHour,
    Part,
    PlaceStanding,
    Sender,
    SenderState,
    StatusChange,
    Wallet,
)
from portal.queue import gates
from portal.queue.jobs import SEND, enqueue, job
from tests.portal import Portal


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time):
    running = Portal(database_url, sandbox, tmp_path)
    running.install()
    running.add_sender("simulator")
    with running.database.write() as session:
        for row in session.scalars(select(Job)):
            session.delete(row)
    yield running
    running.close()


def message(session, direction: str = "out", *moves: tuple[str, str], **more) -> Message:
    contact = Contact(location_id=1, created_at=clock.now())
    session.add(contact)
    session.flush()
    talk = Conversation(location_id=1, contact_id=contact.id, created_at=clock.now())
    session.add(talk)
    session.flush()
    row = Message(
        location_id=1,
        conversation_id=talk.id,
        position=1,
        direction=direction,
        status=moves[-1][1] if moves else "queued",
        status_at=clock.now(),
        address="+63917",
        address_kind="phone",
        created_at=clock.now(),
        **more,
    )
    session.add(row)
    session.flush()
    for before, after in moves:
        session.add(StatusChange(message_id=row.id, before=before, after=after, who="x", at=clock.now()))
    session.flush()
    return row


def add_up(portal) -> None:
    """As often as an idle PostgreSQL needs: what is seen at one look is added up at the next."""
    for _ in range(3):
        counting.add_up(portal.database)


def hour(portal) -> MessageHour:
    with portal.session() as session:
        return session.scalars(select(MessageHour)).one()


DELIVERED = (
    ("", "queued"),
    ("queued", "sending"),
    ("sending", "accepted"),
    ("accepted", "sent"),
    ("sent", "delivered"),
)


def test_each_thing_is_counted_once(portal, time):
    time.at = time.at.replace(minute=5)
    with portal.database.write() as session:
        message(session, "in")
        message(session, "out", *DELIVERED, ("delivered", "read"))
        message(session, "out", ("queued", "sending"), ("sending", "accepted"), ("accepted", "failed"))
        message(session, "out", ("queued", "expired"), ("expired", "delivered"))
        message(session, "in", backfilled=True)
        part = message(session, "out", ("queued", "sending"))
        session.add(
            StatusChange(message_id=part.id, part_id=9, before="sending", after="failed", who="x", at=clock.now())
        )
    add_up(portal)
    add_up(portal)
    found = hour(portal)
    assert (found.received, found.written) == (1, 4)
    assert (found.accepted, found.delivered, found.failed) == (3, 2, 2)
    with portal.session() as session:
        day = session.scalars(select(MessageDay)).one()
        assert (day.day, day.written, day.delivered) == (found.hour // 24, 4, 2)
        assert found.hour == int(clock.now().timestamp()) // 3600


def test_what_was_accepted_and_expired_and_is_delivered_all_the_same_was_accepted_once(portal, time):
    time.at = time.at.replace(minute=5)
    with portal.database.write() as session:
        message(session, "out", *DELIVERED[:4], ("sent", "expired"), ("expired", "delivered"))
        message(session, "out", ("queued", "expired"), ("expired", "delivered"))
        message(session, "out", ("sending", "accepted"), ("accepted", "sending"), ("sending", "accepted"))
    add_up(portal)
    assert (hour(portal).accepted, hour(portal).delivered, hour(portal).failed) == (3, 2, 2)


def test_more_than_one_step(portal, monkeypatch, time):
    time.at = time.at.replace(minute=5)
    monkeypatch.setattr(counting, "AT_ONCE", 3)
    with portal.database.write() as session:
        for _ in range(10):
            message(session, "out", *DELIVERED)
    add_up(portal)
    assert (hour(portal).written, hour(portal).delivered) == (10, 10)


def test_a_number_that_is_committed_late_is_not_missed(portal, time):
    """On PostgreSQL a lower number may be committed after a higher one was seen."""
    if portal.database.sqlite:
        pytest.skip("SQLite writes one transaction at a time")
    time.at = time.at.replace(minute=5)
    add_up(portal)
    with portal.database.write() as late:
        message(late, "in")
        with portal.database.write() as early:
            message(early, "in")
        add_up(portal)
        with portal.session() as session:
            assert session.scalars(select(MessageHour)).all() == [], "one below it may still come"
    add_up(portal)
    assert hour(portal).received == 2


def test_a_kill_in_the_middle_adds_nothing_twice(portal, monkeypatch, time):
    time.at = time.at.replace(minute=5)
    with portal.database.write() as session:
        message(session, "in")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        feed = counting.FEEDS[0]
        dying = counting.Feed(feed.name, feed.id, lambda *more: (feed.take(*more), die()))
        patch.setattr(counting, "FEEDS", (dying,))
        with pytest.raises(KeyboardInterrupt):
            add_up(portal)
    with portal.session() as session:
        assert session.scalars(select(MessageHour)).all() == []
    add_up(portal)
    assert hour(portal).received == 1


def test_old_hours_are_forgotten_and_days_kept(portal, time):
    with portal.database.write() as session:
        message(session, "in")
    add_up(portal)
    time.forward(days=61)
    with portal.database.write() as session:
        assert counting.forget(session) == 1
        assert session.scalar(select(MessageDay.received)) == 1


def test_when_highlevel_was_last_heard_of(portal, time):
    with portal.session() as session:
        ghl_id = session.get_one(Location, 1).ghl_id
    with portal.database.write() as session:
        store(session, [Entry("ghl", f"ghl:{ghl_id}:contact", b"{}"), Entry("ghl", "ghl:nobody", b"{}")])
    add_up(portal)
    with portal.session() as session:
        assert session.get_one(PlaceStanding, 1).ghl_at is not None
        assert session.get_one(CountMark, "event").done > 0


def look(portal) -> PlaceStanding:
    standing.look(portal.database)
    with portal.session() as session:
        return session.get_one(PlaceStanding, 1)


def test_how_a_sub_account_stands(portal, time):
    assert (look(portal).ready, look(portal).need) == (1, 0)
    assert standing.look(portal.database) == 0, "what is as it was is not written"
    with portal.database.write() as session:
        row = message(session)
        part = Part(message_id=row.id, status="queued", sender_id=1)
        session.add(part)
        session.flush()
        enqueue(session, [job(SEND, "send", part.id, "out:1", gate="sender:1")])
    found = look(portal)
    assert (found.waiting, found.need) == (1, 0) and found.oldest_at is not None
    time.forward(minutes=6)
    assert look(portal).need // standing.TIER == standing.WAITS
    with portal.database.write() as session:
        raise_alert(session, ACCOUNT_WELL, "sender:1:x", "It is well again.", 1)
    assert look(portal).alerts == 0, "good news needs nobody"
    with portal.database.write() as session:
        raise_alert(session, LINE_DOWN, "sender:1", "It is down.", 1)
    found = look(portal)
    assert (found.alerts, found.unseen, found.need // standing.TIER) == (1, 1, standing.ALERTED)
    with portal.database.write() as session:
        session.execute(update(Sender).values(state=SenderState.PAUSED))
    found = look(portal)
    assert (found.ready, found.paused, found.need // standing.TIER) == (0, 1, standing.STOPPED)


def test_a_sender_behind_a_gate_that_faults_have_shut_is_in_trouble(portal, time):
    for _ in range(3):
        time.forward(minutes=15)
        with portal.database.write() as session:
            gates.block(session, gates.sender_gate(1), "The provider is ill.", seconds=600)
    assert (look(portal).ready, look(portal).troubled) == (0, 1)


def test_today_begins_at_midnight_where_the_sub_account_is(portal, time):
    with portal.database.write() as session:
        session.get_one(Location, 1).timezone = "Asia/Manila"
        session.execute(update(Wallet).values(unlimited=False, available=3, alert_level=5))
        session.add(MessageHour(location_id=1, hour=0))
    time.at = time.at.replace(hour=16, minute=30)  # half past midnight in Manila
    now = int(time.at.timestamp()) // 3600
    with portal.database.write() as session:
        session.add(MessageHour(location_id=1, hour=now, written=2, failed=1))
        session.add(MessageHour(location_id=1, hour=now - 1, written=50))
    assert (look(portal).written, look(portal).failed) == (2, 1)
    time.forward(hours=24)
    assert look(portal).written == 0


def test_one_process_at_a_time(portal):
    with portal.database.alone(counting.LOCK, 1) as mine, portal.database.alone(standing.LOCK, 1):
        assert mine and counting.add_up(portal.database) == 0 and standing.look(portal.database) == 0


def test_held_messages_are_read_from_their_index(portal):
    """SQLite takes a partial index only for its very condition; else a look reads every message there is."""
    with portal.session() as session:
        if portal.database.sqlite:
            wanted = select(Message.location_id).where(HELD).limit(9).compile(session.get_bind())
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {wanted}", (9, 0)).all()
            assert "ix_message_held" in str(plan)
        else:
            session.connection().exec_driver_sql("SET enable_seqscan = off")
            plan = session.connection().exec_driver_sql(
                "EXPLAIN SELECT location_id FROM message WHERE message.held = true LIMIT 9"
            )
            assert "ix_message_held" in str(plan.all())


def test_what_begins_while_a_look_reads_the_newest_number_is_not_missed(portal, monkeypatch, time):
    """Between a look's two statements one transaction takes a number, and a later one commits a higher number."""
    if portal.database.sqlite:
        pytest.skip("SQLite writes one transaction at a time")
    time.at = time.at.replace(minute=5)
    add_up(portal)
    real, late = counting._transactions, portal.database.write()
    begun = []

    def meanwhile(session):
        seen = real(session)
        if not begun:
            begun.append(message(late.__enter__(), "in"))
            with portal.database.write() as early:
                message(early, "in")
        return seen

    monkeypatch.setattr(counting, "_transactions", meanwhile)
    add_up(portal)
    late.__exit__(None, None, None)
    add_up(portal)
    assert hour(portal).received == 2
