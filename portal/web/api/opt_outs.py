"""Opt-outs: who must not be written to."""

import logging

from flask import request
from sqlalchemy.orm import Session

from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.messaging import opt_out_decisions
from portal.web.api import answers
from portal.web.api.callers import Caller
from portal.web.api.operations import Call, Effect, operation
from portal.web.api.queries import things as queries
from portal.web.api.shapes import Page
from portal.web.api.shapes.things import Lift, Lifted, NewOptOut, OptOut, OptOutsWanted

log = logging.getLogger(__name__)

NONE = "There is no such opt-out, or this key does not reach it."
TAG = "Opt-outs"


@operation("GET", "/opt-outs", TAG, Scope.READ, answer=Page[OptOut], query=OptOutsWanted)
def list_opt_outs(call: Call) -> Page[OptOut]:
    """Lists a location's opt-outs, newest first, or those of one address."""
    wanted: OptOutsWanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.opt_outs(session, location, wanted.address, wanted.state, wanted.cursor, wanted.limit)
    return Page([answers.opt_out(row, location.ghl_id) for row in rows], after or None)


@operation("GET", "/opt-outs/<int:opt_out_id>", TAG, Scope.READ, answer=OptOut)
def get_opt_out(call: Call, opt_out_id: int) -> OptOut:
    """Shows an opt-out with what it rests on."""
    with call.caller.parts.database.read() as session:
        found = queries.opt_out(session, call.caller.reach, opt_out_id)
        if found is None:
            raise NotFound(NONE)
    return answers.opt_out(found[0], found[1].ghl_id)


@operation("POST", "/opt-outs", TAG, Scope.SEND, answer=OptOut, status=201, body=NewOptOut, live_only=True)
def add_opt_out(call: Call) -> Effect:
    """Adds an opt-out.

    Nothing is sent to the person any more in this family of channels; what waits for them fails. HighLevel is told.
    """
    caller: Caller = call.caller
    wanted: NewOptOut = call.body

    def add(session: Session) -> OptOut:
        location = caller.location(session, wanted.location)
        row = opt_out_decisions.add(session, location, wanted.family, wanted.address, caller.name, wanted.reason)
        return answers.opt_out(row, location.ghl_id)

    return add


@operation("POST", "/opt-outs/<int:opt_out_id>/lift", TAG, Scope.ADMIN, answer=Lifted, body=Lift, live_only=True)
def lift_opt_out(call: Call, opt_out_id: int) -> Effect:
    """Lifts an opt-out, and all others that stand for the same person and family.

    What failed meanwhile is not sent.
    """
    caller: Caller = call.caller

    def lift(session: Session) -> Lifted:
        found = queries.opt_out(session, caller.reach, opt_out_id)
        if found is None:
            raise NotFound(NONE)
        count = opt_out_decisions.lift(session, found[0], caller.name, call.body.reason)
        log.info("opt-out lifted", extra={"path": request.path, "user": caller.key.prefix, "opt_out": opt_out_id})
        return Lifted(count)

    return lift
