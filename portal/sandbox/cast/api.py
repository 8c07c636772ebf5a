"""Cast's routes that send: header X-API-Key, key X-Idempotency-Key, errors that are told apart by `error_code`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from portal.sandbox.cast.accounts import Account
from portal.sandbox.cast.messages import Order, Reply, refusal
from portal.sandbox.context import sandbox

blueprint = Blueprint("cast", __name__)

LONGEST_MESSAGE = 10_000
MOST_RECIPIENTS = 1000
# A scheduled message lies at least so many seconds ahead.
SOONEST = 30.0
SHORTEST_TTL = 60


@blueprint.before_request
def know_the_key() -> Response | None:
    """Refuses what is too fast for one address, unknown keys and keys that are no good, once the faults had a say."""
    if (busy := sandbox().cast.too_many_requests()) is not None:
        return answer(busy)
    found = sandbox().cast.accounts.get(api_key())
    if found is None:
        return answer(refusal(401, "INVALID_API_KEY", "Invalid API key"))
    return answer(refusal(403, found.refused, "The key may not be used")) if found.refused else None


@blueprint.post("/sms/send")
def send() -> Response:
    """Takes a message, or replays the answer its idempotency key got before."""
    return _send("sms")


@blueprint.post("/otp/send")
def send_otp() -> Response:
    """The same through the pool for one-time passwords, which schedules nothing."""
    return _send("otp")


@blueprint.post("/sim/send")
def send_sim() -> Response:
    """The same through the SIM gateway."""
    return _send("sim")


@blueprint.post("/sms/bulk")
def send_bulk() -> Response:
    """One text for up to 1000 numbers, a result for each."""
    return _send_bulk("bulk", "sms")


@blueprint.post("/sim/bulk")
def send_sim_bulk() -> Response:
    """The same through the SIM gateway."""
    return _send_bulk("sim", "sim")


@blueprint.post("/viber/send")
def send_viber() -> Response:
    """A Viber message: `{recipient, sender_code?, label?, content: [{type: "text", text}], options?}`."""
    if (closed := _closed("viber")) is not None:
        return closed
    said: Any = request.get_json(silent=True)
    fault = _fault_in_viber(said) or _fault_in_key()
    if fault:
        return answer(refusal(400, "VALIDATION_ERROR", fault))
    order = Order("viber", said["recipient"], said["content"][0]["text"], str(said.get("sender_code") or ""))
    return _replayable(*sandbox().cast.send(api_key(), key(), order, g.pause))


def _send(product: str) -> Response:
    if (closed := _closed(product)) is not None:
        return closed
    said: Any = request.get_json(silent=True)
    fault = _fault_in(said) or _fault_in_number(said["to"]) or _fault_in_time(said, product) or _fault_in_key()
    if fault:
        return answer(refusal(400, "VALIDATION_ERROR", fault))
    if said.get("scheduled_at"):
        return answer(Reply(202, {"success": True, "scheduled_at": said["scheduled_at"]}))
    order = Order(product, said["to"], said["message"], str(said.get("sender_id") or ""))
    return _replayable(*sandbox().cast.send(api_key(), key(), order, g.pause))


def _send_bulk(channel: str, product: str) -> Response:
    if (closed := _closed(channel)) is not None:
        return closed
    said: Any = request.get_json(silent=True)
    numbers = said.get("to") if isinstance(said, dict) else None
    if not isinstance(numbers, list) or not 1 <= len(numbers) <= MOST_RECIPIENTS:
        return answer(refusal(400, "VALIDATION_ERROR", "to must hold 1 to 1000 numbers"))
    faults = filter(None, (_fault_in_number(number) for number in numbers))
    fault = _fault_in(said) or next(faults, "") or _fault_in_time(said, product) or _fault_in_key()
    if fault:
        return answer(refusal(400, "VALIDATION_ERROR", fault))
    if at := said.get("scheduled_at"):
        return answer(Reply(202, {"success": True, "scheduled": len(numbers), "scheduled_at": at}))
    sender_id = str(said.get("sender_id") or "")
    orders: Sequence[Order] = [Order(product, number, said["message"], sender_id) for number in numbers]
    return _replayable(*sandbox().cast.send_bulk(api_key(), key(), orders, g.pause))


def api_key() -> str:
    """Whose request this is."""
    return request.headers.get("X-API-Key", "")


def key() -> str:
    """The request's idempotency key, "" for none."""
    return request.headers.get("X-Idempotency-Key", "")


def account() -> Account:
    """The caller's account."""
    return sandbox().cast.accounts[api_key()]


def answer(reply: Reply) -> Response:
    """A reply as HTTP."""
    response = jsonify(reply.body)
    response.status_code = reply.status
    response.headers.extend(reply.headers)
    return response


def _replayable(reply: Reply, replayed: bool) -> Response:
    response = answer(reply)
    if replayed:
        g.replayed = True
        response.headers["X-Idempotent-Replay"] = "true"
    return response


def _closed(channel: str) -> Response | None:
    if channel in account().channels:
        return None
    return answer(refusal(403, "CHANNEL_NOT_ALLOWED", f"The account has no access to {channel}"))


def _fault_in(said: Any) -> str:
    """What is wrong with a send request, "" for nothing."""
    if not isinstance(said, dict) or not said.get("to") or not isinstance(said.get("message"), str):
        return "to and message are required"
    if not 0 < len(said["message"]) <= LONGEST_MESSAGE:
        return "message must be 1 to 10000 characters"
    return "sender_id must be at most 20 characters" if len(str(said.get("sender_id") or "")) > 20 else ""


def _fault_in_number(number: Any) -> str:
    if isinstance(number, str) and 7 <= len(number) <= 20 and not set(number) - set("0123456789+()- "):
        return ""
    return "to must be 7 to 20 characters: digits and +()-"


def _fault_in_time(said: dict[str, Any], product: str) -> str:
    at = said.get("scheduled_at")
    if not at:
        return ""
    if product == "otp":
        return "scheduled_at is not supported for OTP"
    try:
        moment = datetime.fromisoformat(str(at)).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return "scheduled_at must be ISO 8601"
    return "" if moment >= sandbox().clock() + SOONEST else "scheduled_at must be at least 30 seconds ahead"


def _fault_in_key() -> str:
    return "X-Idempotency-Key must be at most 255 characters" if len(key()) > 255 else ""


def _fault_in_viber(said: Any) -> str:
    if not isinstance(said, dict) or not str(said.get("recipient") or "").startswith("+"):
        return "recipient must be in E.164"
    content = said.get("content")
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    if first.get("type") != "text" or not isinstance(first.get("text"), str) or not first["text"]:
        return "content must begin with a text"
    ttl = (said.get("options") or {}).get("ttl", SHORTEST_TTL)
    return "" if isinstance(ttl, int) and ttl >= SHORTEST_TTL else "options.ttl must be at least 60"


from portal.sandbox.cast import reading  # noqa: E402, F401 - it adds its routes
