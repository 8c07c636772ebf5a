"""Statuses and their early 403, inbound messages with their live traps, contacts and look-ups."""

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.world import PROVIDER_ID, Contact
from tests.sandbox.conftest import LOCATION, OTHER, Caller, Clock


@pytest.fixture
def contact(sandbox: Sandbox) -> Contact:
    return sandbox.ghl.directory.of_location(LOCATION)[0]


@pytest.fixture
def message(sandbox: Sandbox, contact: Contact) -> Message:
    conversation = sandbox.ghl.mailbox.conversation_of(LOCATION, contact.id)
    return sandbox.ghl.mailbox.add(
        conversation, "outbound", "SMS", "Hi", provider_id=PROVIDER_ID, posted_at=sandbox.clock()
    )


@pytest.fixture
def token(call: Caller) -> str:
    return call.grant()["access_token"]


def path(message: Message) -> str:
    return f"/conversations/messages/{message.id}/status"


def test_every_status_is_kept(call: Caller, sandbox: Sandbox, message: Message, token: str) -> None:
    error = {"code": "1", "type": "saas", "message": "The number is switched off"}
    assert call.ghl("PUT", path(message), token, json={"status": "pending"}).status_code == 200
    answer = call.ghl("PUT", path(message), token, json={"status": "failed", "error": error}).json()
    assert (answer["messageId"], answer["status"]) == (message.id, "failed")
    assert [change.status for change in message.history] == ["pending", "failed"]
    shown = call.request("GET", f"/control/messages/{message.id}").json()
    assert (shown["status"], shown["error"]) == ("failed", error)
    [first, _] = sandbox.records.calls("ghl.update_status")
    assert (first.token, first.status, first.applied) == (token, 200, True)


def test_the_early_403_passes_with_time(
    call: Caller, sandbox: Sandbox, clock: Clock, message: Message, token: str
) -> None:
    sandbox.ghl.early_403_seconds = 8
    early = call.ghl("PUT", path(message), token, json={"status": "pending"})
    assert (early.status_code, early.json()["message"]) == (403, "No conversation provider found for this message")
    clock.forward(8)
    assert call.ghl("PUT", path(message), token, json={"status": "pending"}).status_code == 200
    assert (message.refused, message.status) == ([403], "pending")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "sent"},
        {"status": "failed", "error": {"message": "x"}},
        {"status": "read", "extra": 1},
        {"status": "failed", "error": "x"},
    ],
)
def test_statuses_are_validated(call: Caller, message: Message, token: str, body: dict) -> None:
    refused = call.ghl("PUT", path(message), token, json=body)
    assert refused.status_code == 422
    assert isinstance(refused.json()["message"], list)
    assert message.history == []


def test_whose_status_it_is(call: Caller, message: Message, token: str) -> None:
    other = call.grant(OTHER)["access_token"]
    assert call.ghl("PUT", path(message), other, json={"status": "read"}).status_code == 403
    unknown = call.ghl("PUT", "/conversations/messages/nothing/status", token, json={"status": "read"})
    assert (unknown.status_code, unknown.json()["message"]) == (401, "No message found for the id")


def inbound(contact: Contact, **more: object) -> dict:
    body = {"type": "SMS", "contactId": contact.id, "message": "Yes", "direction": "inbound", "altId": "m1"}
    return {**body, "conversationProviderId": PROVIDER_ID, **more}


def test_an_inbound_message_lands_in_the_one_conversation(
    call: Caller, sandbox: Sandbox, contact: Contact, message: Message, token: str
) -> None:
    added = call.ghl("POST", "/conversations/messages/inbound", token, json=inbound(contact))
    assert (added.status_code, added.json()["conversationId"]) == (201, message.conversation_id)
    [kept] = sandbox.ghl.mailbox.messages(alt_id="m1")
    assert (kept.id, kept.direction) == (added.json()["messageId"], "inbound")
    listed = call.ghl("GET", f"/conversations/{message.conversation_id}/messages?limit=1", token).json()["messages"]
    assert ([one["id"] for one in listed["messages"]], listed["nextPage"]) == ([kept.id], True)
    more = f"/conversations/{message.conversation_id}/messages?lastMessageId={listed['lastMessageId']}"
    assert [one["id"] for one in call.ghl("GET", more, token).json()["messages"]["messages"]] == [message.id]
    assert call.ghl("GET", f"/conversations/messages/{kept.id}", token).json()["body"] == "Yes"


def test_inbound_traps(call: Caller, sandbox: Sandbox, contact: Contact, token: str) -> None:
    def post(**more: object):
        return call.ghl("POST", "/conversations/messages/inbound", token, json=inbound(contact, **more))

    silent = post(type="Custom", conversationProviderId=None)
    assert (silent.status_code, silent.content) == (201, b"")
    wrong = post(conversationProviderId="wrong")
    assert (wrong.status_code, wrong.json()["message"]) == (400, "Invalid conversationProviderId")
    assert post(contactId="nobody").status_code == 400
    assert post(contactId=None).status_code == 422
    assert post(attachments=["https://x.test/a.png?alt=media"]).status_code == 422
    assert sandbox.ghl.mailbox.messages(direction="inbound") == []
    post(direction=None)
    assert len(sandbox.ghl.mailbox.messages(direction="outbound")) == 1


def test_contacts(call: Caller, sandbox: Sandbox, contact: Contact, token: str) -> None:
    def ghl(method: str, where: str, **more: object):
        return call.ghl(method, where, token, "2021-07-28", **more)

    search = f"/contacts/search/duplicate?locationId={LOCATION}&number="
    assert ghl("GET", search + "%2B639175550101").json()["contact"]["id"] == contact.id
    assert ghl("GET", search + "%2B639175550999").json() == {"contact": None}
    fresh = {"locationId": LOCATION, "phone": "+639175550999", "name": "Pia Cruz"}
    made = ghl("POST", "/contacts/", json=fresh)
    assert made.status_code == 201
    again = ghl("POST", "/contacts/", json=fresh)
    assert (again.status_code, again.json()["meta"]["contactId"]) == (400, made.json()["contact"]["id"])
    assert ghl("POST", "/contacts/", json={**fresh, "nonsense": 1}).status_code == 422
    assert ghl("GET", f"/contacts/{contact.id}").json()["contact"]["phone"] == "+639175550101"
    assert ghl("POST", f"/contacts/{contact.id}/tags", json={"tags": ["vip"]}).json() == {"tags": ["vip"]}
    assert ghl("DELETE", f"/contacts/{contact.id}/tags", json={"tags": ["vip"]}).json() == {"tags": []}
    ghl("POST", "/contacts/upsert", json={**fresh, "tags": ["only"]})
    assert sandbox.records.calls("ghl.upsert_contact")[0].body["tags"] == ["only"]


def test_conversations_are_searched_and_opened(call: Caller, contact: Contact, token: str) -> None:
    query = f"/conversations/search?locationId={LOCATION}&contactId={contact.id}"
    assert call.ghl("GET", query, token).json() == {"conversations": [], "total": 0}
    body = {"locationId": LOCATION, "contactId": contact.id}
    opened = call.ghl("POST", "/conversations/", token, json=body)
    assert opened.status_code == 201
    [found] = call.ghl("GET", query, token).json()["conversations"]
    assert found["id"] == opened.json()["conversation"]["id"]


def test_a_path_nobody_has_is_recorded(call: Caller, sandbox: Sandbox) -> None:
    assert call.request("POST", "/conversations/providers/live-chat/typing", json={}).status_code == 404
    assert sandbox.records.calls("unknown")[0].path == "/conversations/providers/live-chat/typing"
