"""Vonage: how it answers, and what it calls us with."""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from portal.channels.base import Inbound, Loss, Outcome, Receipt, WebhookRequest
from portal.channels.content import Kind, Piece
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, Expected, Heard, got, later, posted
from tests.contract.standin import Step, answer, raw

API_SECRET, SIGNATURE_SECRET = "v0n4ge5ecret" * 2, "s1gnature5ecret" * 2
MESSAGE = "0A0000000123ABCD1"
FORM = "application/x-www-form-urlencoded"
STOPS = Expected(SENDERS.scope, retry=True)


def _said(*statuses: str) -> dict:
    told = [
        {"to": "639171234567", "message-id": MESSAGE if n == 0 else f"{MESSAGE}{n}", "status": status}
        | ({} if status == "0" else {"error-text": f"refused {API_SECRET}"})
        for n, status in enumerate(statuses)
    ]
    return {"message-count": str(len(told)), "messages": told}


def _refusal(code: str, *headers: str) -> Step:
    return answer(200, _said(code), headers)


def digest(said: dict, name: str = "sha256") -> str:
    """As Vonage describes it, in capitals as it writes some of them."""
    words = "".join(f"&{key}={str(said[key]).replace('&', '_').replace('=', '_')}" for key in sorted(said))
    if name == "md5hash":
        return hashlib.md5((words + SIGNATURE_SECRET).encode()).hexdigest()
    return hmac.new(SIGNATURE_SECRET.encode(), words.encode(), name).hexdigest().upper()


def sign(request: WebhookRequest, name: str = "sha256") -> WebhookRequest:
    """The same request with its `sig`, wherever its fields are."""
    if request.content_type == "application/json":
        try:
            said = json.loads(request.body)
        except ValueError:
            return request
        return replace(request, body=json.dumps({**said, "sig": digest(said, name)}).encode())
    said = dict(parse_qsl(request.body.decode() or request.query, keep_blank_values=True))
    said.pop("key", None)
    sig = urlencode({"sig": digest(said, name)})
    if request.body:
        return replace(request, body=request.body + f"&{sig}".encode())
    return replace(request, query=f"{request.query}&{sig}")


def _told(word: str, code: str, **more: str) -> dict:
    said = {"msisdn": "639171234567", "to": "SENDERO", "messageId": MESSAGE, "status": word, "err-code": code}
    return said | {"timestamp": "1582646400", "message-timestamp": "2020-02-25 16:00:00"} | more


def _status(word: str, code: str = "0", query: str = "key=41_1", **more: str) -> WebhookRequest:
    return got("status", "&".join(filter(None, [query, urlencode(_told(word, code, **more))])))


def _text(body: str, **more: str) -> dict:
    said = {"msisdn": "639171234567", "to": "447700900001", "messageId": MESSAGE, "text": body, "type": "text"}
    return said | {"keyword": "X", "api-key": "abcd1234"} | more


def _receipt(outcome: Outcome, code: str, loss: Loss = Loss.NONE) -> list[Receipt]:
    at = datetime(2020, 2, 25, 16, tzinfo=UTC)
    return [Receipt(MESSAGE, outcome, code, "", "+639171234567", at=at, loss=loss, our_key="41:1")]


def _came(body: str, **more: object) -> list[Inbound]:
    return [Inbound("+639171234567", body, MESSAGE, "+447700900001", **more)]


def _json(said: dict) -> WebhookRequest:
    return posted("receive", json.dumps(said))


CONCAT = {"concat": "true", "concat-ref": "08B5", "concat-total": "3", "concat-part": "2"}

