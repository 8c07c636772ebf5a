"""The daily look at every installation: is the location still there, does its permission hold, does its agency list it?

Each row says itself when it is due next, so any number of processes may look, and the work is spread over the day.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import LOCATION_GONE, UNLISTED, close_alert, raise_alert
from portal.database import Database
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.ghl.records import Location as Found
from portal.http import HttpClient
from portal.installations import moves, scopes
from portal.installations.lifecycle import ensure_agency, grant_of, locked_location, note_profile
from portal.installations.tokens import Tokens
from portal.models import Agency, Grant, GrantKind, GrantState, InstallState, Location
from portal.models.tenants import PRESENT

DAY = timedelta(days=1)
# So many are begun at one time; the rest follow a minute later.
AT_ONCE = 200


def enqueue_due(session: Session) -> int:
    """Has the installations looked at whose time has come. One that has no time yet is given one within a day."""
    moment = clock.now()
    waiting = and_(Location.install_state == InstallState.NOT_INSTALLED, Location.install_event.in_(PRESENT))
    # Those that HighLevel has paused are asked every few minutes anyway, by their token's renewal.
    present = or_(Location.install_state == InstallState.INSTALLED, waiting)
    locations = session.scalars(
        select(Location)
        .where(or_(Location.check_at.is_(None), Location.check_at <= moment), present)
        .order_by(Location.check_at, Location.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    due = [row for row in locations if _claim(row, moment)]
    for location in due:
        moves.look_at(session, location)
    return len(due) + _enqueue_agencies(session, moment)


def _enqueue_agencies(session: Session, moment: datetime) -> int:
    alive = Grant.kind == GrantKind.COMPANY, Grant.state == GrantState.ACTIVE
    agencies: Sequence[Agency] = session.scalars(
        select(Agency)
        .join(Grant, Grant.ghl_id == Agency.company_id)
        .where(or_(Agency.check_at.is_(None), Agency.check_at <= moment), *alive)
        .order_by(Agency.id)
        .limit(AT_ONCE)
        .with_for_update(of=Agency, skip_locked=True, key_share=True)
    ).all()
    due = [row for row in agencies if _claim(row, moment)]
    for agency in due:
        moves.list_locations(session, agency)
    return len(due)


def _claim(row: Agency | Location, moment: datetime) -> bool:
    """Sets the next time; False for a row that had none, whose first time is anywhere in the day to come."""
    first = row.check_at is None
    row.check_at = moment + DAY * (random.random() if first else random.uniform(0.95, 1.05))
    return not first


class Checks:
    """Looks at one location with its own token."""

    def __init__(self, database: Database, http: HttpClient, tokens: Tokens, api_url: str) -> None:
        self._database = database
        self._http = http
        self._tokens = tokens
        self._api_url = api_url

    def look(self, location: Location) -> None:
        """Asks HighLevel for the location and keeps what it says.

        Raises `NoToken` or a `GhlError` that asking again may cure; a refusal for good is an alert instead.
        """
        asked = clock.now()
        try:
            found = self._found(location.ghl_id)
        except GhlError as error:
            self._refused(location.ghl_id, error)
            return
        with self._database.write() as session:
            agency = ensure_agency(session, found.company_id) if found.company_id else None
            self._keep(session, found, agency, locked_location(session, location.ghl_id), asked)

    def _found(self, ghl_id: str) -> Found:
        ghl = GhlClient(self._http, self._api_url)
        token = self._tokens.for_location(ghl_id)
        try:
            return ghl.get_location(token, ghl_id)
        except GhlError as error:
            if error.kind is not Kind.TOKEN_REJECTED:
                raise
        return ghl.get_location(self._tokens.for_location(ghl_id, rejected=token), ghl_id)

    def _keep(self, session: Session, found: Found, agency: Agency | None, location: Location, asked: datetime) -> None:
        if location.profile_at is None or asked >= location.profile_at:
            said = {"name": found.name, "timezone": found.timezone, "country": found.country}
            note_profile(location, asked, said)
        grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
        if agency is not None:
            moves.belongs_to(session, location, agency)  # proven: it is the location's own token that was shown
        if grant is not None:
            grant.company_id = found.company_id or grant.company_id
            scopes.compare(session, grant, location)
        close_alert(session, LOCATION_GONE, location.ghl_id)
        if location.unlisted_at is not None:
            text = (
                f"The agency's list in HighLevel does not name {moves.name_of(location)} any more, although its "
                "permission still holds. Look there whether the app is installed; if it is not wanted, disconnect it."
            )
            raise_alert(session, UNLISTED, location.ghl_id, text, location.id)

    def _refused(self, ghl_id: str, error: GhlError) -> None:
        if error.kind is Kind.LOCATION_INACTIVE:
            self._tokens.note_inactive(ghl_id)
            return
        if error.kind not in (Kind.NOT_FOUND, Kind.NO_ACCESS, Kind.NO_SCOPE):
            raise error
        with self._database.write() as session:
            location = locked_location(session, ghl_id)
            if error.kind is Kind.NO_SCOPE:
                grant = grant_of(session, GrantKind.LOCATION, ghl_id)
                scopes.refused(session, grant, location, error.message)
                return
            text = (
                f"HighLevel does not let the app see {moves.name_of(location)} any more. If it was deleted there, "
                f"disconnect it here; else connect it again. {error.message}"
            )
            raise_alert(session, LOCATION_GONE, ghl_id, text, location.id)
