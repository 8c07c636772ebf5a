"""What an operator's own programs may call, with a key from the settings or one of the API.

`PUT /api/admin/locations/<locationId>/sender-id` is the route of the Cast plugin for HighLevel, as it was there.
"""

import logging
import secrets
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import audit, throttle
from portal.accounts.api_keys import LIVE, TEST, Scope
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.channels.capabilities import ListsSenderIds
from portal.errors import InvalidInput, NotFound, PortalError, Unauthentic
from portal.extensions import csrf
from portal.messaging import first_sender, sender_settings, senders
from portal.messaging.sender_faults import Unanswered
from portal.models import Location, Sender, SenderState
from portal.services import Services
from portal.web.api import callers
from portal.web.api.blueprint import Forbidden
from portal.web.context import services
from portal.web.json_bodies import decoded

log = logging.getLogger(__name__)

bp = Blueprint("operator_api", __name__, url_prefix="/api/admin")
# Programs prove themselves by a key; there is no browser session to protect.
csrf.exempt(bp)

CHANNEL = "cast"
MOST_BODY = 4096


class NotOne(PortalError):
    """The sub-account has no sender that this could be for, or several."""

    http_status = 409


@bp.put("/locations/<string:location_id>/sender-id")
def put_sender_id(location_id: str) -> Response:
    """Gives a location's Cast sender another sender id: `{"sender_id": "…"}`, or `senderId`."""
    parts = services()
    by = _authenticate(parts, location_id)
    wanted, caller = _wanted(), request.remote_addr or ""
    with parts.database.read() as session:
        sender = _the_sender(session, location_id, may_be_new=not by and bool(parts.settings.cast_first.get("api_key")))
    if sender is None:
        return _added(parts, location_id, wanted, caller)
    changed = senders.with_changes(parts.database, parts.vault, sender.id, {"sender_id": wanted})
    note = _check(parts, sender.id, changed, wanted)
    with parts.database.write() as session:
        row = session.get_one(Sender, sender.id)
        who = audit.Person(f"the API key {by}" if by else "the operator's key", "api" if by else "operator", caller)
        with audit.deed(session, who, "changed", row):
            senders.change(session, parts.vault, sender.id, {"sender_id": wanted})
    log.info(
        "sender id set by an API key" if by else "sender id set by the operator's key",
        extra={
            "location": location_id,
            "sender": sender.id,
            "before": sender.address,
            "after": wanted,
            "note": note,
            "by": by,
        },
    )
    answer = {"success": True, "location_id": location_id, "sender_id": wanted, "sender": sender.id}
    return jsonify(answer | {"checked": not note} | ({"note": note} if note else {}))


def _added(parts: Services, location_id: str, wanted: str, caller: str) -> Response:
    """A first sender with the account of the settings: at the plugin every sub-account wrote from that one."""
    credentials = first_sender.completed(parts.settings, CHANNEL, {"sender_id": wanted})
    url = first_sender.address(parts.settings, CHANNEL)
    # An address of the settings is the operator's own.
    new = senders.NewSender(CHANNEL, f"Cast {wanted}", credentials, url, operator=bool(url))
    note = ""
    try:
        senders.check(parts.http, new, parts.settings)
    except Unanswered as error:
        note = f"It is stored unchecked. {error.message}"

    def add(session: Session) -> int:
        location = session.scalars(select(Location).where(Location.ghl_id == location_id).with_for_update()).one()
        if (there := _the_sender(session, location_id, may_be_new=True)) is not None:
            raise NotOne(f"Its Cast sender {there.address} was added meanwhile: send this again.")
        row = senders.add(session, parts.vault, location, new)
        sender_settings.refuse_taken(session, row, "sender_id")
        audit.note(session, audit.Person("the operator's key", "operator", caller), "added", row)
        return row.id

    sender_id = parts.database.patiently(add)
    log.info("sender added", extra={"location": location_id, "sender": sender_id, "after": wanted, "note": note})
    answer = {"success": True, "location_id": location_id, "sender_id": wanted, "sender": sender_id}
    return jsonify(answer | {"checked": not note} | ({"note": note} if note else {}))


