"""All tries of one message: what was sent again from here, and what HighLevel had sent again itself.

HighLevel's own "retry" is a new message with a new id and no word on the old one (its public tracker, #260). A delivery
with the text and files of one that failed in the same conversation within a day is taken for it: that links the two,
and changes nothing about how it is sent.
"""

from collections.abc import Collection, Sequence, Set
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from portal.models import Contact, Conversation, Message, Status

RETRY_WINDOW = timedelta(hours=24)
# So many of a conversation's newest messages are looked at for the one that a delivery repeats.
LOOKED_BACK = 20
# Tries of one message that are looked for.
MOST_TRIES = 50
ENDED = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)


def _failed_before() -> Any:
    """The newest message of HighLevel's contact that failed with this text; part of the question asked of deliveries.

    Binds: location, contact, body, since.
    """
    conversation = (
        select(Conversation.id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(Contact.location_id == bindparam("location"), Contact.ghl_contact_id == bindparam("contact"))
        .limit(1)
        .scalar_subquery()
    )
    recent = (
        select(Message.id, Message.body, Message.status, Message.status_at, Message.ghl_message_id, Message.position)
        .where(Message.conversation_id == conversation)
        .order_by(Message.position.desc())
        .limit(LOOKED_BACK)
        .subquery()
    )
    same = recent.c.body == bindparam("body"), recent.c.ghl_message_id.is_not(None)
    ended = recent.c.status.in_(ENDED), recent.c.status_at > bindparam("since", type_=recent.c.status_at.type)
    return select(recent.c.id).where(*same, *ended).order_by(recent.c.position.desc()).limit(1).scalar_subquery()


FAILED_BEFORE = _failed_before()


def retried(session: Session, candidate: int | None, attachments: Sequence[str]) -> int | None:
    """The message that a delivery repeats: the candidate, when its files are the same too."""
    if candidate is None:
        return None
    known = session.scalar(select(Message.attachments).where(Message.id == candidate))
    return candidate if list(known or ()) == list(attachments) else None


def family(session: Session, message: Message) -> list[Message]:
    """All tries of the message, itself among them, in the order in which they were made."""
    found = {message.id: message}
    wanted: Set[int] = {message.id}
    while wanted and len(found) < MOST_TRIES:
        up = {each for id_ in wanted for each in (found[id_].resend_of_id, found[id_].retry_of_id) if each is not None}
        rows: dict[int, Message] = {}
        # Each by its own index: of the three together a planner may make a scan.
        for near in (Message.id.in_(up), Message.resend_of_id.in_(wanted), Message.retry_of_id.in_(wanted)):
            rows |= {row.id: row for row in session.scalars(select(Message).where(near).limit(MOST_TRIES))}
        wanted = rows.keys() - found.keys()
        found |= {id_: rows[id_] for id_ in wanted}
    return sorted(found.values(), key=lambda each: (each.position, each.id))


def with_retries(session: Session, ids: Collection[int]) -> set[int]:
    """Those of the messages that HighLevel has had sent again."""
    wanted = select(Message.retry_of_id).where(Message.retry_of_id.in_(ids))
    return {id_ for id_ in session.scalars(wanted) if id_ is not None}
