"""Conversations for tests of their pages: messages as the portal writes them, without the way that brought them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert

from portal import clock
from portal.database import Database
from portal.messaging import contacts
from portal.models import Conversation, Direction, Event, EventState, Location, Message, Sender, Status
from portal.models.base import new_uuid

ANNA, BEN, CARA = "+639170000001", "+639170000002", "+639170000003"


@dataclass
class Talks:
    """What is said in one location. `say` returns the message, whose conversation is the number's."""

    database: Database
    location: int
    sender: int

    def say(self, text: str, who: str = ANNA, *, name: str = "", at: datetime | None = None, **more: object) -> Message:
        moment = at or clock.now()
        with self.database.write() as session:
            event = Event(
                uuid=new_uuid(),
                source="ghl",
                lane="ghl:test",
                received_at=moment,
                verified=True,
                state=EventState.APPLIED,
            )
            session.add(event)
            session.flush()
            contact, _ = contacts.for_address(session, self.location, more.pop("address_kind", "phone"), who, name)
            talk = contacts.conversation(session, self.location, contact.id)
            direction = more.get("direction", Direction.IN)
            values = {
                "location_id": self.location,
                "conversation_id": talk.id,
                "position": event.id,
                "event_id": event.id,
                "direction": direction,
                "body": text,
                "address": who,
                "sender_id": self.sender,
                "family": "sms",
                "status": Status.RECEIVED if direction == Direction.IN else Status.DELIVERED,
                "status_at": moment,
                "created_at": moment,
                **more,
            }
            message = Message(**values)
            session.add(message)
            session.flush()
            contacts.note_message(talk, message, moment)
            if message.sender_id is not None:
                sender = session.get_one(Sender, message.sender_id)
                contacts.remember_route(session, talk, sender, "phone", who)
            return message

    def answer(self, text: str, who: str = ANNA, **more: object) -> Message:
        return self.say(text, who, direction=Direction.OUT, **more)

    def talk(self, message: Message) -> Conversation:
        with self.database.read() as session:
            return session.get_one(Conversation, message.conversation_id)


def many(database: Database, location: int, sender: int, conversations: int, messages: int, *, first: int = 0) -> None:
    """So many conversations with so many messages in all, spread over them in turn; written in bulk."""
    moment = clock.now()
    with database.write() as session:
        ghl_id = session.get_one(Location, location).ghl_id
        events = [
            {"uuid": new_uuid(), "source": "ghl", "lane": f"ghl:{ghl_id}", "received_at": moment, "verified": True}
            | {"state": "applied", "action": "", "sender_key": "", "headers": {}, "query": "", "note": ""}
            for _ in range(messages)
        ]
        low = max(
            (session.scalar(Event.__table__.select().with_only_columns(Event.id).order_by(Event.id.desc())) or 0), 0
        )
        session.execute(insert(Event), events)
        people = [
            {"location_id": location, "name": f"Person {first + each}", "tags": [], "created_at": moment}
            for each in range(conversations)
        ]
        ids = list(session.scalars(insert(contacts.Contact).returning(contacts.Contact.id), people))
        session.execute(
            insert(contacts.Address),
            [
                {"location_id": location, "contact_id": id_, "kind": "phone", "created_at": moment}
                | {"value": f"+6391{location:03}{first + each:07}"}
                for each, id_ in enumerate(ids)
            ],
        )
        talks = [
            {"location_id": location, "contact_id": id_, "created_at": moment, "last_message_at": moment}
            | {"last_position": low + 1 + messages - conversations + each, "sticky_sender_id": sender}
            | {"sticky_address": "", "last_text": "", "last_direction": "in", "unread": each % 2, "held_reason": ""}
            for each, id_ in enumerate(ids)
        ]
        talk_ids = list(session.scalars(insert(Conversation).returning(Conversation.id), talks))
        rows = [
            {
                "uuid": new_uuid(),
                "location_id": location,
                "conversation_id": talk_ids[each % conversations],
                "position": low + 1 + each,
                "direction": "in",
                "kind": "text",
                "body": f"Text {each}",
                "attachments": [],
                "details": {},
                "sender_id": sender,
                "sender_reason": "",
                "family": "sms",
                "address": "",
                "possible_repeat": False,
                "status": "received",
                "status_at": moment,
                "held": False,
                "reason": "",
                "error_code": "",
                "priority": 20,
                "user_id": "",
                "author": "",
                "bulk": "",
                "provider_id": "",
                "pushed_status": "",
                "push_failure": "",
                "echo_state": "",
                "credits": 0,
                "funded": False,
                "created_at": moment,
            }
            for each in range(messages)
        ]
        session.execute(insert(Message), rows)
