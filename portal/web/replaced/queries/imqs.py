"""How a list of texts stands, and what became of the last one to a number."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.messaging import at_the_call, bulksms, rehearsal
from portal.messaging.bulksms import Standing
from portal.messaging.contacts import PHONE
from portal.models import Address, ApiBulk, Conversation, Direction, Location, Message, Status, TestMessage
from portal.web.api.queries import messages

# The condition of the index, word for word: SQLite uses a partial index only for what it can read in the statement.
_BULK = text("message.bulk <> ''")


def standing(session: Session, row: ApiBulk) -> Standing:
    """How the messages of one request stand now."""
    counts = messages.statuses(session, row)
    refusal = _refusal(session, row) if counts.get(Status.FAILED) or counts.get(Status.EXPIRED) else ""
    return bulksms.standing(row.recipients, counts, refusal)


def _refusal(session: Session, row: ApiBulk) -> str:
    """The code and the reason of the first that failed: “301: Out of credit”."""
    if row.test:
        mine = session.scalars(select(TestMessage).where(TestMessage.bulk == row.uuid).order_by(TestMessage.id))
        ends = [rehearsal.moves(each)[-1] for each in mine]
        return next((f"{end.code}: {end.reason}" for end in ends if end.status == Status.FAILED), "")
    over = Message.status.in_((Status.FAILED, Status.EXPIRED))
    wanted = select(Message.error_code, Message.reason).where(_BULK, Message.bulk == row.uuid, over)
    found = session.execute(wanted.order_by(Message.id).limit(1)).first()
    return ": ".join(filter(None, found)) if found else ""


def last_status(session: Session, location: Location, number: str, *, test: bool) -> str | None:
    """The status of the newest message to an E.164 number; None when there was none."""
    if test:
        own = TestMessage.location_id == location.id, TestMessage.address == number
        row = session.scalar(select(TestMessage).where(*own).order_by(TestMessage.id.desc()).limit(1))
        return rehearsal.moves(row)[-1].status.value if row is not None else None
    if at_the_call.on_its_way(session, [location], f'"{number}"'):
        return Status.QUEUED
    wanted = (
        select(Message.status)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Address, Address.contact_id == Conversation.contact_id)
        .where(Address.location_id == location.id, Address.kind == PHONE, Address.value == number)
        .where(Message.address == number, Message.direction == Direction.OUT)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(1)
    )
    found: str | None = session.scalar(wanted)
    return found
