"""Claiming due work: whole heads of lanes, under a lease, within every gate's pace and every sender's fair share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Row, bindparam, or_, select, text, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import CLAIM_LOCK, Database, padded
from portal.models import Gate, Job
from portal.models.base import UtcDateTime
from portal.queue.due import due_lanes, heads, waiting_gates
from portal.queue.gates import PROBE_AFTER, Budget
from portal.queue.jobs import POOLS, Due

LEASE = timedelta(seconds=30)
# What another transaction has in its hands is looked at again after this.
LOCKED_PAUSE = timedelta(seconds=0.05)

_ROUNDS = 4


@dataclass(slots=True)
class Limits:
    """How much one claim may take: lanes, jobs in a lane, and per gate the lanes that may run at once."""

    lanes: int
    jobs_per_lane: int
    lanes_per_gate: int


@dataclass(slots=True)
class Claimed:
    """The claimed lanes, each with its jobs in order, and when more may become due (None: nothing known).

    `left`: there is more, which may be claimed when something in hand has ended.
    """

    lanes: list[list[Due]]
    next_at: datetime | None
    left: bool = False


def claim(database: Database, pool: str, owner: str, limits: Limits, running: dict[str, int]) -> Claimed:
    """Leases due jobs of a pool. `running` says how many lanes of each gate this process works on already.

    One claim at a time per pool, over all processes: two that ran at once could each lease a piece of the same lane.
    It waits for no row, because it holds gates of many: what another transaction has locked is left for the next claim.
    """
    with database.write() as session:
        moment = clock.now()
        waiting = waiting_gates(session, pool, moment)
        if not waiting:
            return Claimed([], None)
        if not database.sqlite:
            session.connection().execute(_LOCK, {"class": CLAIM_LOCK, "pool": POOLS.index(pool)})
        work = _Claim(session, pool, limits, dict(running), waiting, moment)
        work.run()
        work.lease(owner)
        full = len(work.lanes) >= limits.lanes
        return Claimed(work.lanes, None if full else work.next_due(), full or work.left)


_LOCK = text("SELECT pg_advisory_xact_lock(:class, :pool)")
_FREE = or_(Job.lease_until.is_(None), Job.lease_until < bindparam("moment", type_=UtcDateTime()))
_LEASE = (
    update(Job.__table__)  # type: ignore[arg-type]
    .where(
        Job.id.in_(
            select(Job.id).where(Job.id.in_(bindparam("ids", expanding=True)), _FREE).with_for_update(skip_locked=True)
        )
    )
    .values(lease_owner=bindparam("owner"), lease_until=bindparam("until"))
    .returning(Job.id)
)


class _Claim:
    def __init__(
        self,
        session: Session,
        pool: str,
        limits: Limits,
        running: dict[str, int],
        gates: Sequence[Row[Any]],
        moment: datetime,
    ) -> None:
        self.session = session
        self.pool = pool
        self.limits = limits
        self.running = running
        self.moment = moment
        self.gates = gates
        self.lanes: list[list[Due]] = []
        self.seen: set[str] = set()
        self.budgets: dict[str, Budget] = {}
        self.left = False
        self.locked = False
        self.shut_heads = False

    def run(self) -> None:
        for _ in range(_ROUNDS):
            gates, most = self._open_gates(), 2 * self.limits.lanes
            found, more = due_lanes(
                self.session, self.pool, gates, self.seen, self.moment, most, open_heads=self.shut_heads
            )
            if not found or not self._take(found) or not more:
                return
        self.left = True  # nobody has looked at the rest

    def _open_gates(self) -> list[str]:
        """The gates that may let something through now."""
        ill = self._in_flight([gate.name for gate in self.gates if (gate.failures or 0) >= PROBE_AFTER])
        self.left = self.left or bool(ill)
        return [gate.name for gate in self.gates if gate.name not in ill and self._may_open(gate)]

    def _may_open(self, gate: Row[Any]) -> bool:
        shut = any(until is not None and until > self.moment for until in (gate.blocked_until, gate.next_at))
        budget = self.budgets.get(gate.name)
        busy = bool(gate.name) and self.running.get(gate.name, 0) >= self.limits.lanes_per_gate
        self.left = self.left or busy
        return not shut and not busy and (budget is None or budget.left >= 1)

    def _take(self, found: dict[str, str]) -> bool:
        """Takes what these lanes offer; False when there is room for no more."""
        lanes = list(found)
        while lanes:
            room = self.limits.lanes - len(self.lanes)
            if room <= 0:
                return False
            wanted, lanes = lanes[:room], lanes[room:]
            self.seen.update(wanted)
            self._load_budgets({found[lane] for lane in wanted if found[lane]})
            rows = heads(self.session, wanted, self.limits.jobs_per_lane)
            others = any(rows[lane][0].gate != found[lane] for lane in wanted if lane in rows)
            self.shut_heads = self.shut_heads or others
            taken = [self._prefix(rows.get(lane, [])) for lane in wanted]
            self.lanes.extend(lane for lane in taken if lane)
        return True

    def next_due(self) -> datetime | None:
        """The next time at which something of the pool may become due by itself."""
        times = [self.gates[0].next_run]
        if self.locked:
            times.append(self.moment + LOCKED_PAUSE)
        for waiting in self.gates:
            budget = self.budgets.get(waiting.name)
            gate = budget.gate if budget and budget.gate else waiting
            times += [gate.blocked_until, gate.next_at]
        return min((each for each in times if each is not None and each > self.moment), default=None)

    def _load_budgets(self, gates: set[str]) -> None:
        missing = gates - self.budgets.keys()
        if not missing:
            return
        wanted = select(Gate).where(Gate.key.in_(missing)).order_by(Gate.key)
        found = {gate.key: gate for gate in self.session.scalars(wanted.with_for_update(skip_locked=True))}
        unseen = missing - found.keys()
        there = set(self.session.scalars(select(Gate.key).where(Gate.key.in_(unseen)))) if unseen else set()
        self.locked = self.locked or bool(there)
        probed = self._in_flight([key for key, gate in found.items() if gate.failures >= PROBE_AFTER])
        for key in missing:
            self.budgets[key] = Budget.of(found.get(key), self.moment)
            if key in probed or key in there:  # in another transaction's hands
                self.budgets[key].left = 0

    def _in_flight(self, gates: list[str]) -> set[str]:
        if not gates:
            return set()
        leased = select(Job.gate).where(Job.gate.in_(gates), Job.lease_until >= self.moment).distinct()
        return set(self.session.scalars(leased))

    def _prefix(self, rows: list[Row[Any]]) -> list[Due]:
        taken: list[Due] = []
        for row in rows:
            if row.lease_until is not None and row.lease_until >= self.moment:
                break
            if row.run_at > self.moment:
                self._delay_lane(row)
                break
            if row.gate and not self._enter(row.gate, first=not taken):
                break
            budget = self.budgets.get(row.gate)
            failures = budget.gate.failures if budget and budget.gate else 0
            taken.append(
                Due(
                    row.id,
                    row.kind,
                    row.subject,
                    row.lane,
                    row.gate,
                    row.priority,
                    row.attempts,
                    row.created_at,
                    failures,
                    self.pool,
                )
            )
        return taken

    def _enter(self, gate: str, *, first: bool) -> bool:
        self._load_budgets({gate})
        if first:
            if self.running.get(gate, 0) >= self.limits.lanes_per_gate:
                self.left = True
                return False
            if not self.budgets[gate].take():
                return False
            self.running[gate] = self.running.get(gate, 0) + 1
            return True
        return self.budgets[gate].take()

    def _delay_lane(self, head: Row[Any]) -> None:
        """What waits behind a delayed head is not due either; without this it would fill every list of candidates."""
        behind = select(Job.id).where(Job.lane == head.lane, Job.id > head.id, Job.run_at < head.run_at)
        self.session.execute(
            update(Job).where(Job.id.in_(behind.with_for_update(skip_locked=True))).values(run_at=head.run_at)
        )

    def lease(self, owner: str) -> None:
        """Leases what was taken. Each lane is cut before the first job that another transaction is changing now."""
        ids = [due.id for lane in self.lanes for due in lane]
        if not ids:
            return
        # From now: the claim may have waited for another one.
        lease = {"owner": owner, "until": clock.now() + LEASE}
        connection = self.session.connection()
        mine = set(connection.scalars(_LEASE, {"ids": padded(ids), "moment": self.moment, **lease}))
        if len(mine) == len(ids):
            return
        self.locked = True
        cut = (list(takewhile(lambda due: due.id in mine, lane)) for lane in self.lanes)
        self.lanes = [lane for lane in cut if lane]
        behind = mine.difference(due.id for lane in self.lanes for due in lane)
        if behind:
            free = {"lease_owner": "", "lease_until": None}
            self.session.execute(update(Job).where(Job.id.in_(behind)).values(**free))


def renew(database: Database, owner: str, ids: Sequence[int]) -> None:
    """Keeps the leases of what this process has in hand."""
    with database.write() as session:
        mine = select(Job.id).where(Job.id.in_(ids), Job.lease_owner == owner)
        # What is locked is just being ended or put off: to wait for it could end in a deadlock, and the leases with it.
        held = update(Job).where(Job.id.in_(mine.with_for_update(skip_locked=True)))
        session.execute(held.values(lease_until=clock.now() + LEASE))


def free_ended(session: Session) -> None:
    """Frees the leases that have ended."""
    ended = select(Job.id).where(Job.lease_until < clock.now()).with_for_update(skip_locked=True)
    session.execute(update(Job).where(Job.id.in_(ended)).values(lease_owner="", lease_until=None))


def forget_leases(database: Database) -> None:
    """Frees every lease. Only where no other process can hold one: SQLite, at the start."""
    with database.write() as session:
        session.execute(update(Job).where(Job.lease_owner != "").values(lease_owner="", lease_until=None))
