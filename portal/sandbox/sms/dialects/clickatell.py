"""Clickatell: JSON in and out; updates and texts as events, to the addresses in the integration's own settings."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "clickatell"
KEY = hashlib.sha256(b"sandbox clickatell key").hexdigest()[:22] + "=="
NUMBER = "12027530410"
PARTS = 35
# Our words → the status and its number.
STATUSES: Mapping[str, tuple[str, int]] = {
    words.ACCEPTED: ("QUEUED", 2),
    words.SENT: ("SENT_TO_SUPPLIER", 4),
    words.DELIVERED: ("DEVICE_ACK", 5),
    words.UNDELIVERED: ("RECIPIENT_DOES_NOT_EXIST", 29),
    words.REJECTED: ("ROUTING_ERROR", 100),
    words.EXPIRED: ("EXPIRED", 20),
    words.FAILED: ("DELIVERY_FAILURE", 23),
}
CODES = {400: 21, 401: 1, 429: 43, 500: 18}

blueprint = Blueprint(KIND, __name__)


@blueprint.before_request
def know_the_key() -> Response | None:
    """Refuses whoever shows another key, or a word before it."""
    return None if request.headers.get("Authorization") == KEY else _error(401, 1, "Invalid or missing API Key")


@blueprint.post("/v1/message")
def send() -> Response:
    """Takes a message."""
    asked = request.get_json(silent=True) or {}
    [message] = asked.get("messages") or [{}]
    to, text = str(message.get("to", "")), str(message.get("content", ""))
    note(to, text)
    if not to or not text:
        return _answered(to, error=(23, "Invalid or missing parameter: content"))
    if not to.isdigit() or len(to) < 8:
        return _answered(to, error=(25, f"Invalid recipient address: {to}"))
    if message.get("from") not in (None, NUMBER):
        return _answered(to, error=(45, "FROM number is not related to integration"))
    if provider(KIND).is_silenced(to):
        return _answered(to, error=(26, "Recipient opted out"))
    extra = {"client": message.get("clientMessageId", "")}
    order = Order(KEY, to, text, NUMBER, key=extra["client"], extra=extra)
    if Sent("", 0, order, provider(KIND).progress).parts > PARTS:
        return _answered(to, error=(100, "Maximum message parts exceeded"))
    return _answered(to, take(KIND, order, secrets.token_hex(16)).id)


@blueprint.get("/v1/message/<message_id>")
def message(message_id: str) -> Response:
    """How a message stands."""
    here = provider(KIND)
    sent = here.find(message_id)
    if sent is None:
        return jsonify(messageId=message_id, status="UNKNOWN", statusCode=1)
    return jsonify(_update(sent, sent.word(here.sandbox.clock())))


@blueprint.get("/v1/balance")
def balance() -> Response:
    """What is left."""
    return jsonify(balance=provider(KIND).balance, currency="USD")


class Clickatell:
    """One integration, `credentials`. Its addresses for calls back are entered in its console."""

    kind = KIND
    title = "Clickatell"
    blueprint = blueprint
    credentials: Mapping[str, str] = {"api_key": KEY, "from": NUMBER}
    tries = 3
    reports = delivers = names_calls = hears = True
    # No address comes with a message: `SmsProvider.callback` is the only one.
    console = True

    def refusal(self, status: int) -> tuple[str, str]:
        """An error as Clickatell words it."""
        told = _said(CODES.get(status, 18), "The sandbox's fault panel made this happen")
        return json.dumps({"messages": [], "error": told}), "application/json"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """An update."""
        return [_posted(sent.order.callback, "messageStatusUpdate", _update(sent, word))]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """A text, whole however long it is."""
        told = {
            "channel": "sms",
            "messageId": written.id,
            "from": written.from_number.removeprefix("+"),
            "to": written.to or NUMBER,
            "timestamp": int(written.at * 1000),
            "encryptionKey": None,
            "content": written.text,
        }
        return [_posted(written.url, "moText", told)]


def _update(sent: Sent, word: str) -> dict[str, Any]:
    status, code = STATUSES[word]
    return {
        "channel": "sms",
        "messageId": sent.id,
        "clientMessageId": sent.order.extra.get("client", ""),
        "timestamp": int(sent.at * 1000),
        "statusCode": code,
        "status": status,
    }


def _posted(url: str, kind: str, told: Mapping[str, Any]) -> Hook:
    event = {"integrationId": "sandbox", "integrationName": "Sandbox", "event": {kind: [told]}}
    return Hook("POST", url, json.dumps(event).encode(), {"Content-Type": "application/json"})


def _said(code: int, description: str) -> dict[str, Any]:
    return {"code": code, "description": description}


def _answered(to: str, message_id: str = "", error: tuple[int, str] | None = None) -> Response:
    told = {"apiMessageId": message_id or None, "accepted": error is None, "to": to}
    response = jsonify(messages=[told | {"error": _said(*error) if error else None}], error=None)
    response.status_code = 207 if error else 202
    return response


def _error(status: int, code: int, description: str) -> Response:
    response = jsonify(messages=[], error=_said(code, description))
    response.status_code = status
    return response


DIALECT = Clickatell()
