"""The GREEN-API adapter's own API, as its custom page asked it: `/api/instances…` and `/app/decrypt-user-data`.

`X-GHL-Context` is the payload of HighLevel's handshake. It proves a sub-account and a role, so every instance here is
that sub-account's, and only who may manage it there changes anything. No answer holds a credential.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import audit, page_sessions
from portal.accounts.admission import ADMIN, AGENCY, INSIDE, Refused, admit
from portal.accounts.permissions import Permission
from portal.accounts.throttle import count_call
from portal.channels.base import LineState
from portal.errors import Forbidden, InvalidInput, NotFound, Overloaded, PortalError, Unauthentic
from portal.extensions import csrf
from portal.ghl import sso
from portal.ghl.sso import SsoUser
from portal.installations.lifecycle import grant_of
from portal.messaging import sender_settings, senders
from portal.messaging.senders import NewSender
from portal.models import GrantKind, GrantState, Location, Sender, SenderState
from portal.services import Services
from portal.web.context import services
from portal.web.json_bodies import decoded
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import NOT_ALLOWED, Viewer
from portal.web.webhooks.intake import read_body

log = logging.getLogger(__name__)

bp = Blueprint("green_instances", __name__)
# A header that a script has to set is no other site's form.
csrf.exempt(bp)

CHANNEL, HEADER = "green_api", "X-GHL-Context"
LARGEST = 64 * 1024
NONE, TAKEN = "Instance not found", "Instance ID already exists"
# GREEN-API's words for what a line is (`getStateInstance`).
_STATES: Mapping[str, str] = {
    LineState.READY: "authorized",
    LineState.SIGNED_OUT: "notAuthorized",
    LineState.STARTING: "starting",
    LineState.LIMITED: "yellowCard",
    LineState.ASLEEP: "sleepMode",
    LineState.BLOCKED: "blocked",
}


class Taken(PortalError):
    """The instance is in use already."""

    http_status = 409


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is: a user of HighLevel's, in one sub-account."""

    viewer: Viewer
    location: Location


@bp.errorhandler(PortalError)
def _refused(error: PortalError) -> Response:
    """In the adapter's words for errors: 400 for what cannot be used."""
    status = 400 if isinstance(error, InvalidInput) else error.http_status
    answer = jsonify(success=False, statusCode=status, message=error.message, error=error.message)
    answer.status_code = status
    if isinstance(error, Overloaded):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


@bp.get("/api/instances/<string:location_id>")
def show(location_id: str) -> Response:
    """The sub-account's instances, without their settings: those hold the secret of its webhook."""
    parts = services()
    caller = _caller(parts, location_id, Permission.VIEW)
    with parts.database.read() as session:
        rows = session.scalars(_own(caller.location).order_by(Sender.position, Sender.id)).all()
    return jsonify(success=True, instances=[_line(row) for row in rows])


@bp.post("/api/instances")
def add() -> tuple[Response, int]:
    """Adds `{locationId, instanceId, apiToken, name}`; `apiUrl` where the console shows another. 409 when in use."""
    parts, said = services(), _body()
    caller = _caller(parts, _text(said, "locationId"), Permission.MANAGE)
    credentials = {"id_instance": _text(said, "instanceId"), "api_token": _text(said, "apiToken")}
    name, lenient = _text(said, "name"), parts.settings.allow_private_hosts
    wanted = NewSender(CHANNEL, name or f"WhatsApp {credentials['id_instance']}", credentials, lenient=lenient)
    if _text(said, "apiUrl"):
        wanted = NewSender(CHANNEL, wanted.name, credentials, _text(said, "apiUrl"), lenient=lenient)
    same = Sender.channel == CHANNEL, Sender.webhook_name == credentials["id_instance"]
    with parts.database.read() as session:
        if session.scalar(_own(caller.location).where(*same)) is not None:
            raise Taken(TAKEN)
    senders.check(parts.http, wanted, parts.settings)  # whether it is another's is told to whoever has its token

    def put(session: Session) -> dict[str, object]:
        if session.scalar(select(Sender.id).where(*same)) is not None:
            raise Taken(TAKEN)
        location = session.get_one(Location, caller.location.id)
        row = senders.add(session, parts.vault, location, wanted)
        row.name = sender_settings.clean_name(wanted.name)
        session.flush()
        audit.note(session, caller.viewer, "added", row)
        return _line(row)

    made = parts.database.patiently(put)
    log.info("sender added", extra={"user": caller.viewer.id, "location": caller.location.ghl_id})
    return jsonify(success=True, instance=made), 201


