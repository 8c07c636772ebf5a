"""Transactions that meet: nobody who holds much waits for a row, a deadlock is no outage, a call is one thread's."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from portal import clock
from portal.database import insert_new
from portal.installations.lifecycle import ensure_location
from portal.journal.store import Kept
from portal.journal.writer import Journal
from portal.messaging import contacts, outbound, senders, sending
from portal.messaging.fence import Pass
from portal.messaging.sending import _Step
from portal.models import Contact, Gate, Job
from portal.queue import gates
from portal.queue.claim import Limits, claim, free_ended, renew
from portal.queue.jobs import APPLY, GHL, SEND, enqueue, job
from portal.worker import tasks
from tests.portal import eventually
from tests.spine.test_attacks import queued, send_jobs, work
from tests.spine.test_journal import entry

LIMITS = Limits(lanes=50, jobs_per_lane=4, lanes_per_gate=50)


@pytest.fixture
def on_postgres(idle):
    """A portal on the engine whose transactions run side by side."""
    if idle.database.sqlite:
        pytest.skip("SQLite has one writer")
    return idle


@contextmanager
def locked(portal, row):
    """Another transaction that has the rows for itself."""
    with portal.database.write() as session:
        session.execute(row.with_for_update()).all()
        yield


def put(portal, *lanes, gate=""):
    """One job a lane; their ids."""
    with portal.database.write() as session:
        enqueue(session, [job(SEND, "send", number, lane, gate=gate) for number, lane in enumerate(lanes, start=1)])
    return [row.id for row in portal.jobs() if row.kind == "send"]


def take(portal):
    return [[due.id for due in lane] for lane in claim(portal.database, SEND, "me", LIMITS, {}).lanes]


def at_once(call):
    """Its result; it fails when the call waits for somebody."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(60)
    assert found, "it waits for a row that another transaction has locked"
    return found[0]


def leases(portal):
    return {row.id: row.lease_until for row in portal.jobs()}


def test_leases_are_renewed_and_freed_past_what_is_locked(on_postgres):
    first, second = put(on_postgres, "out:1", "out:2")
    take(on_postgres)
    long_ago = clock.now() - timedelta(seconds=5)
    with on_postgres.database.write() as session:
        session.execute(update(Job).values(lease_until=long_ago))
    with locked(on_postgres, select(Job).where(Job.id == first)):
        at_once(lambda: renew(on_postgres.database, "me", [first, second]) or True)
        assert leases(on_postgres)[second] > clock.now()
        assert leases(on_postgres)[first] == long_ago

        def free():
            with on_postgres.database.write() as session:
                free_ended(session)
            return True

        at_once(free)
    assert leases(on_postgres)[first] == long_ago


def test_a_claim_leaves_what_is_locked_to_the_next(on_postgres):
    first, second = put(on_postgres, "out:1", "out:2")
    with on_postgres.database.write() as session:
        enqueue(session, [job(SEND, "send", 9, "out:2")])
    last = max(leases(on_postgres))
    with locked(on_postgres, select(Job).where(Job.id.in_([first, last]))):
        assert at_once(lambda: take(on_postgres)) == [[second]], "a lane is cut before the locked job"
    assert take(on_postgres) == [[first]]


def test_a_claim_does_not_wait_for_a_gate(on_postgres):
    (only,) = put(on_postgres, "out:1", gate="sender:1")
    with on_postgres.database.write() as session:
        gates.ensure(session, "sender:1", 0.0, 1.0)
    with locked(on_postgres, select(Gate).where(Gate.key == "sender:1")):
        assert at_once(lambda: take(on_postgres)) == []
    assert take(on_postgres) == [[only]]


def test_one_pass_is_handed_to_one_thread_alone(idle):
    idle.add_sender("simulator")
    queued(idle)
    (due,) = send_jobs(idle)
    first, second = idle.parts.outbox._commit([_Step(None, due), _Step(None, due)])
    assert isinstance(first.passed, Pass) and second.passed is None and second.opened, (
        "two threads would call the provider"
    )


