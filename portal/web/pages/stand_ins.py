"""`/admin/senders/<id>/stand-ins`: how quick and sound a sender is, and who goes in for it."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput
from portal.messaging import switching
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import stand_ins
from portal.web.pages.queries.senders import Line
from portal.web.pages.senders import mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

HOURS: Mapping[str, str] = {
    "": "until I say otherwise",
    "1": "for an hour",
    "4": "for 4 hours",
    "24": "for a day",
    "168": "for a week",
}


@routes.get("/senders/<int:sender_id>/stand-ins", Permission.VIEW)
def stand_ins_page(sender_id: int) -> ResponseReturnValue:
    """The numbers, the policy, the switch that stands and those that stood."""
    return _page(sender_id)


@routes.post("/senders/<int:sender_id>/switch", Permission.MANAGE)
def switch_sender(sender_id: int) -> ResponseReturnValue:
    """Leads away from it, to one that is named or to any that can take the message."""
    to, hours = request.form.get("to", ""), request.form.get("hours", "")

    def change(session: Session, line: Line) -> None:
        if hours not in HOURS or (to and not to.isdecimal()):
            raise InvalidInput("Choose one of the senders and one of the times.")
        until = clock.now() + timedelta(hours=int(hours)) if hours else None
        reason = request.form.get("reason", "")
        to_id = int(to[:18]) if to else None
        switching.begin(session, switching.Wanted(sender_id, to_id, _who(), reason, until))

    return _do(sender_id, change, "switch", "It is switched: what would go through this sender takes the other way.")


@routes.post("/senders/<int:sender_id>/switch-back", Permission.MANAGE)
def switch_back(sender_id: int) -> ResponseReturnValue:
    """Ends the switch that leads away from it."""

    def change(session: Session, line: Line) -> None:
        switching.end(session, sender_id, _who())

    return _do(sender_id, change, "back", "It is switched back: this sender sends again what is its own.")


@routes.post("/senders/<int:sender_id>/policy", Permission.MANAGE)
def set_stand_ins(sender_id: int) -> ResponseReturnValue:
    """Sets what its sub-account wants when a sender cannot send."""
    name, itself = request.form.get("policy", ""), "itself" in request.form

    def change(session: Session, line: Line) -> None:
        switching.set_policy(session, line.location, name, switches_itself=itself)

    return _do(sender_id, change, "policy", "The policy is kept. What is held is tried again under it.")


@routes.post("/senders/<int:sender_id>/earlier", Permission.MANAGE)
def stand_in_earlier(sender_id: int) -> ResponseReturnValue:
    """Has it stand in before the one that is before it now."""

    def change(session: Session, line: Line) -> None:
        rows = sorted(
            [line.sender, *switching.choices(session, line.sender)], key=lambda each: (each.position, each.id)
        )
        order = [each.id for each in rows]
        place = order.index(sender_id)
        order.insert(max(place - 1, 0), order.pop(place))
        switching.set_order(session, line.location, order)

    return _do(sender_id, change, "order", "It stands in one place earlier.")


_ACTIONS = {
    "switch": "switched away from",
    "back": "switched back to",
    "policy": "changed what happens when a sender is down in",
    "order": "moved to an earlier place",
}


def _do(sender_id: int, change: Callable[[Session, Line], None], form: str, done: str) -> ResponseReturnValue:
    """The page again: with what is wrong beside the form, or with what was done."""

    def decide(session: Session) -> None:
        line = mine(session, sender_id)
        row = line.location if form == "policy" else line.sender
        with audit.deed(session, viewer(), _ACTIONS[form], row):
            change(session, line)

    try:
        services().database.patiently(decide)
    except InvalidInput as error:
        return _page(sender_id, {form: error.message})
    log.info("stand-ins changed", extra={"user": viewer().id, "sender_id": sender_id, "decided": form})
    flash(done, "ok")
    return redirect(url_for(".stand_ins_page", sender_id=sender_id), 303)


def _page(sender_id: int, faults: Mapping[str, str] | None = None) -> ResponseReturnValue:
    with services().database.read() as session:
        line = mine(session, sender_id)
        view = stand_ins.of(session, line.sender)
    typed = {name: request.form.get(name, "") for name in ("to", "hours", "reason")}
    context: dict[str, Any] = {"line": line, "view": view, "faults": faults or {}, "typed": typed, "hours": HOURS}
    policies = {name: words for name, (_, _, words) in switching.POLICIES.items()}
    return htmx.render("pages/stand_ins.html", "content", 422 if faults else 200, **context, policies=policies)


def _who() -> str:
    return viewer().name
