"""The queue: lanes in order, gates and shares respected, leases that end, priorities that reach their lane's head."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.models import Gate, Job
from portal.queue import gates
from portal.queue.claim import Limits, claim, renew
from portal.queue.jobs import GHL, PRIORITIES, SEND, Due, complete, enqueue, job, postpone

LIMITS = Limits(lanes=50, jobs_per_lane=4, lanes_per_gate=50)


def put(portal, *rows):
    with portal.database.write() as session:
        enqueue(session, list(rows))


def send(subject, lane, **more):
    return job(SEND, "send", subject, lane, **more)


def take(portal, owner="me", limits=LIMITS, running=None):
    return claim(portal.database, SEND, owner, limits, running or {})


def subjects(claimed):
    return [[due.subject for due in lane] for lane in claimed.lanes]


def test_a_lane_is_claimed_from_its_head_and_by_one_owner_only(idle):
    put(idle, *[send(number, "out:1") for number in range(6)], send(9, "out:2"))
    first = take(idle)
    assert subjects(first) == [[0, 1, 2, 3], [9]]
    assert subjects(take(idle, "other")) == [], "the rest of a leased lane is nobody else's"
    with idle.database.write() as session:
        complete(session, [due.id for due in first.lanes[0]])
    assert subjects(take(idle, "other")) == [[4, 5]]


def test_a_delayed_head_holds_its_lane_and_no_other(idle):
    put(idle, *[send(number, "out:1") for number in range(3)], send(9, "out:2"))
    head = take(idle, limits=Limits(1, 1, 50)).lanes[0][0]
    with idle.database.write() as session:
        postpone(session, head, clock.now() + timedelta(hours=1))
    claimed = take(idle)
    assert subjects(claimed) == [[9]]
    assert claimed.next_at is not None and claimed.next_at > clock.now()


def test_what_waits_behind_gives_its_priority_to_the_head(idle):
    put(idle, send(1, "bulk", priority=20), send(2, "mixed", priority=20), send(3, "mixed", priority=10))
    assert subjects(take(idle, limits=Limits(1, 4, 50))) == [[2, 3]]


def test_an_ended_lease_is_taken_over_and_a_renewed_one_is_not(idle):
    put(idle, send(1, "out:1"), send(2, "out:2"))
    first, second = (lane[0] for lane in take(idle).lanes)
    with idle.database.write() as session:
        session.execute(update(Job).values(lease_until=clock.now() - timedelta(seconds=1)))
    renew(idle.database, "me", [second.id])
    assert subjects(take(idle, "other")) == [[first.subject]]


def test_the_same_work_is_there_once(idle):
    put(idle, job(GHL, "push_status", 7, "status:7"), job(GHL, "push_status", 7, "status:7"))
    put(idle, job(GHL, "push_status", 7, "status:7"))
    assert len([row for row in idle.jobs() if row.kind == "push_status"]) == 1


def test_a_pace_lets_through_its_burst_and_then_waits(idle):
    with idle.database.write() as session:
        gates.ensure(session, "sender:5", pace=2.0, burst=3.0)
    put(idle, *[send(number, f"out:{number}", gate="sender:5") for number in range(10)])
    assert sum(map(len, take(idle).lanes)) == 3
    later = take(idle)
    assert later.lanes == [] and later.next_at is not None
    with idle.database.write() as session:
        session.execute(update(Gate).where(Gate.key == "sender:5").values(next_at=clock.now() - timedelta(seconds=1)))
    assert sum(map(len, take(idle).lanes)) == 3


def test_a_blocked_sender_waits_and_the_others_go_on(idle):
    put(idle, send(1, "out:1", gate="sender:5"), send(2, "out:2", gate="sender:6"))
    with idle.database.write() as session:
        gates.block(session, "sender:5", "asked for a pause", seconds=60)
    assert subjects(take(idle)) == [[2]]


def test_after_three_faults_one_call_at_a_time_probes(idle):
    put(idle, *[send(number, f"out:{number}", gate="sender:5") for number in range(5)])
    with idle.database.write() as session:
        for _ in range(3):
            gates.count_fault(session, "sender:5", "time-out")
        session.execute(update(Gate).values(blocked_until=None))
    assert subjects(take(idle)) == [[0]]
    assert subjects(take(idle, "other")) == []
    with idle.database.write() as session:
        gates.reopen(session, ["sender:5"])
    assert len(subjects(take(idle, "other"))) == 4


def test_no_sender_takes_more_than_its_share(idle):
    put(idle, *[send(number, f"a:{number}", gate="sender:1") for number in range(20)])
    put(idle, *[send(100 + number, f"b:{number}", gate="sender:2") for number in range(2)])
    claimed = take(idle, limits=Limits(12, 1, 4))
    taken = [lane[0].gate for lane in claimed.lanes]
    assert taken.count("sender:1") == 4 and taken.count("sender:2") == 2


def test_a_deep_blocked_lane_does_not_starve_the_others(idle):
    put(idle, *[send(number, "deep") for number in range(500)])
    head = take(idle, limits=Limits(1, 1, 50)).lanes[0][0]
    put(idle, send(1000, "other"))
    with idle.database.write() as session:
        postpone(session, head, clock.now() + timedelta(hours=1))
    assert subjects(take(idle)) == [[1000]]


def test_a_job_that_lost_its_row_is_not_brought_back(idle):
    put(idle, send(1, "out:1"))
    due = take(idle).lanes[0][0]
    with idle.database.write() as session:
        complete(session, [due.id])
        assert postpone(session, due, clock.now()) is False
    with idle.session() as session:
        assert session.scalars(select(Job).where(Job.kind == "send")).all() == []


def test_a_claim_tells_how_ill_the_gate_was(idle):
    put(idle, send(1, "out:1", gate="sender:5"))
    with idle.database.write() as session:
        gates.count_fault(session, "sender:5", "time-out")
    due: Due = take(idle).lanes[0][0]
    assert due.gate_failures == 1


def test_a_priority_that_no_claim_looks_for_is_refused():
    with pytest.raises(ValueError, match="no claim would find it"):
        send(1, "out:1", priority=15)


def test_every_priority_is_found(idle):
    put(idle, *[send(number, f"out:{number}", priority=each) for number, each in enumerate(reversed(PRIORITIES))])
    assert subjects(take(idle)) == [[number] for number in reversed(range(len(PRIORITIES)))]
