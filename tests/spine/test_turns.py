"""A worker goes through a lane in order, and stops where it must."""

import threading

import pytest

from portal import clock
from portal.messaging import decisions
from portal.messaging.sending import Outbox
from portal.queue.claim import Limits, claim
from portal.queue.jobs import APPLY, SEND, Due
from portal.queue.turn import Turn
from portal.worker.runner import Pool, Runner
from portal.worker.tasks import batch_handlers
from portal.worker.wakeups import Wakeups


def due(number, kind="send", lane="out:1"):
    return Due(number, kind, number, lane, "", 20, 0, clock.now())


def test_a_turn_ends_where_the_next_may_not_begin():
    turn = Turn([due(1), due(2), due(3, kind="check_status")], lambda each: each.kind == "send")
    assert (turn.due.id, turn.following.id) == (1, 2)
    turn.advance()
    assert turn.due.id == 2 and turn.following is None
    turn.advance()
    assert turn.due is None and [each.id for each in turn.left()] == [3]


@pytest.fixture
def runner(idle):
    seen = []

    def lane_handler(turn):
        while (at := turn.due) is not None:
            seen.append(("lane", at.kind, at.subject))
            turn.advance()

    def one(job):
        seen.append(("one", job.kind, job.subject))
        return True

    pools = [Pool("send", threads=1, jobs_per_lane=8, window=8)]
    made = Runner(idle.database, Wakeups(), pools, {"send": one, "check_status": one}, {"send": lane_handler}, {})
    made.seen = seen
    return made


def test_a_lane_handler_never_gets_jobs_of_another_kind(runner):
    """A status check and a send may have the same subject: taking one for the other loses the check."""
    runner._run_lane([due(7, kind="check_status", lane="check:7")])
    runner._run_lane([due(7), due(8), due(9, kind="check_status")])
    assert runner.seen == [("one", "check_status", 7), ("lane", "send", 7), ("lane", "send", 8)]


@pytest.fixture
def lane(idle):
    """Three messages of one conversation, in hand."""
    idle.add_sender("cast")
    for number in range(3):
        idle.sandbox.deliveries.send(f"Number {number}")
    batch_handlers(idle.parts)[APPLY](flat(claim(idle.database, APPLY, "a test", Limits(9, 9, 9), {})))
    return flat(claim(idle.database, SEND, "a test", Limits(9, 9, 9), {}))


def flat(claimed):
    return [each for jobs in claimed.lanes for each in jobs]


def test_what_the_fence_let_through_is_called_even_while_the_worker_drains(idle, lane, monkeypatch):
    """The next part's fence shares the commit of a result: stopping right then must not leave it without a call."""
    stopping, real = threading.Event(), Outbox._write

    def write(self, result, following):
        answer = real(self, result, following)
        stopping.set()
        return answer

    monkeypatch.setattr(Outbox, "_write", write)
    turn = Turn(lane, lambda each: not stopping.is_set())
    idle.parts.outbox.work(turn)
    assert idle.statuses() == {"accepted": 2, "queued": 1}
    assert [each.subject for each in turn.left()] == [lane[2].subject]


def test_a_refusal_that_waits_keeps_the_rest_of_its_lane_behind_it(idle, lane):
    idle.sandbox.faults.arm("cast.send", "status", times=1, status=429)
    turn = Turn(lane)
    idle.parts.outbox.work(turn)
    assert idle.statuses() == {"queued": 3} and len(turn.left()) == 2
    assert [part.attempt for message in idle.messages() for part in idle.parts_of(message)] == [1, 0, 0]


def test_a_message_that_was_cancelled_in_hand_lets_the_next_pass(idle, lane):
    with idle.database.write() as session:
        decisions.cancel(session, idle.messages()[1].id, "anna@example.com")
    idle.parts.outbox.work(Turn(lane))
    assert idle.statuses() == {"accepted": 2, "cancelled": 1}
