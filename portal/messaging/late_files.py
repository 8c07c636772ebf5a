"""Files that came after their message: each is a message of its own in HighLevel, known by its own id."""

from datetime import timedelta

from sqlalchemy.orm import Session

from portal import clock
from portal.config import Settings
from portal.database import Database
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.messaging import ghl_thread
from portal.messaging.ghl_files import GhlFiles, Place, next_late
from portal.messaging.into_ghl import IntoGhl, aside
from portal.messaging.locks import lock_message
from portal.models import Contact, Conversation, Direction, Location, MediaFile, Message
from portal.queue.jobs import Due, complete, postpone

# The message itself goes first. When it is not there yet it has been put aside, out of the conversation's lane.
AFTER_MESSAGE = timedelta(seconds=15)


class LateFiles:
    """Carries out `post_files` jobs, whose subject is the message: one file a call, in the message's lane."""

    def __init__(self, database: Database, settings: Settings, files: GhlFiles, into_ghl: IntoGhl) -> None:
        self._database = database
        self._settings = settings
        self._files = files
        self._into_ghl = into_ghl

    def post(self, due: Due) -> bool:
        """Adds the first file that waits to its conversation in HighLevel; comes again while there are more."""
        with self._database.read() as session:
            row = next_late(session, due.subject)
            message = session.get(Message, due.subject)
            if row is None or message is None:
                return self._over(due)
            location = session.get_one(Location, message.location_id)
            conversation = session.get_one(Conversation, message.conversation_id)
            contact = session.get_one(Contact, conversation.contact_id)
        contact_id, thread_id = contact.ghl_contact_id, conversation.ghl_conversation_id
        if not message.ghl_message_id or not contact_id or not thread_id:
            return self._later(due)
        return self._into_ghl.call(
            due,
            location,
            lambda ghl, token: self._post(
                ghl, Place(token, location.ghl_id, contact_id, thread_id), location, message, row
            ),
            lambda ghl_message_id: self._posted(due, row, ghl_message_id),
        )

    def _post(self, ghl: GhlClient, place: Place, location: Location, message: Message, row: MediaFile) -> str:
        told = self._files.told_late(ghl, row, place)
        alt_id, providers = _alt_id(message, row), self._settings.ghl_providers
        if row.echo_state == "open":
            since = row.created_at
            found = ghl_thread.find(
                ghl, self._database, place, message, told, alt_id=alt_id, since=since, files_too=True
            )
            if found:
                return found
        provider_id = ghl_thread.provider_of(location, providers)
        self._mark(message, row, "open")
        try:
            return ghl_thread.add(
                ghl, place, message, told, provider_id=provider_id, providers=providers, alt_id=alt_id
            )
        except GhlError as error:
            if error.kind not in (Kind.UNKNOWN, Kind.SERVER):
                self._mark(message, row, "")
            raise

    def _mark(self, message: Message, row: MediaFile, state: str) -> None:
        """On disk before the call. Of a message that went out, HighLevel may tell us of what we are telling it of."""
        with self._database.write() as session:
            fresh = lock_message(session, message.id)
            session.get_one(MediaFile, row.id).echo_state = state
            if fresh.direction == Direction.OUT:
                fresh.echo_state = state or "done"

    def _posted(self, due: Due, row: MediaFile, ghl_message_id: str) -> bool:
        with self._database.write() as session:
            message = lock_message(session, due.subject)
            fresh = session.get_one(MediaFile, row.id, populate_existing=True)
            fresh.ghl_message_id, fresh.echo_state = ghl_message_id, "done"
            message.push_failure = ""
            if message.direction == Direction.OUT:
                message.echo_state = "done"
            session.flush()
            return self._end(session, due)

    def _over(self, due: Due) -> bool:
        with self._database.write() as session:
            lock_message(session, due.subject)
            return self._end(session, due)

    def _end(self, session: Session, due: Due) -> bool:
        """Under the message's lock: a file that is settled at this moment finds the job there, or has it made anew."""
        if next_late(session, due.subject) is not None:
            postpone(session, due, clock.now())
            return False
        complete(session, [due.id])
        return True

    def _later(self, due: Due) -> bool:
        """Goes where its message waits (`IntoGhl`): that may last for ever, and the conversation goes on meanwhile."""
        with self._database.write() as session:
            note, lane = "its message is not in HighLevel yet", aside(due)
            postpone(session, due, clock.now() + AFTER_MESSAGE, note, lane=lane)
        return False


def _alt_id(message: Message, row: MediaFile) -> str:
    """The file's own id outside HighLevel. Never its key: that opens the file."""
    return f"{message.uuid}-file-{row.place}"
