"""The way in: the handshake that becomes a session, the first page, and links that are made anew when clicked."""

import logging

from flask import g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import page_sessions
from portal.accounts.admission import Admission, Refused, admit
from portal.accounts.permissions import Permission
from portal.accounts.throttle import count_call
from portal.database import DatabaseAway, is_away
from portal.errors import NotFound, PortalError, Unauthentic
from portal.ghl import sso
from portal.installations.standing import Tone
from portal.models import InstallState
from portal.web import one_use
from portal.web.context import services
from portal.web.custom_page import bp, guard, queries, routes

log = logging.getLogger(__name__)

NO_SECRET = (
    "This portal does not know the app's Shared Secret, so it cannot read who you are. Whoever runs it has to set "
    "GHL_SHARED_SECRET (in HighLevel's marketplace: the app, Advanced Settings, Auth, Shared Secret)."
)
UNREADABLE = (
    "This portal could not read who you are. Open the page again from HighLevel. If it stays so, whoever runs the "
    "portal has to check that GHL_SHARED_SECRET is the Shared Secret of this very app."
)
AWAY = "The portal's database does not answer. Nothing is lost: try again in a minute."


@bp.post("/session")
def begin() -> ResponseReturnValue:
    """The payload of HighLevel's handshake becomes a session; a refusal is a card that says what to do.

    Only a script of ours can set the header, so no other site's form begins a session in somebody's browser.
    """
    if guard.HEADER not in request.headers:
        return _refused("Open this page inside HighLevel", sso.REFUSAL, 400)
    settings, database = services().settings, services().database
    if not settings.ghl_shared_secret:
        return _refused("Not set up yet", NO_SECRET, 503)
    try:
        user = sso.decrypt(request.form.get("payload", ""), settings.ghl_shared_secret)
        token, admission = database.patiently(lambda session: _let_in(session, user))
    except Unauthentic:
        log.warning("handshake refused", extra={"address": request.remote_addr})
        return _unreadable()
    except Refused as error:
        log.info("handshake refused", extra={"user": f"ghl:{user.user_id}", "reason": error.title})
        return _refused(error.title, error.message, error.http_status, install=error.install)
    except Exception as error:
        if not is_away(error) and not isinstance(error, DatabaseAway):
            raise
        return _refused("Try again in a minute", AWAY, 503)
    log.info("custom page opened", extra={"user": f"ghl:{user.user_id}", "location": admission.location_id})
    return guard.remember(jsonify(token=token), token)


@bp.post("/once")
def once() -> ResponseReturnValue:
    """A fresh link for a download, at the moment when somebody clicks it."""
    target = one_use.without(request.form.get("target", ""))
    if not target.startswith("/app/") or len(target) > one_use.LONGEST:
        raise NotFound("There is nothing here, or it is not yours to see.")
    return one_use.sign(g.page_session.id, target), {"Content-Type": "text/plain; charset=utf-8"}


@routes.get("", Permission.VIEW)
def home() -> ResponseReturnValue:
    """The first page: the senders, unless the installation needs somebody; or an agency's sub-accounts."""
    if g.page_location is None:
        return redirect(url_for(".places"), 303)
    with services().database.read() as session:
        standing = queries.standing(session, g.page_location)
    if standing.tone != Tone.BAD and g.page_location.install_state == InstallState.INSTALLED:
        return redirect(url_for(".sender_list"), 303)
    return htmx.render("app/standing.html", "content", standing=standing)


@bp.get("/<path:anything>")
def anything(anything: str) -> ResponseReturnValue:
    """What does not exist: the guard has made a shell of it for whoever is not known yet."""
    raise NotFound("There is nothing here, or it is not yours to see.")


def _let_in(session: Session, user: sso.SsoUser) -> tuple[str, Admission]:
    admission = admit(session, user)
    return page_sessions.begin(session, user, admission), admission


def _unreadable() -> ResponseReturnValue:
    try:
        count_call(services().database, request.remote_addr or "", "handshake")
    except PortalError as error:
        return _refused("Too many attempts", error.message, error.http_status)
    except Exception as error:
        if not is_away(error):
            raise
    return _refused("HighLevel could not be understood", UNREADABLE, 403)


def _refused(title: str, sentence: str, status: int, *, install: bool = False) -> ResponseReturnValue:
    return render_template("app/refused.html", title=title, sentence=sentence, install=install), status
