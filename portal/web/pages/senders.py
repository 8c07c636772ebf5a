"""`/admin/senders`: the lines of the sub-accounts, how each stands, and what repairs it."""

import logging
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels.base import ChannelError, LineState, Registers
from portal.channels.capabilities import AppWebhook, HasLine, HasTemplates
from portal.channels.setup import guide_of
from portal.errors import InvalidInput, NotFound
from portal.installations.moves import sync_webhook
from portal.messaging import advice
from portal.messaging import senders as domain
from portal.messaging.accounts import reaches_us
from portal.models import Location
from portal.models.tenants import HERE
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import places, sender_figures, senders, stand_ins
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such sender, or it is not yours to see."
LONGEST_TEXT = 200


@routes.get("/senders", Permission.VIEW)
def sender_list() -> ResponseReturnValue:
    """A page of senders; its address holds the filters. Those of one sub-account stand in its own order."""
    state, text = request.args.get("state", ""), request.args.get("q", "").strip()
    if state not in ("", senders.ATTENTION) or len(text) > LONGEST_TEXT:
        raise NotFound("There is no such list of senders.")
    named = request.args.get("location", "")
    with services().database.read() as session:
        place = _place(session, named)
        wanted = senders.Wanted(state, text, cursor(request.args.get("before", "")), place)
        found = senders.page(session, viewer().scope, wanted)
        undecided = place is not None and not (state or text) and senders.lacks_default(session, place.id)
    given = {"state": state, "q": text, "location": "" if viewer().location_id else named}
    chosen = {name: value for name, value in given.items() if value}
    context: dict[str, Any] = {"page": found, "wanted": wanted, "chosen": chosen, "undecided": undecided}
    return htmx.render("pages/senders.html", "results", **context, whole=not (state or text))


def _place(session: Session, ghl_id: str) -> Location | None:
    """The one sub-account that the list is of, the viewer's own or a named one. Raises `NotFound`."""
    if viewer().location_id is None and not ghl_id:
        return None
    found = places.one(session, viewer().scope, ghl_id, viewer().location_id)
    if found is None:
        raise NotFound("There is no such sub-account, or it is not yours to see.")
    return found


@routes.get("/senders/<int:sender_id>", Permission.VIEW)
def sender(sender_id: int) -> ResponseReturnValue:
    """One sender: how it stands, what is known, what may be done."""
    with services().database.read() as session:
        line = mine(session, sender_id)
        alerts = senders.alerts(session, sender_id)
        shown = stand_ins.of(session, line.sender)
        doing = {} if htmx.wants_fragment() else _doing(session, line)
    has_line = isinstance(line.channel, HasLine)
    has_templates = isinstance(line.channel, HasTemplates)
    context: dict[str, Any] = {"line": line, "alerts": alerts, "has_line": has_line, "has_templates": has_templates}
    context |= {"health": shown.health, "switch": shown.standing, "countries": advice.of_sender_id(line.sender)}
    if htmx.wants_fragment():
        # The page was loaded with a phone linked, and has no place for the code that is wanted now.
        if line.linkable and request.args.get("was") == LineState.READY != line.sender.line_state:
            return htmx.leave_for(url_for(".sender", sender_id=sender_id), 200)
        return htmx.render_live("pages/sender.html", "state", **context)
    return htmx.render("pages/sender.html", "content", **context, **doing, code=None, phone="", pairing="", fault="")


@routes.get("/senders/<int:sender_id>/figures", Permission.VIEW)
def sender_figures_page(sender_id: int) -> ResponseReturnValue:
    """Today's messages, the queue and the last ones: a block of the sender's page and, in short, of the list."""
    with services().database.read() as session:
        line = mine(session, sender_id)
        context = {"line": line, **_doing(session, line)}
    if htmx.wants_fragment():
        block = "short" if "short" in request.args else "figures"
        return htmx.render_live("pages/sender_figures_page.html", block, **context)
    return htmx.render("pages/sender_figures_page.html", "content", **context)


@routes.post("/senders/<int:sender_id>/check", Permission.MANAGE)
def check_sender(sender_id: int) -> ResponseReturnValue:
    """Asks how the line is, now, and has the webhook settings at the provider looked at."""
    with services().database.write() as session:
        line = mine(session, sender_id)
        if line.location.install_state in HERE:
            sync_webhook(session, sender_id, line.sender.channel)
        audit.note(session, viewer(), "had the provider asked about", line.sender)
    try:
        services().linking.look(sender_id)
    except (ChannelError, InvalidInput) as error:
        flash(f"The provider could not be asked. {error.message}", "error")
    else:
        flash("The provider was asked: this is how the line is now.", "ok")
    return back(sender_id)


@routes.post("/senders/<int:sender_id>/pause", Permission.MANAGE)
def pause_sender(sender_id: int) -> ResponseReturnValue:
    """Stops it; what it would send is held."""
    with services().database.write() as session:
        line = mine(session, sender_id)
        with audit.deed(session, viewer(), "paused", line.sender):
            domain.pause(session, sender_id, f"Paused by {viewer().name}.")
    _note(sender_id, "paused")
    flash("It is paused: what it would send is held.", "ok")
    return back(sender_id)


@routes.post("/senders/<int:sender_id>/resume", Permission.MANAGE)
def resume_sender(sender_id: int) -> ResponseReturnValue:
    """Starts it again; where another number is linked to it, the number that the person saw is confirmed."""
    number = request.form.get("number", "")

    def start(session: Session) -> int:
        with audit.deed(session, viewer(), "resumed", mine(session, sender_id).sender):
            return domain.resume(session, sender_id, number)

    try:
        count = services().database.patiently(start)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        _note(sender_id, "resumed")
        flash(f"It sends again. Held messages that are tried now: {count}.", "ok")
    return back(sender_id)


def _doing(session: Session, line: senders.Line) -> dict[str, Any]:
    """What it does, and the webhook address that a person has to enter at its provider, "" where nobody has to."""
    settings = services().settings
    by_hand = line.channel.calls_back and not isinstance(line.channel, Registers) and bool(line.channel.fields)
    shared = isinstance(line.channel, AppWebhook) and not line.sender.own_app
    return {
        "figures": sender_figures.of(session, line.sender, line.location),
        "webhook": domain.webhook_url(settings, line.sender) if by_hand and not shared else "",
        "guide": guide_of(line.channel),
        "reached": settings.sandbox or reaches_us(settings.app_url, line.sender.api_url),
        "app_url": settings.app_url,
    }


def mine(session: Session, sender_id: int) -> senders.Line:
    """The sender, when it is in the scope of who is signed in. Raises `NotFound`."""
    line = senders.one(session, viewer().scope, sender_id)
    if line is None:
        raise NotFound(NOT_YOURS)
    return line


def back(sender_id: int) -> ResponseReturnValue:
    """To the sender's page."""
    return redirect(url_for(".sender", sender_id=sender_id), 303)


def _note(sender_id: int, decided: str) -> None:
    log.info("sender decided", extra={"user": viewer().id, "sender_id": sender_id, "decided": decided})
