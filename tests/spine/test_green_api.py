"""A WhatsApp line end to end: the portal writes its webhook, sends, and believes what GREEN-API says afterwards."""

import secrets

import pytest

from portal.channels.green_api import settings
from portal.sandbox import world
from portal.sandbox.green_api import people
from portal.sandbox.green_api.instances import Instance, Progress
from tests.portal import PLACE, Portal, eventually

MARIA = world.DEMO_PEOPLE[0][0][1]


@pytest.fixture
def line(database_url, sandbox, tmp_path, monkeypatch):
    """A portal whose one sender is the sandbox's WhatsApp line, with its webhook in the line's settings."""
    monkeypatch.setattr(settings, "PAUSE_SECONDS", 0.0)
    green = sandbox.green
    green.enforced, green.settings_after, green.restart_seconds, green.again_after = False, 0.0, 0.0, 0.2
    green.progress = Progress(0.0, 0.1, 0.2)
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    # An id of its own: processes remember for a while whose an instance is, and all these portals share this one.
    made = Instance(f"7103{secrets.randbelow(10**6):06d}", "t" * 50, "+639171110009", location_id=PLACE.id)
    instance = green.add(made)
    portal.add_sender("green_api", credentials={"id_instance": instance.id, "api_token": instance.token})
    portal.start()
    eventually(lambda: instance.settings_at(sandbox.clock())["webhookUrl"], what="the webhook in the settings")
    # The portal's own address is not known before its port is.
    url = instance.settings["webhookUrl"].replace(portal.settings.app_url, portal.url)
    eventually(lambda: not portal.jobs(), what="the settings read back")
    instance.settings["webhookUrl"] = url
    yield portal, instance
    portal.close()


def test_delivery_is_believed_from_the_webhook_and_from_nothing_else(line):
    portal, instance = line
    green = portal.sandbox.green
    green.copies, green.shuffled = 2, True
    green.decide(MARIA, "read")
    portal.sandbox.deliveries.send("Kumusta", copies=2)
    eventually(lambda: portal.ghl_statuses() == {"read": 1}, what="read in HighLevel")
    assert [one.text for one in instance.sent.values()] == ["Kumusta"] and green.repeats() == {}


def test_a_number_without_whatsapp_fails_with_the_reason(line):
    portal, _ = line
    portal.sandbox.green.decide(MARIA, "noAccount")
    portal.sandbox.deliveries.send("Kumusta")
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    message = portal.messages()[0]
    assert "no WhatsApp" in message.reason
    told = portal.sandbox.ghl.mailbox.messages(direction="outbound")[0]
    assert "delivered" not in [status.status for status in told.history]
    assert "no WhatsApp" in told.error["message"]


def test_a_deaf_instance_is_asked(line):
    portal, _ = line
    portal.sandbox.green.deaf = True
    portal.sandbox.deliveries.send("Kumusta")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered by the journal")
    assert portal.sandbox.records.count("green.lastOutgoingMessages") >= 1


def test_what_a_customer_writes_comes_in_once_whatever_happens_to_the_webhooks(line):
    portal, instance = line
    green = portal.sandbox.green
    green.copies = 3
    people.write(portal.sandbox, instance, MARIA, text="Is ten o'clock free?", name="Maria Santos")
    eventually(lambda: portal.sandbox.ghl.mailbox.messages(direction="inbound"), what="the text in HighLevel")
    eventually(lambda: not portal.jobs(), what="queue empty")
    found = portal.sandbox.ghl.mailbox.messages(direction="inbound")
    assert [message.text for message in found] == ["Is ten o'clock free?"]


def test_a_stranger_cannot_post_to_the_line(line):
    portal, instance = line
    instance.settings["webhookUrlToken"] = "guessed"
    people.write(portal.sandbox, instance, MARIA, text="Trust me")
    eventually(lambda: portal.sandbox.green.posted, what="the forged webhook")
    eventually(lambda: [one.answer.status for one in portal.sandbox.green.posted][:1] == [401], what="401")
    assert portal.messages("in") == []


def test_removing_the_sender_clears_our_webhook(line):
    from portal.messaging import senders
    from portal.models import Sender

    portal, instance = line
    instance.settings["webhookUrl"] = instance.settings["webhookUrl"].replace(portal.url, portal.settings.app_url)
    with portal.database.write() as session:
        senders.remove(session, session.query(Sender).one().id)
    eventually(lambda: instance.settings_at(portal.sandbox.clock())["webhookUrl"] == "", what="our address taken out")
