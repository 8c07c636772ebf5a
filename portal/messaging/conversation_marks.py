"""What people mark on a conversation: that it was read, or is still to be; and the notes that they write beside it."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert
from portal.errors import InvalidInput, NotFound
from portal.messaging.locks import lock_conversation
from portal.messaging.storable import storable
from portal.models import Conversation, ConversationNote, Direction, Message

LONGEST_NOTE = 4000
# What is counted of the messages that came in since a person has looked.
MOST_COUNTED = 1000


def mark_read(session: Session, conversation_id: int, seen: int) -> None:
    """Everything up to the position `seen` was read by a person; what has come in since stays unread."""
    conversation = _locked(session, conversation_id)
    if not conversation.unread:
        return
    newer = select(Message.id).where(
        Message.conversation_id == conversation.id,
        Message.position > seen,
        Message.direction == Direction.IN,
        Message.backfilled.is_(False),
    )
    since = session.scalar(select(func.count()).select_from(newer.limit(MOST_COUNTED).subquery())) or 0
    conversation.unread = min(since, conversation.unread)


def mark_unread(session: Session, conversation_id: int) -> None:
    """A person wants it looked at again."""
    conversation = _locked(session, conversation_id)
    conversation.unread = max(conversation.unread, 1)


def add_note(session: Session, conversation_id: int, author: str, author_id: str, body: str, key: str) -> None:
    """Writes a note below what is there now; the same form sent twice is one note. Raises `InvalidInput`."""
    text = storable(body).strip()
    if not text:
        raise InvalidInput("The note is empty: write what others should know.")
    if len(text) > LONGEST_NOTE:
        raise InvalidInput(f"The note is longer than {LONGEST_NOTE} characters: shorten it.")
    conversation = _locked(session, conversation_id)
    row = insert(session, ConversationNote).values(
        conversation_id=conversation.id,
        position=conversation.last_position,
        key=storable(key, 36),
        author=storable(author, 128),
        author_id=storable(author_id, 128),
        body=text,
        created_at=clock.now(),
    )
    session.execute(row.on_conflict_do_nothing())


def remove_note(session: Session, conversation_id: int, note_id: int, who: str | None) -> None:
    """Takes a note away. With `who` only that person's own. Raises `NotFound`, `InvalidInput`."""
    note = session.get(ConversationNote, note_id)
    if note is None or note.conversation_id != conversation_id:
        raise NotFound("There is no such note, or it is not yours to see.")
    if who is not None and note.author_id != who:
        raise InvalidInput("Only who wrote a note, or somebody who manages the account, may take it away.")
    session.delete(note)


def _locked(session: Session, conversation_id: int) -> Conversation:
    """The conversation, or the one that it became."""
    found = lock_conversation(session, conversation_id)
    while found.merged_into_id is not None:
        found = lock_conversation(session, found.merged_into_id)
    return found
