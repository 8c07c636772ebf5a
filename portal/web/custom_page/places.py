"""`/app/places`: an agency's sub-accounts, for its admin who opened the page outside of any."""

import logging

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts import page_sessions
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.web.context import services
from portal.web.custom_page import queries, routes
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

LONGEST_TEXT = 200
NOT_HERE = "There is no such sub-account, or it is not yours to see."


@routes.get("/places", Permission.VIEW)
def places() -> ResponseReturnValue:
    """The list; its address holds the search."""
    text = request.args.get("q", "").strip()
    if not g.page_session.chooses or len(text) > LONGEST_TEXT:
        raise NotFound(NOT_HERE)
    with services().database.read() as session:
        found, more = queries.places(session, g.page_session.agency_id, text)
    return htmx.render("app/places.html", "results", places=found, more=more, text=text)


@routes.post("/places/<int:location_id>", Permission.VIEW)
def choose(location_id: int) -> ResponseReturnValue:
    """Opens one of them: from now on the session is bound to it."""
    with services().database.write() as session:
        if not page_sessions.choose(session, g.page_session.id, location_id):
            raise NotFound(NOT_HERE)
    log.info("sub-account chosen", extra={"user": viewer().id, "location": location_id})
    return redirect(url_for(".home"), 303)
