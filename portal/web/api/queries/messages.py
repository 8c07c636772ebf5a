"""Reading messages: those that go out and came in, and those of test keys."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, joinedload, selectinload

from portal.accounts.api_keys import Reach
from portal.messaging.rehearsal import moves
from portal.models import ApiBulk, Attempt, Location, Message, Part, ReceiptRow, StatusChange, TestMessage
from portal.web.api.queries import newest_first, number
from portal.web.pages.queries import messages as admin
from portal.web.pages.queries.pages import Page
from portal.web.pages.queries.scope import Scope

# Of one message; more than that no message has in good faith.
MOST_MOVES = 1000
# The condition of the index, word for word: SQLite uses a partial index only for what it can read in the statement.
_BULK = text("message.bulk <> ''")


def page(session: Session, location: Location, status: str, direction: str, cursor: str, limit: int) -> Page[Message]:
    """A location's messages, newest first."""
    wanted = admin.Wanted(location, status, direction, number(cursor))
    return admin.page(session, Scope(location.agency_id), wanted, limit)


def tests(session: Session, location: Location, cursor: str, limit: int) -> tuple[Sequence[TestMessage], str]:
    """What test keys have sent in a location, newest first."""
    wanted = select(TestMessage).where(TestMessage.location_id == location.id)
    rows, after = newest_first(session, wanted, TestMessage.id, cursor, limit)
    return [row[0] for row in rows], after


def one(session: Session, reach: Reach, uuid: str) -> Message | None:
    """The message with this id, with its parts, when the key reaches it."""
    wanted = select(Message).join(Location, Location.id == Message.location_id).where(Message.uuid == uuid)
    options = joinedload(Message.location), selectinload(Message.parts)
    found: Message | None = session.scalar(reach.narrow(wanted).options(*options))
    return found


def one_test(session: Session, reach: Reach, uuid: str) -> TestMessage | None:
    """The same of a test key's."""
    wanted = select(TestMessage).join(Location, Location.id == TestMessage.location_id)
    found: TestMessage | None = session.scalar(reach.narrow(wanted.where(TestMessage.uuid == uuid)))
    return found


def places(session: Session, reach: Reach, limit: int) -> Sequence[Location]:
    """Locations that the key reaches."""
    return session.scalars(reach.narrow(select(Location)).order_by(Location.id).limit(limit)).all()


def way(session: Session, message: Message) -> tuple[Any, Any, Any]:
    """A message's changes, calls and receipts, each in its order, the latter two with the part's number."""
    changes = (
        select(StatusChange, Part.number)
        .outerjoin(Part, Part.id == StatusChange.part_id)
        .where(StatusChange.message_id == message.id)
        .order_by(StatusChange.id)
    )
    calls = select(Attempt, Part.number).join(Part, Part.id == Attempt.part_id)
    words = select(ReceiptRow, Part.number).join(Part, Part.id == ReceiptRow.part_id)
    mine = Part.message_id == message.id
    return (
        session.execute(changes.limit(MOST_MOVES)).all(),
        session.execute(calls.where(mine).order_by(Attempt.id).limit(MOST_MOVES)).all(),
        session.execute(words.where(mine).order_by(ReceiptRow.id).limit(MOST_MOVES)).all(),
    )


def bulk(session: Session, reach: Reach, uuid: str, *, test: bool) -> tuple[ApiBulk, Location] | None:
    """A bulk with its location, when the key reaches it."""
    wanted = select(ApiBulk, Location).join(Location, Location.id == ApiBulk.location_id)
    found = session.execute(reach.narrow(wanted.where(ApiBulk.uuid == uuid, ApiBulk.test == test))).first()
    return (found[0], found[1]) if found is not None else None


def statuses(session: Session, row: ApiBulk) -> dict[str, int]:
    """How many of a bulk's messages are in which status."""
    if row.test:
        mine = session.scalars(select(TestMessage).where(TestMessage.bulk == row.uuid))
        return dict(Counter(moves(each)[-1].status.value for each in mine))
    counted = select(Message.status, func.count()).where(_BULK, Message.bulk == row.uuid).group_by(Message.status)
    return {row[0]: row[1] for row in session.execute(counted)}


def of_bulk(session: Session, row: ApiBulk, cursor: str, limit: int) -> tuple[Sequence[Message], str]:
    """A bulk's messages, the newest first."""
    wanted = select(Message).where(_BULK, Message.bulk == row.uuid).options(joinedload(Message.location))
    rows, after = newest_first(session, wanted, Message.id, cursor, limit)
    return [each[0] for each in rows], after


def tests_of_bulk(session: Session, row: ApiBulk, cursor: str, limit: int) -> tuple[Sequence[TestMessage], str]:
    """The same of a test key's."""
    rows, after = newest_first(
        session, select(TestMessage).where(TestMessage.bulk == row.uuid), TestMessage.id, cursor, limit
    )
    return [each[0] for each in rows], after
