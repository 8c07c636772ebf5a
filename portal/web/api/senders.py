"""Senders and their templates."""

from sqlalchemy.orm import Session

from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.models import Sender as Row
from portal.web.api import answers
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, operation
from portal.web.api.queries import things as queries
from portal.web.api.shapes import Page, PageWanted, Wanted
from portal.web.api.shapes.things import Sender, SenderTemplate

TAG = "Senders"


@operation("GET", "/senders", TAG, Scope.READ, Scope.SEND, answer=Page[Sender], query=Wanted)
def list_senders(call: Call) -> Page[Sender]:
    """Lists a location's senders, the newest first, each with what it can send."""
    wanted: Wanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.senders(session, location, wanted.cursor, wanted.limit)
    return Page([answers.sender(row, location.ghl_id) for row in rows], after or None)


@operation("GET", "/senders/<int:sender_id>", TAG, Scope.READ, Scope.SEND, answer=Sender)
def get_sender(call: Call, sender_id: int) -> Sender:
    """Shows a sender."""
    with call.caller.parts.database.read() as session:
        row = _one(session, call.caller, sender_id)
        return answers.sender(row, row.location.ghl_id)


@operation(
    "GET",
    "/senders/<int:sender_id>/templates",
    TAG,
    Scope.READ,
    Scope.SEND,
    answer=Page[SenderTemplate],
    query=PageWanted,
)
def list_templates(call: Call, sender_id: int) -> Page[SenderTemplate]:
    """Lists a sender's templates, with the names of their variables."""
    wanted: PageWanted = call.query
    with call.caller.parts.database.read() as session:
        row = _one(session, call.caller, sender_id)
        rows, after = queries.templates(session, row.id, wanted.cursor, wanted.limit)
    return Page([answers.template(each) for each in rows], after or None)


def _one(session: Session, caller: Caller, sender_id: int) -> Row:
    found = queries.sender(session, caller.reach, sender_id)
    if found is None:
        raise NotFound("There is no such sender, or this key does not reach it.")
    return found
