"""What the custom page reads beside the shared pages: how its installation stands, and an agency's sub-accounts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.accounts import admission
from portal.installations.standing import Standing
from portal.models import Location
from portal.models.tenants import HERE

MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A sub-account in the agency's list. `here`: it can be opened."""

    location: Location
    standing: Standing
    here: bool


def places(session: Session, agency_id: int, text: str) -> tuple[Sequence[Place], bool]:
    """The agency's sub-accounts by name, those with the app first, and whether there are more than are shown."""
    query = select(Location).where(Location.agency_id == agency_id)
    if text:
        query = query.where(or_(Location.name.icontains(text, autoescape=True), Location.ghl_id == text))
    order = (Location.install_state.not_in(HERE), Location.name == "", Location.name, Location.id)
    rows = session.scalars(query.order_by(*order).limit(MOST_SHOWN + 1)).all()
    shown = [Place(row, admission.stands(session, row), row.install_state in HERE) for row in rows[:MOST_SHOWN]]
    return shown, len(rows) > MOST_SHOWN


def standing(session: Session, location: Location) -> Standing:
    """How the installation of one's own sub-account stands."""
    return admission.stands(session, session.get_one(Location, location.id))
