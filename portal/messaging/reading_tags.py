"""Reading the tags of a contact that HighLevel knows, once, before its first message goes out (`first_line`)."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from portal import clock
from portal.config import Settings
from portal.database import Database
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.http import HttpClient
from portal.installations.tokens import NoToken, Tokens
from portal.messaging.contact_events import MOST_TAGS
from portal.messaging.releasing import release_conversations
from portal.models import Contact, Conversation, Location
from portal.queue.jobs import Due, complete, postpone

log = logging.getLogger(__name__)

# A message waits for the answer for some seconds at most, then it goes on without.
TRIES = 3


class TagReader:
    """Carries out `read_tags` jobs."""

    def __init__(self, database: Database, settings: Settings, http: HttpClient, tokens: Tokens) -> None:
        self._database = database
        self._settings = settings
        self._http = http
        self._tokens = tokens

    def read(self, due: Due) -> bool:
        """Reads a contact's tags; without an answer the messages go on as if it had none."""
        with self._database.read() as session:
            contact = session.get(Contact, due.subject)
            location = session.get(Location, contact.location_id) if contact is not None else None
        if contact is None or location is None:
            return self._done(due, None)
        try:
            tags = self._ask(location, contact)
        except (GhlError, NoToken) as error:
            if due.attempts + 1 < TRIES and not _final(error):
                with self._database.write() as session:
                    postpone(session, due, clock.now() + timedelta(seconds=2.0**due.attempts), error.message)
                return False
            log.info("tags not read", extra={"contact": due.subject, "reason": error.message})
            tags = []
        return self._done(due, tags)

    def _ask(self, location: Location, contact: Contact) -> list[str]:
        if not contact.ghl_contact_id:
            return []
        ghl = GhlClient(self._http, self._settings.ghl_api_url)
        token = self._tokens.for_location(location.ghl_id)
        try:
            found = ghl.get_contact(token, contact.ghl_contact_id)
        except GhlError as error:
            if error.kind is not Kind.TOKEN_REJECTED:
                raise
            token = self._tokens.for_location(location.ghl_id, rejected=token)
            found = ghl.get_contact(token, contact.ghl_contact_id)
        return list(found.tags)[:MOST_TAGS]

    def _done(self, due: Due, tags: Sequence[str] | None) -> bool:
        with self._database.write() as session:
            contact = session.get(Contact, due.subject, with_for_update=True)
            if contact is not None and contact.tags_at is None:
                contact.tags_at = clock.now()
                contact.tags = list(tags or ())
            if contact is not None:
                waiting = select(Conversation.id).where(Conversation.contact_id == contact.id)
                release_conversations(session, contact.location_id, session.scalars(waiting).all())
            complete(session, [due.id])
        return True


def _final(error: GhlError | NoToken) -> bool:
    return isinstance(error, GhlError) and error.kind in (Kind.NOT_FOUND, Kind.INVALID, Kind.NO_ACCESS, Kind.NO_SCOPE)
