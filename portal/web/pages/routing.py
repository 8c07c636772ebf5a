"""`/locations/<id>/routing`: how a sender is chosen, what a person may set of it, and a dry run."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, WrongField
from portal.messaging import routing_rules, switching
from portal.models import Location
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.places import mine
from portal.web.pages.queries import routing as queries
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

CONTENT = "content"
RULE_FIELDS = ("kind", "value", "sender", "rule")


@routes.get("/locations/<int:location_id>/routing", Permission.VIEW)
def location_routing(location_id: int) -> ResponseReturnValue:
    """Rules, default, policy; with `edit`, a rule stands in the form."""
    return page(location_id)


@routes.post("/locations/<int:location_id>/routing/rules", Permission.MANAGE)
def save_rule(location_id: int) -> ResponseReturnValue:
    """Adds a rule, or changes one."""

    def change(session: Session, location: Location) -> None:
        form = request.form
        wanted = routing_rules.Wanted(
            form.get("kind", ""), form.get("value", ""), number_of("sender"), number_of("rule")
        )
        routing_rules.save(session, location, wanted)

    return _do(location_id, change, "rule", "The rule is kept. What is held is tried again under it.")


@routes.post("/locations/<int:location_id>/routing/rules/remove", Permission.MANAGE)
def remove_rule(location_id: int) -> ResponseReturnValue:
    """Takes a rule away."""

    def change(session: Session, location: Location) -> None:
        routing_rules.remove(session, location, number_of("rule") or 0)

    return _do(location_id, change, "remove", "The rule is removed.")


@routes.post("/locations/<int:location_id>/routing/rules/move", Permission.MANAGE)
def move_rule(location_id: int) -> ResponseReturnValue:
    """Has a rule asked one place earlier or later."""

    def change(session: Session, location: Location) -> None:
        places = 1 if request.form.get("way") == "later" else -1
        routing_rules.move(session, location, number_of("rule") or 0, places)

    return _do(location_id, change, "move", "The rules are asked in this order now.")


@routes.post("/locations/<int:location_id>/routing/default", Permission.MANAGE)
def set_routing_default(location_id: int) -> ResponseReturnValue:
    """Chooses the default sender, or none."""

    def change(session: Session, location: Location) -> None:
        none = request.form.get("default", "") == ""
        routing_rules.set_default(session, location, None if none else number_of("default") or 0)

    return _do(location_id, change, "default", "The default is kept. What is held is tried again under it.")


@routes.post("/locations/<int:location_id>/routing/policy", Permission.MANAGE)
def set_location_policy(location_id: int) -> ResponseReturnValue:
    """Sets what happens when a sender cannot send."""
    name, itself = request.form.get("policy", ""), "itself" in request.form

    def change(session: Session, location: Location) -> None:
        switching.set_policy(session, location, name, switches_itself=itself)

    return _do(location_id, change, "policy", "The policy is kept. What is held is tried again under it.")


def page(location_id: int, faults: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """The page; with faults, what was typed stands in the forms again."""
    with services().database.read() as session:
        place = mine(session, location_id)
        view = queries.of(session, place)
        users = queries.users(session, location_id)
    edited = request.form.get("rule", "") if faults else request.args.get("edit", "")
    line = next((each for each in view.rules if str(each.row.id) == edited), None)
    kept = {"kind": line.row.kind, "value": line.row.value, "sender": str(line.row.sender_id)} if line else {}
    typed = {name: request.form.get(name, kept.get(name, "")) for name in RULE_FIELDS}
    context: dict[str, Any] = {
        "place": place,
        "view": view,
        "users": users,
        "edited": line.row if line else None,
        "typed": typed,
        "policy": request.form.get("policy", view.policy),
        "policies": {name: words for name, (_, _, words) in switching.POLICIES.items()},
        "faults": faults or {},
    }
    return htmx.render("pages/routing.html", CONTENT, 422 if faults else 200, **context)


def number_of(name: str) -> int | None:
    """The id that a field of the form holds, None when it holds none."""
    raw = request.form.get(name, "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 19 else None


_ACTIONS = {
    "rule": "set a routing rule of",
    "remove": "removed a routing rule of",
    "move": "changed the order of the routing rules of",
    "default": "chose the default sender of",
    "policy": "changed what happens when a sender is down in",
}


def _facts(session: Session, location: Location) -> dict[str, Any]:
    """What the audit log keeps of a location's routing."""
    # Asked for by itself: what the routing reads is kept for the transaction, and would hide the change from it.
    rows = queries.senders_of(session, location.id)
    names = {row.id: row.name for row in rows}
    lines = routing_rules.of(session, location.id)
    rules = [f"{row.kind} {row.value}: {names.get(row.sender_id, '')}" for row in lines]
    default = next((row.name for row in rows if row.is_default), "")
    return {**audit.snapshot(location), "default": default, "rules": rules}


def _do(location_id: int, change: Callable[[Session, Location], None], form: str, done: str) -> ResponseReturnValue:
    """The page again: with what is wrong beside the field, or with what was done."""

    def decide(session: Session) -> None:
        location = mine(session, location_id)
        before = _facts(session, location)
        change(session, location)
        session.flush()
        session.expire_all()
        audit.note(session, viewer(), _ACTIONS[form], location, before, _facts(session, location))

    try:
        services().database.patiently(decide)
    except WrongField as error:
        return page(location_id, {error.field: error.message})
    except InvalidInput as error:
        return page(location_id, {form: error.message})
    log.info("routing changed", extra={"user": viewer().id, "location": location_id, "decided": form})
    flash(done, "ok")
    return redirect(url_for(".location_routing", location_id=location_id), 303)
