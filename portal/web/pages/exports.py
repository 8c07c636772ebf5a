"""Conversations as files: a list as CSV, one of them as JSON. Piece by piece, with no transaction open in between."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import Database
from portal.messaging import spreadsheets, telling
from portal.messaging.media import title
from portal.models import Conversation, ConversationNote, Location, MediaFile, Message
from portal.web.pages.queries import conversations, talk
from portal.web.pages.queries.conversations import Row, Wanted
from portal.web.pages.queries.scope import Scope

CONVERSATIONS = (
    *("conversation", "sub_account", "sub_account_id", "contact", "contact_id", "address", "last_message_at"),
    *("unread", "channels", "sender", "message", "message_at", "direction", "type", "status", "reason", "text"),
)
AT_ONCE = 200

as_csv = spreadsheets.as_csv


def conversation_records(database: Database, mine: Scope, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """What the filters find from the first page to the last, each conversation once."""
    told: set[int] = set()
    while True:
        with database.read() as session:
            found = conversations.page(session, mine, wanted, AT_ONCE)
        for row in found.rows:
            if row.conversation.id not in told:
                told.add(row.conversation.id)
                yield _record(row)
        if found.older is None:
            return
        wanted = replace(wanted, before=found.older)


def _record(row: Row) -> dict[str, Any]:
    talk_, message, contact = row.conversation, row.message, row.conversation.contact
    values = (
        *(talk_.id, row.location.name, row.location.ghl_id, contact.name, contact.ghl_contact_id),
        *(message.address if message else "", talk_.last_message_at, talk_.unread, " ".join(row.channels)),
        *((message.sender.name if message.sender else "", message.uuid, message.created_at) if message else ("",) * 3),
        *((message.direction, message.kind, message.status, message.reason) if message else ("",) * 4),
        telling.heading(message) if message else talk_.last_text,
    )
    return dict(zip(CONVERSATIONS, values, strict=True))


def conversation_json(database: Database, session: Session, found: Conversation, place: Location) -> Iterator[str]:
    """One object: whose conversation it is, its notes, its messages, the oldest first. The head comes by `session`."""
    own = select(ConversationNote).where(ConversationNote.conversation_id == found.id).order_by(ConversationNote.id)
    head = {
        "conversation": found.id,
        "sub_account": {"id": place.ghl_id, "name": place.name},
        "contact": {"id": found.contact.ghl_contact_id, "name": found.contact.name},
        "addresses": [{"kind": row.kind, "value": row.value} for row in talk.addresses(session, found.contact_id)],
        "notes": [
            {"by": note.author, "at": _moment(note.created_at), "text": note.body} for note in session.scalars(own)
        ],
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "messages": ['
    between = "\n"
    for message, files in talk.all_of(database, found.id):
        yield between + json.dumps(_message(message, files), ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"


def _message(message: Message, files: Any) -> dict[str, Any]:
    rows: list[MediaFile] = list(files)
    return {
        "id": message.uuid,
        "ghl_message_id": message.ghl_message_id,
        "at": _moment(message.created_at),
        "direction": message.direction,
        "type": message.kind,
        "text": message.body,
        "details": message.details,
        "author": message.author or message.author_name,
        "sender": message.sender.name if message.sender else "",
        "sender_reason": message.sender_reason,
        "address": message.address,
        "status": message.status,
        "status_at": _moment(message.status_at),
        "reason": message.reason,
        "relation": message.about_relation,
        "about": message.about_text,
        "edited_at": _moment(message.edited_at),
        "deleted_at": _moment(message.deleted_at),
        "credits": message.credits,
        "files": [{"name": title(row), "type": row.type, "size": row.size, "state": row.state} for row in rows],
        "attachments": [] if rows else [str(each) for each in message.attachments],
    }


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="milliseconds") if at is not None else None
