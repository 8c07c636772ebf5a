"""Whole journeys with a tiny portal on the other side: what the page shows is what travelled."""

from collections.abc import Iterator

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.cast.messages import Progress
from portal.sandbox.switches import SWITCHES
from tests.sandbox.conftest import LOCATION, Caller
from tests.sandbox.tiny_portal import TinyPortal


@pytest.fixture
def portal() -> Iterator[TinyPortal]:
    sandbox = Sandbox()
    server = sandbox.serve()
    portal = TinyPortal(sandbox)
    sandbox.portal_url = portal.url
    sandbox.cast.progress = Progress(0.05, 0.1)
    url = portal.url + "/webhooks/sms/simulator/secret/receive"
    sandbox.phone.register([{"location": LOCATION, "channel": "simulator", "sender_name": "Desk", "webhook_url": url}])
    yield portal
    portal.stop()
    server.stop()


def words(sandbox: Sandbox, message_id: str) -> str:
    journey = sandbox.journeys.get(message_id)
    assert journey is not None
    return "\n".join(step.words for step in journey.steps)


def test_from_agent_to_phone_to_status(portal: TinyPortal) -> None:
    sandbox = portal.sandbox
    message = sandbox.deliveries.send("Hello Maria").message
    assert sandbox.records.wait(lambda: message.status == "delivered")
    assert [change.status for change in message.history] == ["pending", "delivered"]
    seen = words(sandbox, message.id)
    for part in ("GHL posts the signed delivery", "portal answered 200", "Cast took it", "DELIVRD", "“delivered”"):
        assert part in seen
    live = Caller(sandbox).request("GET", "/live/travel").text
    assert "Hello Maria" in live
    assert "Maria Santos" in live


@pytest.mark.parametrize("name", ["provider_500", "provider_half_answer", "provider_reset_after", "provider_429"])
def test_a_spoilt_answer_costs_no_second_text(portal: TinyPortal, name: str) -> None:
    sandbox = portal.sandbox
    SWITCHES[name].turn(sandbox, True, 1)
    message = sandbox.deliveries.send("Hello").message
    assert sandbox.records.wait(lambda: message.status == "delivered")
    assert len(sandbox.cast.accepted(text="Hello")) == 1
    journey = sandbox.journeys.get(message.id)
    assert journey is not None
    assert [step.fault for step in journey.steps if step.fault] == [name]


def test_duplicates_early_403_and_an_expired_token(portal: TinyPortal) -> None:
    sandbox = portal.sandbox
    sandbox.deliveries.send("First")
    assert sandbox.records.wait(lambda: sandbox.records.count("ghl.update_status") >= 2)
    SWITCHES["duplicate_deliveries"].turn(sandbox, True, None)
    SWITCHES["ghl_expire_tokens"].turn(sandbox, True, None)
    sandbox.ghl.early_403_seconds = 0.3
    message = sandbox.deliveries.send("Second").message
    assert sandbox.records.wait(lambda: message.status == "delivered")
    assert len(sandbox.cast.accepted(text="Second")) == 1
    assert [one.outcome for one in sandbox.ghl.grants.refreshes] == ["rotated"]
    seen = words(sandbox, message.id)
    assert "3 times at once" in seen
    assert "401 The token has expired" in seen
    assert "403 No conversation provider found" in seen


def test_a_rejected_message_fails_with_its_reason(portal: TinyPortal) -> None:
    sandbox = portal.sandbox
    sandbox.cast.progress = Progress(0.01, 0.05, "rejected")
    message = sandbox.deliveries.send("Hello").message
    assert sandbox.records.wait(lambda: message.status == "failed")
    assert message.error == {"code": "REJECTD", "type": "saas", "message": "The carrier rejected the message"}


def test_a_stranger_writes_three_times_at_once_and_is_shown_once(portal: TinyPortal) -> None:
    sandbox = portal.sandbox
    SWITCHES["duplicate_inbound"].turn(sandbox, True, None)
    sender = sandbox.phone.senders[0]
    text = sandbox.phone.send("Are you open?", from_number="+639665550199", sender=sender)
    assert sandbox.records.wait(lambda: "GHL shows it" in words(sandbox, text.id))
    [shown] = sandbox.ghl.mailbox.messages(direction="inbound")
    contact = sandbox.ghl.directory.get(shown.contact_id)
    assert contact is not None
    assert (shown.text, contact.phone) == ("Are you open?", "+639665550199")
    assert sandbox.records.calls("ghl.upsert_contact") == []
