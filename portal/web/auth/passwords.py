"""The own password, and a link to one's own mailbox for when it is forgotten."""

import logging
import threading

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from portal.accounts import letters, throttle
from portal.accounts.throttle import TooManyAttempts
from portal.accounts.users import change_password
from portal.errors import InvalidInput
from portal.web.auth import bp, guard
from portal.web.auth.begun import begin, caller, page, refused
from portal.web.auth.forms import ForgottenForm, PasswordForm
from portal.web.context import services

log = logging.getLogger(__name__)

SENT = "If there is an account with this address, a letter with a link is on its way to it. The link works for an hour."


@bp.route("/password", methods=["GET", "POST"])
@login_required  # type: ignore[untyped-decorator,unused-ignore]
def password() -> ResponseReturnValue:
    """A new password; every other session of the user ends with it."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return page("password.html", 422 if form.is_submitted() else 200, form=form)
    who = current_user._get_current_object()
    try:
        user = change_password(services().database, who, form.current.data, form.new.data, caller())
    except TooManyAttempts as error:
        return refused("password.html", error, form=form)
    except InvalidInput as error:
        return page("password.html", error.http_status, form=form, problem=error.message)
    begin(user)
    log.info("password changed", extra={"user": user.id})
    flash("Your password is changed. Every other session of yours has ended.", "ok")
    return redirect(guard.local_path(None), 303)


@bp.route("/forgotten", methods=["GET", "POST"])
def forgotten() -> ResponseReturnValue:
    """A link by e-mail. The answer is the same, and as quick, whoever asks: the rest is done aside."""
    parts, form = services(), ForgottenForm()
    mailed = parts.settings.mail_server is not None
    if not mailed or not form.validate_on_submit():
        return page("forgotten.html", 422 if mailed and form.is_submitted() else 200, form=form, mailed=mailed)
    email = form.email.data.strip().lower()[:254]
    try:
        throttle.count_attempt(parts.database, caller(), email, throttle.RESET)
    except TooManyAttempts as error:
        return refused("forgotten.html", error, form=form, mailed=mailed)
    log.info("new password asked for", extra={"address": request.remote_addr})
    work = (parts.database, parts.settings, email, caller())
    threading.Thread(target=letters.forgotten, args=work, name="letter", daemon=True).start()
    flash(SENT, "ok")
    return redirect(url_for("auth.login"), 303)
