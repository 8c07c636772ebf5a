"""courier's channel routes over HTTP: what its providers were told to call, and what they are answered."""

import hmac
import json
from base64 import b64encode
from hashlib import sha1
from uuid import uuid4

import pytest
import requests
from sqlalchemy import select

from portal.channels import registry
from portal.channels.base import Account, ChannelError, Outcome, Outgoing, Unread, WebhookRequest
from portal.channels.generic_http import templates, webhook
from portal.channels.generic_http.fields import FORM, JSON
from portal.messaging import courier_letters, senders
from portal.models import Message, OptOut, Status
from portal.web.replaced.courier import TYPES
from tests.portal import eventually
from tests.spine.api import Client, new_key


def adopt(portal, channel, api_url="", **credentials):
    """A sender with a channel's uuid, of its own in each test: what a key is, is known for half a minute."""
    sender, uuid = portal.add_sender(channel, credentials=credentials, api_url=api_url), str(uuid4())
    with portal.database.write() as session:
        senders.take_key(session, sender, uuid)
    return uuid


def test_every_type_is_a_channel_of_ours():
    assert {known.channel for known in TYPES.values()} <= {each.kind for each in registry.all()}


def test_a_text_comes_in_at_the_old_address(portal):
    uuid = adopt(portal, "africastalking", username="sandbox", api_key="a-key-of-forty-letters-for-a-test-run-only")
    form = {"id": "1", "text": "Hello", "from": "+254711000000", "to": "21000", "date": "2026-11-22 03:00:00"}
    for action, kind in (("receive", "AT"), ("callback", "at"), ("receive/", "at")):
        said = requests.post(f"{portal.url}/c/{kind}/{uuid}/{action}", data=form, timeout=60)
        assert said.status_code == 200, said.text
        told = {"type": "msg", "external_id": "1", "urn": "tel:+254711000000", "text": "Hello"}
        assert said.json() == {"message": "Message Accepted", "data": [told]}
    came = eventually(lambda: portal.messages("in"))
    assert [(each.body, each.address) for each in came] == [("Hello", "+254711000000")]
    report = {"id": "no-message-of-ours", "status": "Success", "phoneNumber": "+254711000000"}
    said = requests.post(f"{portal.url}/c/at/{uuid}/delivery", data=report, timeout=60)
    assert said.json()["message"] == "Status Update Accepted" and said.json()["data"][0]["status"] == "D"


def test_an_external_channel_reports_by_its_address(portal):
    uuid = adopt(
        portal,
        "generic_http",
        send_url=f"{portal.sandbox.url}/nowhere",
        body="to={{to}}&text={{text}}&id={{key}}",
        report_reference="id",
    )
    came = requests.get(f"{portal.url}/c/ex/{uuid}/receive?from=%2B639170000001&text=Hi", timeout=60)
    assert came.json() == {"message": "Message Accepted", "data": [{"type": "msg"}]}
    assert eventually(lambda: portal.messages("in"))[0].body == "Hi"
    for action in ("sent", "delivered", "failed"):
        said = requests.post(f"{portal.url}/c/ex/{uuid}/{action}", data={"id": "portal_1_1"}, timeout=60)
        assert said.json() == {"message": "Status Update Accepted", "data": [{"type": "status"}]}
        event = portal.events()[-1]
        assert (event.action, event.query.endswith(f"status={action}")) == ("status", True)


def test_a_report_by_id_finds_the_message_by_our_key():
    heard = WebhookRequest("status", b"id=portal_1_1", FORM, {}, "status=delivered")
    (receipt,) = webhook.parse({"report_reference": "id"}, heard)
    assert (receipt.our_key, receipt.outcome) == ("portal:1:1", Outcome.DELIVERED)


def test_strangers_types_and_actions_are_404(portal):
    uuid = adopt(portal, "africastalking", username="sandbox", api_key="a-key-of-forty-letters-for-a-test-run-only")
    for path in (f"/c/gl/{uuid}/receive", f"/c/at/{uuid4()}/receive", f"/c/at/{uuid}/sent", f"/c/tw/{uuid}/receive"):
        said = requests.post(portal.url + path, data={"id": "1"}, timeout=60)
        assert (said.status_code, said.json()["message"]) == (404, "Error"), path
    assert portal.events() == []


def test_a_key_has_to_be_a_random_uuid_of_nobody_else(idle):
    uuid, run = str(uuid4()), idle.app.test_cli_runner().invoke
    first, second = idle.add_sender("cast"), idle.add_sender("cast")
    assert run(args=["sender", "key", str(first), "--uuid", uuid.upper()]).exit_code == 0
    assert idle.sender_key(first) == uuid
    for wrong in (uuid, "nothing", "00000000-0000-1000-8000-000000000000"):
        assert run(args=["sender", "key", str(second), "--uuid", wrong]).exit_code == 1
    assert run(args=["sender", "key", "999", "--uuid", str(uuid4())]).exit_code == 1


