"""`flask send`: one text to one person or to many, now or later."""

from datetime import datetime
from typing import TextIO

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from portal.cli.answers import say, services
from portal.errors import InvalidInput, NotFound
from portal.messaging.composing import Draft, compose
from portal.models import Location

AUTHOR = "the command line"


@click.command("send")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--to", "numbers", multiple=True, metavar="NUMBER", help="A recipient; may be given several times.")
@click.option("--to-file", type=click.File("r"), help="Recipients, one a line (- is standard input).")
@click.option("--text", default="", help="What to send.")
@click.option("--attachment", "attachments", multiple=True, metavar="URL", help="A file to send along.")
@click.option("--sender", "sender_id", type=int, help="The sender; without it the routing decides.")
@click.option("--at", "at", metavar="TIME", help="Not before this time, with its zone: 2026-12-01T09:00:00+08:00.")
@click.option("--key", default="", help="The same draft under the same key is sent once, however often it is given.")
@with_appcontext
def send(
    location_id: str,
    numbers: tuple[str, ...],
    to_file: TextIO | None,
    text: str,
    attachments: tuple[str, ...],
    sender_id: int | None,
    at: str | None,
    key: str,
) -> None:
    """Sends a text, and prints for each recipient the id of its message or the reason why there is none."""
    parts = services()
    listed = [line.strip() for line in to_file if line.strip()] if to_file else []
    draft = Draft([*numbers, *listed], text, AUTHOR, attachments, sender_id, _moment(at), key)
    with parts.database.read() as session:
        location = session.scalar(select(Location).where(Location.ghl_id == location_id))
    if location is None:
        raise NotFound(f"There is no sub-account {location_id}.")
    for each in compose(parts.database, parts.journal, location, draft):
        refused = {"code": each.code, "reason": each.reason} if each.code else {}
        say({"to": each.to, "number": each.number, "message": each.message, **refused})


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput("The time is read like 2026-12-01T09:00:00+08:00.") from None
