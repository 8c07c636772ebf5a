"""`flask installation …`: how each sub-account stands with HighLevel, and ending an installation from a shell."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from portal.cli.answers import say, services
from portal.errors import NotFound
from portal.installations import leaving, moves, standing
from portal.models import Agency, Grant, GrantKind, Location

installation = AppGroup("installation", help="The app's installations in HighLevel.")

_Company = aliased(Grant)


@installation.command("list")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
def list_installations(location_id: str | None) -> None:
    """Prints every sub-account with how it stands, one JSON object a line."""
    with services().database.read() as session:
        for line in _lines(session, location_id):
            say(line)


@installation.command("check")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
def check_installation(location_id: str) -> None:
    """Has HighLevel asked whether the installation still holds; a worker does it."""
    with _changing(location_id) as session:
        moves.look_now(session, location_named(session, location_id))


@installation.command("disconnect")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
def disconnect_installation(location_id: str) -> None:
    """Stops sending for a sub-account, has HighLevel told to uninstall the app there, and forgets its tokens."""
    with _changing(location_id) as session:
        leaving.disconnect(session, location_named(session, location_id).ghl_id, "the command line")


@contextmanager
def _changing(location_id: str) -> Iterator[Session]:
    """A transaction; the sub-account is printed when it is done."""
    with services().database.write() as session:
        yield session
    with services().database.read() as session:
        for line in _lines(session, location_id):
            say(line)


def location_named(session: Session, ghl_id: str) -> Location:
    """The sub-account. Raises `NotFound`."""
    found = session.scalar(select(Location).where(Location.ghl_id == ghl_id))
    if found is None:
        raise NotFound(f"There is no sub-account {ghl_id}.")
    return found


def _lines(session: Session, ghl_id: str | None) -> Iterator[dict[str, Any]]:
    wanted = (
        select(Location, Agency, Grant, _Company)
        .outerjoin(Agency, Agency.id == Location.agency_id)
        .outerjoin(Grant, and_(Grant.kind == GrantKind.LOCATION, Grant.ghl_id == Location.ghl_id))
        .outerjoin(_Company, and_(_Company.kind == GrantKind.COMPANY, _Company.ghl_id == Agency.company_id))
        .order_by(Location.id)
    )
    for row in session.execute(wanted.where(Location.ghl_id == ghl_id) if ghl_id else wanted):
        yield _line(*row)


def _line(location: Location, agency: Agency | None, grant: Grant | None, company: Grant | None) -> dict[str, Any]:
    stands = standing.of_location(location, grant, company)
    return {
        "location": location.ghl_id,
        "name": location.name,
        "agency": agency.company_id if agency else None,
        "state": location.install_state,
        "since": location.state_since,
        "stands": stands.state,
        "what_to_do": stands.sentence,
        "missing_scopes": list(stands.missing),
        "plan": location.plan_id,
        "last_event": location.install_event,
        "last_event_at": location.install_event_at,
        "token": grant.state if grant else None,
        "token_ends": grant.expires_at if grant and grant.access_token else None,
    }
