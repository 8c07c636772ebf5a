"""`flask texts`: what a text costs, what it would in plain letters, and what its recipients' countries do to it."""

from datetime import datetime
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli.answers import say, services
from portal.errors import InvalidInput, NotFound
from portal.messaging.composing import Draft, Taken, preview
from portal.messaging.plain_letters import Offer
from portal.models import Location

texts = AppGroup("texts", help="Texts before they are sent.")


@texts.command("preview")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--text", required=True, help="The text.")
@click.option("--to", "numbers", multiple=True, required=True, metavar="NUMBER", help="A recipient.")
@click.option("--attachment", "attachments", multiple=True, metavar="URL", help="A file to send along.")
@click.option("--sender", "sender_id", type=int, help="The sender; without it, the default or the only one.")
@click.option("--at", metavar="TIME", help="When it is to go out, with its zone: 2026-12-01T09:00:00+08:00.")
def show(
    location_id: str,
    text: str,
    numbers: tuple[str, ...],
    attachments: tuple[str, ...],
    sender_id: int | None,
    at: str | None,
) -> None:
    """Prints parts and credits of a text, as it is and in plain letters, then each recipient. Sends nothing."""
    parts = services()
    with parts.database.read() as session:
        location = _location(session, location_id)
    draft = Draft(numbers, text, "", attachments, sender_id, _moment(at))
    taken, offer = preview(parts.database, location, draft)
    say(_offer(offer) if offer is not None else {"parts": None, "says": "No SMS goes out: letters cost nothing."})
    for each in taken:
        refused = {"code": each.code, "reason": each.reason} if each.code else {}
        say({"to": each.to, "number": each.number, **refused, **cautions(each)})


@texts.command("offer")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--on/--off", "on", required=True, help="Whether plain letters are offered where they save parts.")
def set_offer(location_id: str, on: bool) -> None:
    """Has `flask send` say what plain letters would save. What is sent stays the writer's choice."""
    with services().database.write() as session:
        location = _location(session, location_id)
        location.offers_gsm7 = on
    say({"location": location_id, "offers_gsm7": on})


def cautions(taken: Taken) -> dict[str, Any]:
    """What a recipient's country does to the message, as the answers of commands hold it."""
    found = [{"code": each.code, "says": each.text, "until": each.until} for each in taken.cautions]
    return {"warnings": found} if found else {}


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "parts": offer.parts,
        "credits": offer.credits,
        "costly": [
            {"character": each.character, "name": each.name, "plain": each.plain, "times": each.times}
            for each in offer.changes
        ],
        "plain_text": offer.text,
        "plain_parts": offer.parts_then,
        "plain_credits": offer.credits_then,
        "saves": offer.saves,
        "says": offer.sentence,
    }


def _location(session: Session, ghl_id: str) -> Location:
    found = session.scalar(select(Location).where(Location.ghl_id == ghl_id))
    if found is None:
        raise NotFound(f"There is no sub-account {ghl_id}.")
    return found


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput("The time is read like 2026-12-01T09:00:00+08:00.") from None