def test_a_job_whose_lease_ended_in_hand_is_not_begun_a_second_time(portal):
    slow = portal.sandbox.faults.arm("cast.send", "slow", seconds=2)
    portal.sandbox.deliveries.send("Once")
    eventually(lambda: portal.sandbox.records.count("cast.send"), what="a call in flight")
    portal.sandbox.faults.disarm(slow)
    while not portal.sandbox.cast.accepted():
        with portal.database.write() as session:
            session.execute(update(Job).values(lease_until=clock.now() - timedelta(seconds=1)))
        portal.worker.wakeups.wake([SEND])
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    assert portal.sandbox.records.count("cast.send") == 1


def deadlock():
    return OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected("deadlock detected"))


def losing_once(real):
    """The same, ended by the database the first time."""
    lost = []

    def call(*arguments, **options):
        if not lost:
            lost.append(True)
            raise deadlock()
        return real(*arguments, **options)

    return call


def test_a_deadlock_sends_no_webhook_to_the_spool(idle, monkeypatch):
    journal = Journal(idle.database, idle.parts.spool)
    monkeypatch.setattr("portal.journal.writer.store", losing_once(journal_store()))
    assert journal.append(entry(1)) is Kept.STORED
    assert not idle.parts.spool.in_use()


def journal_store():
    from portal.journal.store import store

    return store


@pytest.mark.parametrize("name", ["let_through", "write_results"])
def test_a_deadlock_costs_no_call_and_loses_no_result(idle, monkeypatch, name):
    idle.add_sender("simulator")
    queued(idle)
    monkeypatch.setattr(sending, name, losing_once(getattr(sending, name)))
    work(idle, SEND)
    assert idle.history(idle.messages()[0]) == ["queued", "sending", "accepted"]


def test_a_deadlock_does_not_put_an_event_off(idle, monkeypatch):
    idle.add_sender("simulator")
    real = tasks.apply_event
    monkeypatch.setattr(tasks, "apply_event", losing_once(losing_once(real)))
    queued(idle)
    assert [event.state for event in idle.events()] == ["applied"]


@pytest.mark.parametrize("way", ["identified", "adopted"])
def test_a_contact_that_two_workers_meet_at_once_is_one(on_postgres, way):
    """One has just read that nobody has HighLevel's id when the other writes a row with it."""
    database, named = on_postgres.database, "contact-of-highlevel"
    with database.write() as session:
        location_id = ensure_location(session, "location-1").id
        one, _ = contacts.for_address(session, location_id, contacts.PHONE, "+639171234567")
        one_id = one.id

    def meet():
        with database.write() as session:
            one = session.get_one(Contact, one_id, with_for_update=True)
            if way == "identified":
                return contacts.identify(session, one, named).id
            return contacts.for_ghl(session, location_id, named, "+639171234567").id

    found = []
    with database.write() as session:
        values = {"location_id": location_id, "ghl_contact_id": named, "name": "", "tags": []}
        insert_new(session, Contact, values | {"created_at": clock.now()})
        other_id = session.scalar(select(Contact.id).where(Contact.ghl_contact_id == named))
        thread = threading.Thread(target=lambda: found.append(meet()), daemon=True)
        thread.start()
        eventually(lambda: waits(database), what="the second waits for the first one's row")
    thread.join(120)
    assert found == [other_id]
    with database.read() as session:
        assert session.scalars(select(Contact.ghl_contact_id).order_by(Contact.id)).all() == [None, named]


def test_what_is_held_while_its_reason_goes_away_goes_out(on_postgres, monkeypatch):
    """The one that resumes a sender sees no message of a transaction that is not over, which has seen it paused."""
    portal, held, over = on_postgres, threading.Event(), threading.Event()
    sender = portal.add_sender()
    with portal.database.write() as session:
        senders.pause(session, sender, "For a test.")
    hold = outbound.hold

    def hold_for_long(*args):
        hold(*args)
        args[0].flush()
        held.set()
        assert over.wait(60)

    monkeypatch.setattr(outbound, "hold", hold_for_long)
    portal.sandbox.deliveries.send("Hello")
    applying = threading.Thread(target=work, args=(portal, APPLY), daemon=True)
    applying.start()
    assert held.wait(60)
    with portal.database.write() as session:
        senders.resume(session, sender)
    assert "release_held" in {due.kind for due in work(portal, GHL)}
    over.set()
    applying.join(60)
    assert portal.statuses() == {"held": 1}
    while work(portal, SEND):
        pass
    assert portal.statuses() == {"accepted": 1}


def waits(database):
    with database.read() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
