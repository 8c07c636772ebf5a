"""`flask admin`: people who sign in to the portal."""

import secrets

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal.accounts.users import create_user, set_one_time_password
from portal.cli.answers import highlevel_id, say, services
from portal.errors import NotFound
from portal.installations.lifecycle import ensure_agency
from portal.models import Agency, User

admin = AppGroup("admin", help="People who sign in to the portal.")


@admin.command("create")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option(
    "--agency",
    callback=highlevel_id,
    help="The HighLevel company id; without it the user is the operator of all agencies.",
)
def create_admin(email: str, agency: str | None) -> None:
    """Creates a user and prints a one-time password, to be changed at the first sign-in."""
    password = secrets.token_urlsafe(12)
    with services().database.write() as session:
        agency_id = None
        if agency:
            found = ensure_agency(session, agency)
            session.flush()
            agency_id = found.id
        user = create_user(session, email, password, agency_id)
        session.flush()
    say({"id": user.id, "email": user.email, "agency": agency, "one_time_password": password})


@admin.command("reset-password")
@click.option("--email", required=True, help="The address that the user signs in with.")
def reset_password(email: str) -> None:
    """Prints a new one-time password for a user, and ends all their sessions."""
    password = secrets.token_urlsafe(12)
    with services().database.write() as session:
        user = session.scalar(select(User).where(User.email == email.strip().lower()).with_for_update())
        if user is None:
            raise NotFound("There is no user with this e-mail address.")
        set_one_time_password(user, password)
        agency = session.scalar(select(Agency.company_id).where(Agency.id == user.agency_id))
    say({"id": user.id, "email": user.email, "agency": agency, "one_time_password": password})
