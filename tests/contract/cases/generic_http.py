"""A gateway of JSON, as a person has described it: how it answers, and what it calls under the usual names."""

import json
from urllib.parse import urlencode

from portal.channels.base import Inbound, Loss, Outcome, Receipt, WebhookRequest
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, Heard, got, later, posted
from tests.contract.standin import Step, answer, raw

API_KEY, PASSWORD, HEADER = "gateway-key-8c1f", "gateway-word-77aa", "gateway-header-0d2e"
FORM = "application/x-www-form-urlencoded"
TOOK = {"status": "ok", "messages": [{"id": "gw-1"}]}


def _refused(status: int, words: str, *headers: str) -> Step:
    return answer(status, {"status": "error", "reason": f"{words} {API_KEY}"}, headers)


def _report(word: str, error: str = "0", key: str = "key=41_1") -> WebhookRequest:
    return posted("status", json.dumps({"id": "gw-1", "status": word, "error": error}), query=key)


def _told(outcome: Outcome, code: str, loss: Loss = Loss.NONE) -> list[Receipt]:
    # Without the sender's settings no place of an id is known: our key is the id.
    return [Receipt("41:1", outcome, code, loss=loss, our_key="41:1")]


def _came(text: str) -> list[Inbound]:
    return [Inbound("+639171234567", text, "m-1", "21601")]


TEXT = {"id": "m-1", "from": "639171234567", "to": "21601", "text": "Kumusta ñ 👋"}
TEXT_XML = "<sms><id>m-1</id><from>639171234567</from><to>21601</to><text>Kumusta &lt;ñ&gt; 👋</text></sms>"

