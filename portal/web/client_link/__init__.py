"""`/link/<secret>`: somebody without an account links their phone. They see the code to scan, and nothing else.

The page that is opened first has a button, so that the previews that messengers fetch use up no link.
"""

import logging
import secrets

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from portal import htmx
from portal.accounts.throttle import count_call, count_use
from portal.channels.base import ChannelError
from portal.channels.capabilities import LinkCode
from portal.errors import Forbidden, InvalidInput, NotFound, PortalError
from portal.messaging import client_links
from portal.messaging.client_links import End, Found
from portal.web.auth.guard import TOO_OLD
from portal.web.context import services

log = logging.getLogger(__name__)

bp = Blueprint("link", __name__, url_prefix="/link")

DEVICE = "link_device"
# htmx: swaps the answer in and asks no more.
ENOUGH = 286
LONGEST_PHONE, LONGEST_SECRET = 40, 100
# Codes and pairing codes in five minutes: the page asks every five seconds.
MOST_CODES, MOST_PAIRINGS = 150, 10
OVER = "This link does not work any more. Ask whoever sent it to you for a new one."
ELSEWHERE = "This link was opened on another device, and works there only. Ask whoever sent it to you for a new one."


@bp.after_request
def _private(response: Response) -> Response:
    response.headers["X-Robots-Tag"] = "noindex"
    # Over TLS the CSRF check wants a Referer; no other site gets this one.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


@bp.errorhandler(PortalError)
def _told(error: PortalError) -> ResponseReturnValue:
    return render_template("link/over.html", sentence=error.message), error.http_status


@bp.errorhandler(CSRFError)
def _form_refused(_error: CSRFError) -> ResponseReturnValue:
    return render_template("link/over.html", sentence=TOO_OLD), 400


@bp.get("/<string:secret>")
def landing(secret: str) -> ResponseReturnValue:
    """The first page with its button, or on the link's own device the code."""
    found = _found(secret)
    if client_links.is_device(found.link, session.get(DEVICE, "")):
        return _page(secret, found)
    if not found.good:
        raise _Over(OVER)
    if found.link.device_hash:
        raise Forbidden(ELSEWHERE)
    return render_template("link/landing.html", secret=secret, location=found.location)


@bp.post("/<string:secret>")
def begin(secret: str) -> ResponseReturnValue:
    """Makes it the link of this device."""
    found = _found(secret)
    if not found.good:
        raise _Over(OVER)
    device = session.setdefault(DEVICE, secrets.token_urlsafe(24))
    with services().database.write() as database:
        bound = client_links.bind(database, found.link, device)
    if not bound:
        raise Forbidden(ELSEWHERE)
    log.info("link for a client opened", extra={"sender_id": found.sender.id})
    return redirect(url_for(".landing", secret=secret), 303)


@bp.get("/<string:secret>/code")
def code(secret: str) -> ResponseReturnValue:
    """What to scan now: the polled block."""
    found = _mine(secret)
    if not htmx.wants_fragment():
        return redirect(url_for(".landing", secret=secret), 303)
    now = _code(found)
    answer = htmx.render_live("link/page.html", "code", code=now)
    if (now.linked or not found.good) and answer.status_code == 200:
        answer.status_code = ENOUGH
    return answer


@bp.post("/<string:secret>/pair")
def pair(secret: str) -> ResponseReturnValue:
    """The code to type on the phone, for who has only the phone at hand."""
    found, phone = _mine(secret), request.form.get("phone", "").strip()[:LONGEST_PHONE]
    if not found.good:
        raise _Over(OVER)
    pairing = fault = ""
    try:
        count_use(services().database, f"link-pair:{found.link.id}", MOST_PAIRINGS)
        pairing = services().linking.pairing_code(found.sender.id, phone)
    except (InvalidInput, ChannelError, PortalError) as error:
        fault = error.message
    return _page(secret, found, 422 if fault else 200, block="pair", phone=phone, pairing=pairing, fault=fault)


class _Over(PortalError):
    """The link has ended: no other request brings it back."""

    http_status = 410


def _found(secret: str) -> Found:
    """The link of this secret. A wrong one is counted: nobody tries many."""
    with services().database.read() as database:
        found = client_links.find(database, secret) if len(secret) <= LONGEST_SECRET else None
    if found is None:
        count_call(services().database, request.remote_addr or "", "link")
        raise NotFound(OVER)
    return found


def _mine(secret: str) -> Found:
    """The same, for the device that it was opened on only."""
    found = _found(secret)
    if not client_links.is_device(found.link, session.get(DEVICE, "")):
        raise Forbidden(ELSEWHERE)
    return found


def _page(secret: str, found: Found, status: int = 200, *, block: str = "content", **shown: str) -> Response:
    given = {"phone": "", "pairing": "", "fault": "", **shown}
    # Beside a number that was typed only its own block is shown to a script.
    now = LinkCode() if block == "pair" and htmx.wants_fragment() else _code(found)
    return htmx.render(
        "link/page.html", block, status, secret=secret, location=found.location, good=found.good, code=now, **given
    )


def _code(found: Found) -> LinkCode:
    """What to scan now; a link that is over says how it ended."""
    if not found.good:
        return LinkCode(linked=found.link.end == End.LINKED, detail=OVER)
    try:
        count_use(services().database, f"link-code:{found.link.id}", MOST_CODES)
        now = services().linking.code(found.sender.id)
    except (InvalidInput, ChannelError, PortalError) as error:
        return LinkCode(detail=error.message)
    if now.linked:
        with services().database.write() as database:
            client_links.end(database, found.sender.id, End.LINKED)
        log.info("phone linked by a client's link", extra={"sender_id": found.sender.id})
    return now
