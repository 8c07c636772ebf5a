"""Cast's HTTP routes: header X-API-Key, key X-Idempotency-Key, errors that are told apart by `error_code`."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from portal.sandbox.cast.messages import Account, Reply, refusal
from portal.sandbox.context import sandbox

blueprint = Blueprint("cast", __name__)

LONGEST_MESSAGE = 10_000


@blueprint.before_request
def know_the_key() -> Response | None:
    """Refuses unknown API keys, once the fault rules had their say."""
    if request.headers.get("X-API-Key", "") in sandbox().cast.accounts:
        return None
    return _answer(refusal(401, "INVALID_API_KEY", "Invalid API key"))


@blueprint.post("/sms/send")
def send() -> Response:
    """Takes a message, or replays the answer its idempotency key got before."""
    message: Any = request.get_json(silent=True)
    key = request.headers.get("X-Idempotency-Key", "")
    fault = _fault_in(message, key)
    if fault is not None:
        return _answer(refusal(400, "VALIDATION_ERROR", fault))
    if message.get("scheduled_at"):
        return _answer(Reply(202, {"success": True, "scheduled_at": message["scheduled_at"]}))
    reply, replayed = sandbox().cast.send(request.headers["X-API-Key"], key, message, g.pause)
    response = _answer(reply)
    if replayed:
        g.replayed = True
        response.headers["X-Idempotent-Replay"] = "true"
    return response


@blueprint.get("/sms/status/<message_id>")
def status(message_id: str) -> Response:
    """How an accepted message stands. Cast sends no receipts: it must be asked."""
    cast = sandbox().cast
    one = cast.find(message_id)
    if one is None or one.api_key != request.headers["X-API-Key"]:
        return _answer(refusal(404, "NOT_FOUND", "Message not found"))
    answer = one.status(sandbox().clock())
    for name in ("sent_at", "delivered_at"):
        if name in answer:
            answer[name] = datetime.fromtimestamp(answer[name], UTC).isoformat().replace("+00:00", "Z")
    return jsonify(answer)


@blueprint.get("/account/balance")
def balance() -> Response:
    """The credits left."""
    return jsonify(success=True, credits=_account().credits, currency="PHP")


@blueprint.get("/account/sender-ids")
def sender_ids() -> Response:
    """The approved sender ids."""
    approved = [{"sender_id": name, "channel": "sms", "status": "approved"} for name in _account().sender_ids]
    return jsonify(success=True, sender_ids=approved)


@blueprint.get("/account/profile")
def profile() -> Response:
    """Whose account this is."""
    return jsonify(success=True, name="Sandbox account", email="sandbox@example.com", billing_type="prepaid")


def _account() -> Account:
    return sandbox().cast.accounts[request.headers["X-API-Key"]]


def _answer(reply: Reply) -> Response:
    response = jsonify(reply.body)
    response.status_code = reply.status
    response.headers.extend(reply.headers)
    return response


def _fault_in(message: Any, key: str) -> str | None:
    """What is wrong with a send request, or None."""
    if not isinstance(message, dict) or not all(isinstance(message.get(name), str) for name in ("to", "message")):
        return "to and message are required"
    if not 7 <= len(message["to"]) <= 20:
        return "to must be 7 to 20 characters"
    if not 0 < len(message["message"]) <= LONGEST_MESSAGE:
        return "message must be 1 to 10000 characters"
    if len(str(message.get("sender_id") or "")) > 20:
        return "sender_id must be at most 20 characters"
    return "X-Idempotency-Key must be at most 255 characters" if len(key) > 255 else None
