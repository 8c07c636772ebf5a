"""Reading alerts: those that are open, those that are over, what was told of them, and who is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from portal.alarms.topics import Topic, kinds_of
from portal.models import (
    Agency,
    Alert,
    AlertLetter,
    AlertNotice,
    AlertRecipient,
    Delivery,
    Location,
)
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page
from portal.web.pages.queries.scope import Scope

MOST_OPEN = 50
MOST_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """An alert, and the sub-account that it is about."""

    row: Alert
    place: Location | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a page shows."""

    over: bool = False
    topic: str = ""
    location: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody was told; `delivery` is how our webhooks out fared with it."""

    row: AlertNotice
    recipient: AlertRecipient
    delivery: Delivery | None


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Line]:
    """Alerts, the newest first. A rare filter looks at so many, then offers to keep looking."""
    over = Alert.closed_at.is_not(None) if wanted.over else Alert.closed_at.is_(None)
    ids = _own(select(Alert.id), scope).where(over).order_by(Alert.id.desc())
    if wanted.before is not None:
        ids = ids.where(Alert.id < wanted.before)
    if wanted.location:
        ids = ids.where(Location.ghl_id == wanted.location)
    among = ids.limit(LOOKED_AT).subquery()
    found = select(Alert, Location).join(among, among.c.id == Alert.id)
    found = found.outerjoin(Location, Location.id == Alert.location_id).where(*_about(wanted.topic))
    rows = [Line(*row) for row in session.execute(found.order_by(Alert.id.desc()).limit(PAGE + 1))]
    if len(rows) > PAGE:
        return Page(rows[:PAGE], rows[PAGE - 1].row.id)
    last = session.scalar(ids.offset(LOOKED_AT - 1).limit(1))
    return Page(rows, last, gave_up=last is not None)


def newest(session: Session, scope: Scope) -> Sequence[Alert]:
    """Open alerts, the latest first, at most fifty."""
    wanted = _own(select(Alert), scope).where(Alert.closed_at.is_(None))
    return session.scalars(wanted.order_by(Alert.last_at.desc()).limit(MOST_OPEN)).all()


def one(session: Session, scope: Scope, alert_id: int) -> Alert | None:
    """The alert with this id, open or closed, when it is in scope."""
    found: Alert | None = session.scalar(_own(select(Alert), scope).where(Alert.id == alert_id))
    return found


def locked(session: Session, scope: Scope, alert_id: int) -> Alert | None:
    """The same, for a deed."""
    wanted = _own(select(Alert), scope).where(Alert.id == alert_id).with_for_update(of=Alert)
    found: Alert | None = session.scalar(wanted.execution_options(populate_existing=True))
    return found


def notices(session: Session, scope: Scope, alert: Alert) -> list[Notice]:
    """What was told of an alert, as far as its recipients are somebody's to see."""
    wanted = (
        select(AlertNotice, AlertRecipient, Delivery)
        .join(AlertRecipient, AlertRecipient.id == AlertNotice.recipient_id)
        .outerjoin(Delivery, Delivery.id == AlertNotice.delivery_id)
        .where(AlertNotice.alert_id == alert.id, _theirs(scope))
    )
    return [Notice(*row) for row in session.execute(wanted.order_by(AlertNotice.id))]


def recipients(session: Session, scope: Scope) -> list[tuple[AlertRecipient, Location | None, Agency | None]]:
    """Who is told, as far as somebody may see it: first the agency's, then those of single sub-accounts."""
    wanted = (
        select(AlertRecipient, Location, Agency)
        .outerjoin(Location, Location.id == AlertRecipient.location_id)
        .outerjoin(Agency, Agency.id == AlertRecipient.agency_id)
        .where(AlertRecipient.removed_at.is_(None), _theirs(scope))
    )
    order = AlertRecipient.agency_id, AlertRecipient.location_id.is_not(None), AlertRecipient.id
    rows = session.execute(wanted.order_by(*order).limit(500)).all()
    return [(row[0], row[1], row[2]) for row in rows]


def recipient(session: Session, scope: Scope, recipient_id: int) -> AlertRecipient | None:
    """One recipient that stands, when it is somebody's to see."""
    mine = AlertRecipient.id == recipient_id, AlertRecipient.removed_at.is_(None), _theirs(scope)
    found: AlertRecipient | None = session.scalar(select(AlertRecipient).where(*mine).with_for_update())
    return found


def letters(session: Session, row: AlertRecipient) -> Sequence[AlertLetter]:
    """The last letters to a recipient, and how the tries ended."""
    mine = select(AlertLetter).where(AlertLetter.recipient_id == row.id)
    return session.scalars(mine.order_by(AlertLetter.id.desc()).limit(MOST_LETTERS)).all()


def last_notices(session: Session, row: AlertRecipient) -> list[Notice]:
    """What a recipient was told last."""
    wanted = select(AlertNotice, Delivery).outerjoin(Delivery, Delivery.id == AlertNotice.delivery_id)
    mine = wanted.where(AlertNotice.recipient_id == row.id).order_by(AlertNotice.id.desc()).limit(MOST_LETTERS)
    return [Notice(notice, row, delivery) for notice, delivery in session.execute(mine)]


def _own(wanted: Select[Any], scope: Scope) -> Select[Any]:
    """What is in scope: of one's sub-accounts, of the agency itself for whoever sees all of it, all to the operator.

    What concerns no tenant (forged or unreadable webhooks, the disk) is the operator's alone.
    """
    wanted = wanted.outerjoin(Location, Location.id == Alert.location_id)
    if scope.everything:
        return wanted
    theirs: ColumnElement[bool] = Location.agency_id == scope.agency_id
    if scope.location_ids is not None:
        return wanted.where(theirs, Location.id.in_(scope.location_ids))
    company = select(Agency.company_id).where(Agency.id == scope.agency_id)
    named = or_(
        Alert.subject.in_(company),
        Alert.subject.in_(select("agency:" + Agency.company_id).where(Agency.id == scope.agency_id)),
    )
    return wanted.where(or_(theirs, and_(Alert.location_id.is_(None), named)))


def _theirs(scope: Scope) -> ColumnElement[bool]:
    if scope.everything:
        return AlertRecipient.id.is_not(None)
    own = AlertRecipient.agency_id == scope.agency_id
    return own if scope.location_ids is None else and_(own, AlertRecipient.location_id.in_(scope.location_ids))


def _about(topic: str) -> list[ColumnElement[bool]]:
    if not topic:
        return []
    if topic == Topic.OTHER:
        return [Alert.kind.not_in([kind for each in Topic for kind in kinds_of(each)])]
    return [Alert.kind.in_(kinds_of(Topic(topic)))]
