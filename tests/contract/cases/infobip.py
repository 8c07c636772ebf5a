"""Infobip: how it answers, and what it posts."""

import json
from datetime import UTC, datetime

from portal.channels.base import Inbound, Loss, Outcome, Receipt, WebhookRequest
from portal.channels.content import Kind
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, Expected, Heard, later, posted
from tests.contract.standin import Step, answer, raw

API_KEY = "1nf0b1pk3y" * 3
MESSAGE = "41_1"
FOREIGN = "MESSAGE-ID-123-xyz"


def status(group: int, name: str, code: int) -> dict:
    return {"groupId": group, "groupName": name, "id": code, "name": f"{name}_{code}", "description": name}


def _answer(group: int, name: str, code: int, *headers: str, http: int = 200) -> Step:
    known = status(group, name, code) | {"description": API_KEY}
    told = {"messageId": MESSAGE, "status": known, "destination": "639171234567"}
    return answer(http, {"bulkId": "B1", "messages": [told | {"details": {"messageCount": 2}}]}, headers)


def _rejected(code: int) -> Step:
    return _answer(5, "REJECTED", code)


def _error(http: int, code: str, *properties: str, headers: tuple[str, ...] = ()) -> Step:
    violations = [{"property": each, "violation": "invalid"} for each in properties]
    return answer(http, {"errorCode": code, "description": API_KEY, "violations": violations}, headers)


def _old(http: int, word: str) -> Step:
    return answer(http, {"requestError": {"serviceException": {"messageId": word, "text": API_KEY}}})


def report(group: int, name: str, code: int, error: str = "NO_ERROR", **more: object) -> dict:
    told = {"bulkId": "B1", "messageId": MESSAGE, "to": "639171234567", "doneAt": "2019-11-09T17:00:00.000+0100"}
    return told | {"status": status(group, name, code), "error": {"name": error, "id": 1}} | more


def _status(*reports: object, query: str = "key=41_1") -> WebhookRequest:
    return posted("status", json.dumps({"results": reports}), query=query)


def _one(group: int, name: str, code: int, error: str = "NO_ERROR", **more: object) -> WebhookRequest:
    return _status(report(group, name, code, error, **more))


def _receipt(outcome: Outcome, code: str, loss: Loss = Loss.NONE, message: str = MESSAGE, key: str = "41:1") -> Receipt:
    at = datetime(2019, 11, 9, 16, tzinfo=UTC)
    return Receipt(message, outcome, code, "", "+639171234567", at=at, loss=loss, our_key=key)


def _text(text: str, **more: object) -> dict:
    told = {"messageId": "MO1", "from": "639171234567", "to": "447700900001", "text": text, "cleanText": "x"}
    return told | {"keyword": "", "receivedAt": "2019-11-09T16:00:00.000+0000", "smsCount": 1} | more


def _came(text: str, **more: object) -> Inbound:
    return Inbound("+639171234567", text, "MO1", "+447700900001", at=datetime(2019, 11, 9, 16, tzinfo=UTC), **more)


def _texts(*told: object) -> WebhookRequest:
    return posted("receive", json.dumps({"results": told, "messageCount": len(told), "pendingMessageCount": 0}))


