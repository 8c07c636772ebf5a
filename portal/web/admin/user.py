"""`/admin/users/<id>`: one person: role, sub-accounts, and what ends or repairs their way in."""

import logging
from collections.abc import Callable
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit, links, people, second_factor, sessions
from portal.accounts.permissions import Permission
from portal.errors import Forbidden, InvalidInput, NotFound
from portal.models import LinkKind, User
from portal.web.admin import routes
from portal.web.admin.queries import users
from portal.web.admin.users import facts, fresh, given_roles, link_made, me, standing, typed
from portal.web.context import services
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such user, or it is not yours to see."


@routes.get("/users/<int:user_id>", Permission.PEOPLE)
def user(user_id: int) -> ResponseReturnValue:
    """One person."""
    return _page(user_id)


@routes.post("/users/<int:user_id>", Permission.PEOPLE)
def change_user(user_id: int) -> ResponseReturnValue:
    """Gives another role, or other sub-accounts."""

    def change(session: Session, by: User, row: User) -> None:
        people.change(session, by, row, standing())

    return _do(user_id, change, "changed", "It is kept, and counts at once.")


@routes.post("/users/<int:user_id>/off", Permission.PEOPLE)
def turn_user_off(user_id: int) -> ResponseReturnValue:
    """The person may not sign in any more."""
    return _do(user_id, people.turn_off, "turned off", "This user is signed out everywhere and cannot sign in.")


@routes.post("/users/<int:user_id>/on", Permission.PEOPLE)
def turn_user_on(user_id: int) -> ResponseReturnValue:
    """The person may sign in again."""
    return _do(user_id, people.turn_on, "turned on", "This user may sign in again.")


@routes.post("/users/<int:user_id>/sign-out", Permission.PEOPLE)
def sign_user_out(user_id: int) -> ResponseReturnValue:
    """Ends all of the person's sessions."""

    def end(session: Session, by: User, row: User) -> None:
        people.demand(by, row)
        sessions.end_all(session, row)

    return _do(user_id, end, "signed out everywhere", "This user is signed out everywhere.")


@routes.post("/users/<int:user_id>/second-factor/off", Permission.PEOPLE)
def turn_users_second_factor_off(user_id: int) -> ResponseReturnValue:
    """For somebody whose phone and recovery codes are gone."""

    def turn_off(session: Session, by: User, row: User) -> None:
        people.demand(by, row)
        if row.id == by.id:
            raise InvalidInput("Your own second factor is on the page of your account.")
        second_factor.turn_off(session, row)

    done = "The second factor is off: the password alone lets this user in."
    return _do(user_id, turn_off, "turned the second factor off for", done)


@routes.post("/users/<int:user_id>/link", Permission.PEOPLE)
def make_user_link(user_id: int) -> ResponseReturnValue:
    """A link for a password: the invitation once more, or one for a new password."""
    try:
        with services().database.write() as session:
            row = _line(session, user_id).user
            people.demand(fresh(session), row)
            kind = LinkKind.INVITATION if row.invited else LinkKind.RESET
            links.may_have(row, kind)
            key = links.make(session, row, kind, viewer().name)
            action = "invited again" if row.invited else "made a link for a new password for"
            audit.note(session, viewer(), action, row)
    except InvalidInput as error:
        flash(error.message, "error")
        return redirect(url_for("admin.user", user_id=user_id), 303)
    return link_made(row, kind, key)


def _do(user_id: int, change: Callable[[Session, User, User], None], action: str, done: str) -> ResponseReturnValue:
    """The page again: with what is wrong, or with what was done."""
    try:
        with services().database.write() as session:
            row = _line(session, user_id).user
            before = facts(session, row)
            change(session, fresh(session), row)
            audit.note(session, viewer(), action, row, before, facts(session, row))
    except (InvalidInput, Forbidden) as error:
        return _page(user_id, error)
    log.info("user changed", extra={"user": viewer().id, "account": user_id, "decided": action})
    flash(done, "ok")
    return redirect(url_for("admin.user", user_id=user_id), 303)


def _page(user_id: int, error: InvalidInput | Forbidden | None = None) -> ResponseReturnValue:
    mine = viewer().scope
    with services().database.read() as session:
        line = _line(session, user_id)
        agency_id = line.user.agency_id
        places = users.places(session, mine, agency_id) if agency_id is not None else []
        context: dict[str, Any] = {
            "left": second_factor.recovery_left(session, line.user),
            "open_links": links.open_ones(session, line.user),
            "signed_in": len(sessions.of_user(session, line.user)),
        }
    chosen = {place.id for place in line.places}
    was = {"role": line.user.role, "reach": "all" if line.user.all_locations else "chosen", "places": chosen}
    shown = typed() if error and "role" in request.form else was
    context |= {"line": line, "places": places, "typed": shown, "fault": error.message if error else ""}
    context |= {"roles": given_roles(me()), "whole": mine.location_ids is None}
    context["mine"] = people.may_manage(me(), line.user)
    return htmx.render("admin/user.html", "content", error.http_status if error else 200, **context)


def _line(session: Session, user_id: int) -> users.Line:
    line = users.one(session, viewer().scope, user_id)
    if line is None:
        raise NotFound(NOT_YOURS)
    return line
