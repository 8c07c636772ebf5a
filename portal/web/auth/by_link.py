"""One-use links: somebody who was invited, or has forgotten the password, chooses one."""

import logging

from flask import flash, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from portal.accounts import links, throttle
from portal.accounts.sessions import end_session
from portal.accounts.throttle import TooManyAttempts
from portal.errors import InvalidInput, NotFound
from portal.models import LinkKind, User
from portal.web.auth import bp, guard
from portal.web.auth.begun import begin, caller, page, refused
from portal.web.auth.forms import ChosenForm
from portal.web.context import services

log = logging.getLogger(__name__)

# Tries with a wrong link, counted by address.
TRIES = "link"


@bp.route("/invitation/<string:key>", methods=["GET", "POST"])
def invitation(key: str) -> ResponseReturnValue:
    """The invitation is taken by choosing a password: then one is signed in."""
    return _choose(LinkKind.INVITATION, key)


@bp.route("/new-password/<string:key>", methods=["GET", "POST"])
def new_password(key: str) -> ResponseReturnValue:
    """A new password, then the sign-in page: a second factor is still asked for."""
    return _choose(LinkKind.RESET, key)


def _choose(kind: LinkKind, key: str) -> ResponseReturnValue:
    """Looking at the page uses nothing up: mail programs do that by themselves."""
    form, parts = ChosenForm(), services()
    throttle.count_call(parts.database, caller(), TRIES)
    try:
        with parts.database.read() as transaction:
            user = links.holder(transaction, kind, key)
    except NotFound as error:
        return page("link_over.html", error.http_status, sentence=error.message)
    throttle.forgive_call(parts.database, caller(), TRIES)
    context = {"form": form, "who": user, "invitation": kind == LinkKind.INVITATION}
    if not form.validate_on_submit():
        return page("link.html", 422 if form.is_submitted() else 200, **context)
    try:
        user = links.use(parts.database, kind, key, form.new.data, caller())
    except TooManyAttempts as error:
        return refused("link.html", error, **context)
    except InvalidInput as error:
        return page("link.html", error.http_status, **context, problem=error.message)
    except NotFound as error:
        return page("link_over.html", error.http_status, sentence=error.message)
    return _done(kind, user)


def _done(kind: LinkKind, user: User) -> ResponseReturnValue:
    if current_user.is_authenticated:  # whoever else was signed in with this browser
        with services().database.write() as transaction:
            end_session(transaction, session["name"])
    logout_user()
    session.clear()
    if kind == LinkKind.RESET or user.totp_since is not None:
        flash("Your new password is kept. Sign in with it.", "ok")
        return redirect(url_for("auth.login"), 303)
    begin(user, "invitation")
    log.info("signed in", extra={"user": user.id})
    flash("Welcome. Your password is kept.", "ok")
    return redirect(guard.local_path(None), 303)
