"""Keeping OAuth grants: what a token call gave is sealed and stored before anybody uses it."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import DEAD_TOKEN, NOT_INSTALLED, close_alert
from portal.crypto import Vault
from portal.database import insert
from portal.errors import PortalError
from portal.ghl.oauth import TokenGrant
from portal.installations.lifecycle import ensure_agency, ensure_location
from portal.models import Gate, Grant, GrantKind, GrantState, InstallState, Location
from portal.queue.gates import ensure, ghl_gate
from portal.queue.jobs import GHL, enqueue, job

# HighLevel allows 100 requests in 10 seconds for each app and location; some room is left for what we do not count.
GHL_PACE, GHL_BURST = 9.5, 90.0


class Superseded(PortalError):
    """The app was uninstalled, or installed anew, while its token was being renewed: the new token is not kept."""


def save(
    session: Session, vault: Vault, granted: TokenGrant, *, consented: bool = False, renewal_of: int | None = None
) -> Grant:
    """Stores a grant of either kind and marks what it speaks for as installed; work that waited for it starts again.

    `consented` is True when a person has just installed the app, which also ends an earlier uninstallation. A
    renewal of an older generation must not undo one, nor replace newer tokens: then this raises `Superseded`.
    """
    kind = GrantKind.LOCATION if granted.location_id else GrantKind.COMPANY
    ghl_id = granted.location_id or granted.company_id
    grant = _row(session, kind, ghl_id)
    if renewal_of is not None and (grant.state == GrantState.UNINSTALLED or grant.generation != renewal_of):
        raise Superseded("The app was uninstalled or installed anew meanwhile.")
    moment = clock.now()
    grant.company_id = granted.company_id or grant.company_id
    grant.state = GrantState.ACTIVE
    grant.access_token = vault.seal(granted.access_token)
    if granted.refresh_token:
        grant.refresh_token = vault.seal(granted.refresh_token)
    grant.expires_at = granted.expires_at
    grant.refreshed_at = moment
    grant.generation += 1
    grant.scopes = granted.scope or grant.scopes
    grant.failure, grant.failures = "", 0
    grant.retry_at = grant.refreshing_until = None
    grant.installs_future = grant.installs_future or granted.install_to_future
    grant.installed_by = granted.user_id or grant.installed_by
    agency = ensure_agency(session, granted.company_id) if granted.company_id else None
    if kind == GrantKind.LOCATION:
        location = ensure_location(session, ghl_id)
        if agency is not None:
            location.agency_id = agency.id
        _installed(session, location, moment if consented else None)
    close_alert(session, DEAD_TOKEN, ghl_id)
    session.flush()
    return grant


def _row(session: Session, kind: GrantKind, ghl_id: str) -> Grant:
    moment = clock.now()
    values = {
        "kind": kind,
        "ghl_id": ghl_id,
        "company_id": "",
        "state": GrantState.ACTIVE,
        "access_token": "",
        "refresh_token": "",
        "expires_at": moment,
        "refreshed_at": moment,
        "generation": 0,
        "scopes": "",
        "failure": "",
        "failures": 0,
        "installs_future": False,
        "installed_by": "",
        "created_at": moment,
    }
    session.execute(insert(session, Grant).values(**values).on_conflict_do_nothing())
    wanted = select(Grant).where(Grant.kind == kind, Grant.ghl_id == ghl_id).with_for_update()
    return session.scalars(wanted).one()


def _installed(session: Session, location: Location, consented_at: datetime | None) -> None:
    if consented_at is not None:
        location.install_event_at = max(filter(None, (location.install_event_at, consented_at)))
    key = ghl_gate(location.id)
    ensure(session, key, GHL_PACE, GHL_BURST)
    session.execute(update(Gate).where(Gate.key == key).values(failures=0, blocked_until=None, reason=""))
    close_alert(session, NOT_INSTALLED, location.ghl_id)
    jobs = []
    if not location.name:
        jobs.append(job(GHL, "learn_location", location.id, f"location:{location.id}"))
    if location.install_state != InstallState.INSTALLED:
        location.install_state = InstallState.INSTALLED
        jobs.append(job(GHL, "release_held", location.id, f"release:{location.id}", priority=0))
    enqueue(session, jobs)
