"""Notifications of every kind, made from the documented fields. Each function gives a fresh body."""

import json

from portal.channels.base import WebhookRequest
from portal.channels.green_api.client import GreenApi

INSTANCE = 7103000001
OWN, CUSTOMER, MEMBER = "4915112345678@c.us", "639175550101@c.us", "4366012345678@c.us"
LID, GROUP, OLD_GROUP = "120650379300963@lid", "120363043968066561@g.us", "4915112345678-1581234048@g.us"
AT = 1_795_000_000


def envelope(kind, **more):
    return {
        "typeWebhook": kind,
        "instanceData": {"idInstance": INSTANCE, "wid": OWN, "typeInstance": "whatsapp"},
        "timestamp": AT,
        **more,
    }


def message(kind, data=None, *, webhook="incomingMessageReceived", chat=CUSTOMER, sender=None, outside=None, **people):
    """`data` is laid into messageData; `people` over senderData; `outside` beside both."""
    typed = webhook != "incomingMessageReceived"
    where = {
        "chatId": chat,
        "sender": sender or (OWN if typed else chat),
        "chatName": "Maria",
        "senderName": "Clinic" if typed else "Maria S",
        "senderContactName": "" if typed else "Maria Santos",
    }
    inner = {"typeMessage": kind, **(data or {})}
    return envelope(webhook, idMessage="3EB0AA01", senderData=where | people, messageData=inner, **(outside or {}))


def text(body="Hello", **more):
    return message("textMessage", {"textMessageData": {"textMessage": body}}, **more)


def file(kind, *, quoted=None, **fields):
    own = {"downloadUrl": "https://media.test/7103000001/4f1c.jpg", "caption": "", "mimeType": "image/jpeg", **fields}
    return message(kind, {"fileMessageData": own} | ({"quotedMessage": quoted} if quoted else {}))


def status(word, **more):
    return envelope("outgoingMessageStatus", chatId=CUSTOMER, idMessage="3EB0BB02", status=word, sendByApi=True, **more)


def call(word=None, webhook="incomingCall", **more):
    said = envelope(webhook, idMessage="CALL01", **{"from": CUSTOMER}, **more)
    return said | ({"status": word} if word else {})


def request(said, **headers):
    return WebhookRequest("receive", json.dumps(said).encode(), "application/json", headers)


def events(said):
    return list(GreenApi().parse(request(said)))


def event(said):
    found = events(said)
    assert len(found) == 1, found
    return found[0]