def test_the_api_tells_the_letter(portal):
    api = Client(portal, new_key(portal))
    sent = api.post("/messages", {"to": "+639171234567", "text": "Hello"})
    assert sent["courier_status"] == "Q"
    eventually(lambda: api.get(f"/messages/{sent['id']}")["courier_status"] == "D")
    with portal.session() as session:
        assert session.scalars(select(Message.status)).one() == "delivered"


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_letter(status):
    assert courier_letters.of_status(status) in "PQWSDRFH"


SID, TOKEN = "AC" + "0" * 32, "a-token-of-twilio-0123456789"


def signed(address: str, form: dict[str, str], token: str = TOKEN) -> dict[str, str]:
    """As Twilio's page on webhook security has it: the address, then each field's name and value, sorted."""
    words = address + "".join(name + value for name, value in sorted(form.items()))
    return {"X-Twilio-Signature": b64encode(hmac.new(token.encode(), words.encode(), sha1).digest()).decode()}


@pytest.mark.parametrize("code", ["t", "tms", "tw"])
def test_twilio_calls_on_where_courier_was(portal, code):
    known = {"account_sid": SID, "auth_token": TOKEN, "from": "+15005550006"}
    # A provider of the public internet could not call a loopback address, so it would have none to sign.
    uuid = adopt(portal, "twilio", portal.sandbox.url, **known)
    form = {"MessageSid": "SM1", "From": "+639170000001", "To": "+15005550006", "Body": "Hello"}
    for place, named in ((f"/c/{code}/{uuid}/receive", "SM1"), (f"/c/{code}/{uuid}/receive/", "SM2")):
        told = form | {"MessageSid": named}
        proof = signed(portal.settings.app_url + place, told)
        said = requests.post(portal.url + place, data=told, headers=proof, timeout=30)
        assert (said.status_code, said.headers["Content-Type"].split(";")[0]) == (200, "text/xml"), said.text
        assert "<Response></Response>" in said.text
    came = eventually(lambda: found if len(found := portal.messages("in")) == 2 else None)
    assert {each.body for each in came} == {"Hello"}
    elsewhere = signed(f"{portal.settings.app_url}/c/{code}/{uuid4()}/receive", form)
    for proof in ({}, elsewhere, signed(portal.settings.app_url + f"/c/{code}/{uuid}/receive", form, "another token")):
        said = requests.post(f"{portal.url}/c/{code}/{uuid}/receive", data=form, headers=proof, timeout=30)
        assert (said.status_code, said.json()["message"]) == (401, "Error")


def test_whoever_is_stopped_at_the_gateway_gets_nothing_more(portal):
    form = {"send_url": f"{portal.sandbox.url}/nowhere", "body": "to={{to}}&text={{text}}"}
    uuid = adopt(portal, "generic_http", **form)
    said = requests.get(f"{portal.url}/c/ex/{uuid}/stopped?from=%2B639170000001", timeout=30)
    told = {"message": "Event Accepted", "data": [{"type": "event", "event_type": "stop_contact"}]}
    assert (said.status_code, said.json()) == (200, told)

    def opted_out():
        with portal.session() as session:
            return session.scalars(select(OptOut)).all()

    (row,) = eventually(opted_out)
    assert (row.address, portal.messages("in")) == ("+639170000001", [])
    with pytest.raises(ChannelError):
        webhook.parse({}, WebhookRequest("receive", b"{broken", FORM, {}, "opt_out=1"))
    (unread,) = webhook.parse({}, WebhookRequest("receive", b"a=1", FORM, {}, "opt_out=1"))
    assert isinstance(unread, Unread)


def test_courier_s_placeholders_are_filled_in():
    account = Account(1, {"from": "+27830000000"}, webhook_url="https://sms.example.com/webhooks/sms/generic_http/KEY")
    known = templates.values(account, Outgoing("+639170000001", 'a "text"', "portal:1:1"))
    filled = templates.body("f={{from_no_plus}}&c={{channel}}&s={{session_status}}&q={{quick_replies}}", FORM, known)
    assert filled == "f=27830000000&c=KEY&s=&q="
    body = '{"to": "{{to}}", "replies": "{{ quick_replies }}", "note": "none: {{quick_replies}}"}'
    assert json.loads(templates.body(body, JSON, known)) == {"to": "+639170000001", "replies": [], "note": "none: "}
