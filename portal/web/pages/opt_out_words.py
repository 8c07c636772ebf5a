"""`/admin/opt-outs/locations/<id>`: a sub-account's words that end and begin messages, and opt-outs by hand."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels.base import Family
from portal.errors import InvalidInput, NotFound
from portal.messaging import opt_out_decisions
from portal.messaging.opt_out_words import START_WORDS, STOP_WORDS, shown
from portal.models import Location
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import opt_outs
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such sub-account, or it is not yours to see."


@routes.get("/opt-outs/locations/<int:location_id>", Permission.VIEW)
def opt_out_place(location_id: int) -> ResponseReturnValue:
    """The sub-account's words, and the form that adds an opt-out."""
    return _place(location_id)


@routes.post("/opt-outs/locations/<int:location_id>/words", Permission.MANAGE)
def set_opt_out_words(location_id: int) -> ResponseReturnValue:
    """Replaces the words; empty lists are the usual ones."""

    def change(session: Session, location: Location) -> None:
        with audit.deed(session, viewer(), "changed the opt-out words of", location):
            opt_out_decisions.set_words(location, request.form.get("stop", ""), request.form.get("start", ""))

    return _do(location_id, change, "words", "The words are kept. They count from now on.")


@routes.post("/opt-outs/locations/<int:location_id>/add", Permission.MANAGE)
def add_opt_out(location_id: int) -> ResponseReturnValue:
    """Adds an opt-out for a number, with a reason."""

    def change(session: Session, location: Location) -> None:
        form = {name: request.form.get(name, "") for name in ("family", "number", "reason")}
        who = viewer().name
        row = opt_out_decisions.add(session, location, form["family"], form["number"], who, form["reason"])
        session.flush()
        audit.note(session, viewer(), "added", row, after={"family": row.family, "reason": form["reason"]})

    done = "It is added: nothing is sent to this number any more, and what waited for it fails."
    return _do(location_id, change, "add", done)


def _do(location_id: int, change: Callable[[Session, Location], None], form: str, done: str) -> ResponseReturnValue:
    """One of the two forms: the page again, with what is wrong beside the form, or with what was done."""
    try:
        services().database.patiently(lambda session: change(session, _location(session, location_id)))
    except InvalidInput as error:
        return _place(location_id, {form: error.message})
    log.info("opt-outs changed", extra={"user": viewer().id, "location": location_id, "decided": form})
    flash(done, "ok")
    path = url_for(".opt_out_place", location_id=location_id)
    return htmx.leave_for(path, 200) if htmx.asked() else redirect(path, 303)


def _place(location_id: int, faults: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """With a fault, what was typed stands in the form again."""
    with services().database.read() as session:
        place = _location(session, location_id)
    typed = request.form
    context: dict[str, Any] = {
        "place": place,
        "faults": faults or {},
        "families": list(Family),
        "stop": typed.get("stop", shown(place.stop_words, STOP_WORDS)),
        "start": typed.get("start", shown(place.start_words, START_WORDS)),
        "own": place.stop_words is not None or place.start_words is not None,
        "typed": {name: typed.get(name, "") for name in ("family", "number", "reason")},
    }
    return htmx.render("pages/opt_out_place.html", "content", 422 if faults else 200, **context)


def _location(session: Session, location_id: int) -> Location:
    found = opt_outs.location(session, viewer().scope, location_id)
    if found is None:
        raise NotFound(NOT_YOURS)
    return found