def _authenticate(parts: Services, location_id: str) -> str:
    """The name of the API key, "" for the operator's own. A key of the API takes the scope `admin` and reaches alone
    what is its.

    Raises `NotFound` when the route is off, or the location out of reach, `Unauthentic` for a wrong key, `Forbidden`
    for one that may not do this, `Overloaded` after many wrong ones.
    """
    if request.headers.get("Authorization", "").partition(" ")[2].strip().startswith((LIVE, TEST)):
        return _by_api_key(parts, location_id)
    key = parts.settings.cast_admin_key
    if not key:
        raise NotFound("Sender ids cannot be set here: the setting CAST_ADMIN_KEY is not set.")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    address = request.remote_addr or ""
    throttle.count_call(parts.database, address, "operator")
    good = secrets.compare_digest(given.strip().encode(), key.encode())
    if scheme.lower() != "bearer" or not good:
        log.warning("operator's key refused", extra={"path": request.path, "address": address})
        raise Unauthentic("The key is wrong or missing: send Authorization: Bearer with the value of CAST_ADMIN_KEY.")
    throttle.forgive_call(parts.database, address, "operator")
    return ""


def _by_api_key(parts: Services, location_id: str) -> str:
    caller = callers.identify()
    callers.may(caller.key, (Scope.ADMIN,))
    if caller.test:
        raise Forbidden("A test key changes nothing that is real: use a live key.")
    with parts.database.read() as session:
        caller.location(session, location_id)
    return caller.name


def _wanted() -> str:
    raw = request.get_data()
    if len(raw) > MOST_BODY:
        raise InvalidInput("The body is too long: send a JSON object with sender_id.")
    try:
        said: Any = decoded(raw)
    except (ValueError, RecursionError):
        said = None
    named = [said[name] for name in ("sender_id", "senderId") if name in said] if isinstance(said, dict) else []
    if not named or not all(isinstance(each, str) for each in named):
        raise InvalidInput("Send a JSON object with sender_id, a text.")
    found = {each.strip() for each in named}
    if len(found) > 1:
        raise InvalidInput("sender_id and senderId differ: send one of them.")
    wanted: str = found.pop()
    if not wanted:
        raise InvalidInput("The sender id is empty: send the name as Cast has approved it.")
    return wanted


def _the_sender(session: Session, location_id: str, *, may_be_new: bool) -> Sender | None:
    """The one that is meant. None where there is none and one may be added; raises `NotFound`, `NotOne`."""
    location = session.scalar(select(Location).where(Location.ghl_id == location_id))
    if location is None:
        raise NotFound("There is no such sub-account: install the app there first.")
    own = Sender.location_id == location.id, Sender.channel == CHANNEL, Sender.state != SenderState.REMOVED
    # Viber shows no sender id, so it is not meant.
    found = session.scalars(select(Sender).where(*own, Sender.family == registry.get(CHANNEL).family)).all()
    if not found and may_be_new:
        return None
    if not found:
        raise NotOne("This sub-account has no Cast sender for SMS: add one with flask sender add.")
    chosen = found if len(found) == 1 else [sender for sender in found if sender.is_default]
    if not chosen:
        raise NotOne("This sub-account has several Cast senders and none is the default: choose one first.")
    return chosen[0]


def _check(parts: Services, sender_id: int, wanted: senders.NewSender, name: str) -> str:
    """Raises `InvalidInput` for a name that is not fit or not approved; returns why it could not be asked, if so."""
    senders.validate(wanted)
    channel = registry.get(wanted.channel)
    if not isinstance(channel, ListsSenderIds):
        return ""
    try:
        listed = channel.sender_ids(parts.http, parts.accounts.get(sender_id).account)
    except ChannelError as error:
        return f"Cast could not be asked whether it has approved it, so it is stored unchecked. {error.message}"
    approved = sorted(each.name for each in listed if each.approved)
    if name not in approved:
        known = ", ".join(approved) or "none"
        raise InvalidInput(f"Cast has not approved the sender id {name} for this account. Approved: {known}.")
    return ""
