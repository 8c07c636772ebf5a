"""Vonage: forms in, JSON out; receipts by GET and texts as JSON, both signed; a long text is several SMS each way."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.segments import BASIC, EXTENDED, parts
from portal.sandbox.sms import messages as words
from portal.sandbox.sms.messages import Hook, Order, Sent, Written
from portal.sandbox.sms.serving import note, provider, take

KIND = "vonage"
KEY = hashlib.sha256(b"sandbox vonage key").hexdigest()[:8]
SECRET = hashlib.sha256(b"sandbox vonage secret").hexdigest()[:16]
SIGNATURE = hashlib.sha256(b"sandbox vonage signature").hexdigest()
NUMBER = "447700900001"
LONGEST = 3200
PRICE = "0.03330000"
# Our words → Vonage's status and err-code.
STATUSES: Mapping[str, tuple[str, str]] = {
    words.SENT: ("accepted", "0"),
    words.DELIVERED: ("delivered", "0"),
    words.UNDELIVERED: ("failed", "2"),
    words.REJECTED: ("rejected", "6"),
    words.EXPIRED: ("expired", "1"),
    words.FAILED: ("failed", "99"),
}
CODES = {401: "4", 429: "1"}

blueprint = Blueprint(KIND, __name__)


@blueprint.post("/sms/json")
def send() -> Response:
    """Takes a text; a refusal is HTTP 200 with a status of its own."""
    form = request.form
    to, text = form.get("to", ""), form.get("text", "")
    note(to, text)
    if (form.get("api_key"), form.get("api_secret")) != (KEY, SECRET):
        return _refused("4", "Bad Credentials")
    if not to or not text or not form.get("from"):
        return _refused("2", "Missing to, from or text param")
    if not to.isdigit() or len(to) < 8:
        return _refused("3", "to address is not numeric")
    if len(text) > LONGEST:
        return _refused("12", "Message too long")
    if form.get("type") != "unicode" and not _is_plain(text):
        # What Vonage sends then has question marks in it: here the mistake is to be seen.
        return _refused("3", "text is not of type text")
    extra = {"client-ref": form.get("client-ref", "")}
    sent = take(KIND, Order(KEY, to, text, form["from"], form.get("callback", ""), extra=extra), _new_id())
    told = [
        {"to": to, "message-id": each, "status": "0", "remaining-balance": _left(), "message-price": PRICE}
        for each in _ids(sent)
    ]
    return jsonify({"message-count": str(len(told)), "messages": told})


@blueprint.get("/account/get-balance")
def balance() -> Response:
    """What is left, in euros."""
    given = request.authorization
    if given is None or (given.username, given.password) != (KEY, SECRET):
        response = jsonify({"error-code": "401", "error-code-label": "authentication failed"})
        response.status_code = 401
        return response
    return jsonify(value=provider(KIND).balance, autoReload=False)


class Vonage:
    """One account, `credentials`."""

    kind = KIND
    title = "Vonage"
    blueprint = blueprint
    credentials: Mapping[str, str] = {
        "api_key": KEY,
        "api_secret": SECRET,
        "signature_secret": SIGNATURE,
        "from": NUMBER,
        "signature": "sha256",
    }
    tries = 3
    reports = delivers = names_calls = hears = True

    def refusal(self, status: int) -> tuple[str, str]:
        """An error as Vonage words it."""
        return json.dumps(_said(CODES.get(status, "5"), "The sandbox's fault panel made this happen")), (
            "application/json"
        )

    def receipt(self, sent: Sent, word: str) -> Sequence[Hook]:
        """A receipt for each SMS of the text."""
        status, code = STATUSES[word]
        return [
            _got(
                sent.order.callback,
                {
                    "msisdn": sent.order.to,
                    "to": sent.order.sender,
                    "network-code": "51503",
                    "messageId": each,
                    "price": PRICE,
                    "status": status,
                    "scts": datetime.now(UTC).strftime("%y%m%d%H%M"),
                    "err-code": code,
                    "api-key": KEY,
                    "client-ref": str(sent.order.extra.get("client-ref", "")),
                },
            )
            for each in _ids(sent)
        ]

    def inbound(self, written: Written) -> Sequence[Hook]:
        """A text, each SMS of it by itself."""
        cut = _cut(written.text)
        reference = _reference(written)
        hooks = []
        for place, body in enumerate(cut, 1):
            fields = {
                "api-key": KEY,
                "msisdn": written.from_number.removeprefix("+"),
                "to": written.to or NUMBER,
                "messageId": written.id if len(cut) == 1 else f"{written.id}-{place}",
                "text": body,
                "type": "text" if _is_plain(body) else "unicode",
                "keyword": (body.split() or [""])[0].upper(),
            }
            if len(cut) > 1:
                fields |= {"concat": "true", "concat-ref": reference}
                fields |= {"concat-total": str(len(cut)), "concat-part": str(place)}
            hooks.append(_posted(written.url, fields))
        return hooks


def _cut(text: str) -> list[str]:
    """The text as the phone cuts it, on whole characters."""
    if parts(text) <= 1:
        return [text]
    cut = [""]
    room = 153 if _is_plain(text) else 67
    for character in text:
        width = 2 if character in EXTENDED or ord(character) > 0xFFFF else 1
        used = sum(2 if each in EXTENDED or ord(each) > 0xFFFF else 1 for each in cut[-1])
        if used + width > room:
            cut.append("")
        cut[-1] += character
    return cut


def _reference(written: Written) -> str:
    return hashlib.sha256(written.id.encode()).hexdigest()[:4]


def _is_plain(text: str) -> bool:
    return all(each in BASIC or each in EXTENDED for each in text)


def _new_id() -> str:
    return secrets.token_hex(7).upper() + "01"


def _ids(sent: Sent) -> list[str]:
    return [f"{sent.id[:14]}{place:02X}" for place in range(1, sent.parts + 1)]


def _left() -> str:
    return f"{provider(KIND).balance:.8f}"


def _signed(fields: Mapping[str, str]) -> dict[str, str]:
    now = datetime.now(UTC)
    stamped = {
        **fields,
        "message-timestamp": now.strftime("%Y-%m-%d %H:%M:%S"),
        "timestamp": str(int(now.timestamp())),
        "nonce": secrets.token_hex(8),
    }
    plain = {name: value.replace("&", "_").replace("=", "_") for name, value in stamped.items()}
    text = "".join(f"&{name}={plain[name]}" for name in sorted(plain))
    return {**stamped, "sig": hmac.new(SIGNATURE.encode(), text.encode(), "sha256").hexdigest().upper()}


def _got(url: str, fields: Mapping[str, str]) -> Hook:
    return Hook("GET", f"{url}{'&' if '?' in url else '?'}{urlencode(_signed(fields))}")


def _posted(url: str, fields: Mapping[str, str]) -> Hook:
    body = json.dumps(_signed(fields)).encode()
    return Hook("POST", url, body, {"Content-Type": "application/json"})


def _said(status: str, error: str) -> dict[str, object]:
    return {"message-count": "1", "messages": [{"status": status, "error-text": error}]}


def _refused(status: str, error: str) -> Response:
    return jsonify(_said(status, error))


DIALECT = Vonage()
