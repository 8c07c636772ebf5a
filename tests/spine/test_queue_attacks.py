"""Attacks on the queue: lanes whose head cannot go, heads that are taken away, claims that wait."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from portal import clock
from portal.database import CLAIM_LOCK
from portal.models import Gate
from portal.queue import gates
from portal.queue.claim import LEASE, Limits, claim
from portal.queue.jobs import POOLS, SEND, drop, enqueue, job, postpone, release
from tests.portal import eventually

LIMITS = Limits(lanes=8, jobs_per_lane=4, lanes_per_gate=50)


def put(portal, *rows):
    with portal.database.write() as session:
        enqueue(session, list(rows))


def send(subject, lane, **more):
    return job(SEND, "send", subject, lane, **more)


def take(portal, owner="me", limits=LIMITS, running=None):
    return claim(portal.database, SEND, owner, limits, running or {})


def subjects(claimed):
    return sorted(due.subject for lane in claimed.lanes for due in lane)


def test_lanes_whose_head_waits_at_a_shut_gate_keep_no_other_lane_of_theirs_waiting(idle):
    """Conversations in which a line that is shut comes first, and another line behind it."""
    with idle.database.write() as session:
        gates.ensure_exists(session, "sender:a")
        gates.ensure_exists(session, "sender:b")
        session.get_one(Gate, "sender:a").blocked_until = clock.now() + timedelta(hours=1)
    first = [send(number, f"out:{number}", gate="sender:a") for number in range(100)]
    behind = [send(1000 + number, f"out:{number}", gate="sender:b") for number in range(100)]
    put(idle, *first, *behind, send(5000, "out:free", gate="sender:b"))
    assert subjects(take(idle)) == [5000]
    with idle.database.write() as session:
        session.get_one(Gate, "sender:a").blocked_until = None
    assert len(take(idle).lanes) == LIMITS.lanes, "and they go when it opens"


def test_what_waited_behind_a_head_that_is_gone_is_due(idle):
    put(idle, send(1, "out:1"), send(2, "out:1"), send(3, "out:1"))
    [[head, *behind]] = take(idle).lanes
    with idle.database.write() as session:
        postpone(session, head, clock.now() + timedelta(minutes=17))
        release(session, "me", [each.id for each in behind])
    assert subjects(take(idle)) == []
    with idle.database.write() as session:
        drop(session, "send", [2])
    assert subjects(take(idle)) == [], "what is before it waits as long as it did"
    with idle.database.write() as session:
        drop(session, "send", [1])
    assert subjects(take(idle)) == [3]


def test_a_claim_that_finds_more_than_it_looks_at_says_so(idle):
    put(idle, *[send(100 * lane + each, f"out:{lane}", gate="sender:b") for lane in range(6) for each in range(60)])
    claimed = take(idle)
    assert len(claimed.lanes) == 6 or claimed.left


@pytest.mark.postgres
def test_a_claim_that_waited_for_another_leases_from_then_on(cloud):
    if cloud.portal.database.sqlite:
        pytest.skip("one writer: a claim looks at the clock when it is its turn")
    put(cloud.portal, send(77, "out:77"))
    with ThreadPoolExecutor(1) as threads, cloud.portal.database.write() as session:
        lock = text("SELECT pg_advisory_xact_lock(:class, :pool)")
        session.execute(lock, {"class": CLAIM_LOCK, "pool": POOLS.index(SEND)})
        claiming = threads.submit(take, cloud.portal)
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        eventually(lambda: session.scalar(waiting) == 1, what="the claim waits")
        cloud.time.forward(seconds=14)
        session.rollback()
        assert 77 in subjects(claiming.result())
    [row] = [job for job in cloud.portal.jobs() if job.subject == 77]
    assert row.lease_until > cloud.time.now() + LEASE - timedelta(seconds=2)
