"""`/admin/users`: the people of an agency, inviting somebody, and whether a second factor is asked for."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit, letters, links, people
from portal.accounts.permissions import PERMISSIONS, Permission
from portal.errors import Forbidden, InvalidInput, NotFound
from portal.messaging.storable import storable
from portal.models import Agency, LinkKind, Role, User
from portal.web.admin import routes
from portal.web.admin.queries import users
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

LONGEST_TEXT = 200
NO_LIST = "There is no such list of users."
NO_AGENCY = "There is no such agency, or it is not yours to see."
ROLES: Mapping[Role, str] = {
    Role.OWNER: "Owner: everything in the agency",
    Role.ADMIN: "Admin: senders, settings, credits and people, but not the owners",
    Role.AGENT: "Agent: sees everything, writes to customers, sends again, cancels",
    Role.VIEWER: "Viewer: sees everything, changes nothing",
    Role.CLIENT: "Client: a customer of the agency, sees one sub-account",
}


@routes.get("/users", Permission.PEOPLE)
def user_list() -> ResponseReturnValue:
    """A page of people; its address holds the filters."""
    mine = viewer().scope
    with services().database.read() as session:
        wanted = _wanted(session)
        found = users.page(session, mine, wanted)
        houses = users.agencies(session, mine)
    house = wanted.agency or (houses[0] if mine.agency_id is not None and houses else None)
    context: dict[str, Any] = {"page": found, "wanted": wanted, "chosen": _chosen(wanted), "house": house}
    context |= {"houses": houses if mine.agency_id is None else [], "roles": list(Role), "states": users.STATES}
    return htmx.render("admin/users.html", "results", **context, decides=_decides(me()))


@routes.get("/users/invite", Permission.PEOPLE)
def invite_page() -> ResponseReturnValue:
    """The form; the operator chooses the agency first."""
    return _form()


@routes.post("/users/invite", Permission.PEOPLE)
def invite() -> ResponseReturnValue:
    """Writes the user, and mails the link or shows it, this once."""
    email, who = request.form.get("email", ""), viewer()
    try:
        with services().database.write() as session:
            house = _house(session)
            if house is None:
                raise InvalidInput("Choose the agency.")
            user = people.invite(session, fresh(session), house.id, email, standing())
            key = links.make(session, user, LinkKind.INVITATION, who.name)
            audit.note(session, who, "invited", user, after=facts(session, user))
    except (InvalidInput, Forbidden) as error:
        return _form(error.message)
    log.info("user invited", extra={"user": who.id, "account": user.id})
    return link_made(user, LinkKind.INVITATION, key)


@routes.post("/users/agencies/<int:agency_id>/second-factor", Permission.PEOPLE)
def ask_second_factor(agency_id: int) -> ResponseReturnValue:
    """Whether the agency's people need a second factor. Who has none sets it up before anything else."""
    asks = request.form.get("asks") == "1"
    with services().database.write() as session:
        house = users.agency(session, viewer().scope, agency_id)
        if house is None:
            raise NotFound(NO_AGENCY)
        if not _decides(fresh(session)):
            raise Forbidden(people.ABOVE)
        before, house.asks_second_factor = house.asks_second_factor, asks
        audit.note(session, viewer(), "changed", house, {"asks second factor": before}, {"asks second factor": asks})
    flash("A second factor is asked for from now on." if asks else "A second factor is everybody's own choice.", "ok")
    return redirect(url_for("admin.user_list", agency=agency_id if viewer().scope.agency_id is None else None), 303)


def me() -> User:
    """Who is signed in."""
    found: User = current_user._get_current_object()
    return found


def fresh(session: Session) -> User:
    """Who is signed in, as they are in this transaction: they may have lost a role since the page was opened."""
    by = session.get_one(User, current_user.id)
    if not by.active or not (by.agency_id is None or Permission.PEOPLE in PERMISSIONS[by.role]):
        raise Forbidden(people.ABOVE)
    return by


