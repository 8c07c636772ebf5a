"""Jobs around installations: tokens minted and renewed, agencies listed, locations looked at and left."""

import logging
from datetime import timedelta

from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import NOT_INSTALLED, raise_alert
from portal.ghl.errors import GhlError, Kind
from portal.installations import moves
from portal.installations.checks import Checks
from portal.installations.leaving import Leaver
from portal.installations.lifecycle import grant_of, locked_location
from portal.installations.tokens import AHEAD, NoToken
from portal.models import Agency, Grant, GrantKind, GrantState, Location
from portal.models.tenants import HERE, PRESENT
from portal.queue import gates
from portal.queue.jobs import Due, complete, postpone
from portal.services import Services

log = logging.getLogger(__name__)

# Waits double from 2 s: 4 tries are half a minute, after which a person is told; 12 are more than half an hour.
TELL_AFTER, MOST_TRIES = 4, 12
LONGEST_WAIT = timedelta(minutes=9)
UNFINISHED = f"{moves.NO_PERMISSION} Finish the installation in HighLevel, or connect it here."


class Installing:
    """Carries out the jobs that keep installations alive."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._database = services.database
        settings = services.settings
        self._checks = Checks(services.database, services.http, services.tokens, settings.ghl_api_url)
        self._leaver = Leaver(services.database, services.oauth, services.tokens, settings.ghl_app_id)

    def mint_token(self, due: Due) -> bool:
        """Gets a location of a bulk installation its token out of the agency's. One that fails stops no other."""
        location = self._location(due)
        if not self._wants_token(location):
            return self._finish(due)
        try:
            self._services.tokens.mint(location)
        except (GhlError, NoToken) as error:
            return self._not_minted(due, error)
        return self._finish(due)

    def check_location(self, due: Due) -> bool:
        """Asks HighLevel for the location, and keeps its name, country and time zone. A permission that ended for good
        is sought from the agency."""
        location = self._location(due)
        if location.install_state not in HERE:
            return self._finish(due)
        try:
            self._checks.look(location)
        except (GhlError, NoToken) as error:
            if isinstance(error, NoToken) and error.retry_at is None:
                return self._revive(due, location)
            return self._later(due, error)
        return self._finish(due)

    def refresh_token(self, due: Due) -> bool:
        """Renews a grant ahead of its end. One that fails is renewed when it is needed."""
        try:
            self._services.tokens.refresh_ahead(due.subject, AHEAD)
        except NoToken as error:
            log.warning("refresh ahead failed", extra={"grant": due.subject, "reason": error.message})
        return self._finish(due)

    def install_locations(self, due: Due) -> bool:
        """Gives every location that an agency has installed the app in its token."""
        before = self._consented_at(due.subject)
        try:
            self._services.bulk.install(due.subject)
        except (GhlError, NoToken) as error:
            return self._not_listed(due, error)
        if self._consented_at(due.subject) != before:
            return self._again(due)  # the agency consented anew, perhaps to more, while its list was being read
        return self._finish(due)

    def leave_location(self, due: Due) -> bool:
        """Tells HighLevel that a person disconnected the location here."""
        try:
            self._leaver.tell(due.subject)
        except (GhlError, NoToken) as error:
            if due.attempts < MOST_TRIES and not _final(error):
                return self._later(due, error)
            self._leaver.give_up(due.subject, error.message)
        return self._finish(due)

    def _wants_token(self, location: Location) -> bool:
        """Is the app there, as far as we know, without a token that holds?"""
        if location.install_event not in ("", *PRESENT):
            return False
        with self._database.read() as session:
            grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
            agency = session.get(Agency, location.agency_id) if location.agency_id else None
            company = grant_of(session, GrantKind.COMPANY, agency.company_id) if agency else None
        claimed = location.claimed_company and (agency is None or location.claimed_company != agency.company_id)
        if claimed or grant is None or grant.state != GrantState.ACTIVE:
            return True
        if location.install_state not in HERE:
            return True
        return _older(grant, company)

    def _not_minted(self, due: Due, error: GhlError | NoToken) -> bool:
        with self._database.write() as session:
            location = locked_location(session, session.get_one(Location, due.subject).ghl_id)
            owner = location.agency.company_id if location.agency else ""
            foreign = bool(owner and location.claimed_company and location.claimed_company != owner)
            if foreign and _final(error):
                location.claimed_company = ""  # another agency's claim was no more than that: its own is asked now
                postpone(session, due, clock.now())
                return False
            connected = location.install_state in HERE
            if location.install_event not in ("", *PRESENT) or (connected and _final(error)):
                complete(session, [due.id])
                return True
            if not connected and not foreign:
                self._tell(session, due, location, error)
            self._postpone(session, due, error)
        return False

    def _tell(self, session: Session, due: Due, location: Location, error: GhlError | NoToken) -> None:
        location.install_note = UNFINISHED if isinstance(error, NoToken) and _final(error) else error.message
        if due.attempts >= TELL_AFTER:
            name = moves.name_of(location)
            text = f"{name} has the app in HighLevel, but could not be connected. {location.install_note}"
            raise_alert(session, NOT_INSTALLED, location.ghl_id, text, location.id)

    def _revive(self, due: Due, location: Location) -> bool:
        """The stored permission has ended for good: the agency's may give another."""
        try:
            self._services.tokens.mint(location)
        except (GhlError, NoToken) as error:
            if not _final(error):
                return self._later(due, error)
            log.info("installation is dead", extra={"location_id": location.id, "reason": error.message})
        return self._finish(due)

    def _not_listed(self, due: Due, error: GhlError | NoToken) -> bool:
        with self._database.write() as session:
            agency = session.get_one(Agency, due.subject)
            agency.note = error.message
            if due.attempts >= TELL_AFTER or _final(error):
                text = (
                    f"The sub-accounts of the agency {agency.name or agency.company_id} could not be looked up, so new "
                    f"ones are not connected. {error.message}"
                )
                raise_alert(session, NOT_INSTALLED, agency.company_id, text)
            self._postpone(session, due, error)
        return False

    def _later(self, due: Due, error: GhlError | NoToken) -> bool:
        with self._database.write() as session:
            self._postpone(session, due, error)
        return False

    def _postpone(self, session: Session, due: Due, error: GhlError | NoToken) -> None:
        """Tries again, until the daily look takes over."""
        if due.attempts >= MOST_TRIES:
            complete(session, [due.id])
            return
        wait = min(timedelta(seconds=2.0 ** min(due.attempts + 1, 10)), LONGEST_WAIT)
        if isinstance(error, GhlError) and error.kind is Kind.RATE_LIMITED and due.gate:
            gates.block(session, due.gate, error.message, seconds=error.retry_after or 10.0, count=False)
        if isinstance(error, NoToken) and error.retry_at is not None:
            wait = max(wait, error.retry_at - clock.now())
        postpone(session, due, clock.now() + wait, error.message)

    def _again(self, due: Due) -> bool:
        with self._database.write() as session:
            postpone(session, due, clock.now())
        return False

    def _consented_at(self, agency_id: int) -> object:
        with self._database.read() as session:
            grant = grant_of(session, GrantKind.COMPANY, session.get_one(Agency, agency_id).company_id)
            return grant.consented_at if grant else None

    def _location(self, due: Due) -> Location:
        with self._database.read() as session:
            return session.get_one(Location, due.subject)

    def _finish(self, due: Due) -> bool:
        with self._database.write() as session:
            complete(session, [due.id])
        return True


def _older(grant: Grant, company: Grant | None) -> bool:
    """Did the agency consent anew after this token was got? Then it may be a dead one."""
    if company is None or company.state != GrantState.ACTIVE or company.consented_at is None:
        return False
    return grant.consented_at is None or grant.consented_at < company.consented_at


def _final(error: GhlError | NoToken) -> bool:
    """Will asking again not help?"""
    if isinstance(error, NoToken):
        return error.retry_at is None
    return error.kind in (Kind.INVALID, Kind.NO_ACCESS, Kind.NO_SCOPE, Kind.NOT_FOUND, Kind.GRANT_DEAD)
