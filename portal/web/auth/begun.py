"""How a session begins, and how the forms of this blueprint are shown."""

from typing import Any

from flask import request, session
from flask.typing import ResponseReturnValue
from flask_login import login_user

from portal import htmx
from portal.accounts import audit
from portal.accounts.sessions import begin_session
from portal.accounts.throttle import TooManyAttempts
from portal.models import User
from portal.web.context import services


def caller() -> str:
    """Where the request comes from."""
    return request.remote_addr or ""


def begin(user: User, how: str = "") -> None:
    """A session from an empty one: nothing that was put into the cookie before lives on in it.

    `how` is what a sign-in proved; without it the session goes on from another one and nobody signs in.
    """
    session.clear()
    with services().database.write() as transaction:
        name = begin_session(transaction, user.id, caller(), request.headers.get("User-Agent", ""))
        if how:
            audit.note(transaction, audit.of_user(user, caller()), "signed in", user, after={"by": how})
    session["name"] = name
    login_user(user)


def page(template: str, status: int = 200, **context: Any) -> ResponseReturnValue:
    """One of the small pages: `form`, and `problem` above it."""
    return htmx.render(template, "content", status, **{"problem": "", **context})


def refused(template: str, error: TooManyAttempts, **context: Any) -> ResponseReturnValue:
    """The page again: too many attempts."""
    response = htmx.render(template, "content", error.http_status, problem=error.message, **context)
    response.headers["Retry-After"] = str(error.retry_after)
    return response
