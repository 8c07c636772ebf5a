"""The sandbox's page: the agent in GHL on the left, the customer's phone on the right, every message's travel below."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response as AnyResponse

from portal.sandbox import switches, travel
from portal.sandbox.bubble import Bubble
from portal.sandbox.context import sandbox
from portal.sandbox.green_api.instances import Instance, Sent
from portal.sandbox.green_api.people import line_of, scan, write
from portal.sandbox.sms import shown as sms
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.messages import Sent as SmsSent
from portal.sandbox.thread import agent_thread, phone_thread
from portal.sandbox.whatsapp_cloud import people as cloud_people
from portal.sandbox.whatsapp_cloud import shown as cloud_shown
from portal.sandbox.whatsapp_cloud.numbers import Number
from portal.sandbox.whatsapp_cloud.numbers import Sent as CloudSent
from portal.sandbox.world import DEMO_LOCATIONS, Contact, Location

blueprint = Blueprint("page", __name__)

STRANGER = Contact("", "", "Somebody new", "+639665550199")
MOST_PEOPLE = 50
MOST_TRIPS = 8
LONGEST_TEXT = 1600
# The channels of HighLevel whose DND the page shows.
DND_CHANNELS = ("SMS", "WhatsApp")
SENDS = ("cast.send", "green.send", "cloud.messages")
SMS_SENDS = frozenset(f"{kind}.send" for kind in DIALECTS)
# What a customer may send by WhatsApp, and which of it needs no text.
PHONE_KINDS = {
    "text": "a text",
    "reply": "an answer to the last message",
    "reaction": "a reaction to it (an emoji)",
    "edit": "a correction of it",
    "delete": "a deletion of it",
    "image": "a picture",
    "document": "a document",
    "location": "a place",
    "contact": "a contact",
}
TEXTLESS = ("image", "document", "location", "contact", "delete", "reaction")
LINE_WORDS = {
    "authorized": "linked",
    "notAuthorized": "no phone is linked",
    "starting": "starting",
    "yellowCard": "WhatsApp holds its messages back",
    "blocked": "banned by WhatsApp",
    "sleepMode": "the phone is off",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whom the page is about. The stranger has no contact id until the portal has created one."""

    location: Location
    contact: Contact

    @property
    def query(self) -> dict[str, str]:
        """What in an address brings this choice back."""
        return {"location": self.location.id, "phone": self.contact.phone}


@blueprint.get("/")
def home() -> str:
    """The whole page. Its address reproduces the choice."""
    chosen = chosen_in(request.args)
    blocks = {name: _block(name, chosen) for name in BLOCKS}
    return render_template(
        "sandbox/page.html",
        chosen=chosen,
        locations=list(sandbox().world.locations.values()),
        people=_people(chosen),
        senders=sandbox().phone.senders_of(chosen.location.id),
        line=line_of(sandbox(), chosen.location.id),
        number=(number := sandbox().cloud.number_of(chosen.location.id)),
        kinds=PHONE_KINDS if number is None else cloud_shown.KINDS,
        portal_url=sandbox().portal_url,
        providers=list(sandbox().sms.values()),
        blocks=blocks,
    )


@blueprint.get("/live/<name>")
def live(name: str) -> Response:
    """One block when it changed since the page last had it, else 204."""
    if name not in BLOCKS:
        abort(404)
    html, digest = _block(name, chosen_in(request.args))
    return make_response("", 204) if request.args.get(f"{name}_seen") == digest else make_response(html)


@blueprint.post("/agent")
def agent() -> AnyResponse:
    """The agent sends. The delivery is posted beside this request, so the page shows it setting out."""
    chosen, text, here = chosen_in(request.form), typed_text(), sandbox()
    if not chosen.contact.id:
        abort(422, "GHL does not know this number yet: write from the phone first.")
    here.later(lambda: here.deliveries.send(text, contact=chosen.contact))
    here.pause(0.05)
    return answer_with("agent", chosen)


@blueprint.post("/phone")
def phone() -> AnyResponse:
    """The customer writes to one of the location's senders, by WhatsApp when that is its line."""
    chosen, here = chosen_in(request.form), sandbox()
    line, kind = line_of(here, chosen.location.id), request.form.get("kind", "text")
    if line is not None and request.form.get("sender") == f"line:{line.id}":
        return write_to_line(line, chosen, kind, "customer")
    number = here.cloud.number_of(chosen.location.id)
    if number is not None and request.form.get("sender") == f"cloud:{number.id}":
        return write_to_number(number, chosen, kind)
    text = typed_text()
    known = here.phone.senders_of(chosen.location.id)
    sender = next((one for one in known if one.webhook_url == request.form.get("sender")), None)
    if sender is None:
        abort(422, "The portal has named no sender that customers can write to.")
    if kind != "text":
        abort(422, "By SMS go texts only: choose the WhatsApp line or number.")
    here.later(lambda: here.phone.send(text, from_number=chosen.contact.phone, sender=sender))
    here.pause(0.05)
    return answer_with("phone", chosen)


