"""`/admin/messages/<id>/template`: a template to the person who could not be written to, through the same sender."""

import logging
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging import composing, template_offers, template_sending, template_texts
from portal.models import Message
from portal.web.context import services
from portal.web.pages import routes, template_filling
from portal.web.pages.queries import messages
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

SENT = "The template is on its way, as a message of its own."


@routes.get("/messages/<uuid:message_id>/template", Permission.VIEW)
def message_template(message_id: UUID) -> ResponseReturnValue:
    """The templates to choose from, and the one that was chosen as a form."""
    return _page(message_id, request.args.get("template", ""))


@routes.post("/messages/<uuid:message_id>/template", Permission.REPLY)
def send_template(message_id: UUID) -> ResponseReturnValue:
    """Sends it, or only shows what it would say: without `send`, nothing leaves."""
    if "send" not in request.form:
        return _page(message_id, request.form.get("template", ""), block="preview")
    with services().database.read() as session:
        message = _mine(session, message_id)
        row = template_filling.chosen(template_offers.choices(session, message), request.form.get("template", ""))
        location = message.location
    if (why := template_offers.why_not(message)) or row is None:
        return _page(message_id, request.form.get("template", ""), fault=why or template_filling.CHOOSE)
    if request.form.get("edition", "") != template_filling.edition(row):
        return _page(message_id, request.form.get("template", ""), fault=template_filling.EDITED)
    values = template_filling.values()
    try:
        content = template_texts.content(template_sending.form_of(row), values)
        key = template_filling.draft_key(message.uuid, row, values)
        draft = composing.Draft(
            (), "", viewer().name, sender_id=message.sender_id, key=key, content=content, about=message.uuid
        )
        composing.compose(services().database, services().journal, location, draft)
    except InvalidInput as error:
        return _page(message_id, request.form.get("template", ""), fault=error.message)
    with services().database.write() as session:
        audit.note(session, viewer(), "sent a template after", message, after={"template": row.name})
    log.info("template sent", extra={"user": viewer().id, "message_id": str(message_id)})
    flash(SENT, "ok")
    return redirect(url_for(".message", message_id=message_id), 303)


def _page(message_id: UUID, chosen: str, fault: str = "", block: str = "form") -> ResponseReturnValue:
    with services().database.read() as session:
        message = _mine(session, message_id)
        rows = template_offers.choices(session, message)
    context: dict[str, Any] = {
        "message": message,
        "sender": message.sender,
        "here": url_for(".message_template", message_id=message_id),
        "why": template_offers.why_not(message),
        **template_filling.context(rows, chosen, fault),
    }
    return htmx.render("pages/message_template.html", block, 422 if fault else 200, **context)


def _mine(session: Session, message_id: UUID) -> Message:
    message = messages.one(session, viewer().scope, str(message_id))
    if message is None:
        raise NotFound("There is no such message, or it is not yours to see.")
    return message
