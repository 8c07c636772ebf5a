"""Bulk installations: an agency's one consent becomes a grant for each of its locations that has the app."""

from portal.crypto import Vault
from portal.database import Database
from portal.ghl.oauth import OAuthClient
from portal.installations import lifecycle
from portal.installations.tokens import Tokens
from portal.models import Agency, GrantState
from portal.models.tenants import Grant, GrantKind
from portal.queue.jobs import GHL, enqueue, job


class BulkInstaller:
    """Walks the pages of an agency's installed locations."""

    def __init__(self, database: Database, vault: Vault, oauth: OAuthClient, tokens: Tokens, app_id: str) -> None:
        self._database = database
        self._vault = vault
        self._oauth = oauth
        self._tokens = tokens
        self._app_id = app_id

    def install(self, agency_id: int) -> int:
        """Enqueues the minting of every location's token; returns how many. Raises `GhlError` and `NoToken`."""
        with self._database.read() as session:
            company_id = session.get_one(Agency, agency_id).company_id
        token = self._tokens.for_company(company_id)
        found = list(self._oauth.installed_locations(token, company_id, self._app_id))
        with self._database.write() as session:
            for place in found:
                location = lifecycle.ensure_location(session, place.id)
                location.agency_id = agency_id
                location.name = location.name or place.name[:200]
                known = session.query(Grant.state).filter_by(kind=GrantKind.LOCATION, ghl_id=place.id).scalar()
                if known != GrantState.ACTIVE:
                    enqueue(session, [job(GHL, "mint_token", location.id, f"mint:{location.id}")])
        return len(found)
