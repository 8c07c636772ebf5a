"""Installing the app: consent at HighLevel, and the way back with a code."""

import logging
import secrets

from flask import Blueprint, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import COMPANY, LOCATION, TokenGrant, install_url
from portal.installations import grants
from portal.installations.lifecycle import ensure_agency
from portal.queue.jobs import GHL, enqueue, job
from portal.services import Services
from portal.web.context import services

log = logging.getLogger(__name__)

bp = Blueprint("oauth", __name__, url_prefix="/oauth")

STATE = "oauth_state"


@bp.get("/install")
def install() -> ResponseReturnValue:
    """Sends the browser to HighLevel's consent page."""
    settings = services().settings
    session[STATE] = secrets.token_urlsafe(24)
    return redirect(
        install_url(settings.ghl_client_id, settings.redirect_uri, session[STATE], app_id=settings.ghl_app_id), 302
    )


@bp.get("/callback")
def callback() -> ResponseReturnValue:
    """Takes the code. An installation begun in HighLevel's marketplace brings no `state`, and is as good."""
    state, expected = request.args.get("state"), session.pop(STATE, None)
    if state and expected and not secrets.compare_digest(state.encode(), expected.encode()):
        return _page("This installation was begun in another window: begin again.", 400)
    if request.args.get("error"):
        return _page("HighLevel reports that the consent was refused: nothing was installed.", 400)
    code = request.args.get("code", "")
    if not code or len(code) > 2000:
        return _page("HighLevel sent no code: begin the installation again from its marketplace.", 400)
    parts = services()
    try:
        granted = _exchange(parts, code)
    except GhlError as error:
        log.warning("code not exchanged", extra={"reason": error.message})
        again = "Begin the installation again." if error.kind is Kind.GRANT_DEAD else "Try again in a minute."
        return _page(f"{error.message} {again}", 502)
    if not granted.location_id and not granted.company_id:
        return _page("HighLevel named neither a sub-account nor an agency: begin the installation again.", 502)
    _store(parts, granted)
    return _page("Installed. You can close this window and open the app in HighLevel.", 200)


def _exchange(parts: Services, code: str) -> TokenGrant:
    return parts.oauth.exchange_code(code, parts.settings.redirect_uri, LOCATION)


def _store(parts: Services, granted: TokenGrant) -> None:
    with parts.database.write() as database:
        grants.save(database, parts.vault, granted, consented=True)
        if not granted.location_id or granted.user_type == COMPANY:
            agency = ensure_agency(database, granted.company_id)
            database.flush()
            enqueue(database, [job(GHL, "install_locations", agency.id, f"install:{agency.id}")])


def _page(sentence: str, status: int) -> ResponseReturnValue:
    return render_template("oauth.html", sentence=sentence, ok=status == 200), status
