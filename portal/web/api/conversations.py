"""Conversations and what was said in them."""

from sqlalchemy.orm import Session

from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.models import Conversation as Row
from portal.models import Location
from portal.web.api import answers
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, operation
from portal.web.api.queries import things as queries
from portal.web.api.shapes import Page, PageWanted, Wanted
from portal.web.api.shapes.messages import Message
from portal.web.api.shapes.things import Conversation

TAG = "Conversations"


@operation("GET", "/conversations", TAG, Scope.READ, answer=Page[Conversation], query=Wanted)
def list_conversations(call: Call) -> Page[Conversation]:
    """Lists a location's conversations, that with the latest message first."""
    wanted: Wanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.conversations(session, location, wanted.cursor, wanted.limit)
    return Page([answers.conversation(row, location.ghl_id) for row in rows], after or None)


@operation("GET", "/conversations/<int:conversation_id>", TAG, Scope.READ, answer=Conversation)
def get_conversation(call: Call, conversation_id: int) -> Conversation:
    """Shows a conversation."""
    with call.caller.parts.database.read() as session:
        row, location = _one(session, call.caller, conversation_id)
    return answers.conversation(row, location.ghl_id)


@operation(
    "GET",
    "/conversations/<int:conversation_id>/messages",
    TAG,
    Scope.READ,
    answer=Page[Message],
    query=PageWanted,
)
def list_thread(call: Call, conversation_id: int) -> Page[Message]:
    """Lists what was said in a conversation, newest first."""
    wanted: PageWanted = call.query
    with call.caller.parts.database.read() as session:
        row, _ = _one(session, call.caller, conversation_id)
        rows, after = queries.thread(session, row.id, wanted.cursor, wanted.limit)
        return Page([answers.message(each) for each in rows], after or None)


def _one(session: Session, caller: Caller, conversation_id: int) -> tuple[Row, Location]:
    found = queries.conversation(session, caller.reach, conversation_id)
    if found is None:
        raise NotFound("There is no such conversation, or this key does not reach it.")
    return found
