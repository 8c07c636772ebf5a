"""Africa's Talking: forms in, JSON out, reports and texts as unsigned forms."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "africastalking"
USER, KEY, FROM = "sendero", "atsk_sandbox_africastalking_key", "22384"
NETWORK = "51502"
COST = 0.8
# Our words → a report's status and failure reason.
STATUSES: Mapping[str, tuple[str, str]] = {
    words.ACCEPTED: ("Sent", ""),
    words.SENT: ("Sent", ""),
    words.DELIVERED: ("Success", ""),
    words.UNDELIVERED: ("Failed", "AbsentSubscriber"),
    words.REJECTED: ("Rejected", "RejectedByGateway"),
    words.EXPIRED: ("Expired", ""),
    words.FAILED: ("Failed", "DeliveryFailure"),
}

blueprint = Blueprint(KIND, __name__)


@blueprint.before_request
def know_the_account() -> Response | None:
    """Refuses whoever has not the key of the username."""
    named = request.values.get("username")
    if (request.headers.get("apiKey"), named) == (KEY, USER):
        return None
    return Response("The supplied authentication is invalid", 401, content_type="text/plain")


@blueprint.post("/version1/messaging")
def send() -> Response:
    """Takes one text for one number or several."""
    form = request.form
    text = form.get("message", "")
    numbers = [each.strip() for each in form.get("to", "").split(",") if each.strip()]
    note(form.get("to", ""), text)
    for name in ("to", "message"):
        if not form.get(name):
            return Response(f"Request is missing required form field '{name}'", 400, content_type="text/plain")
    if form.get("from", FROM) != FROM:
        return _answer("InvalidSenderId", [])
    listed = [_take(each, text) for each in numbers]
    sent = sum(each["statusCode"] < 200 for each in listed)
    cost = f"Total Cost: KES {COST * sent:.4f}" if sent else "Total Cost: 0"
    return _answer(f"Sent to {sent}/{len(listed)} {cost}", listed)


@blueprint.get("/version1/user")
def user() -> Response:
    """What is left."""
    return jsonify(UserData={"balance": f"KES {provider(KIND).balance:.2f}"})


class AfricasTalking:
    """One app, `credentials`."""

    kind = KIND
    title = "Africa's Talking"
    blueprint = blueprint
    credentials: Mapping[str, str] = {"username": USER, "api_key": KEY, "from": FROM}
    tries = 1
    reports = delivers = hears = True
    names_calls = False

    def refusal(self, status: int) -> tuple[str, str]:
        """An error as Africa's Talking words it: a sentence."""
        said = "The supplied authentication is invalid" if status == 401 else "The sandbox made this happen"
        return said, "text/plain"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """A delivery report."""
        status, reason = STATUSES[word]
        fields = {"id": sent.id, "status": status, "phoneNumber": sent.order.to, "networkCode": NETWORK}
        return [_form(sent.order.callback, fields | ({"failureReason": reason} if reason else {"retryCount": "0"}))]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """A text that came in."""
        fields = {
            "linkId": f"SampleLinkId{written.id}",
            "text": written.text,
            "to": written.to or FROM,
            "id": written.id,
            "date": datetime.fromtimestamp(written.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "from": written.from_number,
            "networkCode": NETWORK,
        }
        return [_form(written.url, fields)]


def _take(to: str, text: str) -> dict[str, Any]:
    stand_in = provider(KIND)
    if not to.startswith("+") or not to[1:].isdigit() or len(to) < 9:
        return _refused(to, 403, "InvalidPhoneNumber")
    if stand_in.is_silenced(to):
        return _refused(to, 406, "UserInBlacklist")
    if stand_in.balance < COST:
        return _refused(to, 405, "InsufficientBalance")
    sent = take(KIND, Order(USER, to, text, FROM), f"ATXid_{secrets.token_hex(16)}")
    cost = f"KES {COST * sent.parts:.4f}"
    return {"statusCode": 102, "number": to, "status": "Success", "cost": cost, "messageId": sent.id} | {
        "messageParts": sent.parts
    }


def _refused(to: str, code: int, word: str) -> dict[str, Any]:
    return {"statusCode": code, "number": to, "status": word, "cost": "0", "messageId": "None"}


def _answer(said: str, listed: Sequence[Mapping[str, Any]]) -> Response:
    response = jsonify(SMSMessageData={"Message": said, "Recipients": list(listed)})
    response.status_code = 201
    return response


def _form(url: str, fields: Mapping[str, str]) -> Hook:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Hook("POST", url, urlencode(fields).encode(), headers)


DIALECT = AfricasTalking()
