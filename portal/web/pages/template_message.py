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
from portal.messaging.template_forms import Form
from portal.models import Message, TemplateRow
from portal.models.base import new_uuid
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import messages
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

# What the form's fields are called: this, then the name of the variable.
FIELD = "v-"
SENT = "The template is on its way, as a message of its own."
CHOOSE = "Choose a template first."
EDITED = (
    "The template was changed at its provider meanwhile. This is what it says now: look at it again before you send it."
)


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
        row = _chosen(template_offers.choices(session, message), request.form.get("template", ""))
        location = message.location
    if (why := template_offers.why_not(message)) or row is None:
        return _page(message_id, request.form.get("template", ""), fault=why or CHOOSE)
    if request.form.get("edition", "") != _edition(row):
        return _page(message_id, request.form.get("template", ""), fault=EDITED)
    values = _values()
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


def _edition(row: TemplateRow) -> str:
    """What its form was made of: nobody sends other words than those of the page."""
    return hashlib.sha256(repr(row.components).encode()).hexdigest()


def _key(message: Message, row: TemplateRow, values: dict[str, str]) -> str:
    """One form that is sent twice is one message; filled in anew, after going back to it, it is another one."""
    told = repr((request.form.get("key", ""), row.id, sorted(values.items())))
    return f"template:{message.uuid}:{hashlib.sha256(told.encode()).hexdigest()}"


def _page(message_id: UUID, chosen: str, fault: str = "", block: str = "form") -> ResponseReturnValue:
    with services().database.read() as session:
        message = _mine(session, message_id)
        rows = template_offers.choices(session, message)
        row = _chosen(rows, chosen)
    form = template_sending.form_of(row) if row is not None else None
    values = _values()
    context: dict[str, Any] = {
        "message": message,
        "why": template_offers.why_not(message),
        "rows": rows,
        "row": row,
        "form": form,
        "fields": _fields(form, values, judged=bool(fault)) if form else [],
        "shown": template_texts.preview(form, values) if form else None,
        "hints": _hints(form, values) if form else [],
        "edition": _edition(row) if row is not None else "",
        "fault": fault or (CHOOSE if chosen and row is None and rows else ""),
        "key": storable(request.form.get("key", ""), 64) or new_uuid(),
    }
    return htmx.render("pages/message_template.html", block, 422 if fault else 200, **context)


def _fields(form: Form, values: dict[str, str], *, judged: bool) -> list[dict[str, str]]:
    """Each blank with its label, what was typed, and what is wrong with it once somebody wanted to send it."""
    wrong = template_texts.faults(form, values) if judged else {}
    return [
        {
            "key": each.key,
            "name": FIELD + each.key,
            "label": template_texts.label(each),
            "example": each.example,
            "value": values.get(each.key, ""),
            "fault": wrong.get(each.key, ""),
        }
        for each in form.blanks
    ]


def _hints(form: Form, values: dict[str, str]) -> list[str]:
    """What is wrong already, while the rest is still being typed."""
    found = template_texts.faults(form, values)
    return [sentence for key, sentence in found.items() if values.get(key, "").strip()]


def _values() -> dict[str, str]:
    return {name.removeprefix(FIELD): storable(value) for name, value in request.form.items() if name.startswith(FIELD)}


def _chosen(rows: list[TemplateRow], chosen: str) -> TemplateRow | None:
    return next((row for row in rows if str(row.id) == chosen), None)


def _mine(session: Session, message_id: UUID) -> Message:
    message = messages.one(session, viewer().scope, str(message_id))
    if message is None:
        raise NotFound("There is no such message, or it is not yours to see.")
    return message
