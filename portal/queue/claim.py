"""Claiming due work: whole heads of lanes, under a lease, within every gate's pace and every sender's fair share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Integer, Row, and_, bindparam, func, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.database import CLAIM_LOCK, Database
from portal.models import Gate, Job
from portal.queue.gates import PROBE_AFTER, Budget
from portal.queue.jobs import POOLS, Due

LEASE = timedelta(seconds=30)

_ROUNDS = 4
# Stands in an empty list: no lane and no gate is called so.
_NONE = "-"


@dataclass(slots=True)
class Limits:
    """How much one claim may take: lanes, jobs in a lane, and per gate the lanes that may run at once."""

    lanes: int
    jobs_per_lane: int
    lanes_per_gate: int


@dataclass(slots=True)
class Claimed:
    """The claimed lanes, each with its jobs in order, and when more may become due (None: nothing known)."""

    lanes: list[list[Due]]
    next_at: datetime | None


def claim(database: Database, pool: str, owner: str, limits: Limits, running: dict[str, int]) -> Claimed:
    """Leases due jobs of a pool. `running` says how many lanes of each gate this process works on already.

    One claim at a time per pool, over all processes: two that ran at once could each lease a piece of the same lane.
    It waits for no row, because it holds gates of many: what another transaction has locked is left for the next claim.
    """
    with database.write() as session:
        if not database.sqlite:
            session.execute(_LOCK, {"class": CLAIM_LOCK, "pool": POOLS.index(pool)})
        work = _Claim(session, pool, limits, dict(running))
        work.run()
        if not database.sqlite:
            work.leave_what_is_locked()
        ids = [due.id for lane in work.lanes for due in lane]
        if ids:
            session.execute(
                update(Job).where(Job.id.in_(ids)).values(lease_owner=owner, lease_until=work.moment + LEASE)
            )
        full = len(work.lanes) >= limits.lanes
        return Claimed(work.lanes, None if full else _next_due(session, pool, work.moment))


_LOCK = text("SELECT pg_advisory_xact_lock(:class, :pool)")


class _Claim:
    def __init__(self, session: Session, pool: str, limits: Limits, running: dict[str, int]) -> None:
        self.session = session
        self.pool = pool
        self.limits = limits
        self.running = running
        self.moment = clock.now()
        self.lanes: list[list[Due]] = []
        self.seen: set[str] = set()
        self.budgets: dict[str, Budget] = {}

    def run(self) -> None:
        for _ in range(_ROUNDS):
            candidates = self._candidates()
            fresh = [row for row in candidates if row.lane not in self.seen]
            if not fresh or not self._take(fresh):
                return

    def _candidates(self) -> Sequence[Row[str, str]]:
        full = [gate for gate, lanes in self.running.items() if gate and lanes >= self.limits.lanes_per_gate] or [_NONE]
        leased = aliased(Job)
        full += [gate for gate, budget in self.budgets.items() if budget.left < 1]
        probed = select(leased.gate).where(leased.lease_until >= self.moment)
        closed = select(Gate.key).where(
            or_(
                Gate.blocked_until > self.moment,
                Gate.next_at > self.moment,
                and_(Gate.failures >= PROBE_AFTER, Gate.key.in_(probed)),
            )
        )
        return self.session.execute(
            select(Job.lane, Job.gate)
            .where(
                Job.pool == self.pool,
                Job.run_at <= self.moment,
                or_(Job.lease_until.is_(None), Job.lease_until < self.moment),
                Job.gate.not_in(closed),
                Job.gate.not_in(full),
                Job.lane.not_in(select(leased.lane).where(leased.lease_until >= self.moment)),
                Job.lane.not_in(list(self.seen) or [_NONE]),
            )
            .order_by(Job.priority, Job.run_at, Job.id)
            .limit(self.limits.lanes * self.limits.jobs_per_lane + 16)
        ).all()

    def _take(self, candidates: Sequence[Row[str, str]]) -> bool:
        """Takes what the candidates' lanes offer; False when there is room for no more."""
        wanted = list(dict.fromkeys((row.lane, row.gate) for row in candidates))
        self._load_budgets({gate for _, gate in wanted if gate})
        lanes = list(dict.fromkeys(lane for lane, _ in wanted))
        rows = self._heads(lanes)
        for lane in lanes:
            if len(self.lanes) >= self.limits.lanes:
                return False
            self.seen.add(lane)
            taken = self._prefix(rows.get(lane, []))
            if taken:
                self.lanes.append(taken)
        return True

    def _load_budgets(self, gates: set[str]) -> None:
        missing = gates - self.budgets.keys()
        if not missing:
            return
        wanted = select(Gate).where(Gate.key.in_(missing)).order_by(Gate.key)
        found = {gate.key: gate for gate in self.session.scalars(wanted.with_for_update(skip_locked=True))}
        there = set(self.session.scalars(select(Gate.key).where(Gate.key.in_(missing - found.keys()))))
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

    def _heads(self, lanes: list[str]) -> dict[str, list[Row[Any]]]:
        """The first jobs of each lane in order; deep lanes are not read to their end."""
        limit = self.limits.jobs_per_lane
        heads: dict[str, list[Row[Any]]] = {}
        if self.session.get_bind().dialect.name == "sqlite":
            for lane in lanes:
                heads[lane] = list(self.session.execute(_HEAD_OF_LANE, {"lane": lane, "n": limit}))
            return heads
        for row in self.session.execute(_HEADS_OF_LANES, {"lanes": lanes, "n": limit}):
            heads.setdefault(row.lane, []).append(row)
        return heads

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
                )
            )
        return taken

    def _enter(self, gate: str, *, first: bool) -> bool:
        self._load_budgets({gate})
        if first:
            if self.running.get(gate, 0) >= self.limits.lanes_per_gate:
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

    def leave_what_is_locked(self) -> None:
        """Cuts each lane before the first job that another transaction is changing just now."""
        ids = [due.id for lane in self.lanes for due in lane]
        free = or_(Job.lease_until.is_(None), Job.lease_until < self.moment)
        mine = set(self.session.scalars(select(Job.id).where(Job.id.in_(ids), free).with_for_update(skip_locked=True)))
        cut = (list(takewhile(lambda due: due.id in mine, lane)) for lane in self.lanes)
        self.lanes = [lane for lane in cut if lane]


