"""The main job, end to end: out through a provider with its true status, and a reply that comes in."""

import requests

from portal.sandbox import world
from tests.portal import PLACE, eventually


def test_a_message_goes_out_once_and_its_delivery_is_told(portal):
    sent = portal.sandbox.deliveries.send("Your table is booked", copies=3)
    assert [answer.status for answer in sent.answers] == [200, 200, 200]
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered in HighLevel")
    message = portal.messages()[0]
    assert portal.history(message) in (
        ["queued", "sending", "accepted", "delivered"],
        ["queued", "sending", "accepted", "sent", "delivered"],
    )
    assert message.sender_reason == "the only sender"
    assert len(portal.sandbox.cast.accepted()) == 1
    assert [event.state for event in portal.events()] == ["applied"]


def test_delivered_is_never_told_early(portal):
    portal.sandbox.cast.decide(world.DEMO_PEOPLE[0][0][1], "undelivered")
    portal.sandbox.deliveries.send("This one is refused by the carrier")
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    told = [status.status for status in portal.sandbox.ghl.mailbox.messages(direction="outbound")[0].history]
    assert "delivered" not in told
    message = portal.messages()[0]
    assert message.status == "failed" and message.reason
    with portal.session() as session:
        from portal.models import Wallet

        wallet = session.query(Wallet).one()
    assert (wallet.available, wallet.held, wallet.spent) == (0, 0, 0), "failed is free"


def test_a_reply_comes_in_once_and_reaches_highlevel(portal):
    simulator = portal.add_sender("simulator")
    url = f"{portal.url}/webhooks/sms/simulator/{portal.sender_key(simulator)}/receive"
    body = {"id": "in-1", "from": "+639175550101", "to": "SIM", "text": "Yes please"}
    for _ in range(3):
        assert requests.post(url, json=body, timeout=60).status_code == 200
    found = eventually(lambda: portal.sandbox.ghl.mailbox.messages(direction="inbound"), what="reply in HighLevel")
    eventually(lambda: not portal.jobs(), what="queue empty")
    found = portal.sandbox.ghl.mailbox.messages(direction="inbound")
    assert [(message.text, message.alt_id) for message in found] == [("Yes please", "in-1")]
    assert len(portal.messages("in")) == 1
    contact = portal.sandbox.ghl.directory.of_location(PLACE.id)[0]
    assert found[0].contact_id == contact.id, "the contact HighLevel knows by that number, not a new one"


def test_a_stranger_becomes_a_contact_without_upsert(portal):
    simulator = portal.add_sender("simulator")
    url = f"{portal.url}/webhooks/sms/simulator/{portal.sender_key(simulator)}/receive"
    requests.post(url, json={"id": "in-2", "from": "+639991234567", "text": "Who is this?"}, timeout=60)
    eventually(lambda: portal.sandbox.ghl.mailbox.messages(direction="inbound"), what="message in HighLevel")
    paths = {call.path for call in portal.sandbox.records.calls()}
    assert not any("upsert" in path for path in paths)
    # The agent's answer finds the same conversation and the line it came in on.
    stranger = next(c for c in portal.sandbox.ghl.directory.of_location(PLACE.id) if c.phone == "+639991234567")
    portal.sandbox.deliveries.send("This is the clinic", contact=stranger)
    eventually(lambda: portal.statuses().get("delivered"), what="answer delivered")
    assert portal.messages()[0].sender_reason == "the conversation's own sender"
    assert portal.messages()[0].sender_id == simulator


def test_two_rows_of_one_contact_become_one_and_what_waits_goes_on(portal):
    """A stranger writes; HighLevel knows the number under an id that we have met already, with another number."""
    key = portal.sender_key(portal.add_sender("simulator", name="line", is_default=True))
    known = portal.sandbox.ghl.directory.of_location(PLACE.id)[0]
    portal.sandbox.deliveries.send("First", contact=known, fields={"phone": "+639175550999"})
    eventually(lambda: portal.statuses().get("delivered"), what="first delivered")
    url = f"{portal.url}/webhooks/sms/simulator/{key}/receive"
    for number in range(3):
        body = {"id": f"w{number}", "from": known.phone, "text": f"Word {number}"}
        assert requests.post(url, json=body, timeout=60).status_code == 200
    eventually(lambda: len(portal.sandbox.ghl.mailbox.messages(direction="inbound")) == 3, what="all in HighLevel")
    assert [one.text for one in portal.sandbox.ghl.mailbox.messages(direction="inbound")] == [
        "Word 0",
        "Word 1",
        "Word 2",
    ]
    eventually(lambda: not portal.jobs(), what="queue empty")
    assert len({message.conversation_id for message in [*portal.messages(), *portal.messages("in")]}) == 1
