"""Cast's routes that tell: a message's status, the log, the account."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.cast.api import account, answer, api_key, blueprint
from portal.sandbox.cast.messages import Accepted, refusal
from portal.sandbox.context import sandbox

MOST_LOGS, USUAL_LOGS = 500, 50
LINK_LIFE = timedelta(days=7)


@blueprint.get("/sms/status/<message_id>")
def status(message_id: str) -> Response:
    """How an accepted message stands. Cast sends no receipts: it must be asked."""
    return _status(message_id, ("sms", "otp"))


@blueprint.get("/sim/status/<message_id>")
def status_sim(message_id: str) -> Response:
    """The same for the SIM gateway's messages."""
    return _status(message_id, ("sim",))


@blueprint.get("/viber/status/<message_id>")
def status_viber(message_id: str) -> Response:
    """The same for Viber: `delivery_status` is a number, and missing until there is news."""
    return _status(message_id, ("viber",))


@blueprint.get("/sms/logs")
def logs() -> Response:
    """The account's messages, the newest first."""
    found = [_logged(one) for one in reversed(sandbox().cast.accepted()) if one.api_key == api_key()]
    wanted, search = request.args.get("status"), request.args.get("search", "")
    found = [one for one in found if wanted in (None, one["status"])]
    found = [one for one in found if search in f"{one['destination']} {one['message']} {one['smpp_message_id']}"]
    offset = request.args.get("offset", 0, int)
    page = found[offset : offset + min(request.args.get("limit", USUAL_LOGS, int), MOST_LOGS)]
    return jsonify(success=True, count=len(page), logs=page)


@blueprint.get("/account/balance")
def balance() -> Response:
    """The credits left."""
    return jsonify(success=True, credits=account().credits, currency="PHP")


@blueprint.get("/account/sender-ids")
def sender_ids() -> Response:
    """The approved sender ids, of SMS and of the SIM gateway."""
    known = [("sms", name) for name in account().sender_ids] + [("sim", name) for name in account().sim_ids]
    listed = [{"sender_id": name, "label": f"{name} sender", "channel": channel} for channel, name in known]
    return jsonify(success=True, sender_ids=listed)


@blueprint.get("/account/profile")
def profile() -> Response:
    """Whose account this is, how it pays and what it may use."""
    return jsonify(
        success=True,
        id=42,
        name="Sandbox account",
        email="sandbox@example.com",
        username="sandbox",
        credits=account().credits,
        billing_type="postpaid" if account().postpaid else "topup",
        allowed_channels=list(account().channels),
        is_active=True,
    )


@blueprint.get("/account/unsubscribed")
def unsubscribed() -> Response:
    """Who has unsubscribed, from which sender id and when: all of them at once."""
    return jsonify(
        success=True,
        data=[
            {"phone": one.phone, "sender_id": one.sender_id, "unsubscribed_at": _iso(one.at), "ip": one.ip}
            for one in account().unsubscribed
        ],
    )


@blueprint.post("/unsubscribe/token")
def unsubscribe_link() -> Response:
    """A link by which a customer unsubscribes from one sender id."""
    said: Any = request.get_json(silent=True)
    said = said if isinstance(said, dict) else {}
    phone, sender_id = str(said.get("phone") or ""), str(said.get("sender_id") or "")
    if not phone or not sender_id:
        return answer(refusal(400, "VALIDATION_ERROR", "phone and sender_id are required"))
    if account().has_left(phone, sender_id):
        return answer(refusal(422, "ALREADY_UNSUBSCRIBED", "The number has unsubscribed already"))
    ends = sandbox().clock() + LINK_LIFE.total_seconds()
    return jsonify(success=True, link=f"u.cast.ph/{sandbox().ids.new('link')[:8]}", expires_at=_iso(ends))


def _status(message_id: str, products: tuple[str, ...]) -> Response:
    one = sandbox().cast.find(message_id)
    if one is None or one.api_key != api_key() or one.product not in products:
        return answer(refusal(404, "NOT_FOUND", "Message not found"))
    return jsonify(_in_words(one.status(sandbox().clock())))


def _logged(one: Accepted) -> dict[str, Any]:
    now = _in_words(one.status(sandbox().clock()))
    news: dict[str, Any] = {name: now[name] for name in ("dlr_status", "delivered_at") if name in now}
    return {
        "message_type": one.product,
        "sender_id": one.sender_id,
        "destination": one.to,
        "message": one.text,
        "smpp_message_id": one.message_id,
        "status": "failed" if now["status"] == "failed" else "sent",
        "parts": one.parts,
        "created_at": _iso(one.at),
        **news,
    }


def _in_words(said: dict[str, Any]) -> dict[str, Any]:
    return said | {name: _iso(said[name]) for name in ("sent_at", "delivered_at") if name in said}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
