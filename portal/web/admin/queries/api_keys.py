"""Reading keys to the API, webhooks out and what they were told: those that somebody may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from portal.models import Agency, ApiKey, ApiKeyLocation, Delivery, DeliveryAttempt, Location, Subscription
from portal.web.pages.queries.pages import PAGE, Page
from portal.web.pages.queries.scope import Scope

MOST_NAMES = 20
MOST_TRIES = 200


@dataclass(frozen=True, slots=True)
class Key:
    """A key, whose it is, and the names of the sub-accounts that were chosen for it, as far as a list shows them."""

    row: ApiKey
    agency: Agency | None
    places: Sequence[str]


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook out; `whose` is the name of its sub-account, its agency or its key."""

    row: Subscription
    whose: str


def keys(session: Session, scope: Scope, before: int | None) -> Page[Key]:
    """Keys, the newest first."""
    wanted = select(ApiKey).where(*_seen(scope)).order_by(ApiKey.id.desc()).limit(PAGE + 1)
    if before is not None:
        wanted = wanted.where(ApiKey.id < before)
    rows = session.scalars(wanted).all()
    return Page([_key(session, row) for row in rows[:PAGE]], rows[PAGE - 1].id if len(rows) > PAGE else None)


def key(session: Session, scope: Scope, key_id: int) -> Key | None:
    """One key, when it is somebody's to see."""
    row = session.scalar(select(ApiKey).where(ApiKey.id == key_id, *_seen(scope)))
    return _key(session, row) if row is not None else None


def hooks(session: Session, scope: Scope, before: int | None) -> Page[Hook]:
    """Webhooks out that stand, the newest first."""
    wanted = select(Subscription).where(Subscription.removed_at.is_(None), _heard(scope))
    if before is not None:
        wanted = wanted.where(Subscription.id < before)
    rows = session.scalars(wanted.order_by(Subscription.id.desc()).limit(PAGE + 1)).all()
    return Page([_hook(session, row) for row in rows[:PAGE]], rows[PAGE - 1].id if len(rows) > PAGE else None)


def hook(session: Session, scope: Scope, webhook_id: int) -> Hook | None:
    """One webhook out, also a removed one, when it is somebody's to see."""
    row = session.scalar(select(Subscription).where(Subscription.id == webhook_id, _heard(scope)))
    return _hook(session, row) if row is not None else None


def deliveries(session: Session, row: Subscription, before: int | None) -> Page[Delivery]:
    """What a webhook was told, the newest first."""
    wanted = select(Delivery).where(Delivery.subscription_id == row.id)
    if before is not None:
        wanted = wanted.where(Delivery.id < before)
    rows = session.scalars(wanted.order_by(Delivery.id.desc()).limit(PAGE + 1)).all()
    return Page(rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None)


def delivery(session: Session, scope: Scope, delivery_id: int) -> tuple[Delivery, Hook] | None:
    """One thing that a webhook was told, when that is somebody's to see."""
    row = session.get(Delivery, delivery_id)
    found = hook(session, scope, row.subscription_id) if row is not None else None
    return (row, found) if row is not None and found is not None else None


def tries(session: Session, row: Delivery) -> Sequence[DeliveryAttempt]:
    """Every try to tell it, in their order."""
    mine = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id == row.id)
    return session.scalars(mine.order_by(DeliveryAttempt.id).limit(MOST_TRIES)).all()


def _seen(scope: Scope) -> list[ColumnElement[bool]]:
    """An agency's keys; to somebody with chosen sub-accounts, those that reach no others."""
    seen: list[ColumnElement[bool]] = []
    if scope.agency_id is not None:
        seen.append(ApiKey.agency_id == scope.agency_id)
    if scope.location_ids is not None:
        beyond = ApiKeyLocation.key_id == ApiKey.id, ApiKeyLocation.location_id.not_in(scope.location_ids)
        seen += [ApiKey.whole_agency.is_(False), ~select(ApiKeyLocation.key_id).where(*beyond).exists()]
    return seen


def _heard(scope: Scope) -> ColumnElement[bool]:
    """Of a sub-account in scope, of a whole agency for whoever sees all of it, or of a key that is seen."""
    of_place = Subscription.location_id.in_(scope.narrow(select(Location.id)))
    of_key = Subscription.key_id.in_(select(ApiKey.id).where(*_seen(scope)))
    if not scope.whole_agency:
        return or_(of_place, of_key)
    everybodys = and_(Subscription.location_id.is_(None), Subscription.agency_id.is_not(None))
    if scope.agency_id is not None:
        everybodys = and_(everybodys, Subscription.agency_id == scope.agency_id)
    else:  # that of a recipient of the operator's own alerts
        everybodys = or_(everybodys, and_(Subscription.location_id.is_(None), Subscription.key_id.is_(None)))
    return or_(of_place, of_key, everybodys)


def _key(session: Session, row: ApiKey) -> Key:
    chosen = select(Location).join(ApiKeyLocation, ApiKeyLocation.location_id == Location.id)
    places = session.scalars(chosen.where(ApiKeyLocation.key_id == row.id).order_by(Location.id).limit(MOST_NAMES))
    agency = session.get(Agency, row.agency_id) if row.agency_id is not None else None
    return Key(row, agency, [each.name or each.ghl_id for each in places])


def _hook(session: Session, row: Subscription) -> Hook:
    if row.location_id is not None:
        place = session.get_one(Location, row.location_id)
        return Hook(row, place.name or place.ghl_id)
    if row.agency_id is not None:
        agency = session.get_one(Agency, row.agency_id)
        return Hook(row, gettext("all sub-accounts of %(name)s", name=agency.name or agency.company_id))
    named = session.get(ApiKey, row.key_id) if row.key_id is not None else None
    return Hook(row, gettext("requests of the key %(name)s", name=named.name) if named is not None else "")
