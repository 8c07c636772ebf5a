"""Signing in, by the password and then the second factor of those who have one, and signing out."""

import logging

from flask import flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from portal import clock
from portal.accounts import audit
from portal.accounts.second_factor import check
from portal.accounts.sessions import end_session, find_user
from portal.accounts.throttle import TooManyAttempts
from portal.accounts.users import authenticate
from portal.errors import InvalidInput
from portal.models import User
from portal.web.auth import bp, guard
from portal.web.auth.begun import begin, caller, page, refused
from portal.web.auth.forms import CodeForm, LoginForm
from portal.web.context import services

log = logging.getLogger(__name__)

WRONG = "The e-mail address or the password is not right."
TOO_LATE = "That took too long: sign in again."
# In the cookie between the password and the code: whose the password was, and until when that counts.
HALF, HALF_SECONDS = "half", 300


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """The sign-in page. Why somebody was not let in is never said."""
    back = guard.local_path(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(back, 303)
    form = LoginForm()
    if not form.validate_on_submit():
        return page("login.html", 422 if form.is_submitted() else 200, form=form)
    try:
        user = authenticate(services().database, form.email.data, form.password.data, caller())
    except TooManyAttempts as error:
        return refused("login.html", error, form=form)
    if user is None:
        log.warning("sign-in refused", extra={"address": request.remote_addr})
        return page("login.html", 422, form=form, problem=WRONG)
    if user.totp_since is not None:
        session.clear()
        session[HALF] = [user.get_id(), int(clock.now().timestamp()) + HALF_SECONDS]
        return redirect(url_for("auth.code", next=request.args.get("next")), 303)
    return _let_in(user, back, "password")


@bp.route("/login/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """The second half of signing in: a code of the phone's, or a recovery code."""
    user = _half_in()
    if user is None:
        session.pop(HALF, None)
        flash(TOO_LATE, "error")
        return redirect(url_for("auth.login", next=request.args.get("next")), 303)
    form = CodeForm()
    if not form.validate_on_submit():
        return page("login_code.html", 422 if form.is_submitted() else 200, form=form)
    parts = services()
    try:
        kind = check(parts.database, parts.vault, user, form.code.data, caller())
    except TooManyAttempts as error:
        return refused("login_code.html", error, form=form)
    except InvalidInput as error:
        log.warning("sign-in refused", extra={"address": request.remote_addr, "user": user.id})
        return page("login_code.html", 422, form=form, problem=error.message)
    answer = _let_in(user, guard.local_path(request.args.get("next")), f"password and {kind}")
    if kind != "code":
        flash("You used a recovery code: it does not work again. Your account says how many are left.", "ok")
    return answer


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Ends this session, also where somebody has a copy of its cookie."""
    if current_user.is_authenticated:
        with services().database.write() as transaction:
            end_session(transaction, session["name"])
            audit.note(transaction, audit.of_user(current_user, caller()), "signed out", _user())
    logout_user()
    session.clear()
    return redirect(url_for("auth.login"), 303)


def _let_in(user: User, back: str, how: str) -> ResponseReturnValue:
    begin(user, how)
    log.info("signed in", extra={"user": user.id})
    return redirect(url_for("auth.password") if user.must_change_password else back, 303)


def _half_in() -> User | None:
    """Whose password was right, a moment ago."""
    half = session.get(HALF)
    if not half or half[1] < clock.now().timestamp():
        return None
    with services().database.read() as transaction:
        user = find_user(transaction, half[0])
    return user if user is not None and user.totp_since is not None else None


def _user() -> User:
    found: User = current_user._get_current_object()
    return found
