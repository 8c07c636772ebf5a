"""Who may come in: sessions, the way to the sign-in page and back, and forms that are too old."""

from typing import Any
from urllib.parse import urlsplit

from flask import Response, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError

from portal import htmx
from portal.accounts.second_factor import missing
from portal.accounts.sessions import find_session, used
from portal.database import DatabaseAway, is_away
from portal.extensions import login_manager
from portal.models import User
from portal.web.context import services
from portal.web.viewer import Viewer

# Forms of people who are not signed in: they are shown once more.
_FOR_STRANGERS = ("auth.login", "auth.code", "auth.forgotten", "auth.invitation", "auth.new_password")
TOO_OLD = "This form is too old: look at the page again, then send it once more."


def load_user(key: str) -> User | None:
    """The user of a session's key. Raises `DatabaseAway` once a request: the page that says so asks again."""
    if g.get("database_away"):
        return None
    try:
        found = find_session(services().database, key, session.get("name", ""))
    except (SQLAlchemyError, TimeoutError) as error:
        if not is_away(error):
            raise
        g.database_away = True
        raise DatabaseAway("The database does not answer: try again in a minute.") from error
    if found is None:
        session.clear()  # a page that signs the cookie anew must not lengthen the life of an ended session
        return None
    g.user_session = found.row
    return found.user


def to_sign_in() -> ResponseReturnValue:
    """To the sign-in page and back to this one. htmx is told to leave, so that no table ever holds a sign-in form."""
    if htmx.asked():
        return htmx.leave_for(url_for("auth.login", next=local_path(htmx.page_path())), 401)
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=back), 303)


login_manager.user_loader(load_user)
login_manager.unauthorized_handler(to_sign_in)


def know_who() -> ResponseReturnValue | None:
    """For `before_request`: a blueprint of pages for people who are signed in with a password of their own."""
    if not current_user.is_authenticated:
        return to_sign_in()
    if by_hand():
        used(services().database, g.user_session)
    if current_user.must_change_password:
        return _first("auth.password")
    g.viewer = Viewer.of(current_user)
    return None


def sign_in_first() -> ResponseReturnValue | None:
    """The same, for all but the pages on which a second factor is set up that the agency asks for."""
    turned_away = know_who()
    if turned_away is None and missing(current_user):
        return _first("account.second_factor_page")
    return turned_away


def by_hand() -> bool:
    """Did somebody ask for this, and not a clock? A fragment counts only when the page's script says so.

    So a script that is not there, or is an old one, ends sessions early instead of never.
    """
    return request.method != "GET" or not htmx.wants_fragment() or request.headers.get("X-By-Hand") == "1"


def _first(endpoint: str) -> ResponseReturnValue:
    path = url_for(endpoint)
    return htmx.leave_for(path, 403) if htmx.asked() else redirect(path, 303)


def let_forms_name_their_page(response: Response) -> Response:
    """For `after_request`: over TLS the CSRF check wants a Referer, which `no-referrer` would take away."""
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def form_refused(_error: CSRFError) -> ResponseReturnValue:
    """A form without a good token: to the sign-in page when the session is over, else a sentence."""
    if request.endpoint in _FOR_STRANGERS:
        flash(TOO_OLD, "error")
        return redirect(request.full_path.rstrip("?"), 303)
    if not current_user.is_authenticated:
        return to_sign_in()
    return render_template("error.html", sentence=TOO_OLD, status=400, request_id=g.get("request_id", "")), 400


def local_path(target: Any) -> str:
    """The target when it is a path of this portal, else the start page.

    Browsers drop tabs and line breaks from addresses and read a backslash as a slash, so `/\\t/evil.example` would
    lead away (WHATWG URL standard, "basic URL parser").
    """
    start = "/admin"
    if not isinstance(target, str) or not target.startswith("/") or len(target) > 2000:
        return start
    if (
        target.startswith("//")
        or "\\" in target
        or any(character <= " " or character == "\x7f" for character in target)
    ):
        return start
    try:
        parts = urlsplit(target)
    except ValueError:
        return start
    return start if parts.scheme or parts.netloc else target
