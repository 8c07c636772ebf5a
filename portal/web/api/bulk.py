"""Bulks: one message to up to ten thousand, with what became of each."""

from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.messaging import at_the_call, composing, rehearsal
from portal.messaging.composing import Prepared
from portal.models import ApiBulk, Location
from portal.web.api import answers, drafting
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, Effect, operation
from portal.web.api.queries import messages as queries
from portal.web.api.shapes import Page, PageWanted
from portal.web.api.shapes.messages import Bulk, BulkTaken, Message, Refused
from portal.web.api.shapes.sending import SendBulk

NONE = "There is no such bulk, or this key does not reach it."
TAG = "Bulk"


@operation("POST", "/bulk", TAG, Scope.SEND, answer=BulkTaken, status=202, body=SendBulk)
def send_bulk(call: Call) -> Effect:
    """Sends a message to up to 10 000 numbers.

    Each number is judged by itself: `results` has, in their order, the id of the message to it, or the code and the
    reason why there is none. What was taken is on disk with the answer, and queued in the moments after it.
    """
    caller: Caller = call.caller
    location, draft = drafting.of_bulk(caller, call.body)
    prepared = composing.prepare(caller.parts.database, location, draft)
    refused = sum(1 for each in prepared.taken if not each.message)

    def send(session: Session) -> BulkTaken:
        _write(session, caller, location, prepared)
        if caller.test:
            rehearsal.keep(session, location, caller.key.id, prepared)
        else:
            at_the_call.keep(session, prepared.entries)
        count, results = len(prepared.taken), [answers.recipient(each) for each in prepared.taken]
        return BulkTaken(prepared.bulk, caller.test, location.ghl_id, count, count - refused, refused, results)

    return send


def _write(session: Session, caller: Caller, location: Location, prepared: Prepared) -> None:
    refused = [
        {"to": each.to, "number": each.number, "code": each.code, "reason": each.reason}
        for each in prepared.taken
        if not each.message
    ]
    session.add(
        ApiBulk(
            uuid=prepared.bulk,
            key_id=caller.key.id,
            location_id=location.id,
            test=caller.test,
            recipients=len(prepared.taken),
            refused=refused,
            created_at=clock.now(),
        )
    )


@operation("GET", "/bulk/<string:bulk_id>", TAG, Scope.READ, Scope.SEND, answer=Bulk)
def get_bulk(call: Call, bulk_id: str) -> Bulk:
    """Shows how a bulk stands.

    Its messages by status, and the recipients that there is no message to.
    """
    with call.caller.parts.database.read() as session:
        row, location = _one(session, call.caller, bulk_id)
        statuses = queries.statuses(session, row)
    taken = row.recipients - len(row.refused)
    return Bulk(
        row.uuid,
        row.test,
        location.ghl_id,
        row.recipients,
        taken,
        max(taken - sum(statuses.values()), 0),
        statuses,
        [Refused(**each) for each in row.refused],
        row.created_at,
    )


@operation(
    "GET",
    "/bulk/<string:bulk_id>/messages",
    TAG,
    Scope.READ,
    Scope.SEND,
    answer=Page[Message],
    query=PageWanted,
)
def list_bulk_messages(call: Call, bulk_id: str) -> Page[Message]:
    """Lists a bulk's messages, the newest first."""
    wanted: PageWanted = call.query
    with call.caller.parts.database.read() as session:
        row, location = _one(session, call.caller, bulk_id)
        if row.test:
            tests, after = queries.tests_of_bulk(session, row, wanted.cursor, wanted.limit)
            return Page([answers.test_message(each, location.ghl_id) for each in tests], after or None)
        rows, after = queries.of_bulk(session, row, wanted.cursor, wanted.limit)
        return Page([answers.message(each) for each in rows], after or None)


def _one(session: Session, caller: Caller, uuid: str) -> tuple[ApiBulk, Location]:
    found = queries.bulk(session, caller.reach, uuid, test=caller.test) if len(uuid) <= 36 else None
    if found is None:
        raise NotFound(NONE)
    return found
