"""Messages: sending one, looking at it and its history, taking it back."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.messaging import at_the_call, composing, decisions, rehearsal
from portal.messaging.composing import Prepared
from portal.models import Direction, Location, Status, TestMessage
from portal.models import Message as Row
from portal.web.api import answers, drafting
from portal.web.api.blueprint import InvalidField
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, Effect, operation
from portal.web.api.queries import messages as queries
from portal.web.api.shapes import Page
from portal.web.api.shapes.messages import Change, History, Message, MessageInFull, MessagesWanted, Try, Word
from portal.web.api.shapes.sending import SendMessage

NONE = "There is no such message, or this key does not reach it."
ON_ITS_WAY = "It was taken with others, and is not looked at yet: ask again in a moment."
TAG = "Messages"


@operation("POST", "/messages", TAG, Scope.SEND, answer=MessageInFull, status=202, body=SendMessage)
def send_message(call: Call) -> Effect:
    """Sends a message to one recipient.

    The answer says what became of it at once: `queued`, or `held` or `failed` with the reason in words. From then on
    look at it, or have its statuses told to `callback_url` or a webhook. With `send_at` it waits until then.
    """
    caller: Caller = call.caller
    location, draft = drafting.of_message(caller, call.body)
    prepared = composing.prepare(caller.parts.database, location, draft)
    only = prepared.taken[0]
    if not only.message:
        raise InvalidField("to", only.reason)
    if caller.test:
        return lambda session: _rehearse(session, location, caller, prepared)

    def send(session: Session) -> MessageInFull:
        at_the_call.apply_now(session, caller.parts.vault, prepared.entries[0])
        session.flush()
        return answers.message_in_full(_live(session, caller, only.message))

    return send


def _rehearse(session: Session, location: Location, caller: Caller, prepared: Prepared) -> MessageInFull:
    row = rehearsal.keep(session, location, caller.key.id, prepared)[0]
    return answers.test_message_in_full(row, location.ghl_id)


@operation("GET", "/messages", TAG, Scope.READ, answer=Page[Message], query=MessagesWanted)
def list_messages(call: Call) -> Page[Message]:
    """Lists a location's messages, newest first.

    With a test key: what test keys have sent there.
    """
    wanted: MessagesWanted = call.query
    if wanted.status not in ("", *Status) or wanted.direction not in ("", *Direction):
        raise InvalidField("status", "There is no such status or direction.")
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        if call.caller.test:
            rows, after = queries.tests(session, location, wanted.cursor, wanted.limit)
            return Page([answers.test_message(row, location.ghl_id) for row in rows], after or None)
        page = queries.page(session, location, wanted.status, wanted.direction, wanted.cursor, wanted.limit)
        older = str(page.older) if page.older is not None else None
        return Page([answers.message(row) for row in page.rows], older)


@operation("GET", "/messages/<string:message_id>", TAG, Scope.READ, Scope.SEND, answer=MessageInFull)
def get_message(call: Call, message_id: str) -> MessageInFull:
    """Shows a message with its parts."""
    with call.caller.parts.database.read() as session:
        if call.caller.test:
            row, place = _test(session, call.caller, message_id)
            return answers.test_message_in_full(row, place)
        return answers.message_in_full(_live(session, call.caller, message_id))


@operation("GET", "/messages/<string:message_id>/history", TAG, Scope.READ, Scope.SEND, answer=History)
def get_history(call: Call, message_id: str) -> History:
    """Shows all that is known of a message's way.

    Every move of its status with who moved it and why, every call to the provider, every receipt.
    """
    with call.caller.parts.database.read() as session:
        if call.caller.test:
            return answers.test_history(_test(session, call.caller, message_id)[0])
        row = _live(session, call.caller, message_id)
        changes, calls, words = queries.way(session, row)
        return History(
            row.uuid,
            [_change(each, part) for each, part in changes],
            [_try(each, part) for each, part in calls],
            [_word(each, part) for each, part in words],
        )


@operation("POST", "/messages/<string:message_id>/cancel", TAG, Scope.SEND, answer=MessageInFull)
def cancel_message(call: Call, message_id: str) -> Effect:
    """Takes back a message that has not gone out.

    One that is queued, scheduled or held becomes `cancelled`, and its credits are free. Later it is refused.
    """
    caller: Caller = call.caller

    def cancel(session: Session) -> MessageInFull:
        if caller.test:
            row, place = _test(session, caller, message_id, lock=True)
            rehearsal.cancel(session, row)
            return answers.test_message_in_full(row, place)
        message = decisions.cancel(session, _live(session, caller, message_id).id, caller.name[:80])
        session.flush()
        return answers.message_in_full(message)

    return cancel


def _live(session: Session, caller: Caller, uuid: str) -> Row:
    """Raises `NotFound`, which tells apart what is on its way yet."""
    found = queries.one(session, caller.reach, uuid) if len(uuid) <= 36 else None
    if found is not None:
        return found
    if len(uuid) == 36 and at_the_call.on_its_way(session, queries.places(session, caller.reach, 100), uuid):
        raise NotFound(ON_ITS_WAY)
    raise NotFound(NONE)


def _test(session: Session, caller: Caller, uuid: str, *, lock: bool = False) -> tuple[TestMessage, str]:
    found = queries.one_test(session, caller.reach, uuid) if len(uuid) <= 36 else None
    if found is None:
        raise NotFound(NONE)
    if lock:
        locked = select(TestMessage).where(TestMessage.id == found.id).with_for_update()
        found = session.scalars(locked.execution_options(populate_existing=True)).one()
    return found, session.get_one(Location, found.location_id).ghl_id


def _change(row: Any, part: int | None) -> Change:
    return Change(row.at, part, row.before, row.after, row.who, row.code, row.detail)


def _try(row: Any, part: int) -> Try:
    return Try(part, row.number, row.sender_id, row.started_at, row.ended_at, row.outcome, row.code, row.detail)


def _word(row: Any, part: int) -> Word:
    return Word(row.at, row.received_at, part, row.external_id, row.outcome, row.code, row.detail)
