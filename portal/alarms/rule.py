"""The one rule for all alerts: told once when an incident has lasted, told once when it is over, by the clock.

Raising and closing an alert only changes its row (`portal.alerts.notices`); this looks at rows that are not settled.
An incident that ends within its grace is told to nobody; one that comes back within it is the same one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from functools import partial

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alarms import outcomes, recipients
from portal.alarms.topics import GOOD_NEWS, TOPICS, Topic, topic_of
from portal.database import Database
from portal.errors import InvalidInput
from portal.models import Agency, Alert, AlertNotice, AlertRule, Location, NoticeKind

AT_ONCE = 50
MOST = 2000
# Whose rules and recipients count where an alert is no agency's.
OPERATOR = 0


class Deed(Enum):
    """What is to be done about an incident now."""

    TELL = "tell"
    SETTLE = "settle"


def decide(alert: Alert, grace: timedelta, moment: datetime) -> Deed | None:
    """What an incident asks for at a moment; None for nothing yet."""
    if alert.settled_at is not None:
        return None
    if alert.kind in GOOD_NEWS:
        return Deed.SETTLE
    if alert.closed_at is not None:
        return Deed.SETTLE if moment - alert.closed_at >= grace else None
    muted = alert.muted_until is not None and alert.muted_until > moment
    lasted = moment - alert.opened_at >= grace
    return Deed.TELL if alert.told_at is None and lasted and not muted else None


def look(database: Database) -> int:
    """Tells what is due, settles what is over; how many incidents moved."""
    with database.read() as session:
        due = [alert.id for alert, _, _ in _decided(session)]
    moved = 0
    for place in range(0, len(due), AT_ONCE):
        moved += database.patiently(partial(_take, ids=due[place : place + AT_ONCE]))
    return moved


def _take(session: Session, ids: Sequence[int]) -> int:
    # Whoever raises one of these alerts just now is not waited for: it is looked at again in a moment.
    free = select(Alert.id).where(Alert.id.in_(ids)).with_for_update(skip_locked=True, of=Alert)
    mine = session.scalars(free).all()
    moment, moved = clock.now(), 0
    for alert, agency_id, deed in _decided(session, mine):
        if deed is Deed.TELL:
            alert.told_at = moment
            recipients.tell(session, alert, agency_id, NoticeKind.BEGAN, alert.text)
        else:
            _settle(session, alert, agency_id, moment)
        moved += 1
    return moved


def _settle(session: Session, alert: Alert, agency_id: int, moment: datetime) -> None:
    alert.settled_at = moment
    if alert.kind in GOOD_NEWS or alert.closed_at is None:
        return
    alert.outcome = outcomes.of(session, alert)
    if alert.told_at is None or (alert.muted_until is not None and alert.muted_until > moment):
        return
    said = f"{alert.outcome} {alert.text}" if alert.text != alert.began_text else alert.outcome
    recipients.tell_those_who_know(session, alert, agency_id, said)


def _decided(session: Session, ids: Iterable[int] | None = None) -> list[tuple[Alert, int, Deed]]:
    """Alerts with something to be done about them, whose they are, and what."""
    moment = clock.now()
    wanted = select(Alert, Location.agency_id).outerjoin(Location, Location.id == Alert.location_id)
    unmuted = or_(Alert.muted_until.is_(None), Alert.muted_until <= moment)
    news = or_(Alert.closed_at.is_not(None), Alert.kind.in_(GOOD_NEWS), and_(Alert.told_at.is_(None), unmuted))
    wanted = wanted.where(Alert.settled_at.is_(None), news).order_by(Alert.id).limit(MOST)
    if ids is not None:
        wanted = wanted.where(Alert.id.in_(ids)).execution_options(populate_existing=True)
    rows = session.execute(wanted).all()
    own = _agencies(session, [alert for alert, agency_id in rows if agency_id is None])
    known = graces(session)
    found = []
    for alert, told in rows:
        agency_id = told if told is not None else own.get(alert.id, OPERATOR)
        deed = decide(alert, known.get((agency_id, topic_of(alert.kind))) or _usual(alert.kind), moment)
        if deed is not None:
            found.append((alert, agency_id, deed))
    return found


def _agencies(session: Session, alerts: Sequence[Alert]) -> dict[int, int]:
    """Of alerts without a sub-account: the agency that the subject names, as `company` or `agency:company`."""
    names = {alert.id: alert.subject.rpartition(":")[2] for alert in alerts if alert.location_id is None}
    if not names:
        return {}
    known = select(Agency.company_id, Agency.id).where(Agency.company_id.in_(set(names.values())))
    ids = dict(session.execute(known).all())
    return {alert_id: ids[name] for alert_id, name in names.items() if name in ids}


def agency_of(session: Session, alert: Alert) -> int:
    """The agency whose alert it is; `OPERATOR` where it is none's."""
    if alert.location_id is not None:
        found: int | None = session.scalar(select(Location.agency_id).where(Location.id == alert.location_id))
        return found or OPERATOR
    return _agencies(session, [alert]).get(alert.id, OPERATOR)


def _usual(kind: str) -> timedelta:
    return timedelta(seconds=TOPICS[topic_of(kind)].grace)


def graces(session: Session) -> Mapping[tuple[int, str], timedelta]:
    """The grace periods that agencies have set, by agency and topic."""
    return {
        (row.agency_id, row.topic): timedelta(seconds=row.grace_seconds) for row in session.scalars(select(AlertRule))
    }


def graces_of(session: Session, agency_id: int) -> dict[Topic, int]:
    """The seconds that count for an agency, or for the operator's alerts."""
    own = dict(
        session.execute(select(AlertRule.topic, AlertRule.grace_seconds).where(AlertRule.agency_id == agency_id)).all()
    )
    return {topic: own.get(topic, about.grace) for topic, about in TOPICS.items()}


def set_grace(session: Session, agency_id: int, topic: Topic, seconds: int) -> None:
    """Sets how long an incident of the topic has to last. Raises `InvalidInput` beyond a day."""
    if not 0 <= seconds <= 24 * 3600:
        raise InvalidInput("A grace period is between 0 minutes and 24 hours.")
    row = session.get(AlertRule, (agency_id, topic.value))
    if row is not None:
        row.grace_seconds = seconds
    elif seconds != TOPICS[topic].grace:
        session.add(AlertRule(agency_id=agency_id, topic=topic.value, grace_seconds=seconds))


def acknowledge(alert: Alert, by: str) -> None:
    """Somebody is at it: it does not ask for attention any more, as long as it lasts. `alert` is locked."""
    if alert.acknowledged_at is None and alert.closed_at is None:
        alert.acknowledged_at, alert.acknowledged_by = clock.now(), by[:128]


def mute(alert: Alert, until: datetime | None) -> None:
    """Nobody is told of it before; None unmutes it. `alert` is locked."""
    alert.muted_until = until


def told_of(session: Session, alert_id: int) -> Sequence[AlertNotice]:
    """What was told of an incident, in its order."""
    return session.scalars(select(AlertNotice).where(AlertNotice.alert_id == alert_id).order_by(AlertNotice.id)).all()
