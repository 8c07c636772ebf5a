"""`flask send`: a text, a place, a template, a reaction … to one person or to many, now or later."""

from datetime import datetime
from typing import Any, TextIO

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from portal.channels.content import Content, Relation
from portal.cli.answers import pairs, say, services
from portal.cli.contents import Options, content
from portal.cli.texts import cautions
from portal.errors import InvalidInput, NotFound
from portal.messaging import template_drafts
from portal.messaging.composing import Draft, compose, preview
from portal.models import Location
from portal.services import Services

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
@click.option("--link", default="", metavar="TEXT,URL", help="A button below the text that opens a page.")
@click.option("--list", "menu", default="", metavar="WORD", help="A list that opens by this word; each --row is one.")
@click.option("--row", "rows", multiple=True, metavar="TEXT[|MORE]", help="A row of the list, and what stands below.")
@click.option("--template", default="", metavar="NAME", help="A template that the sender's provider has approved.")
@click.option("--language", default="", help="The template's language, where it has several.")
@click.option(
    "--var", "values", multiple=True, callback=pairs, metavar="NAME=VALUE", help="A variable of the template."
)
@click.option("--header-url", default="", metavar="URL", help="The file above a template's text, or above buttons.")
@click.option("--flow", default="", metavar="ID", help="A form (a Flow of Meta's), opened by one --button.")
@click.option("--screen", default="", metavar="NAME", help="The form's first screen, where its endpoint chooses none.")
@click.option("--ask-location", is_flag=True, help="Below the text a button that sends where the customer is.")
@click.option("--content", "whole", default="", metavar="JSON", help='Anything else: {"kind": …, and its details}.')
@click.option("--react", default="", metavar="MESSAGE_ID", help="Reacts to a message; needs --emoji.")
@click.option("--emoji", help="The reaction; an empty one takes it back.")
@click.option("--answers", default="", metavar="MESSAGE_ID", help="Answers a message in its own conversation.")
@click.option("--gsm7", is_flag=True, help="In plain letters, where that saves parts; flask texts preview shows them.")
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
    answers: str,
    gsm7: bool,
    key: str,
    **more: Any,
) -> None:
    """Sends a text, a file, a place, a contact, a poll, buttons, a list, a form, a template, a reaction …

    Prints for each recipient the id of its message or the reason why there is none, with what its country does to
    such messages.
    """
    parts = services()
    listed = [line.strip() for line in to_file if line.strip()] if to_file else []
    with parts.database.read() as session:
        location = session.scalar(select(Location).where(Location.ghl_id == location_id))
    if location is None:
        raise NotFound(f"There is no sub-account {location_id}.")
    said = Options(**more)
    wanted = content(location, said)
    if said.react and answers:
        raise InvalidInput("A reaction is no answer: leave --answers out.")
    if text and (said.react or said.template):
        raise InvalidInput("A template and a reaction have their own words: leave --text out.")
    about = said.react or answers
    if said.template:
        wanted = _template(parts, location, sender_id, about, said)
    relation = Relation.REPLY if answers and not said.template else None
    moment, text = _moment(at), said.emoji or text
    to = [*numbers, *listed]
    draft = Draft(to, text, AUTHOR, attachments, sender_id, moment, key, wanted, about, relation, gsm7)
    _offer(parts, location, draft)
    for each in compose(parts.database, parts.journal, location, draft):
        refused = {"code": each.code, "reason": each.reason} if each.code else {}
        say({"to": each.to, "number": each.number, "message": each.message, **refused, **cautions(each)})


def _offer(parts: Services, location: Location, draft: Draft) -> None:
    """Where the sub-account wants it offered, what plain letters would have saved: the text goes out as written."""
    if not location.offers_gsm7 or draft.gsm7 or not draft.text:
        return
    _, offer = preview(parts.database, location, draft)
    if offer is not None and offer.saves:
        click.echo(f"{offer.sentence} It goes out as written; --gsm7 sends it so.", err=True)


def _template(parts: Services, location: Location, sender_id: int | None, about: str, said: Options) -> Content:
    """The template with its variables, from the sender that is named, that has the message, or that alone has it."""
    with parts.database.read() as session:
        return template_drafts.content(
            session, location, sender_id, about, said.template, said.language, said.values, said.header_url
        )


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput("The time is read like 2026-12-01T09:00:00+08:00.") from None
