"""A bulk call is made at most once like every other: one key, the same recipients, or each by itself."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Accepted, BulkResult, ChannelError
from portal.channels.cast.client import Cast
from portal.credits import ledger
from portal.errors import InvalidInput
from portal.messaging import bulk, decisions, optouts, results, senders
from portal.messaging.fence import open_fence
from portal.models import BulkCall, Gate, Job, OptOut, Part
from portal.queue.claim import Limits, claim
from portal.queue.jobs import APPLY, SEND
from portal.worker.tasks import batch_handlers, handlers
from tests.portal import eventually
from tests.spine.test_composing import logged, write

PEOPLE = [f"+63917123460{number}" for number in range(5)]


def flat(claimed):
    return [each for lane in claimed.lanes for each in lane]


def due_now(portal, pool):
    return flat(claim(portal.database, pool, "a test", Limits(100, 100, 100), {}))


def forget_waits(portal):
    """Time passes: nothing is postponed or leased any more."""
    with portal.database.write() as session:
        past = clock.now() - timedelta(seconds=1)
        session.execute(update(Job).values(run_at=past, lease_until=None, lease_owner=""))
        session.execute(update(Gate).values(blocked_until=None, next_at=None, failures=0))


def work(portal):
    for due in due_now(portal, SEND):
        handlers(portal.parts)[due.kind](due)


@pytest.fixture
def planned(idle):
    """Five messages of one bulk, applied and not sent yet."""
    idle.add_sender("cast")
    write(idle, *PEOPLE)
    batch_handlers(idle.parts)[APPLY](due_now(idle, APPLY))
    assert [row.kind for row in idle.jobs() if row.pool == SEND] == [bulk.KIND]
    return idle


def taken(portal):
    return sorted(each.to for each in portal.sandbox.cast.accepted())


def calls(portal, route="cast.send_bulk"):
    return portal.sandbox.records.count(route)


def sound(portal):
    assert portal.sandbox.cast.repeats() == {} and portal.sandbox.cast.mismatches == []
    with portal.database.read() as session:
        assert ledger.prove(session)[1] == []
        assert session.scalars(select(Part.id).where(Part.bulk_call_id.is_not(None))).all() == []


def test_many_recipients_take_one_call_and_each_is_told_by_itself(portal):
    write(portal, *PEOPLE)
    eventually(lambda: [each.pushed_status for each in portal.messages()] == ["delivered"] * 5)
    assert taken(portal) == PEOPLE and (calls(portal), calls(portal, "cast.send")) == (1, 0)
    assert len(logged(portal)) == 5
    sound(portal)


def test_a_lost_answer_is_asked_for_again_under_the_same_key(portal):
    portal.sandbox.faults.arm("cast.send_bulk", "half_answer", times=2)
    write(portal, *PEOPLE)
    eventually(lambda: portal.statuses()["delivered"] == 5)
    assert taken(portal) == PEOPLE and calls(portal) == 3 and calls(portal, "cast.send") == 0
    sound(portal)


def test_a_process_that_dies_in_the_call_is_followed_by_one_that_asks_with_the_same_key(planned):
    (due,) = due_now(planned, SEND)
    outbox = planned.parts.bulk_outbox
    with planned.database.write() as session:
        begun = bulk._begin(session, due)
    outbox._call(due, begun)  # the provider has it, and the process dies here
    assert planned.statuses() == {"sending": 5}
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and taken(planned) == PEOPLE and calls(planned) == 2
    sound(planned)


def test_a_result_that_was_written_before_the_death_stays(planned):
    (due,) = due_now(planned, SEND)
    outbox = planned.parts.bulk_outbox
    with planned.database.write() as session:
        begun = bulk._begin(session, due)
    _, found = outbox._call(due, begun)
    with planned.database.write() as session:
        results.write_results(session, found[:2], singly=True)
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and taken(planned) == PEOPLE
    sound(planned)


def test_a_rate_limit_leaves_the_bulk_together_under_a_new_key(planned):
    planned.sandbox.faults.arm("cast.send_bulk", "status", status=429, retry_after=1, times=1)
    work(planned)
    assert planned.statuses() == {"queued": 5}
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and calls(planned) == 2 and calls(planned, "cast.send") == 0
    with planned.database.read() as session:
        assert session.scalars(select(BulkCall)).one().round == 2
    sound(planned)


def test_a_refusal_of_a_repetition_does_not_end_the_doubt(planned):
    """The first call may have gone out: what a rate limit says to the second one says nothing of the first."""
    planned.sandbox.faults.arm("cast.send_bulk", "half_answer", times=1)
    work(planned)
    planned.sandbox.faults.arm("cast.send_bulk", "status", status=429, retry_after=1, times=1)
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"unknown": 5}
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and taken(planned) == PEOPLE
    sound(planned)


def test_a_bulk_that_is_refused_as_a_whole_goes_out_one_by_one(planned, monkeypatch):
    def refuse(self, http, account, to, text, key):
        raise ChannelError("Cast does not accept one of these numbers.", code="VALIDATION_ERROR")

    monkeypatch.setattr(Cast, "send_bulk", refuse)
    work(planned)
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and calls(planned, "cast.send") == 5
    sound(planned)


def test_one_number_that_is_refused_is_asked_for_again_by_itself(planned, monkeypatch):
    real = Cast.send_bulk

    def refuse_the_third(self, http, account, to, text, key):
        rest = [each for each in to if each != PEOPLE[2]]
        said = {each.to: each for each in real(self, http, account, rest, text, key)}
        no = BulkResult(PEOPLE[2], ChannelError("The carrier was busy.", code="BULK_FAILED", retry=True))
        return [said.get(each, no) for each in to]

    monkeypatch.setattr(Cast, "send_bulk", refuse_the_third)
    work(planned)
    assert planned.statuses() == {"accepted": 4, "queued": 1}
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and calls(planned, "cast.send") == 1
    sound(planned)


def test_a_number_that_the_answer_leaves_out_waits_for_a_person(planned, monkeypatch):
    def silent_about_one(self, http, account, to, text, key):
        return [BulkResult(each, Accepted(f"CAST{each}", 1)) for each in to if each != PEOPLE[2]]

    monkeypatch.setattr(Cast, "send_bulk", silent_about_one)
    work(planned)
    assert planned.statuses() == {"accepted": 4, "unknown": 1}
    doubtful = next(each for each in planned.messages() if each.status == "unknown")
    with planned.database.write() as session:
        decisions.send_again(session, doubtful.id, "anna@example.com")
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5}
    sound(planned)


def test_whoever_opts_out_or_is_cancelled_before_the_call_gets_nothing(planned):
    first, second = planned.messages()[:2]
    with planned.database.write() as session:
        optouts.add(session, 1, "sms", first.address, "a test")
        decisions.cancel(session, second.id, "anna@example.com")
    work(planned)
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 3, "failed": 1, "cancelled": 1}
    assert taken(planned) == sorted(set(PEOPLE) - {first.address, second.address})
    sound(planned)


def test_a_paused_sender_holds_a_bulk_and_its_return_lets_it_go(planned):
    with planned.database.write() as session:
        senders.pause(session, 1, "a test")
    work(planned)
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"held": 5}
    with planned.database.write() as session:
        senders.resume(session, 1)
    for due in due_now(planned, "ghl"):
        handlers(planned.parts)[due.kind](due)
    work(planned)  # their conversations are let go
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and taken(planned) == PEOPLE
    sound(planned)


def test_nothing_of_a_bulk_in_doubt_can_go_out_in_another_way(planned):
    planned.sandbox.faults.arm("cast.send_bulk", "half_answer", times=1)
    work(planned)
    message = planned.messages()[0]
    (part,) = planned.parts_of(message)
    with planned.database.write() as session:
        assert open_fence(session, [part.id]) == {}
    for decide in (decisions.send_again, decisions.give_up):
        with pytest.raises(InvalidInput, match="still being asked"), planned.database.write() as session:
            decide(session, message.id, "anna@example.com")


def test_an_opt_out_in_the_middle_of_a_doubt_keeps_the_call_from_being_made_again(planned):
    planned.sandbox.faults.arm("cast.send_bulk", "reset_before", times=1)
    work(planned)
    with planned.database.write() as session:
        optouts.add(session, 1, "sms", PEOPLE[0], "a test")
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"unknown": 5} and taken(planned) == []
    with planned.database.write() as session:
        session.execute(update(OptOut).values(lifted_at=clock.now()))
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"accepted": 5} and taken(planned) == PEOPLE
    sound(planned)


def test_a_key_that_is_too_old_is_not_asked_with_any_more(planned):
    planned.sandbox.faults.arm("cast.send_bulk", "reset_before", times=1)
    work(planned)
    with planned.database.write() as session:
        session.execute(update(BulkCall).values(begun_at=clock.now() - timedelta(hours=24)))
    forget_waits(planned)
    work(planned)
    assert planned.statuses() == {"unknown": 5} and [row for row in planned.jobs() if row.pool == SEND] == []
    assert decisions.may_decide(planned.messages()[0])
    sound(planned)


def test_a_channel_without_bulk_sends_one_by_one(idle):
    idle.add_sender("simulator")
    write(idle, *PEOPLE)
    batch_handlers(idle.parts)[APPLY](due_now(idle, APPLY))
    assert [row.kind for row in idle.jobs() if row.pool == SEND] == ["send"] * 5
