"""Signing in and out, and the password."""

import logging

from flask import Blueprint, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, login_user, logout_user
from flask_wtf.csrf import CSRFError

from portal import htmx
from portal.accounts.sessions import end_session, new_session
from portal.accounts.throttle import TooManyAttempts
from portal.accounts.users import authenticate, change_password
from portal.errors import InvalidInput
from portal.models import User
from portal.web.auth import guard
from portal.web.auth.forms import LoginForm, PasswordForm
from portal.web.context import services

log = logging.getLogger(__name__)

bp = Blueprint("auth", __name__)
bp.after_request(guard.let_forms_name_their_page)
bp.app_errorhandler(CSRFError)(guard.form_refused)

WRONG = "The e-mail address or the password is not right."


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """The sign-in page. Why somebody was not let in is never said."""
    back = guard.local_path(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(back, 303)
    form = LoginForm()
    if not form.validate_on_submit():
        return _page("login.html", form, 422 if form.is_submitted() else 200)
    try:
        user = authenticate(services().database, form.email.data, form.password.data, request.remote_addr or "")
    except TooManyAttempts as error:
        return _refused("login.html", form, error)
    if user is None:
        log.warning("sign-in refused", extra={"address": request.remote_addr})
        return _page("login.html", form, 422, WRONG)
    _begin_session(user)
    log.info("signed in", extra={"user": user.id})
    return redirect(url_for("auth.password") if user.must_change_password else back, 303)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Ends this session, also where somebody has a copy of its cookie."""
    if current_user.is_authenticated:
        end_session(services().database, session["name"])
    logout_user()
    session.clear()
    return redirect(url_for("auth.login"), 303)


@bp.route("/password", methods=["GET", "POST"])
@login_required  # type: ignore[untyped-decorator,unused-ignore]
def password() -> ResponseReturnValue:
    """A new password; every other session of the user ends with it."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return _page("password.html", form, 422 if form.is_submitted() else 200)
    try:
        user = change_password(
            services().database,
            current_user._get_current_object(),
            form.current.data,
            form.new.data,
            request.remote_addr or "",
        )
    except TooManyAttempts as error:
        return _refused("password.html", form, error)
    except InvalidInput as error:
        return _page("password.html", form, error.http_status, error.message)
    _begin_session(user)
    log.info("password changed", extra={"user": user.id})
    flash("Your password is changed. Every other session of yours has ended.", "ok")
    return redirect(guard.local_path(None), 303)


def _begin_session(user: User) -> None:
    """From an empty one: nothing that was put into the cookie before lives on in it."""
    session.clear()
    session["name"] = new_session()
    login_user(user)


def _page(template: str, form: LoginForm | PasswordForm, status: int, problem: str = "") -> ResponseReturnValue:
    return htmx.render(template, "content", status, form=form, problem=problem)


def _refused(template: str, form: LoginForm | PasswordForm, error: TooManyAttempts) -> ResponseReturnValue:
    response = htmx.render(template, "content", error.http_status, form=form, problem=error.message)
    response.headers["Retry-After"] = str(error.retry_after)
    return response
