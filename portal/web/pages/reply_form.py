"""The form below a conversation: through which sender, what was typed, what it costs, and whether it can go out."""

from collections.abc import Mapping
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from portal.accounts.permissions import Permission
from portal.media.fetching import in_words
from portal.messaging import replying, telling, uploads
from portal.messaging.composing import LONGEST
from portal.messaging.replying import Reply
from portal.messaging.storable import storable
from portal.models import Conversation, Location, Message, Sender
from portal.models.base import new_uuid
from portal.web.pages.queries import messages, talk
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer


def context(
    session: Session, found: Conversation, place: Location, via: int | None, form: Mapping[str, Any]
) -> dict[str, Any]:
    """What the form's templates need; `form` is what was typed before, with its `fault`."""
    own = talk.own_senders(session, place.id) if viewer().may(Permission.REPLY) else []
    sender = chosen(session, own, found, str(form.get("sender", "")) or (str(via) if via else ""))
    about = _answered(session, found, str(form.get("about", ""))) or talk.last_with_sender(session, found.id)
    answers = _answered(session, found, str(form.get("answers", "") or request.args.get("answer", "")))
    return {
        "own_senders": own,
        "reply_sender": sender,
        "about": about.uuid if about is not None else "",
        "answers": answers,
        "answered": telling.brief(answers) if answers is not None else "",
        "key": storable(str(form.get("key", "")), 64) or new_uuid(),
        "text": str(form.get("text", "")),
        "fault": str(form.get("fault", "")),
        "note": str(form.get("note", "")),
        "note_fault": str(form.get("note_fault", "")),
        "most_bytes": in_words(uploads.MOST_BYTES),
        "longest": LONGEST,
        **costs(session, found, sender, answers or about, str(form.get("text", "")), plain=bool(form.get("gsm7"))),
    }


def costs(
    session: Session, found: Conversation, sender: Sender | None, about: Message | None, text: str, *, plain: bool
) -> dict[str, Any]:
    """The block below the text: what depends on the sender and on what is typed."""
    way = replying.way(session, found, sender, about) if sender is not None else None
    cost = replying.cost(sender, text, plain=plain) if sender is not None else None
    return {"talk": found, "way": way, "cost": cost, "plain": plain}


def chosen(session: Session, own: Any, found: Conversation, raw: str) -> Sender | None:
    """The sender that is named, else the conversation's own, else the default, else the first there is."""
    by_id = {str(each.id): each for each in own}
    if raw:
        return by_id.get(raw) or next(iter(own), None)
    sticky = by_id.get(str(found.sticky_sender_id))
    return sticky or next((each for each in own if each.is_default), None) or next(iter(own), None)


def typed(found: Conversation, about: Message | None, answers: Message | None) -> Reply:
    """The form that was sent, with the message that it follows."""
    target = answers or about
    return Reply(
        text=storable(request.form.get("text", "")).replace("\r\n", "\n"),
        about=target.uuid if target is not None and target.sender_id is not None else "",
        quotes=answers is not None,
        key=storable(request.form.get("key", ""), 64),
        plain=bool(request.form.get("gsm7")),
    )


def of_form(session: Session, scope: Scope, found: Conversation, name: str) -> Message | None:
    """The message of this conversation that a field names by its uuid; another's is as good as none."""
    return _answered(session, found, request.form.get(name, ""), scope)


def _answered(session: Session, found: Conversation, uuid: str, scope: Scope | None = None) -> Message | None:
    if not uuid or len(uuid) > 36:
        return None
    message = messages.one(session, scope or viewer().scope, storable(uuid))
    return message if message is not None and message.conversation_id == found.id else None
