"""`/admin/senders/<id>/templates`: what a sender's provider has approved, and what it says of the rest."""

import logging
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels.capabilities import HasTemplates
from portal.errors import NotFound
from portal.messaging import templates as domain
from portal.messaging.storable import storable
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import templates
from portal.web.pages.queries.pages import cursor
from portal.web.pages.senders import LONGEST_TEXT, mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NO_LIST = "There is no such list of templates."


@routes.get("/senders/<int:sender_id>/templates", Permission.VIEW)
def template_list(sender_id: int) -> ResponseReturnValue:
    """A page of templates; its address holds the filters."""
    with services().database.read() as session:
        line = mine(session, sender_id)
        wanted = _wanted()
        context: dict[str, Any] = {
            "line": line,
            "wanted": wanted,
            "page": templates.page(session, sender_id, wanted),
            "choices": templates.choices(session, sender_id),
            "being_asked": templates.being_asked(session, sender_id),
            "chosen": _chosen(wanted),
            "has_templates": isinstance(line.channel, HasTemplates),
        }
    if htmx.wants_fragment():
        return htmx.render_live("pages/templates.html", "results", **context)
    return htmx.render("pages/templates.html", "results", **context)


@routes.post("/senders/<int:sender_id>/templates/ask", Permission.MANAGE)
def ask_templates(sender_id: int) -> ResponseReturnValue:
    """Has the provider asked for them again."""
    with services().database.write() as session:
        line = mine(session, sender_id)
        asked = domain.ask_again(session, line.sender)
        if asked:
            audit.note(session, viewer(), "had the templates read of", line.sender)
    if asked:
        log.info("sender decided", extra={"user": viewer().id, "sender_id": sender_id, "decided": "ask templates"})
        flash("The provider is asked: what it answers is here in a moment.", "ok")
    else:
        flash(f"{line.channel.name} knows no templates.", "error")
    return redirect(url_for(".template_list", sender_id=sender_id), 303)


def _wanted() -> templates.Wanted:
    """The filters of the address; a value that no template has finds none."""
    status, category, language, text = (
        storable(request.args.get(name, "")).strip() for name in ("status", "category", "language", "q")
    )
    if any(len(each) > LONGEST_TEXT for each in (status, category, language, text)):
        raise NotFound(NO_LIST)
    before = cursor(request.args.get("before", ""))
    if before is not None and before > 1_000_000:
        raise NotFound(NO_LIST)
    return templates.Wanted(status, category, language, text, before)


def _chosen(wanted: templates.Wanted) -> dict[str, str]:
    """The filters as an address carries them."""
    filters = {
        "status": wanted.status,
        "category": wanted.category,
        "language": wanted.language,
        "q": wanted.text,
    }
    return {name: value for name, value in filters.items() if value}
