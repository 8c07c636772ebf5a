"""`/admin/messages`: the list with its filters, and one message with its whole path."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.messaging import families, holding, resending, telling, windows
from portal.messaging.decisions import may_cancel, may_decide
from portal.messaging.deeds import MOST
from portal.messaging.template_offers import offered
from portal.models import DeedKind, Direction, Message, Status
from portal.web.context import services
from portal.web.pages import files, history, routes
from portal.web.pages.queries import messages, scope
from portal.web.pages.queries.pages import cursor
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer

# A longer list is no help to choose from: an address with `location=` works for all.
MOST_CHOICES = 500
# What can be done to several messages, and how its button says it.
DEEDS: Mapping[DeedKind, str] = {
    DeedKind.RESEND: "Send again…",
    DeedKind.CANCEL: "Cancel…",
    DeedKind.HOLD: "Hold back…",
    DeedKind.RELEASE: "Let go…",
}


@routes.get("/messages", Permission.VIEW)
def message_list() -> ResponseReturnValue:
    """A page of messages; its address holds the filters."""
    mine = viewer().scope
    with services().database.read() as session:
        wanted = asked_for(session, mine, request.args)
        found = messages.page(session, mine, wanted)
        places = scope.locations(session, mine, MOST_CHOICES)
    return htmx.render(
        "pages/messages.html",
        "results",
        page=found,
        wanted=wanted,
        places=places,
        statuses=list(Status),
        chosen=_chosen(wanted),
        deeds=DEEDS,
        most=MOST,
    )


@routes.get("/messages/<uuid:message_id>", Permission.VIEW)
def message(message_id: UUID) -> ResponseReturnValue:
    """One message: what it is, every step so far, what comes next."""
    with services().database.read() as session:
        row = messages.one(session, viewer().scope, str(message_id))
        if row is None:
            raise NotFound("There is no such message, or it is not yours to see.")
        context = facts(session, row)
    if htmx.wants_fragment():
        return htmx.render_live("pages/message.html", "path", **context)
    return htmx.render("pages/message.html", "path", **context)


def facts(session: Session, row: Message) -> dict[str, Any]:
    """All that the page of a message shows."""
    path = messages.path(session, row)
    return {
        "path": path,
        "message": row,
        "said": telling.text_of(session, row),
        "steps": history.steps(path),
        "upcoming": history.upcoming(path, clock.now()),
        "told": history.told(row),
        "played": history.played(path),
        "files": files.shown(services().settings.secret_key, path.files),
        "cancellable": may_cancel(row),
        "template_offered": offered(row),
        "window_closed": row.error_code in windows.CODES,
        "undecided": may_decide(row),
        "resending": resending.look(session, row),
        "family": families.family(session, row),
        "holdable": not holding.why_not_held(row),
        "moves": not history.settled(path),
    }


def asked_for(session: Session, mine: Scope, args: Mapping[str, str]) -> messages.Wanted:
    """The filters of an address or a form. What does not exist, or is somebody else's, is not found."""
    ghl_id, status = args.get("location", ""), args.get("status", "")
    direction = args.get("direction", "")
    location = scope.location_by_ghl_id(session, mine, ghl_id) if ghl_id else None
    if own := viewer().location_id:  # in the custom page nobody filters by sub-account
        location = scope.location(session, mine, own)
    if ((ghl_id or own) and location is None) or status not in ("", *Status) or direction not in ("", *Direction):
        raise NotFound("There is no such list of messages, or it is not yours to see.")
    return messages.Wanted(location, status, direction, cursor(args.get("before", "")))


def _chosen(wanted: messages.Wanted) -> dict[str, str]:
    """The filters as an address carries them."""
    ghl_id = wanted.location.ghl_id if wanted.location and not viewer().location_id else ""
    filters = {"location": ghl_id, "status": wanted.status, "direction": wanted.direction}
    return {name: value for name, value in filters.items() if value}
