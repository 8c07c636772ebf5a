"""`…/senders/<id>/client-link`: a link with which a customer of the agency links their phone themselves."""

import logging

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput
from portal.messaging import client_links
from portal.messaging.client_links import End
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.senders import mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)


@routes.get("/senders/<int:sender_id>/client-link", Permission.VIEW)
def client_link(sender_id: int) -> ResponseReturnValue:
    """What became of the last link, and the button for a new one."""
    if htmx.wants_fragment():
        return htmx.render_live("pages/client_link.html", "standing", **_context(sender_id))
    return _page(sender_id)


@routes.post("/senders/<int:sender_id>/client-link", Permission.MANAGE)
def make_client_link(sender_id: int) -> ResponseReturnValue:
    """A new link, shown this once."""
    try:
        with services().database.write() as session:
            row = mine(session, sender_id).sender
            secret = client_links.make(session, row, viewer().name)
            audit.note(session, viewer(), "made a link for a client for", row)
    except InvalidInput as error:
        return _page(sender_id, error.http_status, fault=error.message)
    log.info("link for a client made", extra={"user": viewer().id, "sender_id": sender_id})
    return _page(sender_id, address=f"{services().settings.app_url.rstrip('/')}/link/{secret}")


@routes.post("/senders/<int:sender_id>/client-link/revoke", Permission.MANAGE)
def revoke_client_link(sender_id: int) -> ResponseReturnValue:
    """Ends it."""
    with services().database.write() as session:
        row = mine(session, sender_id).sender
        client_links.end(session, sender_id, End.REVOKED)
        audit.note(session, viewer(), "revoked the link for a client of", row)
    log.info("link for a client revoked", extra={"user": viewer().id, "sender_id": sender_id})
    flash("The link does not work any more.", "ok")
    return redirect(url_for(".client_link", sender_id=sender_id), 303)


def _page(sender_id: int, status: int = 200, *, address: str = "", fault: str = "") -> ResponseReturnValue:
    context = _context(sender_id)
    return htmx.render("pages/client_link.html", "content", status, **context, address=address, fault=fault)


def _context(sender_id: int) -> dict[str, object]:
    with services().database.read() as session:
        line = mine(session, sender_id)
        link = client_links.newest(session, sender_id)
    return {"line": line, "link": link, "open": link is not None and client_links.is_open(link)}
