"""What a message has to say, read off its row and the rows that it refers to."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.content import Kind, Relation
from portal.messaging import wording
from portal.models import Message

# Where a message keeps why files of it cannot be had: sentences, in its details.
MISSING = "missing_files"


def text_of(session: Session, message: Message) -> str:
    """The message in words, for HighLevel."""
    return wording.told(line_of(session, message))


def line_of(session: Session, message: Message) -> wording.Line:
    """The message with all that its words need. Only looks."""
    about = session.get(Message, message.about_id) if message.about_id is not None else None
    return wording.Line(
        kind=message.kind,
        text=message.body,
        details=message.details,
        author=wording.author(message.author_name, message.author_address) if not message.from_us else "",
        about=message.about_relation,
        quoted=message.about_text or (brief(about) if about is not None else ""),
        was=_was(session, message, about),
        marker=message.marker,
        files=bool(message.attachments),
        from_us=message.from_us,
        missing=message.details.get(MISSING, ()),
    )


def brief(message: Message) -> str:
    """One line that tells which message is meant."""
    return wording.brief(message.kind, message.body, message.details)


def _was(session: Session, message: Message, about: Message | None) -> str:
    """What an edited message said before this edit."""
    if message.about_relation != Relation.EDIT or about is None:
        return ""
    earlier = (
        select(Message.body)
        .where(Message.about_id == about.id, Message.kind == Kind.EDIT, Message.position < message.position)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(1)
    )
    return session.scalar(earlier) or about.body
