"""`flask admin`: people who sign in to the portal."""

import secrets

import click
from flask.cli import AppGroup

from portal.cli.answers import say, services
from portal.errors import PortalError
from portal.installations.lifecycle import ensure_agency

admin = AppGroup("admin", help="People who sign in to the portal.")


@admin.command("create")
@click.option("--email", required=True, help="The address to sign in with.")
@click.option("--agency", help="The HighLevel company id; without it the user is the operator of all agencies.")
def create_admin(email: str, agency: str | None) -> None:
    """Creates a user and prints a one-time password, to be changed at the first sign-in."""
    from portal.accounts.users import create_user

    password = secrets.token_urlsafe(12)
    try:
        with services().database.write() as session:
            agency_id = None
            if agency:
                found = ensure_agency(session, agency)
                session.flush()
                agency_id = found.id
            user = create_user(session, email, password, agency_id)
            session.flush()
            say({"id": user.id, "email": user.email, "agency": agency, "one_time_password": password})
    except PortalError as error:
        raise click.ClickException(error.message) from None
