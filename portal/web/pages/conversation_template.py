"""`/conversations/<id>/template/<sender>`: a template into a conversation, for when nothing else may be written."""

import logging
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging import composing, replying, template_sending, template_texts
from portal.messaging.replying import Reply, Way
from portal.models import Conversation, Location, TemplateRow
from portal.web.context import services
from portal.web.pages import routes, template_filling
from portal.web.pages.conversation import NOT_YOURS, back, mine, told
from portal.web.pages.queries import talk
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

SENT = "The template is on its way."


@routes.get("/conversations/<int:conversation_id>/template/<int:sender_id>", Permission.VIEW)
def conversation_template(conversation_id: int, sender_id: int) -> ResponseReturnValue:
    """The sender's templates to choose from, and the one that was chosen as a form."""
    return _page(conversation_id, sender_id, request.args.get("template", ""))


@routes.post("/conversations/<int:conversation_id>/template/<int:sender_id>", Permission.REPLY)
def send_conversation_template(conversation_id: int, sender_id: int) -> ResponseReturnValue:
    """Sends it, or only shows what it would say: without `send`, nothing leaves."""
    raw = request.form.get("template", "")
    if "send" not in request.form:
        return _page(conversation_id, sender_id, raw, block="preview")
    with services().database.read() as session:
        found, place, way = _way(session, conversation_id, sender_id)
        row = template_filling.chosen(_choices(session, way), raw)
        last = talk.last_with_sender(session, found.id)
    why = _why_not(way) or ("" if row is not None else template_filling.CHOOSE)
    if why or row is None:
        return _page(conversation_id, sender_id, raw, fault=why)
    if request.form.get("edition", "") != template_filling.edition(row):
        return _page(conversation_id, sender_id, raw, fault=template_filling.EDITED)
    values = template_filling.values()
    try:
        content = template_texts.content(template_sending.form_of(row), values)
        said = Reply("", last.uuid if last else "", False, template_filling.form_key())
        key = template_filling.draft_key(found.id, row, values)
        draft = replying.draft(way, said, viewer().name, key, (), content)
        composing.compose(services().database, services().journal, place, draft)
    except InvalidInput as error:
        return _page(conversation_id, sender_id, raw, fault=error.message)
    log.info("template sent", extra={"user": viewer().id, "conversation": found.id})
    told(SENT)
    return back(found.id)


def _page(conversation_id: int, sender_id: int, raw: str, fault: str = "", block: str = "form") -> ResponseReturnValue:
    with services().database.read() as session:
        found, _, way = _way(session, conversation_id, sender_id)
        rows = _choices(session, way)
    context: dict[str, Any] = {
        "talk": found,
        "sender": way.sender,
        "way": way,
        "here": url_for(".conversation_template", conversation_id=found.id, sender_id=sender_id),
        "why": _why_not(way),
        **template_filling.context(rows, raw, fault),
    }
    return htmx.render("pages/conversation_template.html", block, 422 if fault else 200, **context)


def _way(session: Session, conversation_id: int, sender_id: int) -> tuple[Conversation, Location, Way]:
    """The conversation and one of its sub-account's senders."""
    found, place = mine(session, conversation_id)
    sender = next((each for each in talk.own_senders(session, place.id) if each.id == sender_id), None)
    if sender is None:
        raise NotFound(NOT_YOURS)
    return found, place, replying.way(session, found, sender, talk.last_with_sender(session, found.id))


def _choices(session: Session, way: Way) -> list[TemplateRow]:
    return template_sending.choices(session, way.sender.id) if way.templates else []


def _why_not(way: Way) -> str:
    if not way.templates:
        return f"{way.sender.name} knows no templates."
    return way.fault
