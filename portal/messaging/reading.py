"""The customer sees that their message was read: once a person has answered, or at once, or never, as the sender says.

Best effort: what a provider does not take is tried a few times and forgotten. Whole conversations are marked, by their
newest message.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.channels.capabilities import MarksRead
from portal.channels.content import AddressKind, Kind
from portal.database import Database
from portal.http import HttpClient
from portal.messaging.accounts import Accounts
from portal.models import Conversation, Direction, Message, Sender, SenderState
from portal.queue.gates import poll_gate
from portal.queue.jobs import SEND, Due, complete, enqueue, job, postpone

log = logging.getLogger(__name__)

KIND = "mark_read"
# `Sender.mark_read`: when. The first stands for a field that is left out.
REPLIED, RECEIVED, NEVER = "replied", "received", "never"
PRIORITY = 30
TRIES = 3


@cache
def _can(channel: str) -> bool:
    return isinstance(registry.get(channel), MarksRead)


def wish(channel: str, given: str) -> str:
    """What a new sender's row says: "" where the provider has no such thing."""
    return (given or REPLIED) if isinstance(registry.get(channel), MarksRead) else ""


def answered(session: Session, answers: Sequence[tuple[str, int]]) -> None:
    """Messages, as (channel, id), have been accepted: those that a person wrote answer what was read before."""
    ids = [message_id for channel, message_id in answers if _can(channel)]
    if not ids:
        return
    by_person = or_(Message.user_id != "", Message.author != ""), Message.bulk == ""
    wanted = (
        select(Message.conversation_id, Sender.id, Sender.account_key)
        .join(Sender, Sender.id == Message.sender_id)
        .where(Message.id.in_(ids), *by_person, Sender.mark_read.in_((REPLIED, RECEIVED)))
        .order_by(Message.conversation_id)
    )
    _ask(session, [(row.conversation_id, row.id, row.account_key) for row in session.execute(wanted)])


def received(session: Session, sender: Sender, message: Message) -> None:
    """A customer has written to a sender that shows at once that it was read."""
    if sender.mark_read == RECEIVED and _markable(message):
        _ask(session, [(message.conversation_id, sender.id, sender.account_key)])


def _ask(session: Session, found: Sequence[tuple[int, int, str]]) -> None:
    rows = [
        job(SEND, KIND, id_, f"read:{id_}", gate=poll_gate(sender_id, account_key), priority=PRIORITY)
        for id_, sender_id, account_key in found
    ]
    enqueue(session, rows)


def _markable(message: Message) -> bool:
    ours = message.direction == Direction.IN and not message.backfilled and message.external_id
    return bool(ours) and message.address_kind != AddressKind.GROUP and message.kind != Kind.SYSTEM


class ReadMarker:
    """Carries out `mark_read` jobs."""

    def __init__(self, database: Database, http: HttpClient, accounts: Accounts) -> None:
        self._database = database
        self._http = http
        self._accounts = accounts

    def mark(self, due: Due) -> bool:
        """Marks the newest message of a conversation, unless it was marked before."""
        with self._database.read() as session:
            message = _newest(session, due)
            sender = session.get_one(Sender, message.sender_id) if message is not None else None
        if message is None or sender is None:
            return self._done(due, None)
        fault = self._call(sender, message.external_id or "")
        if fault is not None and fault.retry and due.attempts + 1 < TRIES:
            with self._database.write() as session:
                postpone(session, due, clock.now() + timedelta(seconds=5.0 * 2**due.attempts), fault.message)
            return False
        return self._done(due, message if fault is None else None)

    def _call(self, sender: Sender, external_id: str) -> ChannelError | None:
        channel = registry.get(sender.channel)
        try:
            if isinstance(channel, MarksRead):
                channel.mark_read(self._http, self._accounts.get(sender.id).account, external_id)
        except ChannelError as error:
            log.info("not marked as read", extra={"code": error.code, "retry": error.retry, "reason": error.message})
            return error
        except Exception as error:
            log.exception("not marked as read")
            return ChannelError(type(error).__name__)
        return None

    def _done(self, due: Due, marked: Message | None) -> bool:
        with self._database.write() as session:
            if marked is not None:
                session.get_one(Conversation, marked.conversation_id).marked_read_id = marked.id
            complete(session, [due.id])
        return True


def _newest(session: Session, due: Due) -> Message | None:
    """The newest message that can be marked; what has come in since the answer, nobody has read yet."""
    conversation = session.get(Conversation, due.subject)
    while conversation is not None and conversation.merged_into_id is not None:
        conversation = session.get(Conversation, conversation.merged_into_id)
    if conversation is None:
        return None
    wanted = (
        select(Message)
        .join(Sender, Sender.id == Message.sender_id)
        .where(Message.conversation_id == conversation.id, Message.direction == Direction.IN)
        .where(Message.external_id.is_not(None), Message.backfilled.is_(False))
        .where(or_(Sender.mark_read == RECEIVED, Message.created_at <= due.created_at))
        .where(Message.address_kind != AddressKind.GROUP, Message.kind != Kind.SYSTEM)
        .where(Sender.mark_read.in_((REPLIED, RECEIVED)), Sender.state != SenderState.REMOVED)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(1)
    )
    found: Message | None = session.scalar(wanted)
    return found if found is not None and found.id != conversation.marked_read_id else None
