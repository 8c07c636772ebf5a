"""What a message has to say, read off its row and the rows that it refers to."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.content import Kind, Relation
from portal.messaging import wording
from portal.models import MediaFile, Message


def heading(message: Message) -> str:
    """The message in words as far as its row alone tells them: for lists."""
    return wording.told(_line(message))


def alone(message: Message) -> str:
    """The message in words, without its author and without what it quotes: for where both are shown beside it."""
    about = message.about_relation
    return wording.told(replace(_line(message), author="", about="" if about == Relation.REPLY else about))


def text_of(session: Session, message: Message) -> str:
    """The message in words, for HighLevel."""
    return wording.told(line_of(session, message))


def line_of(session: Session, message: Message) -> wording.Line:
    """The message with all that its words need. Only looks."""
    line = _line(message)
    return replace(line, was=_was(session, message), files=line.files or _announced(session, message))


def _line(message: Message) -> wording.Line:
    return wording.Line(
        kind=message.kind,
        text=message.body,
        details=message.details,
        author=wording.author(message.author_name, message.author_address) if not message.from_us else "",
        about=message.about_relation,
        quoted=message.about_text,
        marker=message.marker,
        files=bool(message.attachments),
        from_us=message.from_us,
    )


def brief(message: Message) -> str:
    """One line that tells which message is meant."""
    return wording.brief(message.kind, message.body, message.details)


def _announced(session: Session, message: Message) -> bool:
    """Was HighLevel told that a file follows? Then it is told so again, whatever became of the file."""
    if message.kind not in wording.FILES:
        return False
    late = select(MediaFile.id).where(MediaFile.message_id == message.id, MediaFile.late)
    return session.scalar(late.limit(1)) is not None


def _was(session: Session, message: Message) -> str:
    """What an edited message said before this edit, "" when there is only the first text."""
    if message.about_relation != Relation.EDIT or message.about_id is None:
        return ""
    earlier = (
        select(Message.body)
        .where(Message.about_id == message.about_id, Message.kind == Kind.EDIT, Message.position < message.position)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(1)
    )
    return session.scalar(earlier) or ""
