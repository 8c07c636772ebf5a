"""Putting work into the queue and taking it out again, always inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, delete, exists, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert_unless_there, padded, wakes
from portal.models import Job

APPLY, SEND, GHL, MEDIA, HOOK = "apply", "send", "ghl", "media", "hook"
POOLS = (APPLY, SEND, GHL, MEDIA, HOOK)
_AT_ONCE = 500
# Lower goes first. A claim looks for each of these by itself, so a job has to have one of them.
PRIORITIES = (0, 10, 20, 25, 30)


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed job. `gate_failures` is how many faults in a row its gate had when it was claimed."""

    id: int
    kind: str
    subject: int
    lane: str
    gate: str
    priority: int
    attempts: int
    created_at: datetime
    gate_failures: int = 0
    pool: str = ""


def job(pool: str, kind: str, subject: int, lane: str, **more: Any) -> dict[str, Any]:
    """A row for `enqueue`. `more` may hold gate, priority (lower goes first) and run_at.

    Raises `ValueError` for a priority that no claim looks for.
    """
    moment = clock.now()
    if more.get("priority", PRIORITIES[0]) not in PRIORITIES:
        raise ValueError(f"a job's priority is one of {PRIORITIES}: no claim would find it")
    return {
        "pool": pool,
        "kind": kind,
        "subject": subject,
        "lane": lane,
        "gate": "",
        "priority": 20,
        "run_at": moment,
        "attempts": 0,
        "lease_owner": "",
        "note": "",
        "created_at": moment,
        **more,
    }


def enqueue(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Adds jobs. One that exists already (same kind and subject) stays as it is: work coalesces."""
    if not rows:
        return
    session.connection().execute(insert_unless_there(session, Job, "kind", "subject"), rows)
    for row in rows:
        wakes(session, row["pool"])


def request(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Adds jobs of one kind that look at more than their subject's row, and take themselves out before they look.

    `enqueue` alone would let a request coalesce with a job that has looked already. Here one that is being carried out
    is either kept from looking until this transaction ends, or waited for and then added anew.
    """
    for place in range(0, len(rows), _AT_ONCE):
        some = rows[place : place + _AT_ONCE]
        same = update(Job).where(Job.kind == some[0]["kind"], Job.subject.in_([row["subject"] for row in some]))
        session.execute(same.values(run_at=clock.now()).execution_options(synchronize_session=False))
        enqueue(session, some)


def without_job(subject: Any, *kinds: str) -> ColumnElement[bool]:
    """Of a row's id: has it no job of these kinds?"""
    return ~exists().where(Job.kind.in_(kinds), Job.subject == subject)


def complete(session: Session, ids: Iterable[int]) -> None:
    """Removes jobs that are done."""
    wanted = list(ids)
    if wanted:
        session.connection().execute(_DELETE, {"ids": padded(wanted)})


_DELETE = delete(Job.__table__).where(Job.id.in_(bindparam("ids", expanding=True)))  # type: ignore[arg-type]


def drop(session: Session, kind: str, subjects: Iterable[int]) -> None:
    """Removes jobs by what they speak of, for work that has become pointless. What waited behind them is due."""
    wanted = list(subjects)
    if not wanted:
        return
    pointless = delete(Job).where(Job.kind == kind, Job.subject.in_(wanted))
    moment = clock.now()
    for row in session.execute(pointless.returning(Job.id, Job.lane, Job.run_at, Job.pool)).all():
        if row.run_at > moment:
            _bring_forward(session, row, moment)


def _bring_forward(session: Session, gone: Row[int, str, datetime, str], moment: datetime) -> None:
    """A claim has delayed what stands behind a delayed job to the very time of that one (`claim`)."""
    behind = Job.lane == gone.lane, Job.id > gone.id, Job.run_at == gone.run_at
    delayed = select(Job.id).where(*behind).with_for_update(skip_locked=True)
    session.execute(
        update(Job).where(Job.id.in_(delayed)).values(run_at=moment).execution_options(synchronize_session=False)
    )
    wakes(session, gone.pool)


def postpone(session: Session, due: Due, run_at: datetime, note: str = "", *, lane: str | None = None) -> bool:
    """Gives a job back to run at a later time, in its own lane or, stepping aside, in another.

    False when there is no such job any more. Its pool is woken: it has to know the time.
    """
    if due.pool:
        wakes(session, due.pool)
    values: dict[str, Any] = {
        "run_at": run_at,
        "attempts": due.attempts + 1,
        "note": note[:500],
        "lease_owner": "",
        "lease_until": None,
    }
    if lane is not None:
        values["lane"] = lane
    changed = session.execute(update(Job).where(Job.id == due.id).values(**values))
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def release(session: Session, owner: str, ids: Iterable[int]) -> None:
    """Gives claimed jobs back untouched, those that are still this owner's."""
    wanted = list(ids)
    if wanted:
        mine = Job.id.in_(wanted), Job.lease_owner == owner
        session.execute(update(Job).where(*mine).values(lease_owner="", lease_until=None))