@blueprint.post("/line/type")
def type_on_the_phone() -> AnyResponse:
    """The owner of the line writes to the customer on the linked phone."""
    chosen = chosen_in(request.form)
    return write_to_line(_line(chosen), chosen, "text", "phone")


@blueprint.post("/line/<action>")
def link(action: str) -> AnyResponse:
    """The phone scans the code (`scan`) or is unlinked on the phone itself (`sign-out`)."""
    chosen = chosen_in(request.form)
    line = _line(chosen)
    if action == "scan" and line.state == "notAuthorized":
        scan(sandbox(), line)
    elif action == "sign-out" and line.state != "notAuthorized":
        sandbox().green.turn(line, "notAuthorized")
    elif action not in ("scan", "sign-out"):
        abort(404)
    return answer_with("line", chosen)


def write_to_line(line: Instance, chosen: Chosen, kind: str, by: str) -> AnyResponse:
    """A message on the line, which needs a text unless its kind has none."""
    text = request.form.get("text", "").strip()[:LONGEST_TEXT] if kind in TEXTLESS else typed_text()
    try:
        write(sandbox(), line, chosen.contact.phone, kind=kind, text=text, by=by, name=chosen.contact.name)
    except ValueError as error:
        abort(422, str(error))
    sandbox().pause(0.05)
    return answer_with("phone" if by == "customer" else "line", chosen)


def write_to_number(number: Number, chosen: Chosen, kind: str, about: str = "") -> AnyResponse:
    """A customer's message to the WhatsApp Cloud number."""
    text = request.form.get("text", "").strip()[:LONGEST_TEXT] if kind in cloud_shown.TEXTLESS else typed_text()
    try:
        who, name = chosen.contact.phone, chosen.contact.name
        cloud_people.write(sandbox(), number, who, kind=kind, text=text, name=name, about=about)
    except ValueError as error:
        abort(422, str(error))
    sandbox().pause(0.05)
    return answer_with("phone", chosen)


def _line(chosen: Chosen) -> Instance:
    line = line_of(sandbox(), chosen.location.id)
    if line is None:
        abort(422, "This location has no WhatsApp line.")
    return line


@blueprint.post("/dnd/<channel>")
def dnd(channel: str) -> AnyResponse:
    """The agent sets DND of a channel, or takes it off."""
    chosen, here = chosen_in(request.form), sandbox()
    if channel not in DND_CHANNELS or not chosen.contact.id:
        abort(404)
    status = "active" if request.form.get("turn") == "on" else "inactive"
    here.deliveries.disturb(chosen.contact, {channel: {"status": status}})
    return answer_with("agent", chosen)


@blueprint.post("/faults/<name>")
def fault(name: str) -> AnyResponse:
    """Turns a switch: `on`, `off`, or `once` for the next call alone."""
    switch, turn = switches.SWITCHES.get(name), request.form.get("turn", "")
    if switch is None or turn not in ("on", "off", "once"):
        abort(404)
    switch.turn(sandbox(), turn != "off", 1 if turn == "once" else None)
    return answer_with("faults", chosen_in(request.form))


@blueprint.errorhandler(422)
def refused(error: UnprocessableEntity) -> AnyResponse:
    """The sentence alone for htmx, which shows it as a notice."""
    if request.headers.get("HX-Request"):
        return Response(error.description, 422, mimetype="text/plain")
    return error.get_response()


def _line_facts(chosen: Chosen) -> dict[str, Any]:
    line = line_of(sandbox(), chosen.location.id)
    state = line.state_at(sandbox().clock()) if line is not None else ""
    waiting = len(sandbox().green.notifier(line).queue) if line is not None else 0
    return {"line": line, "state": state, "words": LINE_WORDS.get(state, state), "waiting": waiting}


def answer_with(name: str, chosen: Chosen) -> AnyResponse:
    """The fresh block for htmx, the whole page for a plain form."""
    if request.headers.get("HX-Request"):
        return make_response(_block(name, chosen)[0])
    return redirect(url_for("page.home", _anchor=name, location=chosen.location.id, phone=chosen.contact.phone), 303)


