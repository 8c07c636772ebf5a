"""`flask send`: one text, place, contact or poll to one person or to many, now or later."""

from datetime import datetime
from typing import TextIO

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from portal.cli.answers import say, services
from portal.cli.contents import content
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
@click.option("--place", default="", metavar="LAT,LON[,NAME[,ADDRESS]]", help="A place on the map.")
@click.option("--contact", default="", metavar="NAME,PHONE", help="Somebody's number, as a contact.")
@click.option("--poll", default="", metavar="QUESTION", help="A poll; each --option is an answer.")
@click.option("--option", "options", multiple=True, metavar="TEXT", help="An answer of the poll.")
@click.option("--multiple", is_flag=True, help="Several answers of the poll may be chosen.")
@click.option("--button", "buttons", multiple=True, metavar="TEXT", help="A button below the text, to be tapped.")
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
    place: str,
    contact: str,
    poll: str,
    options: tuple[str, ...],
    multiple: bool,
    buttons: tuple[str, ...],
    key: str,
) -> None:
    """Sends a text, a place, a contact or a poll.

    Prints for each recipient the id of its message or the reason why there is none.
    """
    parts = services()
    listed = [line.strip() for line in to_file if line.strip()] if to_file else []
    with parts.database.read() as session:
        location = session.scalar(select(Location).where(Location.ghl_id == location_id))
    if location is None:
        raise NotFound(f"There is no sub-account {location_id}.")
    said = content(location, place, contact, poll, options, multiple, buttons)
    draft = Draft([*numbers, *listed], text, AUTHOR, attachments, sender_id, _moment(at), key, said)
    for each in compose(parts.database, parts.journal, location, draft):
        refused = {"code": each.code, "reason": each.reason} if each.code else {}
        say({"to": each.to, "number": each.number, "message": each.message, **refused})


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput("The time is read like 2026-12-01T09:00:00+08:00.") from None
