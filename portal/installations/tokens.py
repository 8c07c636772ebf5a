"""Access tokens: the stored one while it is good, else one refresh over all processes, stored before anyone uses it.

HighLevel's refresh tokens work once. Whoever wins a short lease on the grant's row refreshes; everybody else waits for
the row to change. The lease is shorter than HighLevel's grace for repeating a refresh (30 s), so that a process that
dies in the middle leaves the grant alive.
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import DEAD_TOKEN, raise_alert
from portal.crypto import Vault
from portal.database import Database, is_away
from portal.errors import PortalError
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import COMPANY, LOCATION, OAuthClient, TokenGrant
from portal.installations import grants, moves
from portal.installations.lifecycle import locked_location
from portal.models import Grant, GrantKind, GrantState, Location
from portal.models.tenants import HERE

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=28)
# A token this close to its end is not used for a call that may take 25 seconds.
MARGIN = timedelta(seconds=60)
_PAUSE = 0.05
STORE_SECONDS = 60.0
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
        patience = time.monotonic() + LEASE.total_seconds()
        while True:
            grant = self._read(ask)
            token = self._vault.open(grant.access_token)
            if token != ask.rejected and grant.expires_at > clock.now() + MARGIN:
                return token
            if grant.retry_at is not None and grant.retry_at > clock.now():
                raise NoToken(grant.failure, grant.retry_at)
            if self._win(grant):
                renewed = self._refresh(grant)
                if renewed:
                    return renewed
                continue
            if time.monotonic() > patience:
                raise NoToken("Another process is renewing the token.", clock.now() + timedelta(seconds=2))
            time.sleep(_PAUSE)

    def _read(self, ask: _Ask) -> Grant:
        with self._database.read() as session:
            grant = session.scalar(select(Grant).where(Grant.kind == ask.kind, Grant.ghl_id == ask.ghl_id))
        if grant is None or grant.state == GrantState.UNINSTALLED or not grant.access_token:
            raise NoToken("The app is not installed there: install it from HighLevel's marketplace.", None)
        if grant.state == GrantState.DEAD:
            raise NoToken("HighLevel's permission has ended: install the app again from the marketplace.", None)
        return grant

    def _win(self, grant: Grant) -> bool:
        moment = clock.now()
        with self._database.write() as session:
            won = session.execute(
                update(Grant)
                .where(
                    Grant.id == grant.id,
                    Grant.generation == grant.generation,
                    or_(Grant.refreshing_until.is_(None), Grant.refreshing_until < moment),
                )
                .values(refreshing_until=moment + LEASE)
            )
        return won.rowcount == 1  # type: ignore[attr-defined, no-any-return]

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
        """The old refresh token is used up: while the database is away for a moment, this waits for it."""
        patience = time.monotonic() + STORE_SECONDS
        while True:
            try:
                with self._database.write() as session:
                    grants.save(session, self._vault, granted, renewal_of=generation)
                    return
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error) or time.monotonic() > patience:
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
            row.retry_at = clock.now() + timedelta(seconds=min(5 * 2.0 ** min(row.failures, 8), 600))
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
