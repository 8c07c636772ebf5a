"""Status polls: tolerant at first, then rarer, patient with a provider that is away, and over after 72 hours."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Outcome
from portal.channels.cast.client import Cast
from portal.messaging import contacts, polling
from portal.messaging.outbound import Request, queue_message
from portal.models import Gate, Location, Part, Status
from portal.queue.jobs import Due
from portal.sandbox import world

CONTACT = world.DEMO_PEOPLE[0][0][1]


@pytest.fixture
def accepted(idle):
    """A message that Cast has taken; nothing happens to it by itself."""
    idle.add_sender("cast")
    with idle.database.write() as session:
        contact = contacts.for_ghl(session, 1, "contact", CONTACT)
        queue_message(session, session.get_one(Location, 1), Request(contact, CONTACT, "Hi", 1, clock.now()))
    idle.sandbox.cast.decide(CONTACT, "stuck")
    carry_out(idle, "send", idle.parts.outbox.send)
    assert idle.statuses() == {"accepted": 1}
    return idle


def carry_out(portal, kind, call):
    for job in portal.jobs():
        if job.kind == kind:
            with portal.session() as session:
                gate = session.get(Gate, job.gate)
            failures = gate.failures if gate else 0
            call(Due(job.id, kind, job.subject, job.lane, job.gate, 1, job.attempts, job.created_at, failures))


def part_of(portal):
    with portal.session() as session:
        return session.scalars(select(Part)).one()


def poll(portal, age=None):
    """One poll now, of a message that was accepted so long ago. Returns the part."""
    with portal.database.write() as session:
        session.execute(update(Part).values(next_poll_at=clock.now()))
        if age is not None:
            session.execute(update(Part).values(accepted_at=clock.now() - age))
        assert polling.enqueue_due(session) == 1
    carry_out(portal, "check_status", portal.parts.poller.check)
    return part_of(portal)


def pause_of(part):
    return round((part.next_poll_at - clock.now()).total_seconds())


def gate_of(portal):
    with portal.session() as session:
        return session.scalars(select(Gate).where(Gate.key.startswith("polls:"))).one()


def reason(portal):
    return portal.messages()[0].reason


def test_the_pauses_only_grow_and_a_silent_message_costs_few_questions():
    assert list(polling.PAUSES) == sorted(polling.PAUSES)
    assert polling.PAUSES[0] <= 3
    waited, asked = 2.0, 1
    while waited < 72 * 3600:
        waited += polling.PAUSES[min(asked - 1, len(polling.PAUSES) - 1)]
        asked += 1
    assert asked < 40


def test_each_answer_lengthens_the_pause(accepted):
    pauses = [pause_of(poll(accepted)) for _ in range(4)]
    assert pauses == list(polling.PAUSES[:4])
    assert part_of(accepted).status == Status.SENT


def test_where_sent_is_the_best_that_is_ever_said_it_is_asked_seldom_from_then_on(accepted, monkeypatch):
    monkeypatch.setattr(Cast, "last_word", Outcome.SENT, raising=False)
    cast = accepted.sandbox.cast
    known, cast._accepted = cast._accepted, {}
    assert pause_of(poll(accepted)) == polling.PAUSES[0], "it is not sent yet"
    cast._accepted = known
    assert [pause_of(poll(accepted)) for _ in range(2)] == [polling.PAUSES[-1]] * 2


def test_polls_stand_at_the_gate_of_the_account(accepted):
    with accepted.database.write() as session:
        session.execute(update(Part).values(next_poll_at=clock.now()))
        polling.enqueue_due(session)
    [job] = [job for job in accepted.jobs() if job.kind == "check_status"]
    assert job.gate == gate_of(accepted).key


def test_after_72_hours_it_is_sent_without_a_receipt(accepted):
    part = poll(accepted, age=timedelta(hours=71))
    assert pause_of(part) <= 3600, "the last question comes when the time is up"
    part = poll(accepted, age=timedelta(hours=72, seconds=1))
    assert (part.next_poll_at, part.status) == (None, Status.SENT)
    assert reason(accepted) == "The provider gave no receipt within 72 hours."


def test_a_message_that_is_not_known_yet_is_asked_for_again(accepted):
    accepted.sandbox.cast._accepted.clear()
    part = poll(accepted, age=timedelta(minutes=5))
    assert (part.status, pause_of(part), part.polls) == (Status.ACCEPTED, polling.PAUSES[0], 1)
    assert gate_of(accepted).failures == 0, "the account is well"
    part = poll(accepted, age=timedelta(hours=25))
    assert (part.status, part.next_poll_at) == (Status.ACCEPTED, None)
    assert reason(accepted) == "Cast does not know this message. No receipt will come."


@pytest.mark.parametrize("refused", ["", "API_KEY_EXPIRED"])
def test_an_account_that_cannot_be_asked_waits_as_a_whole(accepted, refused):
    account = accepted.sandbox.cast.accounts[world.CAST_API_KEY]
    account.refused = refused
    if not refused:
        accepted.sandbox.faults.arm("cast.status", "status", status=500)
    part = poll(accepted)
    gate = gate_of(accepted)
    assert gate.failures == 1 and gate.blocked_until > clock.now()
    assert part.polls == 0, "no answer makes a message no older"
    account.refused = ""
    part = poll(accepted)
    gate = gate_of(accepted)
    assert (gate.failures, gate.blocked_until, part.polls) == (0, None, 1)


def test_too_many_questions_wait_as_long_as_the_provider_says(accepted):
    accepted.sandbox.faults.arm("cast.status", "status", status=429, retry_after=30)
    poll(accepted)
    gate = gate_of(accepted)
    assert gate.failures == 0 and gate.blocked_until > clock.now() + timedelta(seconds=29)
    with accepted.session() as session:
        sends = session.scalars(select(Gate).where(Gate.key.startswith("account:"))).one()
        assert sends.blocked_until is None
