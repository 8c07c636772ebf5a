"""`/locations/<id>/checks`: is everything set up as it should be? What has to be asked loads by itself."""

import logging
from typing import Any

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels import registry
from portal.channels.capabilities import AsksSeldom
from portal.errors import InvalidInput
from portal.installations import moves
from portal.models.tenants import HERE
from portal.web.context import services
from portal.web.pages import asking, routes, settings_checks
from portal.web.pages.places import mine
from portal.web.pages.queries import checks as queries
from portal.web.pages.senders import mine as my_sender
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

LOOKING = "The settings are being looked at, and put right where they are not. Show this page again in a moment."


@routes.get("/locations/<int:location_id>/checks", Permission.VIEW)
def location_checks(location_id: int) -> ResponseReturnValue:
    """Every line that is known; the others load by themselves."""
    with services().database.read() as session:
        place = mine(session, location_id)
        facts = queries.of(session, viewer().scope, place)
    here = settings_checks.of_highlevel(facts)
    of_senders: list[dict[str, Any]] = [
        {
            "sender": each.line.sender,
            "channel": each.line.channel,
            "lines": settings_checks.of_sender(each, services().settings),
            # Its provider answers few questions an hour: a person says when.
            "seldom": isinstance(registry.get(each.line.sender.channel), AsksSeldom),
        }
        for each in facts.senders
    ]
    every = [*here, *(line for each in of_senders for line in each["lines"])]
    context: dict[str, Any] = {"place": place, "facts": facts, "here": here, "senders": of_senders}
    return htmx.render("pages/checks.html", "content", **context, tone=settings_checks.worst(every))


@routes.get("/locations/<int:location_id>/checks/highlevel", Permission.VIEW)
def check_highlevel(location_id: int) -> ResponseReturnValue:
    """Asks HighLevel, now."""
    with services().database.read() as session:
        place = mine(session, location_id)
    return _line(asking.highlevel(services(), place), place)


@routes.get("/locations/<int:location_id>/checks/address", Permission.VIEW)
def check_address(location_id: int) -> ResponseReturnValue:
    """Asks whether the portal's own address leads here, now."""
    with services().database.read() as session:
        place = mine(session, location_id)
    return _line(asking.own_address(services()), place)


@routes.get("/senders/<int:sender_id>/provider-check", Permission.VIEW)
def check_provider(sender_id: int) -> ResponseReturnValue:
    """Asks a sender's provider whether it takes the credentials, now."""
    with services().database.read() as session:
        line = my_sender(session, sender_id)
    return _line(asking.provider(services(), line.sender), line.location)


@routes.post("/locations/<int:location_id>/checks/webhooks", Permission.MANAGE)
def check_webhooks(location_id: int) -> ResponseReturnValue:
    """Has the webhook settings at the providers looked at, and put right where they are not."""

    def look(session: Session) -> None:
        place = mine(session, location_id)
        if place.install_state not in HERE:
            raise InvalidInput("The app is not connected to this sub-account: connect it first.")
        moves.sync_webhooks(session, place.id)
        moves.look_at(session, place)
        audit.note(session, viewer(), "had the settings looked at of", place)

    try:
        services().database.patiently(look)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("settings looked at", extra={"user": viewer().id, "location": location_id})
        flash(LOOKING, "ok")
    return redirect(url_for(".location_checks", location_id=location_id), 303)


def _line(line: settings_checks.Line, place: Any) -> ResponseReturnValue:
    return htmx.render("pages/check_asked.html", "asked", line=line, place=place)
