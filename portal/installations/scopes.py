"""The permissions (OAuth scopes) that the app needs, and which of them an installation was not given."""

from sqlalchemy.orm import Session

from portal.alerts.notices import SCOPES_MISSING, close_alert, raise_alert
from portal.ghl.oauth import COMPANY_SCOPES, LOCATION_SCOPES
from portal.models import Grant, GrantKind, Location

NEEDED = {GrantKind.LOCATION: LOCATION_SCOPES, GrantKind.COMPANY: COMPANY_SCOPES}


def missing(grant: Grant) -> tuple[str, ...]:
    """The needed scopes that the grant does not hold. HighLevel may leave them unsaid: then none is missing."""
    given = set(grant.scopes.split())
    return tuple(scope for scope in NEEDED[GrantKind(grant.kind)] if scope not in given) if given else ()


def compare(session: Session, grant: Grant, location: Location | None) -> tuple[str, ...]:
    """Opens or closes the alert that names the missing scopes; returns them."""
    lacking = missing(grant)
    if lacking:
        raise_alert(session, SCOPES_MISSING, grant.ghl_id, _sentence(grant, location, lacking), _id(location))
    else:
        close_alert(session, SCOPES_MISSING, grant.ghl_id)
    return lacking


def refused(session: Session, grant: Grant | None, location: Location, said: str) -> None:
    """HighLevel refuses a call for want of a scope: only a new consent cures that."""
    text = _sentence(grant, location, missing(grant) if grant else ())
    raise_alert(session, SCOPES_MISSING, location.ghl_id, f"{text} {said}".strip(), location.id)


def _sentence(grant: Grant | None, location: Location | None, lacking: tuple[str, ...]) -> str:
    who = (location.name or location.ghl_id) if location else f"The agency {grant.ghl_id if grant else ''}"
    what = f"these permissions (scopes): {', '.join(lacking)}" if lacking else "a permission (scope) that is needed"
    return f"{who} has not given the app {what}. Connect it again on the page Installations."


def _id(location: Location | None) -> int | None:
    return location.id if location else None
