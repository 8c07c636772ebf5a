"""Telephone calls: one line for each, however many reports there are of it."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Inbound
from portal.channels.content import CallState, Kind
from portal.database import Database
from portal.messaging.locks import lock_message
from portal.messaging.storable import storable, storable_details
from portal.models import Message, Sender
from portal.queue.gates import ghl_gate
from portal.queue.jobs import GHL, Due, complete, drop, enqueue, job

# A call that is not answered rings for less than this; then its end is known, or will not be told.
RINGS_FOR = timedelta(seconds=60)
TELL = "tell_call"
POST_PRIORITY = 10
# A later word counts when it says more: who has answered also hangs up.
_WEIGHT: Mapping[str, int] = {
    CallState.RINGING: 0,
    CallState.MISSED: 1,
    CallState.DECLINED: 2,
    CallState.ANSWERED: 3,
}


def rings(message: Message) -> bool:
    """Is it a call of which only the beginning is known?"""
    return message.kind == Kind.CALL and message.details.get("state") == CallState.RINGING


def post(session: Session, message: Message) -> None:
    """Has HighLevel told of the message, in the order of its conversation; of a call that rings, a little later."""
    gate = ghl_gate(message.location_id)
    lane, kind, run_at = f"in:{message.conversation_id}", "post_message", clock.now()
    if rings(message):
        # A lane of its own: the conversation goes on meanwhile.
        lane, kind, run_at = f"call:{message.id}", TELL, run_at + RINGS_FOR
    enqueue(session, [job(GHL, kind, message.id, lane, gate=gate, priority=POST_PRIORITY, run_at=run_at)])


def go_on(session: Session, sender: Sender, said: Inbound) -> str:
    """A further report of a call that is known. HighLevel is told of its end if it was not told of the call yet."""
    same = select(Message.id).where(
        Message.sender_id == sender.id, Message.external_id == storable(said.external_id, 200)
    )
    message = lock_message(session, session.scalars(same).one())
    state = str(said.details.get("state", ""))
    if message.kind != Kind.CALL or _weight(state) <= _weight(str(message.details.get("state", ""))):
        return "repeat of a known message"
    message.details = {**message.details, **storable_details(said.details)}
    drop(session, TELL, [message.id])
    if not message.ghl_message_id and not message.backfilled:
        session.flush()
        post(session, message)
    return f"{state} for message {message.uuid}"


def _weight(state: str) -> int:
    return _WEIGHT.get(state, 0)


class Calls:
    """Carries out `tell_call` jobs: only the ringing was heard, so that is what HighLevel is told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tell(self, due: Due) -> bool:
        """Puts the call into its conversation's lane."""
        with self._database.write() as session:
            complete(session, [due.id])
            message = session.get(Message, due.subject)
            if message is not None and not message.ghl_message_id:
                lane, gate = f"in:{message.conversation_id}", ghl_gate(message.location_id)
                enqueue(session, [job(GHL, "post_message", message.id, lane, gate=gate, priority=POST_PRIORITY)])
        return True
