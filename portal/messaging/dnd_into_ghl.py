"""Opt-outs into HighLevel: DND of one channel, written at least once, the newest wish alone."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.ghl.client import GhlClient
from portal.ghl.errors import GhlError, Kind
from portal.installations.tokens import NoToken
from portal.messaging import dnd
from portal.messaging.into_ghl import GIVE_UP_AFTER, STUBBORN, IntoGhl
from portal.models import Contact, ContactDnd, Location
from portal.queue.jobs import Due, complete, postpone


class DndIntoGhl(IntoGhl):
    """Carries out `push_dnd` jobs, with the tokens, gates and alerts of all that HighLevel is told."""

    def push_dnd(self, due: Due) -> bool:
        """Writes what is wanted, unless HighLevel has it already or does not know the contact."""
        with self._database.read() as session:
            row = session.get(ContactDnd, due.subject)
            contact = session.get(Contact, row.contact_id) if row else None
            location = session.get(Location, contact.location_id) if contact else None
        if row is None or contact is None or location is None or not row.wanted or not contact.ghl_contact_id:
            return self._done(due)
        channel, wanted, ghl_id = dnd.CHANNELS[row.family], row.wanted, contact.ghl_contact_id
        began = clock.now()

        def write(ghl: GhlClient, token: str) -> str:
            ghl.update_dnd(token, ghl_id, channel, dnd.is_on(wanted), row.note)
            return ""

        def then(_: str) -> bool:
            with self._database.write() as session:
                now = _locked(session, row.id)
                now.known, now.told_at, now.failure = wanted, began, ""
                self._over(session, due, location.id)
                if now.wanted not in ("", wanted):
                    postpone(session, due, clock.now())
                    return False
                now.wanted = ""
                complete(session, [due.id])
            return True

        return self.call(due, location, write, then)

    def _refused(self, due: Due, location: Location, error: GhlError) -> bool:
        """A contact that is gone has no settings; what HighLevel refuses for three days is given up."""
        old = clock.now() - due.created_at > GIVE_UP_AFTER
        if error.kind is not Kind.NOT_FOUND and not (error.kind in STUBBORN and old):
            return super()._refused(due, location, error)
        with self._database.write() as session:
            row = _locked(session, due.subject)
            row.wanted, row.failure = "", error.message
            self._over(session, due, location.id)
            complete(session, [due.id])
        return True

    def _note_failure(self, session: Session, due: Due, error: GhlError | NoToken) -> None:
        _locked(session, due.subject).failure = error.message


def _locked(session: Session, row_id: int) -> ContactDnd:
    wanted = select(ContactDnd).where(ContactDnd.id == row_id).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).one()
