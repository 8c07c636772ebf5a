"""Access tokens: the stored one while it is good, else one refresh over all processes, stored before anyone uses it.

HighLevel's refresh tokens work once. Whoever holds the grant's lock refreshes; everybody else waits for the row to
change. HighLevel repeats its answer for 30 s from the first use on, and then the grant is dead. So the lock ends with
the process that holds it, and whoever lives finishes at once what that one died over.
"""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import DEAD_TOKEN, raise_alert
from portal.crypto import Vault
from portal.database import TOKEN_LOCK, Database, is_away
from portal.errors import PortalError
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import COMPANY, LOCATION, REFRESH_SECONDS, OAuthClient, TokenGrant
from portal.installations import grants, moves
from portal.installations.lifecycle import locked_location
from portal.models import Grant, GrantKind, GrantState, Location
from portal.models.tenants import HERE
from portal.writer_lock import Door

log = logging.getLogger(__name__)

# "Smarter Refresh Token Handling" in HighLevel's changelog.
REPEATED = timedelta(seconds=30)
# Each refresh under way keeps a connection for its lock.
AT_ONCE = 8
# So long the others wait for whoever refreshes.
PATIENCE = REFRESH_SECONDS + 3
# A token this close to its end is not used for a call that may take 25 seconds.
MARGIN = timedelta(seconds=60)
_PAUSE = 0.05
FINISH_AT_ONCE = 200
# A token is renewed so long before it ends, so that no message has to wait for it.
AHEAD = timedelta(minutes=30)
# So often a paused sub-account is asked whether it is back.
INACTIVE_PAUSE = timedelta(minutes=10)
# Refusals that asking again will not change.
_FINAL = (Kind.INVALID, Kind.NO_ACCESS, Kind.NO_SCOPE, Kind.NOT_FOUND, Kind.GRANT_DEAD)


class NoToken(PortalError):
    """There is no token now. `retry_at` says when to ask again; None when only a person can help."""

    http_status = 503

    def __init__(self, message: str, retry_at: datetime | None) -> None:
        super().__init__(message)
        self.retry_at = retry_at


@dataclass(frozen=True, slots=True)
class _Ask:
    kind: GrantKind
    ghl_id: str
    rejected: str


