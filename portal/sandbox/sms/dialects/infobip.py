"""Infobip: JSON in and out, ids of the caller's choice, logs that can be asked, reports and texts in `results`."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "infobip"
KEY = hashlib.sha256(b"sandbox infobip key").hexdigest()
SENDER = "Sendero"
PARTS = 25
# Our words → group, its name, id, its name; then the error's name.
STATUSES: Mapping[str, tuple[int, str, int, str, str]] = {
    words.ACCEPTED: (1, "PENDING", 26, "PENDING_ACCEPTED", "NO_ERROR"),
    words.SENT: (3, "DELIVERED", 2, "DELIVERED_TO_OPERATOR", "NO_ERROR"),
    words.DELIVERED: (3, "DELIVERED", 5, "DELIVERED_TO_HANDSET", "NO_ERROR"),
    words.UNDELIVERED: (2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED", "EC_ABSENT_SUBSCRIBER"),
    words.REJECTED: (2, "UNDELIVERABLE", 4, "UNDELIVERABLE_REJECTED_OPERATOR", "NO_ERROR"),
    words.EXPIRED: (4, "EXPIRED", 15, "EXPIRED_EXPIRED", "NO_ERROR"),
    words.FAILED: (5, "REJECTED", 21, "REJECTED_SYSTEM_ERROR", "NO_ERROR"),
}
ERRORS = {400: "E400", 401: "E401", 403: "E403", 429: "E429"}

blueprint = Blueprint(KIND, __name__)


@blueprint.before_request
def know_the_key() -> Response | None:
    """Refuses whoever shows another key."""
    return None if request.headers.get("Authorization") == f"App {KEY}" else _error(401, "Unauthorized")


@blueprint.post("/sms/3/messages")
def send() -> Response:
    """Takes a message."""
    asked = request.get_json(silent=True) or {}
    [message] = asked.get("messages") or [{}]
    [destination] = message.get("destinations") or [{}]
    to, text = str(destination.get("to", "")), str((message.get("content") or {}).get("text", ""))
    note(to, text)
    if not message.get("sender"):
        return _error(400, "Request cannot be processed", "messages[0].sender")
    if not text:
        return _error(400, "Request cannot be processed", "messages[0].content.text")
    message_id = str(destination.get("messageId") or secrets.token_hex(16))
    if not to.isdigit() or len(to) < 8:
        return _answered(message_id, to, (5, "REJECTED", 52, "REJECTED_DESTINATION"))
    if provider(KIND).find(message_id) is not None:
        return _answered(message_id, to, (5, "REJECTED", 23, "REJECTED_DUPLICATE_MESSAGE_ID"))
    hooks = message.get("webhooks") or {}
    callback = (hooks.get("delivery") or {}).get("url", "")
    extra = {"data": hooks.get("callbackData", "")}
    order = Order(KEY, to, text, message["sender"], callback, message_id, extra=extra)
    if Sent("", 0, order, provider(KIND).progress).parts > PARTS:
        return _answered(message_id, to, (5, "REJECTED", 25, "REJECTED_MESSAGE_TOO_LONG"))
    sent = take(KIND, order, message_id)
    return _answered(message_id, to, STATUSES[words.ACCEPTED][:4], sent.parts)


@blueprint.get("/sms/3/logs")
def logs() -> Response:
    """How a message stands; without its id, the latest."""
    here = provider(KIND)
    wanted = request.args.get("messageId", "")
    found = [one for one in here.accepted() if one.id == wanted] if wanted else here.accepted()[-1:]
    now = here.sandbox.clock()
    return jsonify(results=[_report(one, one.word(now)) for one in found])


@blueprint.get("/account/1/balance")
def balance() -> Response:
    """What is left."""
    return jsonify(balance=provider(KIND).balance, currency="EUR")


class Infobip:
    """One account, `credentials`."""

    kind = KIND
    title = "Infobip"
    blueprint = blueprint
    credentials: Mapping[str, str] = {"api_key": KEY, "from": SENDER}
    tries = 3
    reports = delivers = names_calls = hears = True

    def refusal(self, status: int) -> tuple[str, str]:
        """An error as Infobip words it."""
        return json.dumps(_said(status, "The sandbox's fault panel made this happen")), "application/json"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """A report."""
        return [_posted(sent.order.callback, {"results": [_report(sent, word)]})]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """A text, whole however long it is."""
        told = {
            "messageId": written.id,
            "from": written.from_number.removeprefix("+"),
            "to": written.to or SENDER,
            "text": written.text,
            "cleanText": written.text,
            "keyword": "",
            "receivedAt": _stamp(written.at),
            "smsCount": 1,
            "price": {"pricePerMessage": 0, "currency": "EUR"},
            "callbackData": "",
        }
        return [_posted(written.url, {"results": [told], "messageCount": 1, "pendingMessageCount": 0})]


def _report(sent: Sent, word: str) -> dict[str, Any]:
    group, group_name, status, name, error = STATUSES[word]
    return {
        "bulkId": f"B{sent.id[:20]}",
        "messageId": sent.id,
        "to": sent.order.to,
        "sender": sent.order.sender,
        "sentAt": _stamp(sent.at),
        "doneAt": _stamp(sent.at + 1),
        "messageCount": sent.parts,
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": {"groupId": group, "groupName": group_name, "id": status, "name": name, "description": name},
        "error": {"groupId": int(error != "NO_ERROR"), "groupName": "OK", "id": 0, "name": error, "permanent": False},
        "callbackData": sent.order.extra.get("data", ""),
    }


def _answered(message_id: str, to: str, status: tuple[int, str, int, str], parts: int = 1) -> Response:
    group, group_name, found, name = status
    told = {"groupId": group, "groupName": group_name, "id": found, "name": name, "description": name}
    message = {"messageId": message_id, "status": told, "destination": to, "details": {"messageCount": parts}}
    return jsonify(bulkId=secrets.token_hex(10), messages=[message])


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _posted(url: str, told: Mapping[str, Any]) -> Hook:
    return Hook("POST", url, json.dumps(told).encode(), {"Content-Type": "application/json"})


def _said(status: int, description: str, *properties: str) -> dict[str, Any]:
    violations = [{"property": each, "violation": "must be valid"} for each in properties]
    code = ERRORS.get(status, "E500")
    return {"errorCode": code, "description": description, "action": "", "violations": violations, "resources": []}


def _error(status: int, description: str, *properties: str) -> Response:
    response = jsonify(_said(status, description, *properties))
    response.status_code = status
    return response


DIALECT = Infobip()
