"""How every sub-account stands, for the wall: looked at by the clock, written where something changed.

What it reads is bounded: senders and wallets, jobs that wait, an index of held messages, hours of today. No message is
counted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alarms.topics import GOOD_NEWS
from portal.credits.days import zone
from portal.database import Database
from portal.figures.hearing import ensure
from portal.messaging import line_states
from portal.messaging.releasing import HELD
from portal.models import (
    Alert,
    Gate,
    InstallState,
    Job,
    Location,
    Message,
    MessageHour,
    Part,
    PlaceStanding,
    Sender,
    SenderState,
    Wallet,
)
from portal.queue.gates import sender_gate

LOCK = 7358
MOST_JOBS = 20_000
MOST_HELD = 100_000
# From so many faults in a row on a gate lets one call at a time through.
_FAULTS = 3
LATE = timedelta(minutes=5)
# Tiers of what needs a person first; below a thousand the number of what waits decides.
STOPPED, ALERTED, WAITS, WATCH, TIER = 4, 3, 2, 1, 1000
WELL = 100


NOTHING: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("need", "ready", "troubled", "paused", "waiting", "held"), 0),
        **dict.fromkeys(("received", "written", "delivered", "failed", "credits_low", "alerts", "unseen"), 0),
        **dict.fromkeys(("oldest_at", "credits")),
    }
)


def look(database: Database) -> int:
    """Brings the rows up to date; how many changed. One process at a time does it."""
    with database.alone(LOCK, 1) as mine:
        if not mine:
            return 0
        with database.read() as session:
            found = _found(session)
            known = {row.location_id: row for row in session.scalars(select(PlaceStanding))}
        changed = sorted(id_ for id_, values in found.items() if not _same(known.get(id_), values))
        if changed:
            with database.write() as session:
                for id_ in changed:
                    ensure(session, id_)
                    row = session.get_one(PlaceStanding, id_)
                    for name, value in found[id_].items():
                        setattr(row, name, value)
        return len(changed)


def _same(row: PlaceStanding | None, values: dict[str, Any]) -> bool:
    return row is not None and all(getattr(row, name) == value for name, value in values.items())


def _found(session: Session) -> dict[int, dict[str, Any]]:
    moment = clock.now()
    places = session.execute(select(Location.id, Location.timezone, Location.install_state)).all()
    # A sub-account that comes meanwhile is the next look's.
    found: dict[int, dict[str, Any]] = defaultdict(lambda: dict(NOTHING))
    _senders(session, found, moment)
    _waiting(session, found, moment)
    _held(session, found)
    _today(session, found, moment, {row.timezone for row in places})
    _credits(session, found)
    _alerts(session, found)
    for row in places:
        found[row.id]["need"] = need(found[row.id], row.install_state == InstallState.INSTALLED, moment)
    return {row.id: found[row.id] for row in places}


def need(values: dict[str, Any], installed: bool, moment: datetime) -> int:
    """What needs a person first: nothing can go out, an alert that nobody has seen, what waits, what to watch."""
    senders = values["ready"] + values["troubled"] + values["paused"]
    waits = values["waiting"] + values["held"]
    late = values["oldest_at"] is not None and moment - values["oldest_at"] > LATE
    failing = values["failed"] >= 5 and values["failed"] * 10 >= values["written"]
    if (installed and senders and not values["ready"]) or (not installed and waits):
        tier = STOPPED
    elif values["unseen"]:
        tier = ALERTED
    elif values["held"] or late:
        tier = WAITS
    elif failing or values["credits_low"] or values["troubled"] or values["alerts"]:
        tier = WATCH
    else:
        return 0
    return tier * TIER + int(min(waits + values["failed"], TIER - 1))


def _senders(session: Session, found: dict[int, dict[str, Any]], moment: datetime) -> None:
    closed = Gate.blocked_until > moment, Gate.failures >= _FAULTS
    shut = set(session.scalars(select(Gate.key).where(*closed)))
    columns = Sender.id, Sender.location_id, Sender.account_key, Sender.state, Sender.line_state
    for row in session.execute(select(*columns).where(Sender.state != SenderState.REMOVED)):
        speaks = row.line_state in line_states.SENDING
        if row.state == SenderState.PAUSED:
            name = "paused"
        else:
            name = "ready" if speaks and sender_gate(row.id, row.account_key) not in shut else "troubled"
        found[row.location_id][name] += 1


def _waiting(session: Session, found: dict[int, dict[str, Any]], moment: datetime) -> None:
    """What is to be handed to providers and may be: what is scheduled for later does not wait."""
    due = or_(Message.scheduled_at.is_(None), Message.scheduled_at <= moment)
    jobs = select(Job.subject, Job.created_at).where(Job.pool == "send", Job.kind == "send").limit(MOST_JOBS).subquery()
    # A campaign takes as long as its sender's pace makes it: it is counted, and not late.
    alone = case((Message.bulk == "", jobs.c.created_at))
    single = (
        select(Message.location_id, func.count(), func.min(alone))
        .select_from(jobs)
        .join(Part, Part.id == jobs.c.subject)
        .join(Message, Message.id == Part.message_id)
        .where(due)
        .group_by(Message.location_id)
    )
    for location_id, number, oldest in session.execute(single):
        found[location_id].update(waiting=number, oldest_at=oldest)


def _held(session: Session, found: dict[int, dict[str, Any]]) -> None:
    held = select(Message.location_id).where(HELD).limit(MOST_HELD).subquery()
    for location_id, number in session.execute(select(held.c.location_id, func.count()).group_by(held.c.location_id)):
        found[location_id]["held"] = number


def _today(session: Session, found: dict[int, dict[str, Any]], moment: datetime, zones: set[str]) -> None:
    """Since midnight where the sub-account is, by whole hours in UTC."""
    names = ("received", "written", "delivered", "failed")
    sums = [func.sum(getattr(MessageHour, name)) for name in names]
    for name in sorted(zones):
        begins = moment.astimezone(zone(name)).replace(hour=0, minute=0, second=0, microsecond=0)
        today = MessageHour.hour >= int(begins.timestamp()) // 3600, Location.timezone == name
        wanted: Select[Any] = select(MessageHour.location_id, *sums).join(Location).where(*today)
        for location_id, *counted in session.execute(wanted.group_by(MessageHour.location_id)):
            found[location_id].update(dict(zip(names, map(int, counted), strict=True)))


def _credits(session: Session, found: dict[int, dict[str, Any]]) -> None:
    limited = select(Wallet.location_id, Wallet.available, Wallet.alert_level).where(Wallet.unlimited.is_(False))
    for location_id, available, level in session.execute(limited):
        found[location_id].update(credits=available, credits_low=int(level < WELL or available <= 0))


def _alerts(session: Session, found: dict[int, dict[str, Any]]) -> None:
    unseen = func.sum(case((Alert.acknowledged_at.is_(None), 1), else_=0))
    open_ = Alert.closed_at.is_(None), Alert.location_id.is_not(None), Alert.kind.not_in(GOOD_NEWS)
    for location_id, number, fresh in session.execute(
        select(Alert.location_id, func.count(), unseen).where(*open_).group_by(Alert.location_id)
    ):
        found[location_id].update(alerts=number, unseen=int(fresh))


def standings(session: Session, places: Sequence[int]) -> dict[int, PlaceStanding]:
    """The rows of these sub-accounts, those that have one."""
    wanted = select(PlaceStanding).where(PlaceStanding.location_id.in_(places))
    return {row.location_id: row for row in session.scalars(wanted)} if places else {}
