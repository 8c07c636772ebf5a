"""Twilio through the whole portal: what no other provider has."""

import pytest

from portal.sandbox.sms.dialects import DIALECTS, twilio
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import MARIA, Rig


@pytest.fixture
def rig(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS["twilio"])
    portal.start()
    yield made
    portal.close()


def test_a_picture_is_fetched_with_the_token_and_shown(rig):
    rig.write("look", files=(twilio.media_url(f"{rig.sandbox.url}/twilio"),))
    eventually(lambda: rig.sandbox.ghl.mailbox.messages(direction="inbound"), what="the message in HighLevel")
    [came] = rig.sandbox.ghl.mailbox.messages(direction="inbound")
    assert came.text == "look" and len(came.attachments) == 1
    assert [call.status for call in rig.sandbox.records.calls("twilio.file")] == [200]


def test_a_keyword_that_was_set_up_at_twilio_is_an_opt_out_here_too(rig, monkeypatch):
    monkeypatch.setitem(twilio.STOP_WORDS, "wag na po", "STOP")
    monkeypatch.setitem(twilio.STOP_WORDS, "sige na", "START")
    rig.write("Wag na po")
    eventually(lambda: rig.came() == ["Wag na po"], what="the word in HighLevel")
    rig.sandbox.deliveries.send("An offer")
    eventually(lambda: rig.told() and rig.status() == "failed", what="refused in HighLevel")
    rig.write("Sige na")
    eventually(lambda: len(rig.came()) == 2, what="the other word in HighLevel")
    rig.sandbox.deliveries.send("Welcome back")
    eventually(lambda: rig.provider.accepted(), what="the message after it")


def test_who_has_stopped_at_twilio_is_learnt_from_the_refusal(rig):
    rig.provider.silenced.add(MARIA[-10:])
    rig.sandbox.deliveries.send("An offer")
    eventually(lambda: rig.told() and rig.status() == "failed", what="failed in HighLevel")
    calls = rig.sandbox.records.count("twilio.send")
    rig.sandbox.deliveries.send("Another")
    eventually(lambda: len(rig.told()) == 2 and rig.told()[1].status == "failed", what="refused here")
    assert rig.sandbox.records.count("twilio.send") == calls == 1


def test_a_status_that_nobody_knows_is_kept_and_shown(rig, monkeypatch):
    monkeypatch.setitem(twilio.STATUSES, "sent", ("teleported", None))
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered in HighLevel")
    eventually(
        lambda: [each for each in rig.portal.events() if "could not be read" in (each.note or "")],
        what="the odd status in the journal",
    )