_HEAD_COLUMNS = (
    Job.id,
    Job.kind,
    Job.subject,
    Job.lane,
    Job.gate,
    Job.priority,
    Job.run_at,
    Job.attempts,
    Job.created_at,
    Job.lease_until,
)
_HEAD_OF_LANE = (
    select(*_HEAD_COLUMNS).where(Job.lane == bindparam("lane")).order_by(Job.id).limit(bindparam("n", type_=Integer))
)
# LATERAL stops after the first rows of each lane, however deep the lane is.
_HEADS_OF_LANES = text(
    "SELECT head.* FROM unnest(CAST(:lanes AS varchar[])) AS wanted(name) CROSS JOIN LATERAL ("
    "SELECT id, kind, subject, lane, gate, priority, run_at, attempts, created_at, lease_until"
    " FROM job WHERE job.lane = wanted.name ORDER BY job.id LIMIT :n) AS head ORDER BY head.lane, head.id"
)


def _next_due(session: Session, pool: str, moment: datetime) -> datetime | None:
    """The next time at which something of the pool may become due by itself."""
    waiting = and_(Job.pool == pool, or_(Job.lease_until.is_(None), Job.lease_until < moment))
    later = session.scalar(select(func.min(Job.run_at)).where(waiting, Job.run_at > moment))
    gated = session.execute(
        select(func.min(Gate.blocked_until), func.min(Gate.next_at)).where(
            or_(Gate.blocked_until > moment, Gate.next_at > moment),
            Gate.key.in_(select(Job.gate).where(waiting, Job.run_at <= moment)),
        )
    ).one()
    times = [each for each in (later, *gated) if each is not None and each > moment]
    return min(times) if times else None


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