VONAGE = Case(
    kind="vonage",
    credentials={
        "api_key": "abcd1234",
        "api_secret": API_SECRET,
        "signature_secret": SIGNATURE_SECRET,
        "from": "SENDERO",
    },
    secrets=(API_SECRET, SIGNATURE_SECRET),
    accepts=answer(200, _said("0")),
    external_id=MESSAGE,
    refusals=[
        *((f"{code} of the account", _refusal(code), SENDERS) for code in ("4", "9", "14", "15", "19", "23", "32")),
        *((f"{code} stops", _refusal(code), STOPS) for code in ("8", "11")),
        *(
            (f"{code} of the message", _refusal(code), OURS)
            for code in ("2", "3", "6", "7", "12", "16", "20", "22", "29", "33", "98")
        ),
        ("1 too fast", _refusal("1"), later(None)),
        ("1 with a time", _refusal("1", "Retry-After: 4"), later(4)),
        ("10 too many connections", _refusal("10"), later(10)),
        ("5 of their own", _refusal("5"), LEFT_OPEN),
        ("13 not handed on", _refusal("13"), LEFT_OPEN),
        ("one of two refused", answer(200, _said("0", "1")), OURS),
        ("the first of two refused", answer(200, _said("9", "0")), OURS),
        ("both refused", answer(200, _said("9", "9")), SENDERS),
        ("401 without a body", answer(401, body=b""), SENDERS),
        ("401 with a status", answer(401, _said("4")), SENDERS),
        ("402", answer(402, body=b""), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        ("500 with a status", answer(500, _said("3")), LEFT_OPEN),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("200 that is empty", answer(200, body=b""), LEFT_OPEN),
        ("200 that is a list", answer(200, []), LEFT_OPEN),
        ("200 without messages", answer(200, {"message-count": "0", "messages": []}), LEFT_OPEN),
        ("200 without an id", answer(200, {"messages": [{"status": "0"}]}), LEFT_OPEN),
        ("200 without a status", answer(200, {"messages": [{"message-id": MESSAGE}]}), LEFT_OPEN),
        ("200 cut short, no length", raw(b'HTTP/1.1 200 OK\r\n\r\n{"messages": [{"sta'), LEFT_OPEN),
    ],
    heard=[
        *(
            Heard(word, _status(word), _receipt(outcome, word))
            for word, outcome in (
                *(("submitted", Outcome.ACCEPTED), ("accepted", Outcome.SENT), ("buffered", Outcome.SENT)),
                *(("unknown", Outcome.SENT), ("delivered", Outcome.DELIVERED), ("failed", Outcome.FAILED)),
                *(("expired", Outcome.EXPIRED), ("deleted", Outcome.FAILED)),
            )
        ),
        Heard("refused", _status("rejected"), _receipt(Outcome.FAILED, "rejected", Loss.REJECTED)),
        Heard("off", _status("failed", "2"), _receipt(Outcome.FAILED, "2", Loss.UNREACHABLE)),
        Heard("spam", _status("rejected", "6"), _receipt(Outcome.FAILED, "6", Loss.REJECTED)),
        Heard("too late", _status("expired", "1"), _receipt(Outcome.EXPIRED, "1")),
        Heard("a new code", _status("failed", "77"), _receipt(Outcome.FAILED, "77")),
        Heard("delivered with a code", _status("delivered", "1"), _receipt(Outcome.DELIVERED, "delivered")),
        Heard(
            "the price",
            _status("delivered", price="0.0333"),
            [replace(_receipt(Outcome.DELIVERED, "delivered")[0], billing={"price": "0.0333", "currency": "EUR"})],
        ),
        Heard(
            "our key in the body",
            _status("accepted", query="", **{"client-ref": "41:1"}),
            _receipt(Outcome.SENT, "accepted"),
        ),
        Heard("without our key", _status("accepted", query=""), [Receipt(MESSAGE, Outcome.SENT, "accepted")]),
        Heard(
            "a form",
            posted("status", urlencode(_told("delivered", "0")), FORM, "key=41_1"),
            _receipt(Outcome.DELIVERED, "delivered"),
        ),
        Heard(
            "JSON",
            posted("status", json.dumps(_told("delivered", "0")), query="key=41_1"),
            _receipt(Outcome.DELIVERED, "delivered"),
        ),
        Heard("a text", _json(_text("Kumusta ñ 👋", type="unicode")), _came("Kumusta ñ 👋")),
        Heard("by GET", got("receive", urlencode(_text("a&b=c"))), _came("a&b=c")),
        Heard("as a form", posted("receive", urlencode(_text("Kumusta ñ 👋")), FORM), _came("Kumusta ñ 👋")),
        Heard("STOP", _json(_text("STOP")), _came("STOP")),
        Heard("a piece", _json(_text("of three", **CONCAT)), _came("of three", piece=Piece("08B5", 2, 3))),
        Heard("no piece", _json(_text("whole", concat="false")), _came("whole")),
        Heard("a piece of nothing", _json(_text("odd", **CONCAT | {"concat-part": "4"})), _came("odd")),
        Heard(
            "bytes",
            _json({**_text(""), "type": "binary", "data": "00AB", "udh": "0605"}),
            _came("", kind=Kind.UNSUPPORTED, details={"type": "binary SMS"}),
        ),
        Heard("a short code", _json(_text("Your code", msisdn="32665")), [Inbound("32665", "Your code", MESSAGE)]),
    ],
    odd=[_status("teleported"), _status("")],
    broken=[
        got("status", "status=delivered"),
        posted("receive", json.dumps({"text": "Hi"})),
        posted("receive", '{"text": "Hi'),
        posted("other", json.dumps(_text("Hi"))),
    ],
    sign=sign,
)

CASES = (VONAGE,)
