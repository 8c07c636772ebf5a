"""The own account, and the places where one is signed in."""

from dataclasses import dataclass

from flask import flash, g, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from portal import htmx
from portal.accounts import audit, devices, second_factor, sessions
from portal.errors import NotFound
from portal.models import User, UserSession
from portal.web.account import bp
from portal.web.context import services
from portal.web.viewer import viewer


@dataclass(frozen=True, slots=True)
class Shown:
    """A session, what it runs on in words, and whether it is the one that asks."""

    row: UserSession
    device: str
    here: bool


@bp.get("")
def index() -> ResponseReturnValue:
    """Who one is here, and what keeps others out."""
    with services().database.read() as transaction:
        user = transaction.get_one(User, current_user.id)
        rows = sessions.of_user(transaction, user)
        left = second_factor.recovery_left(transaction, user)
    shown = [Shown(row, devices.in_words(row.device), row.id == g.user_session.id) for row in rows]
    return htmx.render("account/index.html", "content", user=user, sessions=shown, left=left, limits=_LIMITS)


_LIMITS = {
    "idle": int(sessions.IDLE.total_seconds() // 3600),
    "absolute": int(sessions.LIFETIME.total_seconds() // 3600),
}


@bp.post("/sessions/<int:session_id>/end")
def end_one(session_id: int) -> ResponseReturnValue:
    """Signs one out; the own one too, when somebody chooses that."""
    with services().database.write() as transaction:
        user = transaction.get_one(User, current_user.id)
        row = sessions.end_one(transaction, user, session_id)
        if row is None:
            raise NotFound("There is no such session, or it is not yours.")
        what = {"device": devices.in_words(row.device), "address": row.address}
        audit.note(transaction, viewer(), "ended a session", user, before=what)
    flash("That session is signed out.", "ok")
    return redirect(url_for("account.index"), 303)


@bp.post("/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    """Ends every session, this one too."""
    with services().database.write() as transaction:
        user = transaction.get_one(User, current_user.id)
        sessions.end_all(transaction, user)
        audit.note(transaction, viewer(), "signed out everywhere", user)
    logout_user()
    session.clear()
    flash("You are signed out everywhere.", "ok")
    return redirect(url_for("auth.login"), 303)
