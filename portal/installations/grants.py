"""Keeping OAuth grants: what a token call gave is sealed and stored before anybody uses it."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import DEAD_TOKEN, close_alert
from portal.crypto import Vault
from portal.database import insert
from portal.errors import PortalError
from portal.ghl.oauth import COMPANY, TokenGrant
from portal.installations import moves, scopes
from portal.installations.lifecycle import ensure_agency, locked_location, note_plan
from portal.models import Agency, Grant, GrantKind, GrantState, InstallEvent, Location
from portal.models.tenants import PRESENT

# The smallest step that both databases keep apart: a consent comes after the uninstallation that it ends.
STEP = timedelta(milliseconds=1)


class Superseded(PortalError):
    """The app was uninstalled, or installed anew, while its token was being got: the new token is not kept."""


def kind_of(granted: TokenGrant) -> GrantKind:
    """An agency's token speaks for the agency, even when it names the one location that a person picked."""
    company = granted.user_type == COMPANY or not granted.location_id
    return GrantKind.COMPANY if company else GrantKind.LOCATION


def save(
    session: Session,
    vault: Vault,
    granted: TokenGrant,
    *,
    consented: bool = False,
    renewal_of: int | None = None,
    at: datetime | None = None,
    code_hash: str = "",
) -> Grant:
    """Stores a grant of either kind and marks what it speaks for as installed; work that waited for it starts again.

    `consented` is True when a person has just installed the app, which also ends an earlier uninstallation; `code_hash`
    then tells the code. `renewal_of` is the generation that a refresh replaces. Neither means a token that was minted
    out of the agency's, asked for at `at`. A renewal or minting must not undo an uninstallation, nor a renewal replace
    newer tokens: then this raises `Superseded`.
    """
    kind, at = kind_of(granted), at or clock.now()
    agency = ensure_agency(session, granted.company_id) if granted.company_id else None
    location = locked_location(session, granted.location_id) if kind is GrantKind.LOCATION else None
    grant = _row(session, kind, location.ghl_id if location else granted.company_id)
    if renewal_of is not None:
        if grant.state == GrantState.UNINSTALLED or grant.generation != renewal_of:
            raise Superseded("The app was uninstalled or installed anew meanwhile.")
    elif not consented:
        _refuse_when_late(grant, agency, location, at)
    else:
        at = max([at, *(gone + STEP for gone in _uninstallations(agency, location))])
    _keep(grant, vault, granted)
    if renewal_of is None:
        grant.consented_at, grant.consent_code = at, code_hash
    if location is not None:
        _connect(session, location, agency, at if consented else None, renewal=renewal_of is not None)
    if consented:
        grant.installs_future = granted.install_to_future
        _note_plan(location or agency, granted.plan_id, at)
    close_alert(session, DEAD_TOKEN, grant.ghl_id)
    scopes.compare(session, grant, location)
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
    return session.scalars(wanted.execution_options(populate_existing=True)).one()


def _refuse_when_late(grant: Grant, agency: Agency | None, location: Location | None, at: datetime) -> None:
    """A token that was asked for before an uninstallation, or before a person's consent, which gave a newer one."""
    if grant.state == GrantState.ACTIVE and grant.consented_at is not None and grant.consented_at > at:
        raise Superseded("The app was installed anew meanwhile.")
    left = location is not None and location.install_event not in ("", *PRESENT)
    if left or any(gone >= at for gone in _uninstallations(agency, location)):
        raise Superseded("The app was uninstalled meanwhile.")


def _uninstallations(*owners: Agency | Location | None) -> list[datetime]:
    return [each.uninstalled_at for each in owners if each is not None and each.uninstalled_at is not None]


def _keep(grant: Grant, vault: Vault, granted: TokenGrant) -> None:
    grant.company_id = granted.company_id or grant.company_id
    grant.state = GrantState.ACTIVE
    grant.access_token = vault.seal(granted.access_token)
    if granted.refresh_token:
        grant.refresh_token = vault.seal(granted.refresh_token)
    grant.expires_at = granted.expires_at
    grant.refreshed_at = clock.now()
    grant.generation += 1
    grant.scopes = granted.scope or grant.scopes
    grant.failure, grant.failures = "", 0
    grant.retry_at = grant.refreshing_until = None
    grant.installs_future = grant.installs_future or granted.install_to_future
    grant.installed_by = granted.user_id or grant.installed_by


def _connect(
    session: Session, location: Location, agency: Agency | None, consented_at: datetime | None, *, renewal: bool
) -> None:
    if agency is not None:
        moves.belongs_to(session, location, agency)
    if consented_at is not None and (location.install_event_at is None or consented_at >= location.install_event_at):
        moves.decide(location, InstallEvent.CONSENT, consented_at)
    moves.connected(session, location, renewal=renewal)


def _note_plan(owner: Location | Agency | None, plan_id: str, at: datetime) -> None:
    if owner is not None:
        note_plan(owner, plan_id, at)
