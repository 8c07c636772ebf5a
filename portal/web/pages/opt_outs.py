"""`/admin/opt-outs`: who must not be written to, who said so and when, the export, and lifting one."""

import logging
from typing import Any

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging import opt_out_decisions, opt_out_lists
from portal.messaging.storable import storable
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.messages import MOST_CHOICES
from portal.web.pages.queries import opt_outs, scope
from portal.web.pages.queries.pages import cursor
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such opt-out, or it is not yours to see."
LONGEST_TEXT = 160


@routes.get("/opt-outs", Permission.VIEW)
def opt_out_list() -> ResponseReturnValue:
    """A page of opt-outs; its address holds the filters."""
    mine = viewer().scope
    with services().database.read() as session:
        wanted = _wanted(session, mine)
        found = opt_outs.page(session, mine, wanted)
        places = scope.locations(session, mine, MOST_CHOICES)
    return htmx.render(
        "pages/opt_outs.html",
        "results",
        page=found,
        wanted=wanted,
        places=places,
        states=opt_outs.STATES,
        origins=opt_outs.ORIGINS,
        chosen=_chosen(wanted),
    )


@routes.get("/opt-outs/export.csv", Permission.VIEW)
def opt_out_export() -> ResponseReturnValue:
    """What the filters find, with all evidence, as a file that comes piece by piece."""
    mine = viewer().scope
    with services().database.read() as session:
        narrow = opt_outs.narrowed(session, mine, _wanted(session, mine))
    pieces = opt_out_lists.as_csv(opt_out_lists.records(services().database, narrow))
    log.info("opt-outs exported", extra={"user": viewer().id})
    name = f"opt-outs-{clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response((piece.encode() for piece in pieces), content_type="text/csv; charset=utf-8", headers=headers)


@routes.get("/opt-outs/<int:opt_out_id>", Permission.VIEW)
def opt_out(opt_out_id: int) -> ResponseReturnValue:
    """One opt-out with all that it rests on."""
    return _one(opt_out_id)


@routes.post("/opt-outs/<int:opt_out_id>/lift", Permission.MANAGE)
def lift_opt_out(opt_out_id: int) -> ResponseReturnValue:
    """Lifts it with a reason, and what else stands for the same person and family."""

    def lift(session: Session) -> int:
        line = _line(session, opt_out_id)
        reason = request.form.get("reason", "")
        count = opt_out_decisions.lift(session, line.row, viewer().name, reason)
        told = {"reason": reason, "opt-outs": count}
        audit.note(session, viewer(), "lifted", line.row, after=told)
        return count

    try:
        count = services().database.patiently(lift)
    except InvalidInput as error:
        return _one(opt_out_id, error.message)
    log.info("opt-out lifted", extra={"user": viewer().id, "opt_out": opt_out_id, "rows": count})
    flash("It is lifted: messages go out again. What failed meanwhile is not sent.", "ok")
    path = url_for(".opt_out", opt_out_id=opt_out_id)
    return htmx.leave_for(path, 200) if htmx.asked() else redirect(path, 303)


def _one(opt_out_id: int, fault: str = "") -> ResponseReturnValue:
    with services().database.read() as session:
        line = _line(session, opt_out_id)
        others = opt_outs.others(session, line)
        told = opt_outs.in_highlevel(session, line)
    context: dict[str, Any] = {"line": line, "others": others, "told": told, "fault": fault}
    context["reason"] = request.form.get("reason", "")[: opt_out_decisions.LONGEST_REASON]
    return htmx.render("pages/opt_out.html", "content", 422 if fault else 200, **context)


def _line(session: Session, opt_out_id: int) -> opt_outs.Line:
    line = opt_outs.one(session, viewer().scope, opt_out_id)
    if line is None:
        raise NotFound(NOT_YOURS)
    return line


def _wanted(session: Session, mine: Scope) -> opt_outs.Wanted:
    """The filters of the address. What does not exist, or is somebody else's, is not found."""
    ghl_id, text = request.args.get("location", ""), storable(request.args.get("q", "")).strip()
    state, origin = request.args.get("state", ""), request.args.get("origin", "")
    location = scope.location_by_ghl_id(session, mine, ghl_id) if ghl_id else None
    known = state in ("", *opt_outs.STATES) and origin in ("", *opt_outs.ORIGINS)
    if (ghl_id and location is None) or not known or len(text) > LONGEST_TEXT:
        raise NotFound("There is no such list of opt-outs, or it is not yours to see.")
    return opt_outs.Wanted(location, text, state, origin, cursor(request.args.get("before", "")))


def _chosen(wanted: opt_outs.Wanted) -> dict[str, str]:
    """The filters as an address carries them."""
    ghl_id = wanted.location.ghl_id if wanted.location else ""
    filters = {"location": ghl_id, "q": wanted.text, "state": wanted.state, "origin": wanted.origin}
    return {name: value for name, value in filters.items() if value}
