"""Reading webhooks out, their deliveries and tries."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from portal.accounts.api_keys import Reach
from portal.models import Delivery, DeliveryAttempt, Location, Subscription
from portal.web.api.queries import newest_first


def page(
    session: Session, reach: Reach, test: bool, location: Location | None, cursor: str, limit: int
) -> tuple[Sequence[tuple[Subscription, str | None]], str]:
    """Webhooks with HighLevel's id of their location, newest first: all in reach, or those of one location."""
    wanted = (
        select(Subscription, Location.ghl_id)
        .outerjoin(Location, Location.id == Subscription.location_id)
        .where(Subscription.removed_at.is_(None), Subscription.test == test, _mine(reach))
    )
    if location is not None:
        wanted = wanted.where(Subscription.location_id == location.id)
    rows, after = newest_first(session, wanted, Subscription.id, cursor, limit)
    return [(row[0], row[1]) for row in rows], after


def one(session: Session, reach: Reach, test: bool, uuid: str) -> tuple[Subscription, str | None] | None:
    """One webhook, when it is in reach of a key of its kind and not removed."""
    wanted = (
        select(Subscription, Location.ghl_id)
        .outerjoin(Location, Location.id == Subscription.location_id)
        .where(Subscription.uuid == uuid, Subscription.removed_at.is_(None), Subscription.test == test, _mine(reach))
    )
    found = session.execute(wanted).first()
    return (found[0], found[1]) if found is not None else None


def deliveries(
    session: Session, subscription: Subscription, state: str, cursor: str, limit: int
) -> tuple[Sequence[Delivery], str]:
    """What a webhook was told, newest first. The caller has found it in reach."""
    wanted = select(Delivery).where(Delivery.subscription_id == subscription.id)
    if state:
        wanted = wanted.where(Delivery.state == state)
    rows, after = newest_first(session, wanted, Delivery.id, cursor, limit)
    return [row[0] for row in rows], after


def callbacks(
    session: Session, key_id: int, state: str, cursor: str, limit: int
) -> tuple[Sequence[tuple[Delivery, Subscription]], str]:
    """What was told to the callback addresses of a key's own requests, newest first."""
    wanted = select(Delivery, Subscription).join(Subscription, Subscription.id == Delivery.subscription_id)
    wanted = wanted.where(Subscription.key_id == key_id)
    if state:
        wanted = wanted.where(Delivery.state == state)
    rows, after = newest_first(session, wanted, Delivery.id, cursor, limit)
    return [(row[0], row[1]) for row in rows], after


def delivery(session: Session, reach: Reach, test: bool, uuid: str) -> tuple[Delivery, Subscription] | None:
    """One delivery with its webhook, when that is in reach or a callback address of the key's own."""
    wanted = (
        select(Delivery, Subscription)
        .join(Subscription, Subscription.id == Delivery.subscription_id)
        .outerjoin(Location, Location.id == Subscription.location_id)
        .where(Delivery.uuid == uuid, Subscription.test == test)
        .where(or_(Subscription.key_id == reach.key_id, _mine(reach)))
    )
    found = session.execute(wanted).first()
    return (found[0], found[1]) if found is not None else None


def tries(session: Session, delivery_id: int) -> Sequence[DeliveryAttempt]:
    """A delivery's tries, in their order."""
    wanted = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id == delivery_id)
    return session.scalars(wanted.order_by(DeliveryAttempt.id).limit(200)).all()


def _mine(reach: Reach) -> ColumnElement[bool]:
    """Of a location in reach; a whole agency's only for a key to the whole agency."""
    places = reach.narrow(select(Location.id))
    of_place = Subscription.location_id.in_(places)
    if not reach.whole_agency:
        return of_place
    return or_(of_place, and_(Subscription.location_id.is_(None), Subscription.agency_id == reach.agency_id))
