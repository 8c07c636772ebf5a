"""`/locations/<id>/routing/try`: which sender would somebody get, and why? Nothing is sent, and nothing is kept."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import NotFound, WrongField
from portal.messaging import dry_run, routing_rules
from portal.messaging.storable import storable
from portal.models import Contact, Location
from portal.web.context import services
from portal.web.pages import routes, routing_steps
from portal.web.pages.places import mine
from portal.web.pages.queries import contacts, routing
from portal.web.pages.queries.pages import cursor
from portal.web.pages.routing import number_of
from portal.web.viewer import viewer

LONGEST = {"q": 200, "user": 128, "text": 2000}
NOBODY = "Nobody here has this name, number or HighLevel id. A new number is tried when it is written out in full."


@routes.get("/locations/<int:location_id>/routing/try", Permission.VIEW)
def try_routing(location_id: int) -> ResponseReturnValue:
    """The form, the contacts that it may mean, and what would become of a message."""
    typed = {name: storable(request.args.get(name, "")).strip()[:most] for name, most in LONGEST.items()}
    chosen = cursor(request.args.get("contact", ""))
    database = services().database
    with database.read() as session:
        place = mine(session, location_id)
        users = routing.users(session, location_id)
        choices = routing.of(session, place).senders
        found = _found(session, place, typed["q"], chosen)
        phones = contacts.phones(session, found.rows)
    trial = None
    if len(found.rows) == 1 or (found.number and not found.rows):
        contact = found.rows[0].id if found.rows else None
        text = typed["text"] or dry_run.TEXT
        trial = dry_run.run(database, location_id, dry_run.Wanted(contact, found.number, typed["user"], text))
    fault = NOBODY if typed["q"] and trial is None and not found.rows else ""
    context: dict[str, Any] = {"place": place, "users": users, "choices": choices, "found": found, "phones": phones}
    names = {each.id: each.name for each in choices}
    steps = routing_steps.steps(trial, names) if trial is not None else []
    context |= {"typed": typed, "trial": trial, "fault": fault, "names": names, "steps": steps}
    return htmx.render("pages/routing_try.html", "content", 422 if fault else 200, **context)


@routes.post("/locations/<int:location_id>/routing/own", Permission.MANAGE)
def set_own_sender(location_id: int) -> ResponseReturnValue:
    """Gives a conversation another sender of its own, or none."""
    none = request.form.get("sender", "") == ""

    def change(session: Session) -> None:
        place = mine(session, location_id)
        sender_id = None if none else number_of("sender") or 0
        conversation_id = number_of("conversation") or 0
        routing_rules.set_own(session, place, conversation_id, sender_id)
        after = {"conversation": conversation_id, "sender": sender_id}
        audit.note(session, viewer(), "chose a conversation's own sender in", place, after=after)

    try:
        services().database.patiently(change)
    except WrongField as error:
        flash(error.message, "error")
    else:
        flash("It has no sender of its own now." if none else "This is its own sender now.", "ok")
    contact = number_of("contact")
    return redirect(url_for(".try_routing", location_id=location_id, contact=contact), 303)


def _found(session: Session, place: Location, text: str, chosen: int | None) -> contacts.Found:
    if chosen is None:
        return contacts.find(session, place, text) if text else contacts.Found([])
    row: Contact | None = contacts.one(session, place, chosen)
    if row is None:
        raise NotFound("There is no such contact, or it is not yours to see.")
    return contacts.Found([row])
