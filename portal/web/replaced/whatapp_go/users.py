"""`/api/user/create`, `/api/user/update/<id>`, `/api/user/delete/<id>`: clients, with their number and their credits.

A user is of one sub-account: `location`, else `sso_id`, its id in HighLevel. Nobody gives more than they have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify
from sqlalchemy.orm import Session

from portal.accounts import audit, passwords, people, users
from portal.accounts.people import Standing
from portal.accounts.permissions import Permission
from portal.credits import grants, plans
from portal.errors import Forbidden, InvalidInput
from portal.messaging import funding, sender_settings, senders
from portal.models import Agency, Location, Role, User
from portal.services import Services
from portal.web.context import services
from portal.web.pages.queries.scope import Scope
from portal.web.replaced.queries import whatapp_go as queries
from portal.web.replaced.whatapp_go import bp
from portal.web.replaced.whatapp_go.bodies import body_of, text_of
from portal.web.replaced.whatapp_go.login import signed_in
from portal.web.viewer import NOT_ALLOWED, Viewer

CHANNEL = "whatsapp_cloud"
# Its clients send: what is called a client here only looks.
ROLES: Mapping[str, Role] = {"CLIENT": Role.AGENT, "ADMIN": Role.ADMIN}
_CREDENTIALS = {"whatsapp_token": "access_token", "whatsapp_phone_number_id": "phone_number_id"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants of a user, and who. What is None stays as it is."""

    by: User
    email: str
    password: str
    role: Role | None
    active: bool | None
    credits: int | None
    credentials: Mapping[str, str] = field(repr=False)

    @property
    def viewer(self) -> Viewer:
        """Who wants it, as the audit log has them."""
        return Viewer.of(self.by)

    def person(self, session: Session) -> User:
        """Who wants it, as they are in this transaction."""
        return session.get_one(User, self.by.id)


@bp.post("/user/create")
def create() -> tuple[Response, int]:
    """Makes a user, with the sub-account's number at Meta and its monthly credits where they are given."""
    parts, said = services(), body_of()
    asked = _asked(parts, said)
    if not asked.email or not asked.password:
        raise InvalidInput("A user needs an email and a password.")
    passwords.hashed(asked.password)  # refused before Meta is asked for anything
    with parts.database.read() as session:
        named = text_of(said, "location") or text_of(said, "sso_id")
        location = queries.place(session, asked.viewer.scope, named)
        number = queries.cloud_sender(session, location)
    wanted = _checked(parts, asked, number.id if number else None)

    def made(session: Session) -> dict[str, object]:
        standing = Standing(asked.role or Role.AGENT, frozenset({location.id}))
        user = people.invite(session, asked.person(session), location.agency_id or 0, asked.email, standing)
        _set_password(session, user, asked.password)
        if asked.active is False:
            people.turn_off(session, asked.person(session), user)
        audit.note(session, asked.viewer, "created", user, after={"role": user.role, "sub-account": location.ghl_id})
        _set_up(session, parts, asked, location, number.id if number else None, wanted)
        return _line(user)

    said_of = parts.database.patiently(made)
    funding.begin_months(parts.database)
    return jsonify(message="User created", user=said_of), 201


@bp.put("/user/update/<int:user_id>")
def update(user_id: int) -> Response:
    """Changes what is given, and nothing else."""
    parts, said = services(), body_of()
    asked = _asked(parts, said)
    with parts.database.read() as session:
        user = queries.user(session, asked.viewer.scope, user_id)
        people.demand(asked.by, user)
        if asked.email and asked.email.lower() != user.email:
            raise InvalidInput("An e-mail address stays: make another user, and turn this one off.")
        location = number = None
        if asked.credentials or asked.credits is not None:
            location = queries.place(session, Scope(user.agency_id, user.location_ids), text_of(said, "location"))
            number = queries.cloud_sender(session, location)
    wanted = _checked(parts, asked, number.id if number else None)

    def changed(session: Session) -> dict[str, object]:
        row = session.get_one(User, user_id)
        people.demand(asked.by, row)
        before = {"role": row.role, "active": row.active}
        if asked.role is not None and asked.role != row.role:
            people.change(session, asked.person(session), row, Standing(asked.role, row.location_ids))
        if asked.active is not None and asked.active != row.active:
            (people.turn_on if asked.active else people.turn_off)(session, asked.person(session), row)
        if asked.password:
            _set_password(session, row, asked.password)
        after = {"role": row.role, "active": row.active, **({"new": "password"} if asked.password else {})}
        audit.note(session, asked.viewer, "changed", row, before, after)
        if location is not None:
            _set_up(session, parts, asked, location, number.id if number else None, wanted)
        return _line(row)

    said_of = parts.database.patiently(changed)
    funding.begin_months(parts.database)
    return jsonify(message="User updated", user=said_of)


