"""`/locations/<id>/test`: a message to one's own number, the ordinary way, and its path as it goes."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound, WrongField
from portal.ghl.errors import GhlError
from portal.installations.tokens import NoToken
from portal.messaging import composing, round_trip
from portal.messaging.storable import storable
from portal.models import EventState, Location
from portal.models.base import new_uuid
from portal.web.context import services
from portal.web.pages import asking, routes
from portal.web.pages import messages as message_page
from portal.web.pages.places import mine
from portal.web.pages.queries import messages, routing
from portal.web.pages.routing import number_of
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

TEXT = "This is a test message from Sendero."
NONE_SUCH = "There is no such test message, or it is not yours to see."


@routes.get("/locations/<int:location_id>/test", Permission.VIEW)
def location_test(location_id: int) -> ResponseReturnValue:
    """The form."""
    return _page(location_id)


@routes.post("/locations/<int:location_id>/test", Permission.REPLY)
def send_test(location_id: int) -> ResponseReturnValue:
    """Takes the message; it is on disk when the next page is shown."""
    with services().database.read() as session:
        place = mine(session, location_id)
    try:
        if "round" in request.form:
            return _ask_highlevel(place)
        key = _take(place)
    except WrongField as error:
        return _page(location_id, {error.field: error.message})
    except InvalidInput as error:
        return _page(location_id, {"form": error.message})
    _audit(place, "sent a test message from")
    log.info("test message", extra={"user": viewer().id, "location": location_id})
    return redirect(url_for(".test_sent", location_id=location_id, test_key=key), 303)


@routes.get("/locations/<int:location_id>/test/round", Permission.VIEW)
def test_round(location_id: int) -> ResponseReturnValue:
    """What HighLevel was asked to send: it is shown once it has come back at the delivery URL."""
    message_id = request.args.get("message", "")[:128]
    with services().database.read() as session:
        place = mine(session, location_id)
        uuid = round_trip.came_back(session, place, message_id) if message_id else ""
        row = messages.one(session, viewer().scope, uuid) if uuid else None
        context: dict[str, Any] = message_page.facts(session, row) if row is not None else {"message": None}
    context |= {"place": place, "asked": message_id}
    if htmx.wants_fragment():
        return htmx.render_live("pages/test_round.html", "path", **context)
    return htmx.render("pages/test_round.html", "path", **context)


@routes.get("/locations/<int:location_id>/test/<uuid:test_key>", Permission.VIEW)
def test_sent(location_id: int, test_key: UUID) -> ResponseReturnValue:
    """Where it is. A worker takes it up a moment after it was sent: until then there is no message to show."""
    with services().database.read() as session:
        place = mine(session, location_id)
        found = composing.taken(session, place, str(test_key))
        if found is None:
            raise NotFound(NONE_SUCH)
        event, uuid = found
        row = messages.one(session, viewer().scope, uuid)
        context: dict[str, Any] = message_page.facts(session, row) if row is not None else {"message": None}
    parked = event.state == EventState.PARKED
    context |= {"place": place, "test_key": test_key, "event": event, "parked": parked}
    if htmx.wants_fragment():
        return htmx.render_live("pages/test_sent.html", "path", **context)
    return htmx.render("pages/test_sent.html", "path", **context)


def _take(place: Location) -> UUID:
    """Composes what was typed; returns the key that it was taken under. Raises `InvalidInput`, `WrongField`."""
    form = request.form
    number, text = form.get("number", ""), form.get("text", "")
    named = form.get("sender", "") != ""
    sender_id = (number_of("sender") or 0) if named else None
    if not text.strip():
        raise WrongField("text", "Write what is to be sent.")
    if len(text) > composing.LONGEST:
        raise WrongField("text", f"This is longer than {composing.LONGEST} characters.")
    # One form that is sent twice is one message; with another text or number, after going back to it, it is another.
    key = uuid5(NAMESPACE_URL, repr((form.get("key", ""), number, text, sender_id)))
    draft = composing.Draft([number], text, viewer().name, sender_id=sender_id, key=str(key))
    (taken,) = composing.compose(services().database, services().journal, place, draft)
    if taken.reason:
        raise WrongField("number", taken.reason)
    return key


def _ask_highlevel(place: Location) -> ResponseReturnValue:
    """Has HighLevel send it, which hands it to this portal like every other. Raises like `_take`."""
    number, text = request.form.get("number", ""), request.form.get("text", "")
    if not text.strip():
        raise WrongField("text", "Write what is to be sent.")
    parts, form = services(), request.form
    key = uuid5(NAMESPACE_URL, repr((form.get("key", ""), number, text)))
    way = round_trip.Way(parts.database, parts.tokens, parts.settings, asking.http())
    try:
        asked = round_trip.begin(way, place, round_trip.Wanted(number, text, viewer().name, str(key)))
    except GhlError as error:
        raise InvalidInput(f"HighLevel did not take it. {error.message}") from None
    except NoToken as error:
        raise InvalidInput(error.message) from None
    _audit(place, "had HighLevel send a test message from")
    log.info("round trip", extra={"user": viewer().id, "location": place.id})
    return redirect(url_for(".test_round", location_id=place.id, message=asked), 303)


def _audit(place: Location, action: str) -> None:
    with services().database.write() as session:
        audit.note(session, viewer(), action, place)


def _page(location_id: int, faults: Mapping[str, str] | None = None) -> ResponseReturnValue:
    with services().database.read() as session:
        place = mine(session, location_id)
        view = routing.of(session, place)
    form = request.form
    context: dict[str, Any] = {
        "place": place,
        "view": view,
        "faults": faults or {},
        "typed": {"number": form.get("number", ""), "sender": form.get("sender", ""), "text": form.get("text", TEXT)},
        "round": "round" in form,
        "key": storable(form.get("key", ""), 64) or new_uuid(),
    }
    return htmx.render("pages/test_message.html", "content", 422 if faults else 200, **context)
