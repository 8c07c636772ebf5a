"""Events and their apply jobs, written in one transaction: the only place that inserts into the journal."""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy.orm import Session

from portal.database import insert
from portal.journal.entry import Entry
from portal.models import Event, EventState
from portal.queue.jobs import APPLY, enqueue, job


class Kept(StrEnum):
    """What became of an entry: each of them is on disk."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    SPOOLED = "spooled"


def store(session: Session, entries: Sequence[Entry]) -> list[Kept]:
    """Inserts the entries that are new, each with its apply job in its lane. Repeats change nothing."""
    rows = [entry.row(EventState.PENDING) for entry in entries]
    statement = insert(session, Event).on_conflict_do_nothing().returning(Event.id, Event.uuid)
    stored = {uuid: id_ for id_, uuid in session.connection().execute(statement, rows)}
    enqueue(session, [job(APPLY, "apply", stored[row["uuid"]], row["lane"], priority=0) for row in rows if row["uuid"] in stored])
    return [Kept.STORED if row["uuid"] in stored else Kept.DUPLICATE for row in rows]