def _block(name: str, chosen: Chosen) -> tuple[Markup, str]:
    """A block's HTML, and the digest by which the next poll tells whether it changed."""
    facts = BLOCKS[name](chosen)
    html = render_template(f"sandbox/{name}.html", chosen=chosen, **facts)
    digest = hashlib.sha256(html.encode()).hexdigest()[:16]
    seen = render_template("sandbox/seen.html", name=name, digest=digest)
    return Markup(html + seen), digest  # both came out of templates, which escape


def _agent_facts(chosen: Chosen) -> dict[str, Any]:
    settings = {name: chosen.contact.dnd.get(name, {}).get("status", "inactive") for name in DND_CHANNELS}
    return {"thread": agent_thread(sandbox(), chosen.contact), "dnd": settings}


def _phone_facts(chosen: Chosen) -> dict[str, Any]:
    thread: list[Bubble] = phone_thread(sandbox(), chosen.location.id, chosen.contact)
    return {"thread": thread}


def _travel_facts(chosen: Chosen) -> dict[str, Any]:
    here = sandbox()
    trips: list[travel.Trip] = []
    for journey in here.journeys.recent(300):
        if journey.location_id == chosen.location.id and len(trips) < MOST_TRIPS:
            contact = here.ghl.directory.find(journey.location_id, journey.phone)
            taken = [got for key in journey.keys if (got := here.cast.find(key)) is not None]
            message = here.ghl.mailbox.get(journey.id)
            who = contact.name if contact is not None else journey.phone
            sent: list[Sent | CloudSent | SmsSent] = [
                one for key in journey.keys if (one := here.green.find(key)) is not None
            ]
            sent += [each for key in journey.keys if (each := here.cloud.find(key)) is not None]
            sent += [by for key in journey.keys if (by := sms.find(here, key)) is not None]
            trips.append(travel.trip(journey, who, message, taken, here.clock(), sent))
    return {"trips": trips, "titles": {name: switch.title for name, switch in switches.SWITCHES.items()}}


def _faults_facts(chosen: Chosen) -> dict[str, Any]:
    return {"groups": switches.groups(sandbox())}


def _status_facts(chosen: Chosen) -> dict[str, Any]:
    here = sandbox()
    return {
        "portal_url": here.portal_url,
        "portal_up": here.portal_listens(),
        "webhooks": len(here.ghl.mailbox.messages(direction="outbound"))
        + len(here.texts)
        + here.green.received()
        + here.cloud.received(),
        "provider_calls": sum(
            count for name, count in here.records.counts().items() if name.startswith(SENDS) or name in SMS_SENDS
        ),
        "accepted": len(here.cast.accepted()) + here.green.taken() + here.cloud.taken() + sms.taken(here),
        "ghl_calls": here.records.count("ghl"),
        "refreshes": len(here.ghl.grants.refreshes),
    }


def _cloud_facts(chosen: Chosen) -> dict[str, Any]:
    return cloud_shown.facts(sandbox(), chosen.location.id, chosen.contact)


BLOCKS = {
    "agent": _agent_facts,
    "phone": _phone_facts,
    "line": _line_facts,
    "cloud": _cloud_facts,
    "travel": _travel_facts,
    "faults": _faults_facts,
    "status": _status_facts,
}


def chosen_in(given: Mapping[str, str]) -> Chosen:
    """Whom a request is about."""
    here = sandbox()
    location = here.world.locations.get(given.get("location", "")) or here.world.locations[DEMO_LOCATIONS[0].id]
    known = here.ghl.directory.of_location(location.id)
    phone = given.get("phone", "")
    contact = here.ghl.directory.find(location.id, phone) if phone else None
    if contact is None:
        contact = STRANGER if phone == STRANGER.phone or not known else known[0]
    return Chosen(location, contact)


def _people(chosen: Chosen) -> list[Contact]:
    """The location's contacts, and a stranger as long as GHL does not know him."""
    people = sandbox().ghl.directory.of_location(chosen.location.id)[:MOST_PEOPLE]
    others = {one.phone: one for one in (chosen.contact, STRANGER)}
    known = {contact.phone for contact in people}
    return people + [one for phone, one in others.items() if phone not in known]


def typed_text() -> str:
    """The text of a form. Aborts with a sentence when there is none."""
    text = request.form.get("text", "").replace("\r\n", "\n").strip()[:LONGEST_TEXT]
    if not text:
        abort(422, "Type a text first.")
    return text
