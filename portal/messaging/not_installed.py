"""Nothing is sent for a sub-account without the app: why, in words, and a person is told that messages wait."""

from sqlalchemy.orm import Session

from portal.alerts.notices import NOT_INSTALLED, raise_alert
from portal.models import InstallState, Location

_REASONS = {
    InstallState.NOT_INSTALLED: "The app is not installed in this sub-account: install it, and this goes out.",
    InstallState.UNINSTALLED: "The app was uninstalled from this sub-account: install it again, and this goes out.",
    InstallState.INACTIVE: "The sub-account is paused in HighLevel: activate it there, and this goes out.",
}


def why_not_installed(session: Session, location: Location) -> str:
    """The reason to hold for a location that is not installed; a person is told that messages wait."""
    reason = _REASONS[InstallState(location.install_state)]
    raise_alert(session, NOT_INSTALLED, location.ghl_id, f"{location.name or location.ghl_id}: {reason}", location.id)
    return reason
