"""Globe Labs: how it answers, and what it posts."""

import json

from portal.channels.base import Inbound, Preference, Unread, WebhookRequest
from portal.channels.content import AddressKind, Peer, Piece
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, Heard, got, later, posted
from tests.contract.standin import Step, answer, raw

APP_SECRET, PASSPHRASE = "c0ffee" * 10, "Zx81Qv77Lm"
MARIA = "+639171234567"
TAKEN = {
    "outboundSMSMessageRequest": {
        "address": f"tel:{MARIA}",
        "deliveryInfoList": {"deliveryInfo": [], "resourceURL": None},
        "senderAddress": "1234",
        "outboundSMSTextMessage": {"message": "Kumusta"},
    }
}


def _error(status: int, words: str) -> Step:
    """An error as it answers it, with a secret in its words as no careful provider would."""
    return answer(status, {"error": f"{words} {APP_SECRET} {PASSPHRASE}"})


def _item(body: str, **more: object) -> dict[str, object]:
    return {
        "dateTime": "Fri Nov 22 2013 12:12:13 GMT+0000 (UTC)",
        "destinationAddress": "tel:21581234",
        "messageId": "57cd07d61a28d80100a26bc7",
        "message": body,
        "resourceURL": None,
        "senderAddress": f"tel:{MARIA}",
    } | more


def texts(*items: object, count: object = 1) -> WebhookRequest:
    batch = {"inboundSMSMessage": list(items), "numberOfMessagesInThisBatch": count}
    return posted("receive", json.dumps({"inboundSMSMessageList": batch}))


def _came(body: str, **more: object) -> Inbound:
    return Inbound(MARIA, body, "57cd07d61a28d80100a26bc7", "21581234", **more)


def _wants(wanted: bool) -> list[Preference]:
    return [Preference(Peer(AddressKind.PHONE, MARIA), marketing=wanted, everything=True)]


LEFT = {"subscriber_number": "9171234567", "access_token": "abc", "time_stamp": "2014-10-19T12:00:00"}

GLOBE = Case(
    kind="globe",
    credentials={"app_id": "B54z", "app_secret": APP_SECRET, "passphrase": PASSPHRASE, "shortcode": "21581234"},
    secrets=(APP_SECRET, PASSPHRASE),
    accepts=answer(201, TAKEN),
    external_id="",
    refusals=[
        *(
            (words, _error(status, words), SENDERS)
            for status, words in (
                *((401, "Authentication failed."), (401, ""), (400, "Invalid app_id"), (400, "Wrong passphrase")),
                *((400, "Invalid Access Token"), (400, "Invalid shortcode"), (400, "Insufficient wallet balance")),
            )
        ),
        *(
            (words or "400", _error(400, words), OURS)
            for words in ("Invalid address.", "Invalid subscriber_number format", "Message is required.", "")
        ),
        ("400 unreadable", answer(400, body=b"<html>"), OURS),
        ("402", answer(402, body=b""), SENDERS),
        ("403 from a firewall", answer(403, body=b"<html>Forbidden</html>"), SENDERS),
        ("404", answer(404, body=b"<html>"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("429 with a time", answer(429, {}, ("Retry-After: 4",)), later(4)),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        *((f"{status} busy", _error(status, "Invalid address."), LEFT_OPEN) for status in (500, 502, 503)),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("200 that does not speak of it", answer(200, {"status": "ok"}), LEFT_OPEN),
        ("201 that is a page", answer(201, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("201 that is empty", answer(201, body=b""), LEFT_OPEN),
        ("201 that is a list", answer(201, []), LEFT_OPEN),
        ("201 with an error", _error(201, "Invalid address."), LEFT_OPEN),
        ("201 cut short, no length", raw(b'HTTP/1.1 201 Created\r\n\r\n{"outboundSMS'), LEFT_OPEN),
    ],
    heard=[
        Heard("a text", texts(_item("Kumusta ñ 👋")), [_came("Kumusta ñ 👋")]),
        Heard("no text", texts(_item("")), [_came("")]),
        Heard("no id", texts(_item("Hi", messageId=None)), [Inbound(MARIA, "Hi")]),
        Heard("a local number", texts(_item("Hi", senderAddress="tel:09171234567")), [_came("Hi")]),
        Heard("two texts", texts(_item("One"), _item("Two"), count=2), [_came("One"), _came("Two")]),
        Heard(
            "an SMS of a long text",
            texts(_item("the end", multipartRefId="5476dd", multipartSeqNum="2"), count="2"),
            [_came("the end", piece=Piece("5476dd", 2, 2))],
        ),
        Heard("nobody wrote", texts(), []),
        Heard("one of them is odd", texts(_item("One"), "x", count=2), [_came("One"), Unread("")]),
        Heard("left", posted("receive", json.dumps({"unsubscribed": LEFT})), _wants(False)),
        Heard("joined", got("receive", "access_token=abc&subscriber_number=9171234567"), _wants(True)),
        Heard("half joined", got("receive", "code=abc"), []),
    ],
    odd=[
        texts(_item("Hi", senderAddress=None)),
        posted("receive", json.dumps({"unsubscribed": {"access_token": "abc"}})),
    ],
    broken=[
        posted("receive", '{"inboundSMSMess'),
        posted("receive", "{}"),
        posted("receive", '{"inboundSMSMessageList": {"inboundSMSMessage": 1}}'),
        posted("status", json.dumps({"deliveryInfo": []})),
        got("receive", "Body=Hi"),
    ],
)

CASES = (GLOBE,)