@bp.delete("/user/delete/<int:user_id>")
def delete(user_id: int) -> Response:
    """Turns a user off: what they did keeps their name. Twice is once."""
    parts = services()
    asked = _asked(parts, body_of(required=False))
    with parts.database.write() as session:
        user = queries.user(session, asked.viewer.scope, user_id)
        people.demand(asked.by, user)
        if user.active:
            people.turn_off(session, asked.person(session), user)
            audit.note(session, asked.viewer, "turned off", user)
    return jsonify(message="User deleted")


def _asked(parts: Services, said: Mapping[str, Any]) -> Asked:
    by = signed_in(parts, text_of(said, "token"))
    if by.agency_id is None or not Viewer.of(by).may(Permission.PEOPLE):
        raise Forbidden(NOT_ALLOWED)
    role, active, credits = text_of(said, "role").upper(), said.get("is_active"), said.get("monthly_credits")
    if role and role not in ROLES:
        raise InvalidInput(f"The role is one of {', '.join(ROLES)}.")
    if active is not None and not isinstance(active, bool):
        raise InvalidInput("is_active is true or false.")
    if credits is not None and (isinstance(credits, bool) or not isinstance(credits, int) or credits < 0):
        raise InvalidInput("monthly_credits is a whole number, 0 or more.")
    if credits is not None and credits > grants.MOST:
        raise InvalidInput(f"monthly_credits is at most {grants.MOST}.")
    given = {name: text_of(said, field) for field, name in _CREDENTIALS.items() if text_of(said, field)}
    return Asked(
        by,
        text_of(said, "email"),
        said["password"] if isinstance(said.get("password"), str) else "",
        ROLES.get(role),
        active,
        credits,
        given,
    )


def _checked(parts: Services, asked: Asked, sender_id: int | None) -> senders.NewSender | None:
    """The number as it will be, which Meta knows; None where nothing is said of it. Raises `InvalidInput`."""
    if not asked.credentials:
        return None
    if sender_id is not None:
        wanted = senders.with_changes(parts.database, parts.vault, sender_id, asked.credentials)
    else:
        wanted = senders.NewSender(CHANNEL, "WhatsApp", asked.credentials)
    senders.check(parts.http, wanted, parts.settings)
    return wanted


def _set_up(
    session: Session,
    parts: Services,
    asked: Asked,
    location: Location,
    sender_id: int | None,
    wanted: senders.NewSender | None,
) -> None:
    if wanted is not None and sender_id is not None:
        with audit.deed(session, asked.viewer, "changed", senders.get(session, sender_id)):
            senders.change(session, parts.vault, sender_id, asked.credentials, wanted)
    elif wanted is not None:
        added = senders.add(session, parts.vault, session.get_one(Location, location.id), wanted)
        sender_settings.refuse_taken(session, added, senders.address_field(wanted.credentials))
        audit.note(session, asked.viewer, "added", added)
    if asked.credits is not None:
        _set_credits(session, asked, session.get_one(Location, location.id), asked.credits)


def _set_credits(session: Session, asked: Asked, location: Location, monthly: int) -> None:
    """A plan of the agency's with so many a month. The wallet counts from then on."""
    plan = plans.monthly(session, session.get_one(Agency, location.agency_id), monthly)
    grants.set_limit(session, location, unlimited=False, who=asked.viewer.name)
    funding.set_policies(session, location, plan_id=plan.id)
    audit.note(session, asked.viewer, "assigned a plan", location, after={"plan": plan.name})


def _set_password(session: Session, user: User, password: str) -> None:
    """The password that a program was given for them is theirs to keep, as it was before."""
    if password.lower() == user.email:
        raise InvalidInput("The password is the e-mail address: choose another.")
    users.set_one_time_password(session, user, password)
    user.must_change_password = False


def _line(user: User) -> dict[str, object]:
    role = next((name for name, role in ROLES.items() if role == user.role), str(user.role).upper())
    return {"id": user.id, "email": user.email, "role": role, "is_active": user.active}
