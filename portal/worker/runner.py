"""The worker: a dispatcher per pool claims lanes and hands them to threads; a drain lets them finish in time."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from portal import clock
from portal.database import Database, in_short, is_away, is_conflict
from portal.queue.claim import Limits, claim, renew
from portal.queue.jobs import Due, postpone, release
from portal.queue.turn import Turn
from portal.worker.lanes import Lane, LanePool
from portal.worker.wakeups import Wakeups

log = logging.getLogger(__name__)

SAFETY_POLL = 2.0
RENEW_EVERY = 10.0
AWAY_PAUSE = 1.0
CLAIM_GAP = 0.03
# A claim waits 30 seconds for the database at most; a dispatcher that is away for longer is stuck.
STUCK_SECONDS = 120.0
CONFLICT_PAUSE = timedelta(seconds=0.1)

# A handler carries out one job, takes it out of the queue or postpones it, and says whether its lane may go on.
Handler = Callable[[Due], bool]
# A lane handler does the same for jobs of one kind in one lane, as far as they let each other pass.
LaneHandler = Callable[[Turn], None]
# A batch handler does the same for the jobs of several lanes in one transaction.
BatchHandler = Callable[[Sequence[Due]], None]


@dataclass(frozen=True, slots=True)
class Pool:
    """How one kind of work is carried out. `window` lanes are claimed ahead, so that a claim serves many."""

    name: str
    threads: int
    jobs_per_lane: int
    window: int
    batch: int = 1

    @property
    def share(self) -> int:
        """No gate keeps more than a quarter of the threads busy."""
        return max(1, self.threads // 4)


class Runner:
    """Runs pools until it is drained. Made and started after the fork."""

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        pools: Sequence[Pool],
        handlers: Mapping[str, Handler],
        lane_handlers: Mapping[str, LaneHandler],
        batch_handlers: Mapping[str, BatchHandler],
    ) -> None:
        self.owner = str(uuid.uuid4())
        self._database = database
        self._wakeups = wakeups
        self._handlers = handlers
        self._lane_handlers = lane_handlers
        self._batch_handlers = batch_handlers
        self._stopping = threading.Event()
        self._drained = threading.Event()
        # Claimed jobs, each with the number of the claim that took it.
        self._held: dict[int, int] = {}
        self._held_lock = threading.Lock()
        self._claimed_at: dict[str, float] = {}
        self._left: dict[str, bool] = {}
        self._claims: Counter[str] = Counter()
        self._turned_at: dict[str, float] = {}
        self._pools = [(pool, self._lane_pool(pool)) for pool in pools]

    def _lane_pool(self, pool: Pool) -> LanePool:
        return LanePool(pool.name, pool.threads, pool.share, pool.batch, lambda lanes: self._work(pool, lanes))

    def start(self) -> None:
        """Starts the pools, their dispatchers and the lease renewal."""
        for pool, lanes in self._pools:
            lanes.start()
            name = f"dispatch-{pool.name}"
            threading.Thread(target=self._dispatch, args=(pool, lanes), name=name, daemon=True).start()
        threading.Thread(target=self._renew, name="leases", daemon=True).start()

    def drain(self, seconds: float) -> bool:
        """Claims nothing more and waits for what is in hand; True when all of it ended in time."""
        self._stopping.set()
        self._wakeups.wake([pool.name for pool, _ in self._pools])
        for _, lanes in self._pools:
            self._give_back([due for lane in lanes.stop() for due in lane])
        deadline = time.monotonic() + seconds
        while (left := sum(self.busy().values())) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._drained.set()
        log.info("worker drained", extra={"left": left})
        return left == 0

    def turning(self) -> bool:
        """Have all dispatchers been round of late? One that got stuck must not look alive."""
        oldest = time.monotonic() - STUCK_SECONDS
        return all(self._turned_at.get(pool.name, 0.0) > oldest for pool, _ in self._pools)

    def busy(self) -> dict[str, int]:
        """Threads at work, by pool."""
        return {pool.name: lanes.busy() for pool, lanes in self._pools}

    def _dispatch(self, pool: Pool, lanes: LanePool) -> None:
        while not self._stopping.is_set():
            self._turned_at[pool.name] = time.monotonic()
            try:
                pause = self._claim_once(pool, lanes)
            except Exception as error:
                if _is_away(error):
                    log.warning("database away, worker waits", extra={"pool": pool.name, "error": in_short(error)})
                else:
                    log.exception("claim failed", extra={"pool": pool.name})
                pause = AWAY_PAUSE
            if pause > 0:
                self._wakeups.wait(pool.name, pause)

    def _claim_once(self, pool: Pool, lanes: LanePool) -> float:
        """Fills the window when it is half empty; returns how long to wait before the next claim, in seconds."""
        waiting = lanes.waiting()
        if waiting > pool.window // 2:
            self._left[pool.name] = True
            return SAFETY_POLL
        since = time.monotonic() - self._claimed_at.get(pool.name, 0.0)
        if waiting and since < CLAIM_GAP:
            return CLAIM_GAP - since  # there is work in hand: one claim for many lanes that end, not one for each
        self._claimed_at[pool.name] = time.monotonic()
        limits = Limits(pool.window - waiting, pool.jobs_per_lane, max(pool.share, pool.window // 2))
        self._claims[pool.name] += 1
        claimed = claim(self._database, pool.name, self.owner, limits, lanes.outstanding())
        self._left[pool.name] = claimed.left
        if self._stopping.is_set():
            self._release([due.id for lane in claimed.lanes for due in lane])
            return 0
        lanes.put(self._take_in_hand(claimed.lanes, self._claims[pool.name]))
        if claimed.next_at is None:
            return SAFETY_POLL
        return min(max((claimed.next_at - clock.now()).total_seconds(), 0.001), SAFETY_POLL)

    def _take_in_hand(self, lanes: list[Lane], number: int) -> list[Lane]:
        """Those lanes of which nothing is in hand here already. `number` is the claim's.

        A lease that could not be renewed in time ends, and its job is claimed anew by whoever comes first: by this
        process too, while a thread is still at it.
        """
        fresh: list[Lane] = []
        behind: list[int] = []
        with self._held_lock:
            for lane in lanes:
                ids = [due.id for due in lane]
                if self._held.keys().isdisjoint(ids):
                    fresh.append(lane)
                else:
                    behind += [id_ for id_ in ids if id_ not in self._held]
            self._held.update((due.id, number) for lane in fresh for due in lane)
        if behind:
            self._release(behind)
        return fresh

    def _work(self, pool: Pool, lanes: list[Lane]) -> None:
        jobs = [due for lane in lanes for due in lane]
        try:
            batch = self._batch_handlers.get(pool.name)
            if batch is not None:
                self._run_batch(batch, jobs)
            else:
                for lane in lanes:
                    self._run_lane(lane)
        finally:
            with self._held_lock:
                number = min([self._held.pop(due.id) for due in jobs if due.id in self._held], default=0)
            if any(len(lane) >= pool.jobs_per_lane for lane in lanes):
                self._wakeups.wake([pool.name])
            elif self._left.get(pool.name) or number < self._claims[pool.name]:
                # A claim since may have passed over what waits behind these jobs.
                self._wakeups.nudge(pool.name)

    def _run_lane(self, lane: Lane) -> None:
        kind = lane[0].kind
        turn = Turn(lane, lambda due: due.kind == kind and not self._stopping.is_set())
        try:
            self._lane_handlers.get(kind, self._one_by_one)(turn)
        except Exception as error:
            failed, *left = turn.left()
            self._failed(failed, error)
            self._give_back(left)
        else:
            self._give_back(turn.left())

    def _one_by_one(self, turn: Turn) -> None:
        while (due := turn.due) is not None:
            go_on = self._handlers[due.kind](due)
            turn.advance()
            if not go_on:
                return

    def _run_batch(self, handler: BatchHandler, jobs: Sequence[Due]) -> None:
        try:
            handler(jobs)
        except Exception as error:
            for due in jobs:
                self._failed(due, error)

    def _failed(self, due: Due, error: Exception) -> None:
        """A fault of our own or of the database: the job stays, and comes again later."""
        extra = {"job": due.kind, "subject": due.subject}
        delay = timedelta(seconds=min(2.0 ** min(due.attempts, 8), 300))
        if is_conflict(error):
            log.info("job gave way to another transaction", extra=extra)
            delay = CONFLICT_PAUSE
        elif _is_away(error):
            log.warning("database away during a job", extra=extra | {"error": in_short(error)})
        else:
            log.error("job failed", exc_info=error, extra=extra)
        try:
            with self._database.write() as session:
                postpone(session, due, clock.now() + delay, type(error).__name__)
        except (SQLAlchemyError, TimeoutError):
            log.warning("job could not be postponed, its lease will end", extra=extra)

    def _give_back(self, jobs: Sequence[Due]) -> None:
        if not jobs:
            return
        ids = [due.id for due in jobs]
        with self._held_lock:
            for id_ in ids:
                self._held.pop(id_, None)
        try:
            self._release(ids)
        except (SQLAlchemyError, TimeoutError):
            log.warning("lease could not be given back, it will end")
        self._wakeups.wake({due.pool for due in jobs})

    def _release(self, ids: list[int]) -> None:
        with self._database.write() as session:
            release(session, self.owner, ids)

    def _renew(self) -> None:
        # To the end of the drain: what is still in hand must not be taken over meanwhile.
        while not self._drained.wait(RENEW_EVERY):
            with self._held_lock:
                held = list(self._held)
            try:
                if held:
                    renew(self._database, self.owner, held)
            except (SQLAlchemyError, TimeoutError):
                log.warning("leases could not be renewed")


def _is_away(error: BaseException) -> bool:
    return isinstance(error, SQLAlchemyError | TimeoutError) and is_away(error)
