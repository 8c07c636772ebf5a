"""Installing the app: consent at HighLevel, and the way back with a code."""

import logging
import secrets
import time

from flask import Blueprint, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from portal.ghl import billing
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import SCOPES, install_url
from portal.models import GrantKind
from portal.web.context import services

log = logging.getLogger(__name__)

bp = Blueprint("oauth", __name__, url_prefix="/oauth")

STATES = "oauth_states"
# Whoever opens several windows may finish in any of them; whoever takes longer begins again.
MOST_STATES, STATE_SECONDS = 5, 3600
LONGEST_CODE = 2000

AGAIN = "Begin again with the button below, or from HighLevel's marketplace."
DENIED = f"The permission was not given at HighLevel, so nothing was installed. {AGAIN}"
OLD_STATE = (
    "This installation was begun in another browser, or more than an hour ago, so nothing was installed. "
    f"{AGAIN} Finish it in the same browser."
)
NO_CODE = f"HighLevel sent no code, so nothing was installed. {AGAIN}"
DONE = "You can close this window and open the app in HighLevel."
DONE_AGENCY = (
    "The agency is connected, and its sub-accounts follow one by one, as a rule within a minute. "
    "You can close this window."
)


@bp.get("/install")
def install() -> ResponseReturnValue:
    """Sends the browser to HighLevel's consent page."""
    settings = services().settings
    state = secrets.token_urlsafe(24)
    known = sorted(_states().items(), key=lambda each: each[1])[-(MOST_STATES - 1) :]
    session[STATES] = {**dict(known), state: int(time.time())}
    wanted = (*SCOPES, *billing.SCOPES) if settings.ghl_meter else SCOPES
    where = install_url(settings.ghl_client_id, settings.redirect_uri, state, scopes=wanted, app_id=settings.ghl_app_id)
    return redirect(where, 302)


@bp.get("/callback")
def callback() -> ResponseReturnValue:
    """Takes the code. An installation begun in HighLevel's marketplace brings no `state`, and is as good."""
    state, code = request.args.get("state", ""), request.args.get("code", "")
    if state and not _take(state):
        return _page(OLD_STATE, 400)
    if request.args.get("error"):
        return _page(DENIED, 400)
    if not code or len(code) > LONGEST_CODE:
        return _page(NO_CODE, 400)
    try:
        grant = services().consents.take(code)
    except GhlError as error:
        log.warning("code not exchanged", extra={"reason": error.message})
        again = AGAIN if error.kind is Kind.GRANT_DEAD else f"Load this page again in a minute. {AGAIN}"
        return _page(f"{error.message} {again}", 502)
    sentence = DONE_AGENCY if grant.kind == GrantKind.COMPANY else DONE
    return _page(sentence, 200, services().consents.missing(grant))


def _states() -> dict[str, int]:
    """The states given to this browser that are still good, with their times in unix seconds."""
    known = session.get(STATES)
    oldest = time.time() - STATE_SECONDS
    if not isinstance(known, dict):
        return {}
    return {state: at for state, at in known.items() if isinstance(at, int) and at > oldest}


def _take(state: str) -> bool:
    """Is it a state of this browser? It stays good for a page that is loaded twice: a code works once anyway."""
    return any(secrets.compare_digest(state.encode(), known.encode()) for known in _states())


def _page(sentence: str, status: int, missing: tuple[str, ...] = ()) -> ResponseReturnValue:
    return render_template("oauth.html", sentence=sentence, ok=status == 200, missing=missing), status