class Tokens:
    """Gives out access tokens of locations and companies."""

    def __init__(self, database: Database, vault: Vault, oauth: OAuthClient) -> None:
        self._database = database
        self._vault = vault
        self._oauth = oauth
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def for_location(self, ghl_id: str, *, rejected: str = "") -> str:
        """A good access token of the location. `rejected` is one that HighLevel has just refused, to be replaced."""
        return self._get(_Ask(GrantKind.LOCATION, ghl_id, rejected))

    def for_company(self, ghl_id: str, *, rejected: str = "") -> str:
        """A good access token of the agency."""
        return self._get(_Ask(GrantKind.COMPANY, ghl_id, rejected))

    def refresh_ahead(self, grant_id: int, margin: timedelta) -> None:
        """Refreshes a grant whose token ends within the margin, unless that was done meanwhile."""
        with self._database.read() as session:
            grant = session.get(Grant, grant_id)
        if grant is not None and grant.state == GrantState.ACTIVE and grant.expires_at < clock.now() + margin:
            self._get(_Ask(GrantKind(grant.kind), grant.ghl_id, self._vault.open(grant.access_token)))

    def finish(self) -> int:
        """Renews what a process died over, and what failed and is due again, whoever needs it; returns how many."""
        with self._database.read() as session:
            due_again = and_(Grant.failures > 0, Grant.retry_at < clock.now())
            left = or_(Grant.refreshing_until.is_not(None), due_again)
            wanted = select(Grant).where(Grant.state == GrantState.ACTIVE, left).limit(FINISH_AT_ONCE)
            grants_left = session.scalars(wanted).all()
        if grants_left:
            # Side by side: the 30 s run for all of them.
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="finish") as pool:
                list(pool.map(self._finish, grants_left))
        return len(grants_left)

    def _finish(self, grant: Grant) -> None:
        ask = _Ask(GrantKind(grant.kind), grant.ghl_id, self._vault.open(grant.access_token))
        with suppress(NoToken), self._lock(grant) as mine:  # a failure is noted, with the time of the next try
            if mine:
                self._get_locked(ask)

    def mint(self, location: Location) -> None:
        """Gets a location its token out of its agency's grant. Raises `NoToken` when the agency has none."""
        company_id, asked = self._company_of(location), clock.now()
        granted = self._minted(company_id, location.ghl_id)
        try:
            with self._database.write() as session:
                grants.save(session, self._vault, granted, at=asked)
        except grants.Superseded as error:
            raise NoToken(error.message, None) from None

    def note_inactive(self, ghl_id: str) -> datetime:
        """HighLevel said so of a location: its token rests until the time that is returned."""
        with self._database.write() as session:
            location = locked_location(session, ghl_id)
            wanted = select(Grant).where(Grant.kind == GrantKind.LOCATION, Grant.ghl_id == ghl_id)
            return _rest(session, session.scalars(wanted.with_for_update()).one(), location)

    def _company_of(self, location: Location) -> str:
        """The agency to mint from: the one that claims the location, for its token would prove the claim."""
        with self._database.read() as session:
            row = session.get_one(Location, location.id)
            company = row.claimed_company or (row.agency.company_id if row.agency else "")
        if not company:
            raise NoToken("The sub-account's agency is not known: install the app from HighLevel's marketplace.", None)
        return company

    def _minted(self, company_id: str, location_id: str) -> TokenGrant:
        token = self.for_company(company_id)
        try:
            return self._oauth.location_token(token, company_id, location_id)
        except GhlError as error:
            if error.kind is not Kind.TOKEN_REJECTED:
                raise
        return self._oauth.location_token(self.for_company(company_id, rejected=token), company_id, location_id)

    def _get(self, ask: _Ask) -> str:
        patience = time.monotonic() + PATIENCE
        while True:
            grant = self._read(ask)
            token = self._vault.open(grant.access_token)
            if token != ask.rejected and grant.expires_at > clock.now() + MARGIN:
                return token
            if grant.retry_at is not None and grant.retry_at > clock.now():
                raise NoToken(grant.failure, grant.retry_at)
            with self._lock(grant) as mine:
                renewed = self._get_locked(ask) if mine else ""
            if renewed:
                return renewed
            if time.monotonic() > patience:
                raise NoToken("Another process is renewing the token.", clock.now() + timedelta(seconds=2))
            time.sleep(_PAUSE)

    @contextmanager
    def _lock(self, grant: Grant) -> Iterator[bool]:
        """True when this thread alone may refresh the grant inside the block."""
        limited = grant.kind == GrantKind.LOCATION  # what its refresh falls back to must find room
        if limited and not self._room.acquire(blocking=False):
            yield False
            return
        try:
            with self._database.alone(TOKEN_LOCK, grant.id) as mine:
                yield mine
        finally:
            if limited:
                self._room.release()

    def _get_locked(self, ask: _Ask) -> str:
        """The token, refreshed unless another did it just now; "" when the app was installed anew meanwhile."""
        grant = self._read(ask)
        token = self._vault.open(grant.access_token)
        if token != ask.rejected and grant.expires_at > clock.now() + MARGIN:
            return token
        if grant.retry_at is not None and grant.retry_at > clock.now():
            raise NoToken(grant.failure, grant.retry_at)
        with self._database.write(door=Door.CALL) as session:
            mark = update(Grant).where(Grant.id == grant.id, Grant.generation == grant.generation)
            session.execute(mark.values(refreshing_until=clock.now() + REPEATED))
        return self._refresh(grant)

    def _read(self, ask: _Ask) -> Grant:
        with self._database.read() as session:
            grant = session.scalar(select(Grant).where(Grant.kind == ask.kind, Grant.ghl_id == ask.ghl_id))
        if grant is None or grant.state == GrantState.UNINSTALLED or not grant.access_token:
            raise NoToken("The app is not installed there: install it from HighLevel's marketplace.", None)
        if grant.state == GrantState.DEAD:
            raise NoToken("HighLevel's permission has ended: install the app again from the marketplace.", None)
        return grant

    def _refresh(self, grant: Grant) -> str:
        """The new token, stored; "" when the app was uninstalled or installed anew meanwhile."""
        try:
            granted = self._renewed(grant)
        except (GhlError, NoToken) as error:
            raise self._note_failure(grant, error) from error
        try:
            self._store(granted, grant.generation)
        except grants.Superseded:
            return ""
        log.info("token refreshed", extra={"kind": grant.kind, "of": grant.ghl_id})
        return granted.access_token

    def _store(self, granted: TokenGrant, generation: int) -> None:
        """The old refresh token is used up: while the database is away, this waits for it."""
        while True:
            try:
                with self._database.write(door=Door.CALL) as session:
                    grants.save(session, self._vault, granted, renewal_of=generation)
                    return
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error):
                    raise
            time.sleep(1)

    def _renewed(self, grant: Grant) -> TokenGrant:
        user_type = LOCATION if grant.kind == GrantKind.LOCATION else COMPANY
        try:
            granted = self._oauth.refresh(self._vault.open(grant.refresh_token), user_type)
        except GhlError as error:
            if error.kind is not Kind.GRANT_DEAD or grant.kind != GrantKind.LOCATION or not grant.company_id:
                raise
            return self._minted_instead(grant, error)
        return _filled(granted, grant)

    def _minted_instead(self, grant: Grant, dead: GhlError) -> TokenGrant:
        """A token out of the agency's grant. The refusal `dead` stands only when the agency is refused for good too."""
        try:
            return self._minted(grant.company_id, grant.ghl_id)
        except NoToken as error:
            raise error if error.retry_at else dead from None
        except GhlError as error:
            raise dead if error.kind in _FINAL else error from None

    def _note_failure(self, grant: Grant, error: GhlError | NoToken) -> NoToken:
        kind = error.kind if isinstance(error, GhlError) else None
        with self._database.write() as session:
            location = locked_location(session, grant.ghl_id) if grant.kind == GrantKind.LOCATION else None
            row = session.get_one(Grant, grant.id, with_for_update=True)
            if row.generation != grant.generation or row.state == GrantState.UNINSTALLED:
                return NoToken("The app was installed anew meanwhile.", clock.now())
            row.failure, row.refreshing_until = error.message, None
            row.failures += 1
            row.retry_at = clock.now() + timedelta(seconds=min(2.0 ** min(row.failures, 10), 600))
            if kind is Kind.GRANT_DEAD:
                row.state, row.retry_at = GrantState.DEAD, None
                _tell_of_the_end(session, row, location)
            elif kind is Kind.LOCATION_INACTIVE:
                _rest(session, row, location)
            log.warning("token refresh failed", extra={"of": grant.ghl_id, "reason": error.message})
            return NoToken(error.message, row.retry_at)


