"""`POST /webhooks/workflow-action`: a step of a HighLevel workflow, in the shape of the GREEN-API adapter's actions.

The app's action has one address and one token for all sub-accounts (`GHL_WORKFLOW_TOKEN`); a workflow of one
sub-account may show a key of the API instead. Either way a line that is not the sub-account's own is refused.
"""

import hashlib
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import throttle
from portal.accounts.api_keys import LIVE, TEST, Scope
from portal.errors import Forbidden, InvalidInput, NotFound, Unauthentic
from portal.messaging import composing, workflow_actions
from portal.messaging.composing import Draft
from portal.models import Location
from portal.services import Services
from portal.web.api import callers
from portal.web.context import services
from portal.web.json_bodies import decoded
from portal.web.webhooks import bp
from portal.web.webhooks.intake import read_body

log = logging.getLogger(__name__)

LARGEST = 64 * 1024
AUTHOR = "a workflow"
# Beside the message for good: nobody can tell this call from a repetition of it.
FLAGGED = "a workflow, its run unnamed"
UNNAMED = (
    "The call named no run: it has neither an Idempotency-Key nor the ids of its execution and step, so a repetition "
    "of it would be sent again."
)
_EXECUTION = ("executionid", "workflowexecutionid", "executionlogid")
_STEP = ("stepid", "workflowstepid", "actionid")
_CONTACT = ("contactid",)


@bp.post("/workflow-action")
def take_workflow_action() -> tuple[Response, int]:
    """Sends what a step of a workflow says. 200 with `success`, 400 with the reason in words, 401 without a token."""
    parts = services()
    try:
        return _taken(parts), 200
    except (InvalidInput, NotFound) as error:
        # The adapter's own answer to whatever it will not send.
        return jsonify({"success": False, "error": error.message}), 400


def _taken(parts: Services) -> Response:
    place = request.headers.get("locationid", "").strip()
    location = _authenticate(parts, place)
    said = _body()
    _agree(said, location)
    key = _run(said)
    with parts.database.read() as session:
        message = workflow_actions.read(session, location, _object(said, "data"))
    draft = Draft(
        [request.headers.get("contactphone", "").strip()],
        message.text,
        AUTHOR if key else FLAGGED,
        message.attachments,
        message.sender_id,
        key=key,
        content=message.content,
    )
    (one,) = composing.compose(parts.database, parts.journal, location, draft)
    if not one.message:
        raise InvalidInput(f"The header contactphone: {one.reason}")
    if not key:
        log.warning("workflow action names no run", extra={"location": location.ghl_id})
    contact = {"contactId": _named(said, _CONTACT)}
    return jsonify({"success": True, "messageId": one.message, **contact, **({} if key else {"warning": UNNAMED})})


def _authenticate(parts: Services, place: str) -> Location:
    """The sub-account that the header names, once the caller has proved that it may write for it.

    Raises `Unauthentic`, `Forbidden` for a key that may not send, `NotFound`, `Overloaded` after many wrong tokens.
    """
    given = request.headers.get("Authorization", "").strip()
    given = given.rpartition(" ")[2]  # the adapter's guard takes any scheme
    if given.startswith((LIVE, TEST)):
        caller = callers.identify()
        callers.may(caller.key, (Scope.SEND,))
        if caller.test:
            raise Forbidden("A test key sends nothing: a workflow takes a live one.")
        with parts.database.read() as session:
            return caller.location(session, place)
    token, address = parts.settings.ghl_workflow_token, request.remote_addr or ""
    if not token or not secrets.compare_digest(given.encode("utf-8", "replace"), token.encode()):
        throttle.count_call(parts.database, address, "workflow")
        log.warning("workflow token refused", extra={"path": request.path, "address": address})
        raise Unauthentic("Send Authorization: Bearer with GHL_WORKFLOW_TOKEN, or with a key that may send.")
    with parts.database.read() as session:
        return _place(session, place)


def _place(session: Session, ghl_id: str) -> Location:
    if not ghl_id:
        raise InvalidInput("Location ID is required in headers: locationid, as {{location.id}}.")
    found = session.scalar(select(Location).where(Location.ghl_id == ghl_id[: callers.LONGEST_ID]))
    if found is None:
        raise NotFound("There is no such sub-account: install the app there first.")
    return found


def _body() -> Mapping[str, Any]:
    try:
        said: Any = decoded(read_body(LARGEST))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("data"), dict):
        raise InvalidInput("The body is no JSON object with data, as a workflow action sends it.")
    return said


def _agree(said: Mapping[str, Any], location: Location) -> None:
    """HighLevel says in the body whose workflow it is: a header that says otherwise was set by hand."""
    told = _object(said, "extras").get("locationId")
    if told and told != location.ghl_id:
        raise InvalidInput("The header locationid names another sub-account than the workflow's own.")
    if not request.headers.get("contactphone", "").strip():
        raise InvalidInput("Contact phone is required in headers: contactphone, as {{contact.phone}}.")


def _run(said: Mapping[str, Any]) -> str:
    """What names this run of this step for this contact; "" where nothing does."""
    given = request.headers.get("Idempotency-Key", "").strip()
    execution, step = _named(said, _EXECUTION), _named(said, _STEP)
    if not given and not (execution and step):
        return ""
    who = _named(said, _CONTACT) or request.headers.get("contactphone", "")
    names = ["key", given] if given else ["run", execution, step, who]
    return "workflow:" + hashlib.sha256("\0".join(names).encode("utf-8", "replace")).hexdigest()


def _named(said: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these ids in the headers, in `extras`, in `meta` or beside them; in names letters alone count."""
    places = (dict(request.headers), _object(said, "extras"), _object(said, "meta"), said)
    for place in places:
        known = {"".join(filter(str.isalnum, str(name))).lower(): value for name, value in place.items()}
        for name in names:
            if isinstance(known.get(name), str | int) and str(known[name]).strip():
                return str(known[name]).strip()
    return ""


def _object(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}
