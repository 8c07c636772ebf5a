"""Twilio: forms in, JSON out, receipts and texts as signed forms."""

import hashlib
import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.green_api.pictures import picture
from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "twilio"
ACCOUNT = "AC" + hashlib.sha256(b"sandbox twilio account").hexdigest()[:32]
TOKEN = hashlib.sha256(b"sandbox twilio token").hexdigest()[:32]
NUMBER = "+15005550006"
LONGEST = 1600
PRICE = -0.0079
STOP_WORDS = {"stop": "STOP", "start": "START", "help": "HELP"}
# Our words → Twilio's status and error code.
STATUSES: Mapping[str, tuple[str, int | None]] = {
    words.ACCEPTED: ("queued", None),
    words.SENT: ("sent", None),
    words.DELIVERED: ("delivered", None),
    words.UNDELIVERED: ("undelivered", 30003),
    words.REJECTED: ("undelivered", 30007),
    words.EXPIRED: ("undelivered", 30036),
    words.FAILED: ("failed", 30008),
}
CODES = {401: (20003, "Authenticate"), 404: (20404, "Not found"), 429: (20429, "Too Many Requests")}

blueprint = Blueprint(KIND, __name__)


@blueprint.before_request
def know_the_account() -> Response | None:
    """Refuses whoever is not the account in the address."""
    given = request.authorization
    known = given is not None and (given.username, given.password) == (ACCOUNT, TOKEN)
    return None if known else _error(401, 20003, "Authenticate")


@blueprint.post("/2010-04-01/Accounts/<sid>/Messages.json")
def send(sid: str) -> Response:
    """Takes a message."""
    form = request.form
    to, text, files = form.get("To", ""), form.get("Body", ""), form.getlist("MediaUrl")
    note(to, text)
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return _error(400, 21603, "A 'From' phone number is required.")
    if not to.startswith("+") or not to[1:].isdigit() or len(to) < 9:
        return _error(400, 21211, "The 'To' number is not a valid phone number.")
    if not text and not files:
        return _error(400, 21602, "Message body is required.")
    if len(text) > LONGEST:
        return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if provider(KIND).is_silenced(to):
        return _error(400, 21610, "Attempt to send to unsubscribed recipient")
    sender = form.get("From") or form.get("MessagingServiceSid") or ""
    order = Order(sid, to, text, sender, form.get("StatusCallback", ""), files=files)
    sent = take(KIND, order, ("MM" if files else "SM") + secrets.token_hex(16))
    response = jsonify(_shown(sent))
    response.status_code = 201
    return response


@blueprint.get("/2010-04-01/Accounts/<sid>/Messages/<message_id>.json")
def message(sid: str, message_id: str) -> Response:
    """How a message stands."""
    sent = provider(KIND).find(message_id)
    return jsonify(_shown(sent)) if sent is not None else _error(404, 20404, "The resource was not found")


@blueprint.get("/2010-04-01/Accounts/<sid>/Messages/<message_id>/Media/<media_id>")
def file(sid: str, message_id: str, media_id: str) -> Response:
    """A file that a customer sent."""
    return Response(picture(media_id), content_type="image/png")


@blueprint.get("/2010-04-01/Accounts/<sid>.json")
def account(sid: str) -> Response:
    """The account itself."""
    return jsonify(sid=sid, friendly_name="Sandbox account", status="active", type="Full")


@blueprint.get("/2010-04-01/Accounts/<sid>/Balance.json")
def balance(sid: str) -> Response:
    """What is left."""
    return jsonify(account_sid=sid, balance=f"{provider(KIND).balance:.2f}", currency="USD")


class Twilio:
    """One account, `credentials`."""

    kind = KIND
    title = "Twilio"
    blueprint = blueprint
    credentials: Mapping[str, str] = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER}
    tries = 1
    reports = delivers = names_calls = hears = True

    def refusal(self, status: int) -> tuple[str, str]:
        """An error as Twilio words it."""
        code, words_ = CODES.get(status, (20500, "The sandbox's fault panel made this happen"))
        return json.dumps(_said(status, code, words_)), "application/json"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """A status callback."""
        status, code = STATUSES[word]
        fields = {
            "SmsSid": sent.id,
            "MessageSid": sent.id,
            "AccountSid": sent.order.account,
            "From": sent.order.sender,
            "To": sent.order.to,
            "SmsStatus": status,
            "MessageStatus": status,
            "ApiVersion": "2010-04-01",
        } | ({"ErrorCode": str(code)} if code else {})
        return [_signed(sent.order.callback, fields)]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """A message that came in; its files lie behind the account's own addresses."""
        fields = {
            "ToCountry": "US",
            "MessageSid": written.id,
            "SmsSid": written.id,
            "SmsMessageSid": written.id,
            "AccountSid": ACCOUNT,
            "From": written.from_number,
            "To": written.to or NUMBER,
            "Body": written.text,
            "NumSegments": "1",
            "NumMedia": str(len(written.files)),
            "ApiVersion": "2010-04-01",
        }
        for place, url in enumerate(written.files):
            fields |= {f"MediaUrl{place}": url, f"MediaContentType{place}": "image/png"}
        if word := STOP_WORDS.get(written.text.strip().lower()):
            fields["OptOutType"] = word
        return [_signed(written.url, fields)]


def media_url(base: str, media_id: str = "ME0") -> str:
    """Where a customer's file lies at the stand-in that is at `base` (`http://…/twilio`)."""
    return f"{base}/2010-04-01/Accounts/{ACCOUNT}/Messages/MM0/Media/{media_id}"


def _signed(url: str, fields: Mapping[str, str]) -> Hook:
    text = url + "".join(name + fields[name] for name in sorted(fields))
    shown = b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "X-Twilio-Signature": shown}
    return Hook("POST", url, urlencode(fields).encode(), headers)


def _shown(sent: Sent) -> dict[str, Any]:
    now = provider(KIND).sandbox.clock()
    status, code = STATUSES[sent.word(now)]
    done = status not in ("queued", "sent")
    return {
        "sid": sent.id,
        "account_sid": sent.order.account,
        "to": sent.order.to,
        "from": sent.order.sender,
        "body": sent.order.text,
        "status": status,
        "direction": "outbound-api",
        "num_segments": str(sent.parts),
        "num_media": str(len(sent.order.files)),
        "error_code": code,
        "error_message": None,
        "price": f"{PRICE * sent.parts:.5f}" if done and status != "failed" else None,
        "price_unit": "USD",
        "date_created": format_datetime(datetime.fromtimestamp(sent.at, UTC)),
    }


def _said(status: int, code: int, words_: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": words_,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


def _error(status: int, code: int, words_: str) -> Response:
    response = jsonify(_said(status, code, words_))
    response.status_code = status
    return response


DIALECT = Twilio()