def standing() -> people.Standing:
    """What the form says somebody is to be. Raises `InvalidInput`."""
    role, reach, raw = request.form.get("role", ""), request.form.get("reach", ""), request.form.getlist("place")
    if role not in list(Role):
        raise InvalidInput("Choose a role.")
    if reach not in ("all", "chosen"):
        raise InvalidInput("Choose all sub-accounts, or some of them.")
    return people.Standing(Role(role), None if reach == "all" else _ids(raw))


def _ids(raw: list[str]) -> frozenset[int]:
    return frozenset(int(each) for each in raw if each.isascii() and each.isdigit() and len(each) < 19)


def facts(session: Session, user: User) -> dict[str, Any]:
    """What the audit log keeps of a user."""
    ids = user.location_ids
    names = "all" if ids is None else users.names(session, ids)
    return {"role": str(user.role), "sub-accounts": names, "active": user.active}


def typed() -> dict[str, Any]:
    """The form as it was sent, to be shown again."""
    places = _ids(request.form.getlist("place"))
    names = ("email", "role", "reach")
    return {name: request.form.get(name, "") for name in names} | {"places": places}


def link_made(user: User, kind: LinkKind, key: str) -> ResponseReturnValue:
    """To the user's page when the link was mailed; else a page that shows it."""
    told = letters.deliver(services().settings, user, kind, key, viewer().name)
    if told.mailed:
        flash(f"A letter with the link is on its way to {user.email}.", "ok")
        return redirect(url_for("admin.user", user_id=user.id), 303)
    return htmx.render("admin/user_link.html", "content", user=user, kind=kind.value, told=told)


def given_roles(by: User) -> dict[Role, str]:
    """The roles that somebody may give, each with what it means."""
    most = people.RANK[by.role] if by.agency_id is not None else max(people.RANK.values())
    return {role: words for role, words in ROLES.items() if people.RANK[role] <= most}


def _decides(by: User) -> bool:
    """May this person say what all of the agency's people need?"""
    return by.agency_id is None or people.Standing.of(by) == people.Standing(Role.OWNER, None)


def _form(fault: str = "") -> ResponseReturnValue:
    mine = viewer().scope
    with services().database.read() as session:
        house = _house(session)
        houses = users.agencies(session, mine)
        places = users.places(session, mine, house.id) if house else []
    shown = typed() if request.method == "POST" else {"email": "", "role": "agent", "reach": "", "places": set()}
    context: dict[str, Any] = {"house": house, "houses": houses, "places": places, "typed": shown, "fault": fault}
    context |= {"roles": given_roles(me()), "whole": mine.location_ids is None}
    return htmx.render("admin/user_invite.html", "content", 422 if fault else 200, **context)


def _house(session: Session) -> Agency | None:
    """The agency that is meant: one's own, or the one that the operator chose."""
    mine, raw = viewer().scope.agency_id, request.values.get("agency", "")
    if mine is None and not raw:
        return None
    wanted = mine if mine is not None else cursor(raw)
    found = users.agency(session, viewer().scope, wanted or 0)
    if found is None:
        raise NotFound(NO_AGENCY)
    return found


def _wanted(session: Session) -> users.Wanted:
    state, role = request.args.get("state", ""), request.args.get("role", "")
    text = storable(request.args.get("q", "")).strip()
    if state not in ("", *users.STATES) or role not in ("", *Role) or len(text) > LONGEST_TEXT:
        raise NotFound(NO_LIST)
    house = _house(session) if viewer().scope.agency_id is None else None
    return users.Wanted(text, role, state, house, cursor(request.args.get("before", "")))


def _chosen(wanted: users.Wanted) -> dict[str, str]:
    filters = {"q": wanted.text, "role": wanted.role, "state": wanted.state}
    filters["agency"] = str(wanted.agency.id) if wanted.agency else ""
    return {name: value for name, value in filters.items() if value}
