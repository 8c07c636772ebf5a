"""Whatever becomes due is claimed by what woke the pool: the slow poll behind it is switched off here."""

import threading
from datetime import timedelta

import pytest

from portal import clock
from portal.queue import gates
from portal.queue.jobs import MEDIA, complete, enqueue, job, postpone
from portal.worker import runner as runners
from portal.worker.runner import Pool, Runner
from portal.worker.wakeups import Listener, Wakeups
from tests.portal import eventually


class Crew:
    """A runner of one pool whose jobs wait until they are told to end."""

    def __init__(self, database, threads=1, jobs_per_lane=8, window=8):
        self.database, self.wakeups = database, Wakeups()
        self.begun, self.let_go, self.once = [], {}, set()
        pool = Pool(MEDIA, threads=threads, jobs_per_lane=jobs_per_lane, window=window)
        self.runner = Runner(database, self.wakeups, [pool], {"work": self._work}, {}, {})
        database.wake = self.wakeups.wake

    def _work(self, due):
        self.begun.append(due.subject)
        gate = self.let_go.get(due.subject)
        if gate is not None:
            assert gate.wait(120)
        with self.database.write() as session:
            if due.subject in self.once:
                self.once.remove(due.subject)
                postpone(session, due, clock.now() + timedelta(seconds=0.3))
                return False
            complete(session, [due.id])
        return True

    def add(self, *subjects, lane="lane", waits=False, **more):
        if waits:
            self.let_go |= {subject: threading.Event() for subject in subjects}
        with self.database.write() as session:
            enqueue(session, [job(MEDIA, "work", subject, lane, **more) for subject in subjects])

    def end(self, subject):
        self.let_go[subject].set()

    def wait_for(self, *subjects):
        eventually(lambda: self.begun[-len(subjects) :] == list(subjects), what=f"{subjects} begun last")


@pytest.fixture
def crew(idle, monkeypatch):
    monkeypatch.setattr(runners, "SAFETY_POLL", 600.0)
    made = []

    def make(**more):
        made.append(Crew(idle.database, **more))
        made[0].runner.start()
        return made[0]

    yield make
    for each in made:
        for gate in each.let_go.values():
            gate.set()
        assert each.runner.drain(20)


def test_what_comes_while_its_lane_is_in_hand(crew):
    crew = crew(threads=2)
    crew.add(1, waits=True)
    crew.wait_for(1)
    crew.add(2)
    crew.add(3, lane="another")
    crew.wait_for(1, 3)  # a claim was made meanwhile, and passed over 2
    crew.end(1)
    crew.wait_for(1, 3, 2)


def test_a_lane_that_is_longer_than_a_turn(crew):
    crew = crew(jobs_per_lane=2)
    crew.add(1, 2, 3, 4, 5)
    crew.wait_for(1, 2, 3, 4, 5)


def test_more_lanes_than_the_window_takes(crew):
    crew = crew(window=2)
    for number in range(1, 8):
        crew.add(number, lane=f"lane {number}")
    eventually(lambda: sorted(crew.begun) == list(range(1, 8)), what="all begun")


def test_what_is_put_off_comes_at_its_time(crew):
    crew = crew()
    crew.once.add(1)
    crew.add(1, 2)
    crew.wait_for(1, 1, 2)


def test_what_the_pace_held_back_in_a_lane_that_was_in_hand(crew, idle):
    with idle.database.write() as session:
        gates.ensure(session, "paced", pace=5.0, burst=1.0)
    crew = crew()
    crew.add(1, waits=True, gate="paced")
    crew.wait_for(1)
    crew.add(2, gate="paced")
    held = threading.Event()
    held.wait(0.5)  # the gate is open again, and the claim that this brought found the lane in hand
    crew.end(1)
    crew.wait_for(1, 2)


def test_lanes_of_one_gate_beyond_its_share(crew):
    """A gate has half the window in hand at most: the rest comes when one of these has ended."""
    crew = crew(threads=8, window=4)
    for number in range(1, 5):
        crew.add(number, lane=f"lane {number}", gate="busy", waits=True)
    eventually(lambda: len(crew.begun) == 2, what="its share begun")
    for number in range(1, 5):
        crew.end(number)
    eventually(lambda: sorted(crew.begun) == [1, 2, 3, 4], what="all begun")


def test_an_own_notice_is_not_heard_twice_and_another_process_is(idle):
    if idle.database.sqlite:
        pytest.skip("SQLite has one process")
    heard = Wakeups()
    rung = []
    heard.wake = lambda pools: rung.append(tuple(pools))
    listener = Listener(idle.database.engine, heard, idle.database.name)
    listener.start()
    try:
        eventually(lambda: rung, what="listening")
        with idle.database.write() as session:
            enqueue(session, [job(MEDIA, "work", 1, "lane")])
        idle.database.name, own = "@another process", idle.database.name
        with idle.database.write() as session:
            enqueue(session, [job(MEDIA, "work", 2, "lane")])
        eventually(lambda: len(rung) > 1, what="the other's notice")
        assert [each for each in rung[1:] if own in each] == []
        assert rung[1:] == [(MEDIA, "@another process")]
    finally:
        listener.stop()


def test_one_line_s_many_beside_others_that_only_wait(crew):
    """Each gate has its share of what a claim looks at: whoever has more than that is looked at again at once."""
    crew = crew(threads=4, window=40)
    later = clock.now() + timedelta(hours=1)
    waiting = [job(MEDIA, "work", 100 + each, f"later:{each}", gate=f"gate:{each}", run_at=later) for each in range(40)]
    busy = [job(MEDIA, "work", each, f"lane:{each}", gate="busy") for each in range(60)]
    with crew.database.write() as session:
        enqueue(session, waiting + busy)
    eventually(lambda: len(crew.begun) == 60, what="all have begun")
