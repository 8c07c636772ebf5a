"""Who HighLevel says opened the custom page, and whether they may come in: the location must be one of ours.

The payload of the handshake proves which company and location HighLevel showed, and to whom. It has no end, so a copy
of it opens the same location again, with the same role, and nothing else.
"""

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.errors import PortalError
from portal.ghl.sso import SsoUser
from portal.installations import standing
from portal.installations.lifecycle import grant_of
from portal.installations.standing import Standing
from portal.models import Agency, Grant, GrantKind, GrantState, Location
from portal.models.tenants import HERE

# HighLevel's words (reference §7): the role inside its agency or sub-account, and whose user it is.
ADMIN, AGENCY = "admin", "agency"

STRANGERS = (
    "HighLevel says that this sub-account belongs to an agency that is not the one it was installed for. "
    "If it has moved to another agency, install the app anew from there."
)
UNPROVEN = (
    "The installation is not finished: HighLevel has not said yet which agency this sub-account belongs to. "
    "Try again in a minute; if this stays, install the app once more."
)
NO_AGENCY = "The app is not installed in this agency. Install it, then open this page again."
INSIDE = (
    "This page is about one sub-account. Switch to a sub-account in HighLevel, then open it from there. "
    "Only an agency's admin sees all sub-accounts here."
)


class Refused(PortalError):
    """They may not come in. `title` says it in a few words; `install` whether installing the app is what helps."""

    http_status = 403

    def __init__(self, title: str, sentence: str, *, install: bool) -> None:
        super().__init__(sentence)
        self.title = title
        self.install = install


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom the session is for. Without a location they choose one."""

    agency_id: int
    location_id: int | None


def admit(session: Session, user: SsoUser) -> Admission:
    """Where the user is let in. Raises `Refused`."""
    if user.active_location:
        return _into_location(session, user)
    if user.type != AGENCY or user.role != ADMIN:
        raise Refused("Open it inside a sub-account", INSIDE, install=False)
    agency = session.scalar(select(Agency).where(Agency.company_id == user.company_id))
    if agency is None or not is_here(session, agency):
        raise Refused("Not installed", NO_AGENCY, install=True)
    return Admission(agency.id, None)


def _into_location(session: Session, user: SsoUser) -> Admission:
    location = session.scalar(select(Location).where(Location.ghl_id == user.active_location))
    if location is None or location.install_state not in HERE:
        raise _not_installed(session, location)
    agency = location.agency
    if agency is None:
        raise Refused("Not ready yet", UNPROVEN, install=True)
    if agency.company_id != user.company_id:
        raise Refused("Another agency's", STRANGERS, install=True)
    return Admission(agency.id, location.id)


def _not_installed(session: Session, location: Location | None) -> Refused:
    if location is None:
        text = "The app is not installed in this sub-account. Install it, then open this page again."
        return Refused("Not installed", text, install=True)
    found = stands(session, location)
    return Refused(found.state[:1].upper() + found.state[1:], found.sentence, install=True)


def stands(session: Session, location: Location) -> Standing:
    """How the location's installation is, in words."""
    company = location.agency.company_id if location.agency else ""
    own = grant_of(session, GrantKind.LOCATION, location.ghl_id)
    return standing.of_location(location, own, grant_of(session, GrantKind.COMPANY, company) if company else None)


def is_here(session: Session, agency: Agency) -> bool:
    """Is the app in the agency, or in any of its sub-accounts?"""
    own = exists().where(Grant.kind == GrantKind.COMPANY, Grant.ghl_id == agency.company_id)
    some = exists().where(Location.agency_id == agency.id, Location.install_state.in_(HERE))
    found: bool = session.scalar(select(some | own.where(Grant.state == GrantState.ACTIVE))) or False
    return found
