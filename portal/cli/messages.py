"""`flask messages`: every message with all that is known of it."""

from collections.abc import Iterator
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli.answers import say, services
from portal.models import LedgerEntry, Location, Message, Part


@click.command("messages")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
@with_appcontext
def messages(location_id: str | None) -> None:
    """Prints every message, one JSON object a line, in the order of receipt."""
    with services().database.read() as session:
        for line in _message_lines(session, location_id):
            say(line)


def _message_lines(session: Session, location_id: str | None) -> Iterator[dict[str, Any]]:
    wanted = select(Message, Location.ghl_id).join(Location, Location.id == Message.location_id)
    if location_id:
        wanted = wanted.where(Location.ghl_id == location_id)
    last = 0
    while rows := session.execute(wanted.where(Message.id > last).order_by(Message.id).limit(500)).all():
        last = rows[-1][0].id
        ids = [message.id for message, _ in rows]
        parts: dict[int, list[Part]] = {}
        for part in session.scalars(select(Part).where(Part.message_id.in_(ids)).order_by(Part.number)):
            parts.setdefault(part.message_id, []).append(part)
        spent = _spent(session, ids)
        for message, ghl_id in rows:
            yield _line(message, ghl_id, parts.get(message.id, []), spent.get(message.id, 0))
        session.expunge_all()


def _spent(session: Session, ids: list[int]) -> dict[int, int]:
    spent: dict[int, int] = {}
    for entry in session.scalars(select(LedgerEntry).where(LedgerEntry.message_id.in_(ids))):
        if entry.message_id is not None:
            spent[entry.message_id] = spent.get(entry.message_id, 0) + entry.spent + entry.held
    return spent


def _line(message: Message, ghl_id: str, parts: list[Part], credits: int) -> dict[str, Any]:
    return {
        "id": message.uuid,
        "location": ghl_id,
        "conversation": message.conversation_id,
        "ghl_message_id": message.ghl_message_id,
        "direction": message.direction,
        "kind": message.kind,
        "address": message.address,
        "address_kind": message.address_kind,
        "sender": message.sender_id,
        "sender_reason": message.sender_reason,
        "about": _about(message),
        "author": {"name": message.author_name, "address": message.author_address} if message.author_address else None,
        "from_us": message.from_us,
        "by_api": message.by_api,
        "backfilled": message.backfilled,
        "status": message.status,
        "ghl_status": message.pushed_status,
        "reason": message.reason,
        "external_ids": [part.external_id for part in parts if part.external_id]
        or ([message.external_id] if message.external_id else []),
        "attempts": sum(part.attempt for part in parts),
        "credits": credits,
        "timestamps": {
            "created": message.created_at,
            "status": message.status_at,
            "accepted": next((part.accepted_at for part in parts if part.accepted_at), None),
            "told_highlevel": message.pushed_at,
            "edited": message.edited_at,
            "deleted": message.deleted_at,
        },
    }


def _about(message: Message) -> dict[str, Any] | None:
    """What it refers to: how, by the provider's id, and whether the earlier message is known here."""
    if not message.about_relation:
        return None
    known = message.about_id is not None
    return {"relation": message.about_relation, "external_id": message.about_external_id, "known": known}
