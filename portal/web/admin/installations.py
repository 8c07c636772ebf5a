"""`/admin/installations`: agencies and their sub-accounts, how each stands with HighLevel, and what repairs it."""

import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.installations import leaving, moves, scopes
from portal.installations.tokens import AHEAD
from portal.models import GrantKind
from portal.web.admin import routes
from portal.web.admin.queries import installations
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such sub-account, or it is not yours to see."
LONGEST_TEXT = 200


@routes.get("/installations", Permission.VIEW)
def installation_list() -> ResponseReturnValue:
    """A page of sub-accounts, agency by agency; its address holds the filters."""
    mine, wanted = viewer().scope, _wanted()
    with services().database.read() as session:
        found = installations.page(session, mine, wanted)
        houses = installations.agencies(session, mine)
    return htmx.render(
        "admin/installations.html",
        "results",
        page=found,
        groups=_groups(found.rows, houses, with_empty=not (_chosen(wanted) or wanted.before)),
        wanted=wanted,
        states=installations.STATES,
        chosen=_chosen(wanted),
        ahead=AHEAD,
    )


@routes.get("/installations/<int:location_id>", Permission.VIEW)
def installation(location_id: int) -> ResponseReturnValue:
    """One sub-account with all that is known of its installation."""
    with services().database.read() as session:
        line = _line(session, location_id)
        alerts = installations.alerts(session, location_id)
        held = installations.held(session, location_id)
    context: dict[str, Any] = {
        "line": line,
        "alerts": alerts,
        "held": held,
        "ahead": AHEAD,
        "needed": scopes.NEEDED[GrantKind.LOCATION],
        "given": sorted(line.grant.scopes.split()) if line.grant else [],
        "leavable": leaving.may_disconnect(line.location),
    }
    if htmx.wants_fragment():
        return htmx.render_live("admin/installation.html", "standing", **context)
    return htmx.render("admin/installation.html", "content", **context)


@routes.post("/installations/<int:location_id>/check", Permission.MANAGE)
def check_installation(location_id: int) -> ResponseReturnValue:
    """Has HighLevel asked now, or the missing permission sought again."""
    with services().database.write() as session:
        location = _line(session, location_id).location
        moves.look_now(session, location)
        audit.note(session, viewer(), "had HighLevel asked about", location)
    flash("HighLevel is asked: look here again in a moment.", "ok")
    return _back(location_id)


@routes.get("/installations/<int:location_id>/disconnect", Permission.VIEW)
def leave_page(location_id: int) -> ResponseReturnValue:
    """What will happen, and the button that does it."""
    with services().database.read() as session:
        line = _line(session, location_id)
        held = installations.held(session, location_id)
    leavable = leaving.may_disconnect(line.location)
    return htmx.render("admin/installation_leave.html", "leave", line=line, held=held, leavable=leavable)


@routes.post("/installations/<int:location_id>/disconnect", Permission.MANAGE)
def leave(location_id: int) -> ResponseReturnValue:
    """Disconnects the sub-account: nothing more is sent, HighLevel is told, the tokens are forgotten."""
    try:
        with services().database.write() as session:
            location = _line(session, location_id).location
            with audit.deed(session, viewer(), "disconnected", location):
                leaving.disconnect(session, location.ghl_id, viewer().name)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("disconnected", extra={"user": viewer().id, "location_id": location_id})
        flash("The sub-account is disconnected. HighLevel is being told.", "ok")
    return _back(location_id)


@routes.post("/installations/agencies/<int:agency_id>/look", Permission.MANAGE)
def look_at_agency(agency_id: int) -> ResponseReturnValue:
    """Reads the agency's list in HighLevel again, and connects what is new on it."""
    with services().database.write() as session:
        house = installations.agency(session, viewer().scope, agency_id)
        if house is None:
            raise NotFound("There is no such agency, or it is not yours to see.")
        moves.list_now(session, house.agency)
        audit.note(session, viewer(), "had the sub-accounts looked up of", house.agency)
    flash("The agency's sub-accounts are looked up: look here again in a moment.", "ok")
    return redirect(url_for("admin.installation_list"), 303)


def _groups(
    lines: Sequence[installations.Line], houses: Sequence[installations.House], *, with_empty: bool
) -> list[tuple[installations.House | None, list[installations.Line]]]:
    """The lines by agency, in their order; then, when wanted, the agencies that have none."""
    known = {house.agency.id: house for house in houses}
    agency_ids = {id_: list(found) for id_, found in groupby(lines, lambda line: line.location.agency_id)}
    groups = [(known.get(id_) if id_ is not None else None, found) for id_, found in agency_ids.items()]
    return groups + [(house, []) for house in houses if with_empty and not house.counts]


def _line(session: Session, location_id: int) -> installations.Line:
    line = installations.one(session, viewer().scope, location_id)
    if line is None:
        raise NotFound(NOT_YOURS)
    return line


def _back(location_id: int) -> ResponseReturnValue:
    """htmx is led to the page itself: what it holds has changed in more than one place."""
    path = url_for("admin.installation", location_id=location_id)
    return htmx.leave_for(path, 200) if htmx.asked() else redirect(path, 303)


def _wanted() -> installations.Wanted:
    state, text = request.args.get("state", ""), request.args.get("q", "").strip()
    if state not in ("", *installations.STATES) or len(text) > LONGEST_TEXT:
        raise NotFound("There is no such list of installations.")
    return installations.Wanted(state, text, cursor(request.args.get("before", "")))


def _chosen(wanted: installations.Wanted) -> dict[str, str]:
    return {name: value for name, value in {"state": wanted.state, "q": wanted.text}.items() if value}