def _tell_of_the_end(session: Session, grant: Grant, location: Location | None) -> None:
    if location is not None and location.install_state not in HERE:
        return  # it is being disconnected: nobody has to do anything about it
    who = moves.name_of(location) if location else f"the agency {grant.ghl_id}"
    text = f"HighLevel's permission for {who} has ended: connect it again on the page Installations."
    raise_alert(session, DEAD_TOKEN, grant.ghl_id, text, location.id if location else None)


def _rest(session: Session, grant: Grant, location: Location | None) -> datetime:
    """HighLevel has paused the sub-account. The same refresh token works again when it does, so it is kept and tried.

    The access token counts as ended: the refresh that follows tells when the sub-account is back.
    """
    moment = clock.now()
    grant.retry_at, grant.expires_at = moment + INACTIVE_PAUSE, min(grant.expires_at, moment)
    if location is not None:
        moves.pause(session, location)
    return grant.retry_at


def _filled(granted: TokenGrant, grant: Grant) -> TokenGrant:
    """A refresh may leave out whom it is for; it can only be for the grant that asked."""
    if granted.location_id not in ("", grant.ghl_id) and grant.kind == GrantKind.LOCATION:
        raise GhlError(Kind.INVALID, status=200, hint="It renewed the token of another sub-account.")
    if grant.kind == GrantKind.LOCATION:
        company = granted.company_id or grant.company_id
        return replace(granted, user_type=LOCATION, location_id=grant.ghl_id, company_id=company)
    return replace(granted, user_type=COMPANY, location_id="", company_id=grant.ghl_id)
