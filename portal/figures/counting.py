"""Adding up by the clock what became of messages, by hour and day, from where the last look ended.

Nothing is written where messages move, so counting cannot slow or lock them. On PostgreSQL numbers are given out before
their rows are committed: the newest number that is seen is remembered with the transactions that are under way, and
what is below it is added up once all of these have ended. Figures are therefore some 20 seconds late, later only while
a transaction of the same server lasts longer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, cast, delete, exists, func, select, text, true
from sqlalchemy.orm import Session, aliased

from portal import clock
from portal.database import Database, insert
from portal.figures import hearing
from portal.models import CountMark, Direction, Event, Message, MessageDay, MessageHour, Status, StatusChange
from portal.models.base import Base

# Marks ours among other programs' advisory locks in the same database.
LOCK = 7357
AT_ONCE = 5000
# So many steps of a feed at one look: the first look of an old database goes on at the next.
MOST_STEPS = 20
HOURS_KEPT = timedelta(days=60)
HOUR, DAY = 3600, 24
NAMES = ("received", "written", "accepted", "delivered", "failed")
_TAKEN = (Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ)
_THERE = (Status.DELIVERED, Status.READ)
_LOST = (Status.FAILED, Status.EXPIRED)
_HORIZON = text(
    "SELECT pg_snapshot_xmin(now_seen)::text::bigint, pg_snapshot_xmax(now_seen)::text::bigint"
    " FROM pg_current_snapshot() AS now_seen"
)


@dataclass(frozen=True, slots=True)
class Feed:
    """A table whose new rows are taken in the order of their ids. `begin`: from which id on, when it was never read."""

    name: str
    id: Any
    take: Callable[[Session, int, int], None]
    begin: Callable[[int], int] = lambda newest: 0


def add_up(database: Database) -> int:
    """Brings the figures forward; how many rows were looked at. One process at a time does it."""
    with database.alone(LOCK, 1) as mine:
        return sum(_follow(database, feed) for feed in FEEDS) if mine else 0


def _follow(database: Database, feed: Feed) -> int:
    looked = 0
    for _ in range(MOST_STEPS):
        with database.write() as session:
            step = _step(session, feed)
        looked += step
        if not step:
            break
    return looked


def _step(session: Session, feed: Feed) -> int:
    mark = _mark(session, feed)
    # Before the transactions are: one that begins between the two statements may have a number below the newest.
    newest = session.scalar(select(func.max(feed.id))) or 0 if mark.done >= mark.ceiling else 0
    lowest, highest = _transactions(session)
    if mark.done >= mark.ceiling:
        mark.ceiling, mark.horizon = max(newest, mark.done), highest
        if highest:
            return 0  # on PostgreSQL the next look takes it
    if mark.done >= mark.ceiling or lowest < mark.horizon:
        return 0
    last = min(mark.done + AT_ONCE, mark.ceiling)
    feed.take(session, mark.done, last)
    looked, mark.done, mark.at = last - mark.done, last, clock.now()
    return looked


def _mark(session: Session, feed: Feed) -> CountMark:
    found = session.get(CountMark, feed.name, with_for_update=True, populate_existing=True)
    if found is None:
        newest = session.scalar(select(func.max(feed.id))) or 0
        found = CountMark(name=feed.name, done=feed.begin(newest), ceiling=0, horizon=0, at=clock.now())
        session.add(found)
    return found


def _transactions(session: Session) -> tuple[int, int]:
    """The oldest transaction that is under way, and the next one's number; nothing where one writes at a time."""
    if session.get_bind().dialect.name == "sqlite":
        return 0, 0
    lowest, highest = session.execute(_HORIZON).one()
    return lowest, highest


def _written(session: Session, after: int, last: int) -> None:
    of_time = Message.id > after, Message.id <= last, Message.backfilled.is_(False)
    hour = _hour(session, Message.created_at)
    came = Message.direction == Direction.IN
    _add(
        session,
        select(Message.location_id, hour, _sum(came).label("received"), _sum(~came).label("written"))
        .where(*of_time)
        .group_by(Message.location_id, hour),
    )


def _moved(session: Session, after: int, last: int) -> None:
    of_time = StatusChange.id > after, StatusChange.id <= last, StatusChange.part_id.is_(None)
    hour = _hour(session, StatusChange.at)
    sums = [
        _sum(StatusChange.after.in_(states) & StatusChange.before.not_in(states) & new).label(name)
        for name, states, new in (
            ("accepted", _TAKEN, _first_taken()),
            ("delivered", _THERE, true()),
            ("failed", _LOST, true()),
        )
    ]
    _add(
        session,
        select(Message.location_id, hour, *sums)
        .join(Message, Message.id == StatusChange.message_id)
        .where(*of_time, StatusChange.after.in_((*_TAKEN, *_LOST)))
        .group_by(Message.location_id, hour),
    )


def _first_taken() -> ColumnElement[bool]:
    """Was the message not accepted before? One whose time had run out may have been, and one in parts goes back."""
    other = aliased(StatusChange)
    before = other.message_id == StatusChange.message_id, other.part_id.is_(None), other.id < StatusChange.id
    return ~exists().where(*before, other.after.in_(_TAKEN))


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _hour(session: Session, moment: Any) -> ColumnElement[int]:
    """Hours since 1970 in UTC."""
    if session.get_bind().dialect.name == "sqlite":
        return cast(func.strftime("%s", moment), Integer).op("/")(HOUR).label("hour")
    return cast(func.floor(func.extract("epoch", moment) / HOUR), Integer).label("hour")


def _add(session: Session, wanted: Any) -> None:
    rows = [dict(row) for row in session.execute(wanted).mappings()]
    hours = sorted(({**row, "hour": int(row["hour"])} for row in rows), key=lambda r: (r["location_id"], r["hour"]))
    days: dict[tuple[int, int], dict[str, int]] = {}
    for row in hours:
        of_day = days.setdefault((row["location_id"], row["hour"] // DAY), {})
        for name in NAMES:
            of_day[name] = of_day.get(name, 0) + int(row.get(name, 0))
    _upsert(session, MessageHour, "hour", hours)
    _upsert(session, MessageDay, "day", [{"location_id": p, "day": d, **sums} for (p, d), sums in days.items()])


def _upsert(session: Session, model: type[Base], key: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    values = [{name: int(row.get(name, 0)) for name in ("location_id", key, *NAMES)} for row in rows]
    new = insert(session, model)
    table: Any = model.__table__
    more = {name: table.c[name] + new.excluded[name] for name in NAMES}
    session.execute(new.on_conflict_do_update(index_elements=["location_id", key], set_=more), values)


def forget(session: Session) -> int:
    """Deletes hours that are older than they are kept; the days stay. How many."""
    oldest = int((clock.now() - HOURS_KEPT).timestamp()) // HOUR
    gone = session.execute(delete(MessageHour).where(MessageHour.hour < oldest))
    return gone.rowcount  # type: ignore[attr-defined, no-any-return]


FEEDS = (
    Feed("message", Message.id, _written),
    Feed("status_change", StatusChange.id, _moved),
    Feed("event", Event.id, hearing.take, hearing.begin),
)
