"""Globe Labs: JSON in and out, texts of customers SMS by SMS, and nothing on what it has taken."""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "globe"
APP_ID, SECRET, PASSPHRASE, SHORTCODE = "B54zSandboxGlobe", "f655sandboxglobesecret", "Sandb0xPass", "21581234"
# A long text comes in pieces of so many characters.
PIECE = 153

blueprint = Blueprint(KIND, __name__)


@blueprint.post("/smsmessaging/v1/outbound/<shortcode>/requests")
def send(shortcode: str) -> Response:
    """Takes a message."""
    asked = request.get_json(silent=True)
    said: Mapping[str, Any] = asked if isinstance(asked, dict) else {}
    to, text = str(said.get("address", "")), str(said.get("message", ""))
    note(to, text)
    if (said.get("app_id"), said.get("app_secret"), said.get("passphrase")) != (APP_ID, SECRET, PASSPHRASE):
        return _error(401, "Authentication failed.")
    if shortcode not in (SHORTCODE, SHORTCODE[-4:]):
        return _error(400, "Invalid shortcode.")
    if not _is_mobile(to):
        return _error(400, "Invalid address.")
    if not text:
        return _error(400, "Message is required.")
    if provider(KIND).is_silenced(to):
        return _error(400, "The subscriber is not subscribed.")
    if provider(KIND).balance < 1:
        return _error(400, "Insufficient wallet balance.")
    take(KIND, Order(APP_ID, to, text, shortcode))
    resource: dict[str, Any] = {"deliveryInfo": [], "resourceURL": None}
    answer: dict[str, Any] = {"address": f"tel:+{to}", "deliveryInfoList": resource, "senderAddress": shortcode[-4:]}
    more = {"outboundSMSTextMessage": {"message": text}, "receiptRequest": {"notifyURL": None, "callbackData": None}}
    response = jsonify(outboundSMSMessageRequest=answer | more)
    response.status_code = 201
    return response


class Globe:
    """One app, `credentials`."""

    kind = KIND
    title = "Globe Labs"
    blueprint = blueprint
    credentials: Mapping[str, str] = {
        "app_id": APP_ID,
        "app_secret": SECRET,
        "passphrase": PASSPHRASE,
        "shortcode": SHORTCODE,
    }
    tries = 1
    hears = True
    reports = delivers = names_calls = False

    def refusal(self, status: int) -> tuple[str, str]:
        """An error of its API."""
        return json.dumps({"error": "The sandbox made this happen."}), "application/json"

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """None."""
        return []

    def inbound(self, written: Written) -> Sequence[Hook]:
        """A text, in as many calls as it has SMS; whoever writes STOP is told to the Redirect URI as well."""
        pieces = [written.text[at : at + PIECE] for at in range(0, len(written.text), PIECE)] or [""]
        if len(pieces) == 1:
            hooks = [_text(written, written.text, written.id, {}, 1)]
        else:
            reference = secrets.token_hex(16)
            hooks = [
                _text(
                    written,
                    body,
                    f"{written.id}-{place}",
                    {"multipartRefId": reference, "multipartSeqNum": str(place)},
                    len(pieces),
                )
                for place, body in enumerate(pieces, 1)
            ]
        return hooks + ([_left(written)] if written.text.strip().lower() == "stop" else [])


def _text(written: Written, body: str, message_id: str, more: Mapping[str, str], count: int) -> Hook:
    at = datetime.fromtimestamp(written.at, UTC).strftime("%a %b %d %Y %H:%M:%S GMT+0000 (UTC)")
    item: dict[str, Any] = {
        "dateTime": at,
        "destinationAddress": f"tel:{written.to or SHORTCODE}",
        "messageId": message_id,
        "message": body,
        "resourceURL": None,
        "senderAddress": f"tel:{written.from_number}",
    }
    batch: dict[str, Any] = {
        "inboundSMSMessage": [{**item, **more}],
        "numberOfMessagesInThisBatch": str(count) if more else count,
    }
    more_of_it = {"resourceURL": None, "totalNumberOfPendingMessages": 0}
    return _json(written.url, {"inboundSMSMessageList": batch | more_of_it})


def _left(written: Written) -> Hook:
    person = written.from_number.removeprefix("+63")
    at = datetime.fromtimestamp(written.at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return _json(written.url, {"unsubscribed": {"subscriber_number": person, "access_token": "x", "time_stamp": at}})


def _is_mobile(to: str) -> bool:
    return to.isdigit() and to[-10:-9] == "9" and to[:-10] in ("", "0", "63")


def _json(url: str, said: object) -> Hook:
    return Hook("POST", url, json.dumps(said).encode(), {"Content-Type": "application/json"})


def _error(status: int, words: str) -> Response:
    response = jsonify(error=words)
    response.status_code = status
    return response


DIALECT = Globe()
