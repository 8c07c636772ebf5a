"""`flask admin`: people who sign in to the portal."""

import secrets
from collections.abc import Callable

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import audit, links, second_factor
from portal.accounts.sessions import end_all
from portal.accounts.users import create_user, set_one_time_password
from portal.cli.answers import highlevel_id, say, services
from portal.errors import InvalidInput, NotFound
from portal.installations.lifecycle import ensure_agency
from portal.models import Agency, Role, User

admin = AppGroup("admin", help="People who sign in to the portal.")
_email = click.option("--email", required=True, help="The address that the user signs in with.")


@admin.command("create")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option(
    "--agency",
    callback=highlevel_id,
    help="The HighLevel company id; without it the user is the operator of all agencies.",
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role if role != Role.CLIENT]),
    default=Role.OWNER.value,
    show_default=True,
    help="What the user is in the agency, for all its sub-accounts; the page Users knows more.",
)
def create_admin(email: str, agency: str | None, role: str) -> None:
    """Creates a user and prints a one-time password, to be changed at the first sign-in."""
    if agency is None and role != Role.OWNER:
        raise InvalidInput("An operator has no role: name the agency.")
    password = secrets.token_urlsafe(12)
    with services().database.write() as session:
        agency_id = None
        if agency:
            found = ensure_agency(session, agency)
            session.flush()
            agency_id = found.id
        user = create_user(session, email, password, agency_id)
        user.role = Role(role)
        session.flush()
        audit.note(session, audit.command_line(), "created", user, after={"role": role if agency else "operator"})
    say({"id": user.id, "email": user.email, "agency": agency, "one_time_password": password})


@admin.command("reset-password")
@_email
def reset_password(email: str) -> None:
    """Prints a new one-time password for a user, and ends all their sessions."""
    password = secrets.token_urlsafe(12)
    with services().database.write() as session:
        user = _user(session, email)
        set_one_time_password(session, user, password)
        links.void(session, user)
        audit.note(session, audit.command_line(), "gave a one-time password to", user)
        agency = session.scalar(select(Agency.company_id).where(Agency.id == user.agency_id))
    say({"id": user.id, "email": user.email, "agency": agency, "one_time_password": password})


@admin.command("reset-second-factor")
@_email
def reset_second_factor(email: str) -> None:
    """Turns a user's second factor off, for somebody whose phone and recovery codes are gone."""

    def turn_off(session: Session, user: User) -> None:
        second_factor.turn_off(session, user)

    _change(email, "turned the second factor off for", turn_off)


@admin.command("off")
@_email
def turn_user_off(email: str) -> None:
    """The user cannot sign in any more; sessions and links end. Operators are turned off here alone."""

    def turn_off(session: Session, user: User) -> None:
        user.active = False
        end_all(session, user)
        links.void(session, user)
        links.void_made_by(session, user)

    _change(email, "turned off", turn_off)


@admin.command("on")
@_email
def turn_user_on(email: str) -> None:
    """The user may sign in again."""

    def turn_on(session: Session, user: User) -> None:
        user.active = True

    _change(email, "turned on", turn_on)


@admin.command("list")
def list_users() -> None:
    """Prints everybody who may sign in or might again, one JSON object a line."""
    with services().database.read() as session:
        for user in session.scalars(select(User).order_by(User.id)):
            say(_shown(user))


def _change(email: str, action: str, change: Callable[[Session, User], None]) -> None:
    with services().database.write() as session:
        user = _user(session, email)
        was = user.active
        change(session, user)
        audit.note(session, audit.command_line(), action, user, {"active": was}, {"active": user.active})
    say(_shown(user))


def _user(session: Session, email: str) -> User:
    user: User | None = session.scalar(select(User).where(User.email == email.strip().lower()).with_for_update())
    if user is None:
        raise NotFound("There is no user with this e-mail address.")
    return user


def _shown(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "agency": user.agency.company_id if user.agency else None,
        "role": user.role if user.agency_id is not None else "operator",
        "locations": "all" if user.location_ids is None else sorted(user.location_ids),
        "active": user.active,
        "invited": user.invited,
        "second_factor": user.totp_since is not None,
        "last_sign_in": user.last_seen_at,
    }
