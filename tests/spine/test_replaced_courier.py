"""courier's channel routes over HTTP: what its providers were told to call, and what they are answered."""

from uuid import uuid4

import pytest
import requests
from sqlalchemy import select

from portal.channels import registry
from portal.channels.base import Outcome, WebhookRequest
from portal.channels.generic_http import webhook
from portal.channels.generic_http.fields import FORM
from portal.messaging import courier_letters, senders
from portal.models import Message, Status
from portal.web.replaced.courier import TYPES
from tests.portal import eventually
from tests.spine.api import Client, new_key


def adopt(portal, channel, **credentials):
    """A sender with a channel's uuid, of its own in each test: what a key is, is known for half a minute."""
    sender, uuid = portal.add_sender(channel, credentials=credentials), str(uuid4())
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