@bp.patch("/api/instances/<string:instance_id>")
def rename(instance_id: str) -> Response:
    """Gives it another `name`; without one nothing changes."""
    parts, said = services(), _body()
    caller = _caller(parts, "", Permission.MANAGE)
    with parts.database.write() as session:
        row = _one(session, caller, instance_id)
        if _text(said, "name"):
            with audit.deed(session, caller.viewer, "changed", row):
                sender_settings.rename(session, row.id, _text(said, "name"))
        line = _line(row)
    return jsonify(success=True, instance=line)


@bp.delete("/api/instances/<string:instance_id>")
def remove(instance_id: str) -> Response:
    """Takes it out of use, here and (its webhook) at GREEN-API. What waited for it goes to another sender."""
    parts = services()
    caller = _caller(parts, "", Permission.MANAGE)

    def take(session: Session) -> None:
        row = _one(session, caller, instance_id)
        with audit.deed(session, caller.viewer, "removed", row):
            sender_settings.remove(session, row.id, None)

    parts.database.patiently(take)
    return jsonify(success=True, message="Instance deleted successfully")


@bp.post("/app/decrypt-user-data")
def decrypt() -> tuple[Response, int]:
    """Who the payload says opened the page. Of the installation only where it lets them in."""
    parts = services()
    try:
        user = _user(parts, _text(_body(), "encryptedData"))
    except (Unauthentic, InvalidInput) as error:
        return jsonify(error="Failed to decrypt user data", details=error.message), 400
    told = {
        "userId": user.user_id,
        "companyId": user.company_id,
        "role": user.role,
        "type": user.type,
        "activeLocation": user.active_location,
        "userName": user.user_name,
        "email": user.email,
    }
    with parts.database.read() as session:
        installed = _installed(session, user)
    place = user.active_location or user.company_id
    return jsonify(success=True, locationId=place, userData=told, user=installed), 200


def _installed(session: Session, user: SsoUser) -> dict[str, object] | None:
    try:
        admission = admit(session, user)
    except Refused:
        return None
    kind = GrantKind.LOCATION if admission.location_id is not None else GrantKind.COMPANY
    grant = grant_of(session, kind, user.active_location or user.company_id)
    tokens = grant is not None and grant.state == GrantState.ACTIVE
    return {"id": user.active_location or user.company_id, "companyId": user.company_id, "hasTokens": tokens}


def _caller(parts: Services, location_id: str, permission: Permission) -> Caller:
    """Raises `Unauthentic`, `Forbidden`, `Refused`, and `NotFound` for another sub-account than the context's."""
    user = _user(parts, request.headers.get(HEADER, ""))
    with parts.database.read() as session:
        admission = admit(session, user)
        if admission.location_id is None:
            raise Forbidden(INSIDE)
        location = session.get_one(Location, admission.location_id)
    if location_id and location_id != location.ghl_id:
        raise NotFound("Location not found")
    allowed = page_sessions.MANAGES if user.role == ADMIN or user.type == AGENCY else page_sessions.TALKS
    if permission not in allowed:
        raise Forbidden(NOT_ALLOWED)
    scope = Scope(admission.agency_id, frozenset({location.id}))
    name = (user.user_name or user.email)[:80]
    return Caller(Viewer(scope, name, f"ghl:{user.user_id}", allowed, location.id), location)


def _user(parts: Services, payload: str) -> SsoUser:
    try:
        return sso.decrypt(payload, parts.settings.ghl_shared_secret)
    except Unauthentic:
        if not payload:
            raise  # nothing was tried
        count_call(parts.database, request.remote_addr or "", "handshake")
        log.warning("handshake refused", extra={"address": request.remote_addr})
        raise


def _own(location: Location) -> Any:
    standing = Sender.location_id == location.id, Sender.state != SenderState.REMOVED
    return select(Sender).where(*standing, Sender.channel == CHANNEL)


def _one(session: Session, caller: Caller, instance_id: str) -> Sender:
    found: Sender | None = session.scalar(_own(caller.location).where(Sender.webhook_name == instance_id[:128]))
    if found is None:
        raise NotFound(NONE)
    return found


def _line(row: Sender) -> dict[str, object]:
    return {
        "id": row.webhook_name,
        "name": row.name,
        "state": _STATES.get(row.line_state),
        "createdAt": row.created_at.isoformat().replace("+00:00", "Z"),
    }


def _body() -> Mapping[str, Any]:
    try:
        said: Any = decoded(read_body(LARGEST))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise InvalidInput("Send a JSON object.")
    return said


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()
