"""`flask opt-outs`: who must not be written to, by what evidence."""

from pathlib import Path
from typing import Any, TextIO

import click
from flask.cli import AppGroup
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.cli.answers import say, services
from portal.errors import NotFound
from portal.messaging import opt_out_decisions, opt_out_lists
from portal.models import Location, OptOut

AUTHOR = "the command line"
STDIN = "<stdin>"

opt_outs = AppGroup("opt-outs", help="Who must not be written to, and why.")
_families = click.Choice([family.value for family in Family])


@opt_outs.command("list")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
@click.option("--address", help="The number, as +639171234567.")
@click.option("--all", "lifted_too", is_flag=True, help="Also those that were lifted.")
def list_opt_outs(location_id: str | None, address: str | None, lifted_too: bool) -> None:
    """Prints opt-outs with their evidence, one JSON object a line."""
    for record in opt_out_lists.records(services().database, _narrow(location_id, address, lifted_too)):
        say(record)


@opt_outs.command("add")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--family", type=_families, default=Family.SMS.value, show_default=True)
@click.option("--address", required=True, help="The number.")
@click.option("--reason", required=True, help="Kept as evidence.")
def add_opt_out(location_id: str, family: str, address: str, reason: str) -> None:
    """Adds an opt-out: nothing is sent to the number, what waits for it fails, HighLevel is told."""
    with services().database.write() as session:
        row = opt_out_decisions.add(session, _location(session, location_id), family, address, AUTHOR, reason)
    say({"id": row.id, "address": row.address, "family": row.family})


@opt_outs.command("lift")
@click.argument("opt_out_id", type=int)
@click.option("--reason", required=True, help="Kept as evidence.")
def lift_opt_out(opt_out_id: int, reason: str) -> None:
    """Lifts an opt-out, and all others that stand for the same person and family."""
    with services().database.write() as session:
        row = session.get(OptOut, opt_out_id)
        if row is None:
            raise NotFound(f"There is no opt-out {opt_out_id}.")
        count = opt_out_decisions.lift(session, row, AUTHOR, reason)
    say({"id": opt_out_id, "lifted": count})


@opt_outs.command("export")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
@click.option("--standing", is_flag=True, help="Only those that stand; without it all that ever were.")
def export_opt_outs(location_id: str | None, standing: bool) -> None:
    """Prints opt-outs as CSV: who, when, by what message, and how it was lifted."""
    narrow = _narrow(location_id, None, not standing)
    for piece in opt_out_lists.as_csv(opt_out_lists.records(services().database, narrow)):
        click.echo(piece, nl=False)


@opt_outs.command("import")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--family", type=_families, default=Family.SMS.value, show_default=True)
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
def import_opt_outs(location_id: str, family: str, file: TextIO) -> None:
    """Reads a list, one number a line or CSV with a head, and prints what became of each. Again changes nothing."""
    parts = services()
    with parts.database.read() as session:
        location = _location(session, location_id)
    name = Path(getattr(file, "name", STDIN)).name.replace(STDIN, "standard input")
    for result in opt_out_lists.take_in(parts.database, location, opt_out_lists.read(file, family), name[:100], AUTHOR):
        say(result)


def _location(session: Session, ghl_id: str) -> Location:
    found = session.scalar(select(Location).where(Location.ghl_id == ghl_id))
    if found is None:
        raise NotFound(f"There is no sub-account {ghl_id}.")
    return found


def _narrow(location_id: str | None, address: str | None, lifted_too: bool) -> opt_out_lists.Narrow:
    def narrow(wanted: Select[Any]) -> Select[Any]:
        if location_id:
            wanted = wanted.where(Location.ghl_id == location_id)
        if address:
            wanted = wanted.where(OptOut.address == address)
        return wanted if lifted_too else wanted.where(OptOut.lifted_at.is_(None))

    return narrow
