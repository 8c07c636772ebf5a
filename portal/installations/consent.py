"""A person's consent at HighLevel: the code becomes tokens, which are stored before anything else happens."""

import hashlib
import logging
import time
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.crypto import Vault
from portal.database import Database, is_away
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import LOCATION, OAuthClient, TokenGrant
from portal.installations import grants, moves, scopes
from portal.installations.lifecycle import ensure_agency, locked_location
from portal.models import Grant, GrantKind, GrantState, InstallEvent
from portal.models.tenants import PRESENT

log = logging.getLogger(__name__)

# A code works once. While the database is away for a moment, what it gave is held in hand.
STORE_SECONDS = 20.0
# Another request may be at the same code: a browser that loads the page twice sends it twice.
TWIN_SECONDS = 5.0
MOST_APPROVED = 1000


class Consents:
    """Takes codes, each once."""

    def __init__(self, database: Database, vault: Vault, oauth: OAuthClient, redirect_uri: str) -> None:
        self._database = database
        self._vault = vault
        self._oauth = oauth
        self._redirect_uri = redirect_uri

    def take(self, code: str) -> Grant:
        """The stored grant of the code, also when the same code is brought again. Raises `GhlError`."""
        code_hash = hashlib.sha256(code.encode()).hexdigest()
        known = self._known(code_hash)
        if known is not None:
            return known
        asked = clock.now()
        try:
            granted = self._oauth.exchange_code(code, self._redirect_uri, LOCATION)
        except GhlError as error:
            twin = self._twin(code_hash) if error.kind is Kind.GRANT_DEAD else None
            if twin is None:
                raise
            return twin
        if not granted.location_id and not granted.company_id:
            raise GhlError(Kind.INVALID, status=200, hint="It named neither a sub-account nor an agency.")
        return self._store(granted, code_hash, asked)

    def missing(self, grant: Grant) -> tuple[str, ...]:
        """The scopes that the person did not grant."""
        return scopes.missing(grant)

    def _twin(self, code_hash: str) -> Grant | None:
        patience = time.monotonic() + TWIN_SECONDS
        while (found := self._known(code_hash)) is None and time.monotonic() < patience:
            time.sleep(0.2)
        return found

    def _known(self, code_hash: str) -> Grant | None:
        with self._database.read() as session:
            same = select(Grant).where(Grant.consent_code == code_hash, Grant.state == GrantState.ACTIVE)
            return session.scalar(same)

    def _store(self, granted: TokenGrant, code_hash: str, asked: datetime) -> Grant:
        patience = time.monotonic() + STORE_SECONDS
        while True:
            try:
                with self._database.write() as session:
                    grant = grants.save(session, self._vault, granted, consented=True, at=asked, code_hash=code_hash)
                    if grant.kind == GrantKind.COMPANY:
                        _connect_locations(session, granted, grant)
                    return grant
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error) or time.monotonic() > patience:
                    raise
            log.warning("database away, a consent waits")
            time.sleep(1)


def _connect_locations(session: Session, granted: TokenGrant, grant: Grant) -> None:
    """Has the agency's list read, and the locations it names already connected: the list may lag behind."""
    agency = ensure_agency(session, granted.company_id)
    moves.list_locations(session, agency)
    named = {granted.location_id, *granted.approved_locations[:MOST_APPROVED]} - {""}
    for ghl_id in sorted(named):
        location = locked_location(session, ghl_id)
        theirs, at = location.agency_id not in (None, agency.id), grant.consented_at
        left_before = at is not None and (location.uninstalled_at is None or location.uninstalled_at < at)
        if at is not None and left_before and not theirs and location.install_event not in PRESENT:
            moves.decide(location, InstallEvent.LISTED, at)
        location.claimed_company = agency.company_id
        moves.mint(session, location, agency.id)
