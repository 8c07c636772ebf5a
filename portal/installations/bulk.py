"""Bulk installations: an agency's one consent becomes a grant for each of its locations that has the app.

HighLevel's list of them is also what tells, day by day, that a location has come or gone without a word to us.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import NOT_INSTALLED, UNLISTED, close_alert
from portal.database import Database
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import InstalledLocation, OAuthClient
from portal.installations import moves
from portal.installations.lifecycle import ensure_agency, grant_of, locked_location
from portal.installations.tokens import Tokens
from portal.models import Agency, Grant, GrantKind, GrantState, InstallEvent, InstallState, Location
from portal.models.tenants import HERE, PRESENT
from portal.queue.jobs import enqueue

T = TypeVar("T")

AT_ONCE = 100
# HighLevel's clock and ours may differ: a list read so shortly after an uninstallation does not undo it.
SKEW = timedelta(minutes=5)
# A long list uses up the request limit: then it is read on after the pause that HighLevel asks for, so often at most.
MOST_PAUSES, LONGEST_PAUSE = 30, 15.0


class BulkInstaller:
    """Walks the pages of an agency's installed locations."""

    def __init__(
        self,
        database: Database,
        oauth: OAuthClient,
        tokens: Tokens,
        app_id: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._oauth = oauth
        self._tokens = tokens
        self._app_id = app_id
        self._sleep = sleep

    def install(self, agency_id: int) -> int:
        """Connects every location that the agency has installed the app in; returns how many there are.

        Those that the list does not name any more are looked at one by one. Raises `GhlError` and `NoToken`.
        """
        began = clock.now()
        with self._database.read() as session:
            company_id = session.get_one(Agency, agency_id).company_id
        found = self._listed(company_id)
        for some in _batches(found, AT_ONCE):
            with self._database.write() as session:
                agency = ensure_agency(session, company_id)
                consented_at = _consented_at(session, company_id)
                # In the order of their ids in HighLevel, as everywhere: two lists must not block each other.
                for place in sorted(some, key=lambda each: each.id):
                    _note(session, agency, place, consented_at, began)
        with self._database.write() as session:
            agency = ensure_agency(session, company_id)
            _look_for_missing(session, agency, {place.id for place in found}, began)
            agency.listed_at, agency.note = began, ""
            close_alert(session, NOT_INSTALLED, company_id)
        return len(found)

    def _listed(self, company_id: str) -> list[InstalledLocation]:
        token = self._tokens.for_company(company_id)
        try:
            return self._read(token, company_id)
        except GhlError as error:
            if error.kind is not Kind.TOKEN_REJECTED:
                raise
        return self._read(self._tokens.for_company(company_id, rejected=token), company_id)

    def _read(self, token: str, company_id: str) -> list[InstalledLocation]:
        pauses = 0

        def wait(error: GhlError) -> bool:
            nonlocal pauses
            pauses += 1
            if pauses <= MOST_PAUSES:
                self._sleep(min(error.retry_after or LONGEST_PAUSE, LONGEST_PAUSE))
            return pauses <= MOST_PAUSES

        return list(self._oauth.installed_locations(token, company_id, self._app_id, wait))


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _consented_at(session: Session, company_id: str) -> datetime | None:
    grant = grant_of(session, GrantKind.COMPANY, company_id)
    return grant.consented_at if grant is not None and grant.state == GrantState.ACTIVE else None


def _note(
    session: Session, agency: Agency, place: InstalledLocation, consented_at: datetime | None, began: datetime
) -> None:
    """The list names the location: it is the agency's, and has the app."""
    location = locked_location(session, place.id)
    if location.agency_id not in (None, agency.id):
        # Only a token proves that it moved: one is asked for.
        location.claimed_company = agency.company_id
        moves.mint(session, location, agency.id)
        return
    location.agency_id = agency.id
    location.name = location.name or place.name[:200]
    if location.unlisted_at is not None:
        location.unlisted_at = None
        close_alert(session, UNLISTED, location.ghl_id)
    since = _installed_since(location, consented_at, began)
    if since is None:
        return
    last = location.install_event_at if location.install_event in PRESENT else None
    if last is None or (since == consented_at and last < since):
        moves.decide(location, InstallEvent.LISTED, since)
    if location.install_state == InstallState.UNINSTALLED:
        moves.set_state(location, InstallState.NOT_INSTALLED)
    if not _holds(session, location, consented_at):
        if location.install_state == InstallState.NOT_INSTALLED:
            location.install_note = location.install_note or moves.NO_PERMISSION
        moves.mint(session, location, agency.id)


def _installed_since(location: Location, consented_at: datetime | None, began: datetime) -> datetime | None:
    """From when on the list says that the app is there; None when it left later than that.

    A person who disconnected it here meant it: the list alone does not bring it back, only a new consent.
    """
    gone = location.uninstalled_at
    if consented_at is not None and (gone is None or consented_at > gone):
        return consented_at
    if gone is None or (began > gone + SKEW and location.install_event != InstallEvent.DISCONNECT):
        return began
    return None


def _holds(session: Session, location: Location, consented_at: datetime | None) -> bool:
    """Is there a token that is not older than the agency's consent, which may have ended it?"""
    grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
    connected = location.install_state in HERE
    if grant is None or grant.state != GrantState.ACTIVE or not connected:
        return False
    return consented_at is None or (grant.consented_at is not None and grant.consented_at >= consented_at)


def _look_for_missing(session: Session, agency: Agency, listed: set[str], began: datetime) -> None:
    mine = (
        select(Location, Grant.consented_at)
        .join(Grant, Grant.ghl_id == Location.ghl_id)
        .where(
            Location.agency_id == agency.id,
            Location.install_state.in_(HERE),
            Grant.kind == GrantKind.LOCATION,
        )
        .order_by(Location.id)
        .with_for_update(of=Location, key_share=True)
    )
    for location, consented_at in session.execute(mine).all():
        settled = consented_at is None or consented_at < began - SKEW
        if location.ghl_id not in listed and settled and location.unlisted_at is None:
            location.unlisted_at = began
            enqueue(session, [moves.check(location)])
