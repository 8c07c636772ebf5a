"""What an incident came to, in figures: how many messages were held, how many were lost, when it was over."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.alarms.topics import Topic, topic_of
from portal.credits.days import zone
from portal.models import Alert, Direction, Location, Message, Status, StatusChange
from portal.wording import noted

# As many of the sub-account's newest messages are looked at: a recovery is told within milliseconds, however busy.
LOOKED_AT = 5000
# Messages are held from the fault on; the alert is raised only once it is no passing one (`line_states.GRACE`).
BEFORE = timedelta(minutes=10)
_LOST = (Status.FAILED, Status.EXPIRED)
# What befalls these topics keeps messages back.
_COUNTED = (Topic.SENDER, Topic.DEAF, Topic.FAILURES, Topic.QUEUE, Topic.CONNECTION)


def of(session: Session, alert: Alert) -> str:
    """One sentence on a closed alert: "14 held, 0 lost, back at 10:42 UTC, after 12 minutes." """
    location = session.get(Location, alert.location_id) if alert.location_id is not None else None
    ended = alert.closed_at or alert.last_at
    at, time = _clock(ended, location), lasted(ended - alert.opened_at)
    if alert.closed_by:
        return f"{alert.closed_by} closed it at {at}, after {time}."
    if location is None or topic_of(alert.kind) not in _COUNTED:
        return f"Over at {at}, after {time}."
    held, lost, more = _counted(session, alert, location.id, ended)
    if more:
        return noted(f"at least {held} held, at least {lost} lost, back at {at}, after {time}.")
    return f"{held} held, {lost} lost, back at {at}, after {time}."


def lasted(time: timedelta) -> str:
    """A stretch of time in words, at least a minute."""
    minutes = max(1, round(time.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} {'minute' if minutes == 1 else 'minutes'}"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _clock(moment: datetime, location: Location | None) -> str:
    name = location.timezone if location is not None else "UTC"
    place = zone(name)
    known = name if str(place) == name else "UTC"
    return f"{moment.astimezone(place):%H:%M} {known}"


def _counted(session: Session, alert: Alert, location_id: int, ended: datetime) -> tuple[int, int, bool]:
    """Held, lost, and whether older messages than those looked at may have been too."""
    newest = (
        select(Message.id, Message.sender_id, Message.created_at)
        .where(Message.location_id == location_id, Message.direction == Direction.OUT)
        .order_by(Message.position.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    mine: list[ColumnElement[bool]] = []
    sender_id = sender_of(alert.subject)
    if sender_id is not None:
        mine.append(newest.c.sender_id == sender_id)
    began = alert.opened_at - BEFORE
    moves = (
        select(StatusChange.after, func.count(StatusChange.message_id.distinct()))
        .join(newest, newest.c.id == StatusChange.message_id)
        .where(*mine, StatusChange.part_id.is_(None), StatusChange.at.between(began, ended))
        .where(StatusChange.after.in_((Status.HELD, *_LOST)))
        .group_by(StatusChange.after)
    )
    counted = dict(session.execute(moves).all())
    looked, oldest = session.execute(select(func.count(), func.min(newest.c.created_at))).one()
    more = looked >= LOOKED_AT and oldest is not None and oldest > began
    return counted.get(Status.HELD, 0), sum(counted.get(each, 0) for each in _LOST), more


def sender_of(subject: str) -> int | None:
    """The sender that an alert's subject names: `sender:<id>`, or `sender:<id>:<what>`."""
    kind, _, rest = subject.partition(":")
    number = rest.partition(":")[0]
    return int(number) if kind == "sender" and number.isascii() and number.isdigit() else None
