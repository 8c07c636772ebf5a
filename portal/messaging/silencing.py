"""Ends what waits for somebody who has opted out: it would not pass the fence, and nobody has to wait to hear so."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from portal.database import Database
from portal.messaging import optouts
from portal.messaging.held import let_go
from portal.messaging.locks import lock_whole
from portal.messaging.outbound import fail
from portal.models import OptOut, Status
from portal.queue.jobs import Due, complete, drop

WAITING = (Status.QUEUED, Status.HELD)


class Silencing:
    """Carries out `silence` jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def end_waiting(self, due: Due) -> bool:
        """Fails what is queued, scheduled or held for the person, each in a transaction of its own."""
        with self._database.read() as session:
            row = session.get(OptOut, due.subject)
            found: Sequence[int] = ()
            if row is not None and row.lifted_at is None:
                found = optouts.waiting(session, row.location_id, row.family, row.address, row.contact_id)
        for message_id in found:
            with self._database.write() as session:
                _end(session, message_id)
        with self._database.write() as session:
            complete(session, [due.id])
        return True


def _end(session: Session, message_id: int) -> None:
    """What is on its way in part already is left to the fence: its next part does not pass."""
    _, message = lock_whole(session, message_id)
    opted_out = optouts.stops(session, message)
    if message.status not in WAITING or not opted_out:
        return
    fail(session, message, opted_out, optouts.CODE)
    drop(session, "send", [part.id for part in message.parts])
    session.flush()
    let_go(session, message.conversation_id)
