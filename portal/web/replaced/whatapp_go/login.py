"""`POST /api/login`: a token that ends by itself, and at once with the session that it is.

A token is a session like a browser's: it stands on the page of one's account, where it can be ended, and a new password
or a user who is turned off ends it too.
"""

import logging

from flask import Response, jsonify, request

from portal.accounts import audit
from portal.accounts.sessions import LIFETIME, begin_session, end_session, find_session, used
from portal.accounts.users import authenticate
from portal.errors import Forbidden, Unauthentic
from portal.models import User
from portal.services import Services
from portal.web.context import services
from portal.web.replaced.whatapp_go import bp
from portal.web.replaced.whatapp_go.bodies import body_of, text_of

log = logging.getLogger(__name__)

COOKIE = "token"
WRONG = "The e-mail address or the password is not right."
NO_TOKEN = "Sign in first: POST /api/login with email and password, then send the token."
ON_THE_PAGES = "Choose your own password first: sign in at this portal with a browser."
TWO_FACTORS = "This account has a second factor, which a token cannot prove: use a key of the API."


@bp.post("/login")
def begin() -> Response:
    """A token, as a cookie and in the body. 401 for a wrong password, 403 for an account that has to sign in itself."""
    parts, said = services(), body_of()
    address = request.remote_addr or ""
    user = authenticate(parts.database, text_of(said, "email"), text_of(said, "password"), address)
    if user is None:
        log.warning("sign-in refused", extra={"address": address})
        raise Unauthentic(WRONG)
    if user.totp_since is not None:
        raise Forbidden(TWO_FACTORS)
    if user.must_change_password:
        raise Forbidden(ON_THE_PAGES)
    with parts.database.write() as session:
        name = begin_session(session, user.id, address, f"API token ({request.headers.get('User-Agent', '')[:200]})")
        audit.note(session, audit.of_user(user, address), "signed in", user, after={"by": "password, for a token"})
    token = f"{user.get_id()}.{name}"
    answer = jsonify(message="Login success", token=token, expires_in=int(LIFETIME.total_seconds()))
    secure = parts.settings.app_url.startswith("https://")
    answer.set_cookie(COOKIE, token, max_age=LIFETIME, path="/api", secure=secure, httponly=True, samesite="Strict")
    return answer


@bp.post("/logout")
def end() -> Response:
    """Ends the token, also where somebody has a copy of it."""
    parts, said = services(), body_of(required=False)
    user = signed_in(parts, text_of(said, "token"))
    with parts.database.write() as session:
        end_session(session, _given(text_of(said, "token")).partition(".")[2])
        audit.note(session, audit.of_user(user, request.remote_addr or ""), "signed out", user)
    answer = jsonify(message="Logout success")
    answer.delete_cookie(COOKIE, path="/api")
    return answer


def signed_in(parts: Services, in_body: str = "") -> User:
    """Whose token it is: as a bearer token, in the body or as the cookie. Raises `Unauthentic`."""
    key, _, name = _given(in_body).partition(".")
    found = find_session(parts.database, key, name) if name and len(name) <= 64 else None
    if found is None:
        raise Unauthentic(NO_TOKEN)
    used(parts.database, found.row)
    return found.user


def _given(in_body: str) -> str:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return (bearer.strip() if scheme.lower() == "bearer" else "") or in_body or request.cookies.get(COOKIE, "")
