"""imqs/messaging: `/sendsms`, `/messagestatus/<number>`, `/normalize`, `/ping`, in its shapes and with its codes.

Its README's wording wins over what the program did; docs/replacing.md lists where the two differ.
"""

import threading
import time
from typing import Any

import msgspec
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts.api_keys import Scope
from portal.errors import InvalidInput, Overloaded, PortalError
from portal.extensions import csrf
from portal.messaging import at_the_call, bulksms, composing, rehearsal
from portal.messaging.composing import Draft, Prepared
from portal.models import ApiBulk, Location
from portal.web.api import callers
from portal.web.api.callers import Caller
from portal.web.replaced.queries import imqs as queries

bp = Blueprint("imqs", __name__)
# Programs prove themselves by a key; there is no browser session to protect.
csrf.exempt(bp)

# How long the answer to a sending waits for the provider's, in seconds, and how many such answers of one process may
# wait at a time: each of them keeps a thread.
PATIENCE, LOOK_EVERY, MOST_WAITING = 20.0, 0.2, 4
# Each number takes some 20 microseconds to look at.
MOST_NUMBERS = 50_000
NOTHING_KNOWN = "Error: no data available"
_waiting = threading.BoundedSemaphore(MOST_WAITING)


class _Numbers(msgspec.Struct):
    msisdns: list[str]


class _Sending(msgspec.Struct):
    message: str
    msisdns: list[str]


@bp.errorhandler(PortalError)
def _plainly(error: PortalError) -> Response:
    """In plain text, as it was: 406 for what cannot be used, 401 also for a key that may not do this."""
    status = 406 if isinstance(error, InvalidInput) else error.http_status
    if error.http_status in (401, 403):
        response = Response(f"User unauthorized\n{error.message}\n", 401, mimetype="text/plain")
        response.headers["WWW-Authenticate"] = 'Bearer realm="Sendero", Basic realm="Sendero"'
        return response
    response = Response(f"{error.message}\n", status, mimetype="text/plain")
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


@bp.post("/sendsms")
def send_sms() -> Response:
    """Sends a text to a list of numbers, and waits for what the provider says, but not for long."""
    caller = _caller()
    said = _body(_Sending, "Invalid message or msisdn json data")
    if not said.message.strip() or not said.msisdns:
        raise InvalidInput("Invalid message or msisdn data")
    with caller.parts.database.read() as session:
        location = _location(session, caller)
    bulksms.check_text(location, said.message)
    good = bulksms.clean(location, said.msisdns)
    refused = len(said.msisdns) - len(good)
    if not good:
        return _sent("", 0, refused, bulksms.Standing(0, 0, ""))
    numbers, batch = [f"+{each}" for each in good], location.bulksms_batch or composing.AT_ONCE
    draft = Draft(numbers, said.message, caller.name, is_bulk=True, at_once=batch)
    prepared = composing.prepare(caller.parts.database, location, draft)
    row = caller.parts.database.patiently(lambda session: _keep(session, caller, location, prepared))
    return _sent(str(row.id), len(good), refused, _wait(caller, row))


@bp.get("/messagestatus/<string:number>")
def get_message_status(number: str) -> Response:
    """What became of the last text to a number: `delivered`, `failed` or `sent`."""
    caller = _caller()
    with caller.parts.database.read() as session:
        location = _location(session, caller)
        found = bulksms.clean(location, [number])
        status = queries.last_status(session, location, f"+{found[0]}", test=caller.test) if found else None
    return Response(bulksms.word(status) if status else NOTHING_KNOWN, mimetype="text/plain")


@bp.post("/normalize")
def normalize() -> Response:
    """The numbers of a list that can be sent to, each once, where it first stood."""
    caller = _caller()
    said = _body(_Numbers, "Invalid msisdn json data")
    with caller.parts.database.read() as session:
        location = _location(session, caller)
    return jsonify(bulksms.clean(location, said.msisdns))


@bp.get("/ping")
def ping() -> Response:
    """Is somebody there?"""
    return Response(f'{{"Timestamp": {int(clock.now().timestamp())}}}', mimetype="text/plain")


def _caller() -> Caller:
    """Who calls: a key as a bearer token, or as the password of Basic authentication."""
    basic = request.authorization
    given = basic.password or "" if basic is not None and basic.type == "basic" else ""
    caller = callers.identify(given)
    callers.may(caller.key, (Scope.BULKSMS,))
    return caller


def _location(session: Session, caller: Caller) -> Location:
    return caller.location(session, request.args.get("location", ""))


def _body(shape: type[Any], refusal: str) -> Any:
    """The body, whatever type it says it is of: the original did not look."""
    try:
        said = msgspec.json.decode(request.get_data(), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput(refusal) from None
    if len(said.msisdns) > MOST_NUMBERS:
        raise InvalidInput(f"At most {MOST_NUMBERS:,} numbers at a time.")
    return said


def _keep(session: Session, caller: Caller, location: Location, prepared: Prepared) -> ApiBulk:
    row = ApiBulk(
        uuid=prepared.bulk,
        key_id=caller.key.id,
        location_id=location.id,
        test=caller.test,
        recipients=len(prepared.taken),
        refused=[],
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    if caller.test:
        rehearsal.keep(session, location, caller.key.id, prepared)
    else:
        at_the_call.keep(session, prepared.entries)
    return row


def _wait(caller: Caller, row: ApiBulk) -> bulksms.Standing:
    """How it stands once everything is settled, or after `PATIENCE`."""
    until = time.monotonic() + PATIENCE
    waits = _waiting.acquire(blocking=False)
    try:
        while True:
            with caller.parts.database.read() as session:
                stands = queries.standing(session, row)
            if stands.settled or not waits or time.monotonic() >= until:
                return stands
            time.sleep(LOOK_EVERY)
    finally:
        if waits:
            _waiting.release()


def _sent(reference: str, valid: int, invalid: int, stands: bulksms.Standing) -> Response:
    return jsonify(
        refNumber=reference,
        validNumbers=valid,
        invalidNumbers=invalid,
        sendSuccess=not valid or stands.hopeless < valid,
        statusDescription=stands.description,
        messagesSent=stands.accepted,
    )
