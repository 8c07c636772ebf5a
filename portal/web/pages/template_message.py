"""`/admin/messages/<id>/template`: a template to the person who could not be written to, through the same sender."""

import hashlib
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
from portal.messaging.storable import storable
from portal.models import Message, TemplateRow
from portal.models.base import new_uuid
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
        key = _key(message, row, values)
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


def _key(message: Message, row: TemplateRow, values: dict[str, str]) -> str:
    """One form that is sent twice is one message; filled in anew, after going back to it, it is another one."""
    told = repr((request.form.get("key", ""), row.id, sorted(values.items())))
    return f"template:{message.uuid}:{hashlib.sha256(told.encode()).hexdigest()}"


def _page(message_id: UUID, chosen: str, fault: str = "", block: str = "form") -> ResponseReturnValue:
    with services().database.read() as session:
        message = _mine(session, message_id)
        rows = template_offers.choices(session, message)
        row = template_filling.chosen(rows, chosen)
    form = template_sending.form_of(row) if row is not None else None
    values = template_filling.values()
    context: dict[str, Any] = {
        "message": message,
        "sender": message.sender,
        "here": url_for(".message_template", message_id=message_id),
        "why": template_offers.why_not(message),
        "rows": rows,
        "row": row,
        "form": form,
        "fields": template_filling.fields(form, values, judged=bool(fault)) if form else [],
        "shown": template_texts.preview(form, values) if form else None,
        "hints": template_filling.hints(form, values) if form else [],
        "edition": template_filling.edition(row) if row is not None else "",
        "fault": fault or (template_filling.CHOOSE if chosen and row is None and rows else ""),
        "key": storable(request.form.get("key", ""), 64) or new_uuid(),
    }
    return htmx.render("pages/message_template.html", block, 422 if fault else 200, **context)


def _mine(session: Session, message_id: UUID) -> Message:
    message = messages.one(session, viewer().scope, str(message_id))
    if message is None:
        raise NotFound("There is no such message, or it is not yours to see.")
    return message
