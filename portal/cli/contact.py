"""`flask contact …`: which addresses were found to be one person's, and taking them apart again."""

from collections.abc import Iterator
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli.answers import say, services
from portal.messaging import merging
from portal.models import ContactMerge, Location

contact = AppGroup("contact", help="People and groups, and the addresses that are theirs.")
WHO = "the command line"
_AT_ONCE = 500


@contact.command("merges")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
def list_merges(location_id: str | None) -> None:
    """Prints which addresses proved to be one person's, on whose word, one JSON object a line."""
    with services().database.read() as session:
        for line in _lines(session, location_id):
            say(line)


@contact.command("unmerge")
@click.argument("merge_id", type=int)
def unmerge(merge_id: int) -> None:
    """Takes apart what was put together: address, messages and what waits for them go back, and stay apart."""
    services().database.patiently(lambda session: merging.undo(session, merge_id, WHO))
    with services().database.read() as session:
        merge, ghl_id = session.execute(_wanted().where(ContactMerge.id == merge_id)).one()
        say(_line(merge, ghl_id))


def _lines(session: Session, location_id: str | None) -> Iterator[dict[str, Any]]:
    wanted, last = _wanted().order_by(ContactMerge.id).limit(_AT_ONCE), 0
    if location_id:
        wanted = wanted.where(Location.ghl_id == location_id)
    while rows := session.execute(wanted.where(ContactMerge.id > last)).all():
        last = rows[-1][0].id
        for merge, ghl_id in rows:
            yield _line(merge, ghl_id)


def _wanted() -> Any:
    return select(ContactMerge, Location.ghl_id).join(Location, Location.id == ContactMerge.location_id)


def _line(merge: ContactMerge, ghl_id: str) -> dict[str, Any]:
    return {
        "id": merge.id,
        "location": ghl_id,
        "learnt": {"kind": merge.kind, "value": merge.value},
        "known_by": {"kind": merge.by_kind, "value": merge.by_value},
        "contact": merge.into_id,
        "was_contact": merge.from_id,
        "messages": len(merge.moved_messages),
        "who": merge.who,
        "event": merge.event_id,
        "at": merge.at,
        "undone_at": merge.undone_at,
        "undone_by": merge.undone_by,
    }
