"""`/admin/senders/<id>/…`: linking a phone by a live code or by a pairing code, restarting the line, signing out."""

import logging
from collections.abc import Callable

from flask import flash, request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels.base import ChannelError
from portal.channels.capabilities import LinkCode
from portal.errors import InvalidInput
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries.senders import Line
from portal.web.pages.senders import back, mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

# htmx: swaps the answer in and asks no more.
ENOUGH = 286
LONGEST_PHONE = 40


# Whoever scans it sends and reads as this sender from then on.
@routes.get("/senders/<int:sender_id>/code", Permission.MANAGE)
def sender_code(sender_id: int) -> ResponseReturnValue:
    """What the phone has to scan now: the polled block, or without a script a page with a link to the next one."""
    line = _line(sender_id)
    code = _code(line)
    if not htmx.wants_fragment():
        return htmx.render("pages/sender_link.html", "content", line=line, code=code, phone="", pairing="", fault="")
    answer = htmx.render_live("pages/sender_link.html", "code", line=line, code=code)
    if code.linked and answer.status_code == 200:
        answer.status_code = ENOUGH
    return answer


@routes.post("/senders/<int:sender_id>/pair", Permission.MANAGE)
def pair(sender_id: int) -> ResponseReturnValue:
    """The code to type on the phone; a number that is none is said beside the field."""
    line, phone = _line(sender_id), request.form.get("phone", "").strip()[:LONGEST_PHONE]
    pairing = fault = ""
    try:
        pairing = services().linking.pairing_code(sender_id, phone)
        _audit(line, "asked for a pairing code for")
    except (InvalidInput, ChannelError) as error:
        fault = error.message
    context = {"line": line, "phone": phone, "pairing": pairing, "fault": fault, "code": LinkCode()}
    return htmx.render("pages/sender_link.html", "pair", 422 if fault else 200, **context)


@routes.post("/senders/<int:sender_id>/restart", Permission.MANAGE)
def restart_line(sender_id: int) -> ResponseReturnValue:
    """Has the provider start its side of the line anew."""
    done = "The line is being started anew: that takes a minute or two."
    return _do(sender_id, services().linking.restart, done, "restarted")


@routes.get("/senders/<int:sender_id>/sign-out", Permission.VIEW)
def sign_out_page(sender_id: int) -> ResponseReturnValue:
    """What will happen, and the button that does it."""
    return htmx.render("pages/sender_sign_out.html", "content", line=_line(sender_id))


@routes.post("/senders/<int:sender_id>/sign-out", Permission.MANAGE)
def sign_out_line(sender_id: int) -> ResponseReturnValue:
    """Unlinks the phone."""
    return _do(sender_id, services().linking.sign_out, "The phone is unlinked.", "unlinked the phone of")


def _do(sender_id: int, act: Callable[[int], None], done: str, decided: str) -> ResponseReturnValue:
    line = _line(sender_id)
    try:
        act(sender_id)
        _audit(line, decided)
    except (InvalidInput, ChannelError) as error:
        flash(error.message, "error")
    else:
        log.info("sender decided", extra={"user": viewer().id, "sender_id": sender_id, "decided": decided})
        flash(done, "ok")
    return back(sender_id)


def _audit(line: Line, action: str) -> None:
    with services().database.write() as session:
        audit.note(session, viewer(), action, line.sender)


def _line(sender_id: int) -> Line:
    with services().database.read() as session:
        return mine(session, sender_id)


def _code(line: Line) -> LinkCode:
    """Its sentence instead of a code when there is none: an old one must never stay."""
    try:
        return services().linking.code(line.sender.id)
    except (InvalidInput, ChannelError) as error:
        return LinkCode(detail=error.message)
