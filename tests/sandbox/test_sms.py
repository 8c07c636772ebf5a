"""The frame of the stand-in SMS providers: fates, spoilt receipts, the controls and the page."""

import pytest

from portal.sandbox import world
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.messages import OUTCOMES, Order, Progress, Sent
from portal.sandbox.switches import SWITCHES

TO = "+639175550101"


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda each: each.kind)
def test_a_dialect_speaks_every_word(dialect):
    """Each word has a receipt where the provider reports at all, and each fault a body of its own."""
    for word in ("sent", *OUTCOMES[:-1]):
        sent = Sent("M1", 0.0, Order("a", TO, "x", callback="http://127.0.0.1:1/status?key=1_1"), Progress())
        hooks = dialect.receipt(sent, word)
        assert bool(hooks) == dialect.reports or not dialect.delivers
        assert all(hook.url.startswith("http://127.0.0.1:1/status") for hook in hooks)
    for status in (400, 401, 429, 500, 503):
        body, content_type = dialect.refusal(status)
        assert body and content_type


def test_a_number_decides_its_fate(sandbox, clock):
    provider = sandbox.sms["twilio"]
    ends = {}
    for tail in ("0001", "0005", "0006", "0007", "0008", "0101"):
        sent = provider.take(Order("a", f"+63917555{tail}", "x"))
        clock.forward(60)
        ends[tail] = sent.word(clock())
    assert ends == {
        **{"0001": "undelivered", "0005": "expired", "0006": "rejected"},
        **{"0007": "failed", "0008": "sent", "0101": "delivered"},
    }
    provider.decide("+639175550101", "rejected")
    sent = provider.take(Order("a", TO, "x"))
    assert [sent.word(sent.at), sent.word(sent.at + 2), sent.word(sent.at + 3)] == ["accepted", "sent", "rejected"]
    assert len(provider.repeats()) == 1


def test_every_switch_turns_on_and_off(sandbox):
    for name, switch in SWITCHES.items():
        if name.startswith("sms_"):
            assert not switch.is_on(sandbox), name
            switch.turn(sandbox, True, None)
            assert switch.is_on(sandbox), name
            switch.turn(sandbox, False, None)
            assert not switch.is_on(sandbox), name


def test_controls(sandbox, call):
    [known] = [one for one in call.request("GET", "/control/sms").json() if one["kind"] == "twilio"]
    assert known["api_url"] == f"{sandbox.url}/twilio" and known["credentials"]["auth_token"]
    assert call.request("PATCH", "/control/sms/twilio", json={"deaf": True, "outcome": "stuck"}).json()["deaf"]
    assert sandbox.sms["twilio"].progress.outcome == "stuck"
    assert call.request("PATCH", "/control/sms/twilio", json={"kind": "x"}).status_code == 400
    assert call.request("POST", "/control/sms/twilio/decide", json={"phone": TO, "outcome": "lost"}).status_code == 400
    sandbox.sms["twilio"].take(Order("a", TO, "x"))
    assert call.request("GET", "/control/sms/twilio/sent").json()["sent"][0]["order"]["text"] == "x"
    asked = {"text": "Hi", "from_number": TO, "webhook_url": "http://127.0.0.1:1/receive"}
    assert call.request("POST", "/control/sms/twilio/write", json=asked).json()["answers"] == []
    assert call.request("GET", "/control/sms/twilio/posted").json()["waiting"] == 1


def test_the_page_lists_them_and_offers_senders_that_have_sent(sandbox, call):
    place = world.DEMO_LOCATIONS[0].id
    url = "http://127.0.0.1:1/webhooks/sms/twilio/key/status?key=1_1"
    sandbox.phone.learn(place, "twilio", "+15005550006", url)
    sandbox.phone.learn(place, "twilio", "+15005550006", url)
    assert [one.webhook_url for one in sandbox.phone.senders_of(place)] == [
        "http://127.0.0.1:1/webhooks/sms/twilio/key/receive"
    ]
    page = call.request("GET", "/").text
    assert "--channel twilio --api-url" in page and "to Twilio, +15005550006" in page


def test_a_reset_forgets_and_stops_what_waits(sandbox, clock):
    before = sandbox.sms["twilio"]
    before.take(Order("a", TO, "x", callback="http://127.0.0.1:1/status"))
    sandbox.reset()
    assert before.stopped.is_set() and sandbox.sms["twilio"].accepted() == []
