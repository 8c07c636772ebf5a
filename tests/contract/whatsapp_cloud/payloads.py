"""Webhooks as Meta builds them, put together here."""

import json

from portal.channels.base import WebhookRequest

NUMBER, OTHER_NUMBER, ACCOUNT = "106540352242922", "109876543210987", "102290129340398"
LINE, ANA, BO = "15550783881", "639175550101", "639175550102"
ANA_ID = "PH.1000000000000000042"
AT = "1795000000"


def value(number=NUMBER, **lists):
    metadata = {"display_phone_number": LINE, "phone_number_id": number}
    return {"messaging_product": "whatsapp", "metadata": metadata, **lists}


def change(field, content):
    return {"field": field, "value": content}


def payload(*changes, account=ACCOUNT):
    return {"object": "whatsapp_business_account", "entry": [{"id": account, "changes": list(changes)}]}


def request(said, **headers):
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return WebhookRequest("receive", body, "application/json", headers)


def card(number=ANA, user=ANA_ID, name="Ana", **profile):
    told = {"wa_id": number, "user_id": user}
    return {"profile": {"name": name, **profile}, **{key: each for key, each in told.items() if each}}


def message(kind="text", external_id="wamid.HBgM1", **more):
    body = {"text": {"body": "Hello"}} if kind == "text" and "text" not in more else {}
    return {"from": ANA, "from_user_id": ANA_ID, "id": external_id, "timestamp": AT, "type": kind, **body, **more}


def messages(*items, contacts=None, **more):
    return payload(change("messages", value(contacts=contacts or [card()], messages=list(items), **more)))


def status(word="sent", external_id="wamid.OUT", **more):
    return {"id": external_id, "status": word, "timestamp": AT, "recipient_id": ANA, **more}


def statuses(*items, **more):
    return payload(change("messages", value(statuses=list(items), **more)))
