"""`/senders/<id>/remove`: what happens when a sender is taken away, and taking it away."""

import logging
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels.base import Registers
from portal.errors import InvalidInput
from portal.messaging import sender_settings
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import sender_removal
from portal.web.pages.senders import mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)


@routes.get("/senders/<int:sender_id>/remove", Permission.MANAGE)
def remove_page(sender_id: int) -> ResponseReturnValue:
    """What will happen, and the button that does it."""
    return _page(sender_id, "")


@routes.post("/senders/<int:sender_id>/remove", Permission.MANAGE)
def remove_sender(sender_id: int) -> ResponseReturnValue:
    """Removes it; another one may become the default."""
    chosen = request.form.get("next", "")

    def change(session: Session) -> str:
        line = mine(session, sender_id)
        if chosen and not (chosen.isascii() and chosen.isdigit() and len(chosen) < 19):
            raise InvalidInput("Choose one of the senders.")
        with audit.deed(session, viewer(), "removed", line.sender):
            sender_settings.remove(session, sender_id, int(chosen) if chosen else None)
        return line.sender.name

    try:
        name = services().database.patiently(change)
    except InvalidInput as error:
        return _page(sender_id, error.message)
    log.info("sender decided", extra={"user": viewer().id, "sender_id": sender_id, "decided": "removed"})
    flash(f"{name} is removed. What waited for it is given to another sender, where one can take it.", "ok")
    return redirect(url_for(".sender_list"), 303)


def _page(sender_id: int, fault: str) -> ResponseReturnValue:
    with services().database.read() as session:
        line = mine(session, sender_id)
        removal = sender_removal.of(session, line.sender)
    context: dict[str, Any] = {"line": line, "removal": removal, "fault": fault, "chosen": request.form.get("next", "")}
    context["registers"] = isinstance(line.channel, Registers)
    return htmx.render("pages/sender_remove.html", "content", 422 if fault else 200, **context)
