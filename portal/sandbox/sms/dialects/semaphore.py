"""Semaphore: forms in, lists out, and never a call of its own: how a message stands is asked for."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "semaphore"
KEY, NAME, DEFAULT = "5a0db0c5emaph0re5a0db0c5emaph0re", "SENDERO", "SEMAPHORE"
# Our words → Semaphore's status: it has none for the phone.
STATUSES: Mapping[str, str] = {
    words.ACCEPTED: "Pending",
    words.SENT: "Sent",
    words.DELIVERED: "Sent",
    words.UNDELIVERED: "Sent",
    words.EXPIRED: "Sent",
    words.REJECTED: "Failed",
    words.FAILED: "Refunded",
}

blueprint = Blueprint(KIND, __name__)
_ids = itertools.count(200_000_001)


@blueprint.before_request
def know_the_account() -> Response | None:
    """Refuses whoever has not the key."""
    return None if request.values.get("apikey") == KEY else _error({"apikey": ["The selected apikey is invalid."]})


@blueprint.post("/api/v4/messages")
@blueprint.post("/api/v4/priority")
def send() -> Response:
    """Takes one text for one number or several; `/priority` sends it before everybody else's."""
    form = request.form
    text = form.get("message", "")
    numbers = [each.strip() for each in form.get("number", "").split(",") if each.strip()]
    note(form.get("number", ""), text)
    if form.get("sendername", DEFAULT) not in (NAME, DEFAULT):
        return _error({"sendername": ["The selected sendername is invalid."]})
    if not numbers or not all(_is_mobile(each) for each in numbers):
        return _error({"number": ["The number format is invalid."]})
    if not text:
        return _error({"message": ["The message field is required."]})
    if provider(KIND).balance < len(numbers):
        said = "Your current balance of 0 credits is not sufficient. This transaction requires 1 credits."
        return _error([said], 500)
    if text.lstrip().lower().startswith("test"):
        return jsonify([])  # silently ignored
    kind = "Priority" if request.path.endswith("/priority") else "Single"
    sent = [take(KIND, Order(KEY, each, text, form.get("sendername", DEFAULT)), str(next(_ids))) for each in numbers]
    return jsonify([_shown(each, kind) for each in sent])


@blueprint.get("/api/v4/messages/<message_id>")
def message(message_id: str) -> Response:
    """How a message stands."""
    sent = provider(KIND).find(message_id)
    return jsonify([_shown(sent, "Single")] if sent is not None else [])


@blueprint.get("/api/v4/account")
def account() -> Response:
    """The account itself."""
    left = int(provider(KIND).balance)
    return jsonify(account_id=54321, account_name="Sandbox account", status="Active", credit_balance=left)


@blueprint.get("/api/v4/account/sendernames")
def names() -> Response:
    """The names it may send under, and one that waits."""
    known = ((NAME, "Active"), (DEFAULT, "Active"), ("NEWNAME", "Pending"))
    return jsonify([{"name": name, "status": status, "created_at": "2026-01-05 08:00:00"} for name, status in known])


class Semaphore:
    """One account, `credentials`."""

    kind = KIND
    title = "Semaphore"
    blueprint = blueprint
    credentials: Mapping[str, str] = {"api_key": KEY, "sender_name": NAME}
    tries = 1
    reports = delivers = names_calls = hears = False

    def refusal(self, status: int) -> tuple[str, str]:
        """An error of its web server."""
        said = "Too Many Attempts." if status == 429 else "Server Error"
        return f'{{"message": "{said}"}}', "application/json"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """None."""
        return []

    def inbound(self, written: Written) -> Sequence[Hook]:
        """None."""
        return []


def _is_mobile(number: str) -> bool:
    digits = number.removeprefix("+")
    return digits.isdigit() and digits[-10:-9] == "9" and digits[:-10] in ("", "0", "63")


def _shown(sent: Sent, kind: str) -> dict[str, Any]:
    now = provider(KIND).sandbox.clock()
    at = datetime.fromtimestamp(sent.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "message_id": int(sent.id),
        "user_id": 12345,
        "user": "sandbox@example.com",
        "account_id": 54321,
        "account": "Sandbox account",
        "recipient": sent.order.to,
        "message": sent.order.text,
        "sender_name": sent.order.sender,
        "network": "Globe",
        "status": STATUSES[sent.word(now)],
        "type": kind,
        "source": "Api",
        "created_at": at,
        "updated_at": at,
    }


def _error(said: object, status: int = 200) -> Response:
    response = jsonify(said)
    response.status_code = status
    return response


DIALECT = Semaphore()
