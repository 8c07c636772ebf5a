"""Clickatell: how it answers, and what it posts, in both shapes."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

from portal.channels.base import Inbound, Loss, Outcome, Receipt, WebhookRequest
from portal.channels.content import Piece
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, Expected, Heard, got, later, posted
from tests.contract.standin import Step, answer, raw

API_KEY = "cl1ck4t3llk3y" * 2 + "=="
MESSAGE = "fd496adebb6e422587368077937cfb5d"
AT = datetime(2018, 1, 29, 9, 52, 1, 155000, tzinfo=UTC)
STAMP = 1517219521155
FORM = "application/x-www-form-urlencoded"


def _refusal(code: int, status: int = 207, headers: tuple[str, ...] = ()) -> Step:
    """An error of the one message, with the key in its words as no careful provider would."""
    error = {"code": code, "description": f"refused {API_KEY}"}
    message = {"apiMessageId": None, "accepted": False, "to": "639171234567", "error": error}
    return answer(status, {"messages": [message], "error": None}, headers)


def _error(status: int, code: int, *headers: str) -> Step:
    """An error of the whole call."""
    return answer(status, {"messages": [], "error": {"code": code, "description": f"refused {API_KEY}"}}, headers)


def _event(kind: str, *items: object, action: str = "status", **more: object) -> WebhookRequest:
    event = {kind: list(items), **more}
    return posted(action, json.dumps({"integrationId": "i", "integrationName": "n", "event": event}))


def update(status: str | None, code: int | None, **more: object) -> dict:
    told = {"channel": "sms", "messageId": MESSAGE, "clientMessageId": "41:1", "timestamp": STAMP}
    return told | ({"status": status} if status else {}) | ({"statusCode": code} if code else {}) | more


def _receipt(outcome: Outcome, code: str, loss: Loss = Loss.NONE, to: str = "", key: str = "41:1") -> list[Receipt]:
    return [Receipt(MESSAGE, outcome, code, "", to, at=AT, loss=loss, our_key=key)]


def _flat(code: int, **more: object) -> dict:
    told = {"integrationName": "n", "messageId": MESSAGE, "requestId": "r", "clientMessageId": "41:1"}
    told |= {"to": "639171234567", "from": "447700900001", "statusCode": code, "status": "X", "timestamp": STAMP}
    return told | more


def _text(content: str, **more: object) -> dict:
    told = {"channel": "sms", "messageId": "MO1", "from": "639171234567", "to": "447700900001", "timestamp": STAMP}
    return told | {"content": content, "encryptionKey": None} | more


def _flat_text(text: str, charset: str = "UTF-8", **more: object) -> dict:
    told = {"integrationId": "i", "messageId": "MO1", "fromNumber": "639171234567", "toNumber": "447700900001"}
    return told | {"text": text, "charset": charset, "timestamp": STAMP, "udh": None} | more


def _came(text: str, **more: object) -> list[Inbound]:
    return [Inbound("+639171234567", text, "MO1", "+447700900001", at=AT, **more)]


def _escaped(text: str, encoding: str) -> str:
    return "".join(f"%{octet:02X}" for octet in text.encode(encoding))


UPDATES = (
    *(("QUEUED", 2, Outcome.ACCEPTED, Loss.NONE), ("SCHEDULED", 3, Outcome.ACCEPTED, Loss.NONE)),
    *(("SENT_TO_SUPPLIER", 4, Outcome.SENT, Loss.NONE), ("DEVICE_ACK", 5, Outcome.DELIVERED, Loss.NONE)),
    *(("READ", 6, Outcome.READ, Loss.NONE), ("EXPIRED", 20, Outcome.EXPIRED, Loss.NONE)),
    *(("STOPPED_BY_USER", 21, Outcome.FAILED, Loss.NONE), ("STOPPED_BY_ADMIN", 22, Outcome.FAILED, Loss.REJECTED)),
    *(("DELIVERY_FAILURE", 23, Outcome.FAILED, Loss.NONE), ("EMULATED", 24, Outcome.SENT, Loss.NONE)),
    ("INSUFFICIENT_ACCOUNT_BALANCE", 25, Outcome.FAILED, Loss.REJECTED),
    ("VOLUME_LIMIT", 26, Outcome.FAILED, Loss.REJECTED),
    ("VOLUME_LIMIT_DAILY", 27, Outcome.FAILED, Loss.REJECTED),
    ("VOLUME_LIMIT_MONTHLY", 28, Outcome.FAILED, Loss.REJECTED),
    ("RECIPIENT_DOES_NOT_EXIST", 29, Outcome.FAILED, Loss.UNREACHABLE),
    ("ROUTING_ERROR", 100, Outcome.FAILED, Loss.REJECTED),
)
FLAT = (
    *((2, Outcome.ACCEPTED), (3, Outcome.SENT), (4, Outcome.DELIVERED), (8, Outcome.ACCEPTED)),
    *((11, Outcome.ACCEPTED), (10, Outcome.EXPIRED)),
    *((code, Outcome.FAILED) for code in (1, 5, 6, 7, 9, 12, 14)),
)

CLICKATELL = Case(
    kind="clickatell",
    credentials={"api_key": API_KEY, "from": "447700900001"},
    secrets=(API_KEY,),
    accepts=answer(
        202,
        {"messages": [{"apiMessageId": MESSAGE, "accepted": True, "to": "639171234567", "error": None}], "error": None},
    ),
    external_id=MESSAGE,
    refusals=[
        *(
            (f"{code} of the account", _error(400, code), SENDERS)
            for code in (2, 3, 20, 38, 39, 41, 42, 44, 45, 46, 110, 111)
        ),
        ("1 of the account", _error(401, 1), SENDERS),
        ("7 of the account", _error(401, 7), SENDERS),
        *(
            (f"{code} of the message", _refusal(code), OURS)
            for code in (21, 22, 23, 24, 25, 26, 27, 28, 30, 40, 100, 101, 999)
        ),
        ("20 of the message", _refusal(20), SENDERS),
        ("45 of the message", _refusal(45, 400), SENDERS),
        ("25 with 202", _refusal(25, 202), OURS),
        ("999 of the call", _error(400, 999), OURS),
        ("43 too fast", _error(400, 43), later(None)),
        ("43 with a time", _error(429, 43, "Retry-After: 4"), later(4)),
        ("19 please retry", _error(503, 19), later(5)),
        ("18 of their own", _error(500, 18), LEFT_OPEN),
        ("25 with a 500", _error(500, 25), LEFT_OPEN),
        ("not accepted, no reason", answer(207, {"messages": [{"accepted": False, "to": "1"}]}), OURS),
        ("401 without a body", answer(401, body=b""), SENDERS),
        ("402", answer(402, body=b""), SENDERS),
        ("403", answer(403, body=b""), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("202 that is a page", answer(202, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("202 that is a list", answer(202, []), LEFT_OPEN),
        ("202 without messages", answer(202, {"messages": [], "error": None}), LEFT_OPEN),
        ("202 without an id", answer(202, {"messages": [{"accepted": True}]}), LEFT_OPEN),
        ("202 cut short, no length", raw(b'HTTP/1.1 202 Accepted\r\n\r\n{"messages": [{"api'), LEFT_OPEN),
        ("a stop", _error(400, 2), Expected(SENDERS.scope, retry=True)),
    ],
    heard=[
        *(
            Heard(word, _event("messageStatusUpdate", update(word, code)), _receipt(outcome, word, loss))
            for word, code, outcome, loss in UPDATES
        ),
        *(
            Heard(f"{code} alone", _event("messageStatusUpdate", update(None, code)), _receipt(outcome, word, loss))
            for word, code, outcome, loss in UPDATES
        ),
        *(
            Heard(
                f"flat {code}",
                posted("status", json.dumps(_flat(code))),
                _receipt(outcome, str(code), to="+639171234567"),
            )
            for code, outcome in FLAT
        ),
        Heard("a flat form", posted("status", urlencode(_flat(4)), FORM), _receipt(Outcome.DELIVERED, "4")),
        Heard("a flat GET", got("status", urlencode(_flat(4))), _receipt(Outcome.DELIVERED, "4")),
        Heard(
            "two at once",
            _event("messageStatusUpdate", update("QUEUED", 2), update("DEVICE_ACK", 5, messageId="x")),
            [*_receipt(Outcome.ACCEPTED, "QUEUED"), Receipt("x", Outcome.DELIVERED, "DEVICE_ACK")],
        ),
        Heard("a text", _event("moText", _text("Kumusta ñ 👋"), action="receive"), _came("Kumusta ñ 👋")),
        Heard("STOP", _event("moText", _text("STOP"), action="receive"), _came("STOP")),
        Heard("a text at the other address", _event("moText", _text("Hi")), _came("Hi")),
        Heard("flat", posted("receive", json.dumps(_flat_text("a 100% b"))), _came("a 100% b")),
        Heard(
            "flat UTF-16",
            posted("receive", json.dumps(_flat_text(_escaped("Привет ñ 👋", "utf-16-be"), "UTF-16BE"))),
            _came("Привет ñ 👋"),
        ),
        Heard(
            "flat Latin-1",
            posted("receive", json.dumps(_flat_text("caf%E9+au%20lait", "ISO-8859-1"))),
            _came("café au lait"),
        ),
        Heard(
            "a piece",
            posted("receive", json.dumps(_flat_text("of three", udh="050003CC0302"))),
            _came("of three", piece=Piece("CC", 2, 3)),
        ),
        Heard(
            "a piece with a long reference",
            posted("receive", json.dumps(_flat_text("of two", udh="060804ABCD0201"))),
            _came("of two", piece=Piece("ABCD", 1, 2)),
        ),
        Heard("another header", posted("receive", json.dumps(_flat_text("x", udh="0605041581"))), _came("x")),
    ],
    odd=[
        _event("messageStatusUpdate", update("TELEPORTED", 77)),
        _event("messageStatusUpdate", update("UNKNOWN", 1)),
        _event("messageStatusUpdate", update("DEVICE_ACK", 5), 7, {"status": "DEVICE_ACK"}),
        _event("moText", {"content": "from nobody"}, action="receive"),
        _event("moMedia", {"fileId": "x"}, action="receive"),
        posted("status", json.dumps(_flat(77))),
    ],
    broken=[
        posted("status", json.dumps({"statusCode": 4})),
        posted("status", json.dumps({"event": {"messageStatusUpdate": "no list"}})),
        posted("receive", json.dumps({"text": "from nobody"})),
        posted("receive", '{"event": {"moText"'),
        posted("other", json.dumps(_flat(4))),
    ],
)

CASES = (CLICKATELL,)