GENERIC = Case(
    kind="generic_http",
    credentials={
        "send_url": "/v1/messages?key={{api_key}}",
        "content_type": "application/json",
        "body": '{"to": "{{to}}", "from": "{{from}}", "text": "{{text}}", "password": "{{password}}",'
        ' "dlr": "{{callback}}"}',
        "headers": f"X-Access: {HEADER}",
        "from": "21601",
        "api_key": API_KEY,
        "password": PASSWORD,
        "success_at": "status=ok",
        "id_at": "messages[0].id",
        "errors": "bad number=invalid; bad key=config; no credit=stop; queue full=slow; busy=later;"
        " on the list=opted_out",
    },
    secrets=(API_KEY, PASSWORD, HEADER),
    accepts=answer(200, TOOK),
    external_id="gw-1",
    refusals=[
        ("the number, with 200", _refused(200, "Bad number"), OURS),
        ("the number, with 400", _refused(400, "bad number"), OURS),
        ("the key", _refused(200, "bad key"), SENDERS),
        ("the money", _refused(402, "no credit"), SENDERS),
        ("too fast", _refused(200, "queue full"), later(None)),
        ("too fast, with a time", _refused(503, "queue full", "Retry-After: 9"), later(9)),
        ("busy", _refused(503, "busy"), later(60, OURS.scope)),
        ("the list", _refused(403, "on the list"), OURS),
        ("a success and a refusal", answer(200, TOOK | {"warning": "bad number"}), LEFT_OPEN),
        ("a word nobody has entered", _refused(200, "hm"), LEFT_OPEN),
        ("400", _refused(400, "hm"), OURS),
        ("401", answer(401, body=b""), SENDERS),
        ("404", answer(404, body=b"<html>"), SENDERS),
        ("301", answer(301, body=b"", headers=("Location: http://127.0.0.1/",)), SENDERS),
        ("302", answer(302, body=b"", headers=("Location: http://127.0.0.1/",)), LEFT_OPEN),
        ("303", answer(303, body=b"", headers=("Location: http://127.0.0.1/",)), LEFT_OPEN),
        ("500", _refused(500, "hm"), LEFT_OPEN),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("200 that is empty", answer(200, body=b""), LEFT_OPEN),
        ("200 that is half", answer(200, body=b'{"status": "o'), LEFT_OPEN),
        ("200 that is deep", answer(200, body=b"[" * 100_000), LEFT_OPEN),
        ("200 with a bomb", answer(200, body=b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'), LEFT_OPEN),
        ("200 cut short", raw(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"status": "ok"'), LEFT_OPEN),
    ],
    heard=[
        *(
            Heard(word, _report(word), _told(outcome, word, loss))
            for word, outcome, loss in (
                ("queued", Outcome.ACCEPTED, Loss.NONE),
                ("Sent", Outcome.SENT, Loss.NONE),
                ("ENROUTE", Outcome.SENT, Loss.NONE),
                ("DELIVRD", Outcome.DELIVERED, Loss.NONE),
                ("delivered", Outcome.DELIVERED, Loss.NONE),
                ("read", Outcome.READ, Loss.NONE),
                ("UNDELIV", Outcome.FAILED, Loss.NONE),
                ("REJECTD", Outcome.FAILED, Loss.REJECTED),
                ("EXPIRED", Outcome.EXPIRED, Loss.NONE),
            )
        ),
        Heard("its own code", _report("failed", "0x0B"), _told(Outcome.FAILED, "0x0B")),
        Heard("without our key", _report("delivered", key=""), [Receipt("gw-1", Outcome.DELIVERED, "delivered")]),
        Heard(
            "a report by GET", got("status", "key=41_1&id=gw-1&status=delivered"), _told(Outcome.DELIVERED, "delivered")
        ),
        Heard(
            "a report in XML",
            posted("status", "<report><id>gw-1</id><status>delivered</status></report>", "text/xml", "key=41_1"),
            _told(Outcome.DELIVERED, "delivered"),
        ),
        Heard(
            "several reports",
            posted("status", json.dumps([{"id": "gw-1", "status": "sent"}, {"id": "gw-2", "status": "delivered"}])),
            [Receipt("gw-1", Outcome.SENT, "sent"), Receipt("gw-2", Outcome.DELIVERED, "delivered")],
        ),
        Heard("JSON", posted("receive", json.dumps(TEXT)), _came("Kumusta ñ 👋")),
        Heard("a form", posted("receive", urlencode(TEXT), FORM), _came("Kumusta ñ 👋")),
        Heard("a GET", got("receive", urlencode(TEXT)), _came("Kumusta ñ 👋")),
        Heard("XML", posted("receive", TEXT_XML, "text/xml"), _came("Kumusta <ñ> 👋")),
        Heard(
            "XML in Latin-1",
            posted(
                "receive",
                '<?xml version="1.0" encoding="ISO-8859-1"?><s:sms xmlns:s="urn:s"><s:from>GCash</s:from>'
                "<s:text>señor</s:text></s:sms>".encode("latin-1"),
                "text/xml",
            ),
            [Inbound("GCash", "señor")],
        ),
        Heard("no id and no text", got("receive", "from=%2B639171234567"), [Inbound("+639171234567", "")]),
        Heard(
            "several",
            posted("receive", json.dumps([TEXT, TEXT | {"id": "m-2"}])),
            [*_came("Kumusta ñ 👋"), Inbound("+639171234567", "Kumusta ñ 👋", "m-2")],
        ),
    ],
    odd=[
        _report("teleported"),
        _report(""),
        _report("success"),
        posted(
            "status", json.dumps([{"id": "gw-1", "status": "sent"}, 7, {"status": "sent"}, {"id": "x", "status": "?"}])
        ),
        posted("receive", json.dumps([TEXT, {"text": "from nobody"}])),
    ],
    broken=[
        posted("status", "{"),
        posted("status", '{"status": "sent"}'),
        posted("receive", '{"text": "from nobody"}'),
        posted("receive", "[]"),
        posted("receive", "<sms><from>"),
        posted("receive", '<!DOCTYPE x [<!ENTITY a "b">]><sms><from>&a;</from></sms>'),
        posted("receive", "[" * 50_000),
        got("other", "from=1"),
    ],
)

CASES = (GENERIC,)