INFOBIP = Case(
    kind="infobip",
    credentials={"api_key": API_KEY, "from": "Sendero"},
    secrets=(API_KEY,),
    accepts=_answer(1, "PENDING", 26),
    external_id=MESSAGE,
    refusals=[
        *((f"{code} of the account", _rejected(code), SENDERS) for code in (11, 12, 13, 17, 19)),
        *(
            (f"{code} of the message", _rejected(code), OURS)
            for code in (6, 8, 10, 14, 18, 20, 24, 25, 51, 52, 87, 100, 9999)
        ),
        ("2 undeliverable", _answer(2, "UNDELIVERABLE", 9), OURS),
        ("21 of their own", _rejected(21), Expected(OURS.scope, retry=True, retry_after=30)),
        ("23 known already", _rejected(23), LEFT_OPEN),
        ("a group that nobody knows", _answer(9, "TELEPORTED", 999), LEFT_OPEN),
        ("no status", answer(200, {"messages": [{"messageId": MESSAGE}]}), LEFT_OPEN),
        ("400 sender", _error(400, "E400", "messages[0].sender"), SENDERS),
        ("400 webhooks", _error(400, "E400", "messages[0].webhooks.delivery.url"), SENDERS),
        ("400 number", _error(400, "E400", "messages[0].destinations[0].to"), OURS),
        ("400 text", _error(400, "E400", "messages[0].content.text"), OURS),
        ("400 else", _error(400, "E400"), OURS),
        ("400 of old", _old(400, "BAD_REQUEST"), OURS),
        ("401", _error(401, "E401"), SENDERS),
        ("401 of old", _old(401, "UNAUTHORIZED"), SENDERS),
        ("403", _error(403, "E403"), SENDERS),
        ("402", answer(402, body=b""), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("429", _error(429, "E429"), later(None)),
        ("429 with a time", _error(429, "E429", headers=("Retry-After: 4",)), later(4)),
        ("429 of old", _old(429, "TOO_MANY_REQUESTS"), later(None)),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        ("500", _error(500, "E500"), LEFT_OPEN),
        ("500 with a status", _answer(5, "REJECTED", 52, http=500), LEFT_OPEN),
        *((f"{code} unreadable", answer(code, body=b"<html>"), LEFT_OPEN) for code in (500, 502, 503, 504, 408)),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("200 that is a list", answer(200, []), LEFT_OPEN),
        ("200 without messages", answer(200, {"messages": []}), LEFT_OPEN),
        ("200 without an id", answer(200, {"messages": [{"status": status(1, "PENDING", 26)}]}), LEFT_OPEN),
        ("200 cut short, no length", raw(b'HTTP/1.1 200 OK\r\n\r\n{"messages": [{"sta'), LEFT_OPEN),
    ],
    heard=[
        *(
            Heard(f"{name} {code}", _one(group, name, code), [_receipt(outcome, f"{name}_{code}", loss)])
            for group, name, code, outcome, loss in (
                (1, "PENDING", 26, Outcome.ACCEPTED, Loss.NONE),
                (1, "PENDING", 7, Outcome.SENT, Loss.NONE),
                (1, "PENDING", 3, Outcome.SENT, Loss.NONE),
                (1, "PENDING", 777, Outcome.ACCEPTED, Loss.NONE),
                (3, "DELIVERED", 2, Outcome.SENT, Loss.NONE),
                (3, "DELIVERED", 5, Outcome.DELIVERED, Loss.NONE),
                (3, "DELIVERED", 777, Outcome.SENT, Loss.NONE),
                (2, "UNDELIVERABLE", 4, Outcome.FAILED, Loss.REJECTED),
                (2, "UNDELIVERABLE", 9, Outcome.FAILED, Loss.NONE),
                (4, "EXPIRED", 15, Outcome.EXPIRED, Loss.NONE),
                (4, "EXPIRED", 29, Outcome.EXPIRED, Loss.NONE),
                (4, "EXPIRED", 87, Outcome.FAILED, Loss.REJECTED),
                (5, "REJECTED", 12, Outcome.FAILED, Loss.REJECTED),
                (5, "REJECTED", 10, Outcome.FAILED, Loss.WITHHELD),
                (5, "REJECTED", 14, Outcome.FAILED, Loss.WITHHELD),
            )
        ),
        Heard(
            "off",
            _one(2, "UNDELIVERABLE", 9, "EC_ABSENT_SUBSCRIBER"),
            [_receipt(Outcome.FAILED, "EC_ABSENT_SUBSCRIBER", Loss.UNREACHABLE)],
        ),
        Heard(
            "a new error",
            _one(2, "UNDELIVERABLE", 9, "EC_SOMETHING_NEW"),
            [_receipt(Outcome.FAILED, "UNDELIVERABLE_9")],
        ),
        Heard(
            "a group's name alone",
            _status(report(3, "DELIVERED", 5) | {"status": {"groupName": "REJECTED"}}),
            [_receipt(Outcome.FAILED, "REJECTED", Loss.REJECTED)],
        ),
        Heard(
            "several, one of another program",
            _status(
                report(3, "DELIVERED", 5, messageId="42_2"),
                report(3, "DELIVERED", 2, messageId=FOREIGN),
                report(1, "PENDING", 26, messageId="x", callbackData="43:1"),
            ),
            [
                _receipt(Outcome.DELIVERED, "DELIVERED_5", message="42_2", key="42:2"),
                _receipt(Outcome.SENT, "DELIVERED_2", message=FOREIGN, key=FOREIGN),
                _receipt(Outcome.ACCEPTED, "PENDING_26", message="x", key="43:1"),
            ],
        ),
        Heard("none", _status(), []),
        Heard("a text", _texts(_text("Kumusta ñ 👋")), [_came("Kumusta ñ 👋")]),
        Heard(
            "two texts",
            _texts(_text("a"), _text("b", messageId="MO2")),
            [_came("a"), Inbound("+639171234567", "b", "MO2")],
        ),
        Heard("STOP", _texts(_text("STOP", keyword="STOP", cleanText="")), [_came("STOP")]),
        Heard("without a time", _texts(_text("a", receivedAt="soon")), [Inbound("+639171234567", "a", "MO1")]),
        Heard(
            "an MMS",
            _texts(_text("", message=[{"contentType": "text/plain", "value": "look"}, {"url": "https://x.test/1"}])),
            [_came("look", kind=Kind.UNSUPPORTED, details={"type": "MMS"})],
        ),
        Heard("a name", _texts(_text("Your code", **{"from": "BANK"})), [Inbound("BANK", "Your code", "MO1")]),
    ],
    odd=[
        _one(9, "TELEPORTED", 999),
        _status(report(3, "DELIVERED", 5), {"status": status(3, "DELIVERED", 5)}),
        _status("text", 7, None),
        _texts(_text("fine"), {"text": "from nobody"}, 7),
    ],
    broken=[
        posted("status", "{}"),
        posted("status", '{"results": 7}'),
        posted("receive", '{"results": [{"from"'),
        posted("receive", "[]"),
        posted("other", '{"results": []}'),
    ],
)

CASES = (INFOBIP,)
