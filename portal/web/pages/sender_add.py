"""`/senders/new`: whose sender, of which channel, with which credentials. The provider is asked before it is saved."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels import registry
from portal.channels.base import Channel
from portal.channels.setup import guide_of
from portal.errors import InvalidInput, NotFound
from portal.messaging import sender_settings
from portal.messaging import senders as domain
from portal.messaging.senders import NewSender
from portal.models import Location, Sender
from portal.web.context import services
from portal.web.pages import routes, sender_form
from portal.web.pages.queries import places
from portal.web.pages.sender_checks import Faults, faults_of, may_go_inside, proven, sealed, stand_in, unsealed
from portal.web.pages.sender_form import Typed
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NO_PLACE = "There is no such sub-account, or it is not yours to see."
NO_CHANNEL = "There is no such channel."
LONGEST_TEXT = 200


@routes.get("/senders/new", Permission.MANAGE)
def new_sender() -> ResponseReturnValue:
    """Asks for the sub-account, then for the channel, then for the rest; its address says how far that is."""
    place = _place(request.args.get("location", ""))
    if place is None:
        return _places(200)
    kind = request.args.get("channel", "")
    if not kind:
        return _channels(place, 200)
    channel = _channel(kind)
    typed = Typed({}, {}, frozenset(), stand_in(services().settings, kind), "")
    return _form(place, channel, typed, {}, Faults())


@routes.post("/senders/new", Permission.MANAGE)
def add_sender() -> ResponseReturnValue:
    """Asks the provider, then saves; the form again with what is wrong."""
    place = _place(request.form.get("location", ""))
    if place is None:
        return _places(422)
    if not request.form.get("channel"):
        return _channels(place, 422)
    channel = _channel(request.form["channel"])
    typed, draft = sender_form.read(channel, request.form), unsealed(_purpose(place, channel))
    secrets = {**draft.secrets, **typed.secrets}
    wanted = _wanted(channel, typed, secrets)
    try:
        name = sender_settings.clean_name(typed.name) if typed.name else ""
        said = proven(wanted, draft)
        sender, made = services().database.patiently(lambda session: _add(session, place, replace(wanted, name=name)))
    except InvalidInput as error:
        return _form(place, channel, typed, secrets, faults_of(error, wanted))
    if made:
        log.info("sender added", extra={"user": viewer().id, "sender_id": sender.id})
    flash(f"{sender.name} is added. {said}" if made else f"This is {sender.name}, which is there already.", "ok")
    return redirect(url_for(".sender", sender_id=sender.id), 303)


def _add(session: Session, place: Location, wanted: NewSender) -> tuple[Sender, bool]:
    """The sender, and whether it is a new one."""
    location = places.one(session, viewer().scope, place.ghl_id, viewer().location_id)
    if location is None:
        raise NotFound(NO_PLACE)
    same = sender_settings.twin(session, services().vault, location, wanted)
    if same is not None:
        return same, False
    sender = domain.add(session, services().vault, location, wanted)
    sender_settings.refuse_taken(session, sender, domain.address_field(wanted.credentials))
    if "default" in request.form:
        domain.make_default(session, sender.id)
    session.flush()
    session.refresh(sender)
    given = {"channel": sender.channel, "API address": sender.api_url}
    after = audit.snapshot(sender) | given | {"fields that were set": sorted(wanted.credentials)}
    audit.note(session, viewer(), "added", sender, after=after)
    return sender, True


def _wanted(channel: Channel, typed: Typed, secrets: Mapping[str, str]) -> NewSender:
    credentials = {name: value for name, value in typed.values.items() if value} | dict(secrets)
    lenient = services().settings.allow_private_hosts
    return NewSender(channel.kind, typed.name, credentials, typed.api_url, operator=may_go_inside(), lenient=lenient)


def _place(ghl_id: str) -> Location | None:
    """None while it has to be chosen. Raises `NotFound` for one that is not in scope."""
    with services().database.read() as session:
        found = places.one(session, viewer().scope, ghl_id, viewer().location_id)
    if found is None and ghl_id:
        raise NotFound(NO_PLACE)
    return found


def _channel(kind: str) -> Channel:
    found = next((each for each in registry.offered(sandbox=services().settings.sandbox) if each.kind == kind), None)
    if found is None:
        raise NotFound(NO_CHANNEL)
    return found


def _purpose(place: Location, channel: Channel) -> str:
    return f"new {viewer().id} {place.id} {channel.kind}"


def _places(status: int) -> ResponseReturnValue:
    text = request.args.get("q", "").strip()[:LONGEST_TEXT]
    with services().database.read() as session:
        found = places.find(session, viewer().scope, text)
    most = places.MOST
    return htmx.render("pages/sender_new_place.html", "content", status, places=found, text=text, most=most)


def _channels(place: Location, status: int) -> ResponseReturnValue:
    offered = [(each, guide_of(each)) for each in registry.offered(sandbox=services().settings.sandbox)]
    return htmx.render("pages/sender_new_channel.html", "content", status, place=place, offered=offered)


def _form(
    place: Location, channel: Channel, typed: Typed, secrets: Mapping[str, str], faults: Faults
) -> ResponseReturnValue:
    with services().database.read() as session:
        others = places.has_senders(session, place.id)
    context: dict[str, Any] = {
        "place": place,
        "channel": channel,
        "guide": guide_of(channel),
        "form": sender_form.laid_out(channel, typed, faults.fields, secrets),
        "faults": faults,
        "name": typed.name,
        "draft": sealed(_purpose(place, channel), secrets, faults),
        "others": others,
        "sandbox": services().settings.ghl_api_url if services().settings.sandbox else "",
        "default": "default" in request.form,
    }
    wrong = bool(faults.general)
    return htmx.render("pages/sender_new.html", "content", 422 if wrong else 200, **context)
