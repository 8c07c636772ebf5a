"""Every SMS provider end to end, against its stand-in: out, in, receipts that are spoilt, answers that are lost."""

import pytest

from portal.channels import registry
from portal.messaging import accepting, senders
from portal.models import Sender
from portal.sandbox import Effect, world
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.messages import Progress, Written
from tests.portal import PLACE, Portal, eventually

MARIA = world.DEMO_PEOPLE[0][0][1]


def tells(dialect) -> bool:
    """Does the provider say anything of a message that it has taken?"""
    return dialect.reports or registry.get(dialect.kind).polls


REPORTS = [each for each in DIALECTS.values() if each.reports]
HEARS = [each for each in DIALECTS.values() if each.hears]
TELLS = [each for each in DIALECTS.values() if tells(each)]


class Rig:
    """A portal with one sender of the dialect, whose webhooks the stand-in finds."""

    def __init__(self, portal: Portal, dialect, credentials: dict[str, str] | None = None) -> None:
        self.portal, self.dialect, self.sandbox = portal, dialect, portal.sandbox
        self.provider = portal.sandbox.sms[dialect.kind]
        # A report that crosses the answer to its call is matched by the next sweep, a minute later, or by a poll.
        self.provider.progress = Progress(0.0, 0.1) if registry.get(dialect.kind).polls else Progress(0.5, 1.0)
        self.sender_id = portal.add_sender(
            dialect.kind, credentials=self.provider.credentials | (credentials or {}), api_url=self.provider.url
        )
        with portal.session() as session:
            key = session.get_one(Sender, self.sender_id).key
        self.url = f"{portal.settings.app_url}/webhooks/sms/{dialect.kind}/{key}"
        if not dialect.names_calls or getattr(dialect, "console", False):
            self.provider.callback = f"{self.url}/status"  # entered in the provider's console

    def write(self, text: str, text_id: str = "", **more) -> None:
        here, known = self.sandbox, self.dialect.credentials
        to = next((known[name] for name in ("from", "shortcode", "sender_name") if known.get(name)), "")
        written = Written(text_id or here.ids.new("text"), here.clock(), MARIA, to, text, f"{self.url}/receive", **more)
        answers = self.provider.write(written, copies=2)
        assert answers and all(each.taken for each in answers), answers

    def told(self) -> list:
        return self.sandbox.ghl.mailbox.messages(direction="outbound")

    def came(self) -> list[str]:
        return [each.text for each in self.sandbox.ghl.mailbox.messages(direction="inbound")]

    def status(self) -> str:
        return self.told()[0].status

    def settled(self) -> bool:
        """Does HighLevel show what is the last word of this provider?"""
        if self.dialect.delivers:
            return bool(self.told()) and self.status() == "delivered"
        return self.portal.statuses() == {"sent" if tells(self.dialect) else "accepted": 1}


@pytest.fixture
def rig(request, database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, request.param)
    portal.start()
    yield made
    portal.close()


def over(dialects):
    return pytest.mark.parametrize("rig", dialects, indirect=True, ids=lambda each: each.kind)


@over(DIALECTS.values())
def test_a_message_goes_out_once_and_its_delivery_is_told(rig):
    rig.provider.copies, rig.provider.shuffled = 2, True
    rig.sandbox.deliveries.send("Kumusta", copies=2)
    eventually(rig.settled, what="the last status in HighLevel")
    assert [one.order.text for one in rig.provider.accepted()] == ["Kumusta"]


@over(REPORTS)
def test_receipts_alone_tell_of_a_delivery(rig, monkeypatch):
    rig.provider.copies, rig.provider.shuffled = 3, True
    monkeypatch.setattr(accepting, "FIRST_POLL", accepting.FIRST_POLL * 10_000)
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered in HighLevel")
    eventually(lambda: len(rig.provider.posted) == 6, what="every copy of every report answered")
    assert {each.answer.status for each in rig.provider.posted} == {200}


@over(TELLS)
def test_a_loss_is_told_with_its_reason(rig):
    rig.provider.decide(MARIA, "undelivered" if rig.dialect.delivers else "failed")
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.told() and rig.status() == "failed", what="failed in HighLevel")
    assert rig.portal.messages()[0].reason.endswith(".")
    assert "delivered" not in [each.status for each in rig.told()[0].history]


@over(DIALECTS.values())
def test_too_fast_is_waited_out(rig):
    rig.sandbox.faults.arm(f"{rig.dialect.kind}.send", Effect.STATUS, status=429, retry_after=0)
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.provider.accepted(), what="the second attempt")
    assert len(rig.provider.accepted()) == 1


@over(REPORTS)
def test_a_lost_answer_is_settled_by_the_receipt_and_nothing_is_sent_twice(rig):
    rig.sandbox.faults.arm(f"{rig.dialect.kind}.send", Effect.HALF_ANSWER)
    rig.sandbox.deliveries.send("Kumusta")
    if not rig.dialect.names_calls:
        eventually(lambda: rig.portal.statuses() == {"unknown": 1}, what="unknown")
        return
    eventually(lambda: rig.told() and rig.status() == "delivered", what="delivered by the receipt that names our call")
    assert len(rig.provider.accepted()) == 1 and rig.sandbox.records.count(f"{rig.dialect.kind}.send") == 1


@over(HEARS)
def test_a_customers_text_comes_in_once(rig):
    rig.write("Is ten o'clock free? ñ 👋")
    eventually(lambda: rig.came() and not rig.portal.jobs(), what="the text in HighLevel")
    assert rig.came() == ["Is ten o'clock free? ñ 👋"]


@over(HEARS)
def test_stop_is_kept_to_and_start_lifts_it(rig):
    rig.write("STOP")
    eventually(lambda: rig.came() == ["STOP"], what="STOP in HighLevel")
    rig.sandbox.deliveries.send("An offer")
    eventually(lambda: rig.told() and rig.status() == "failed", what="refused in HighLevel")
    assert rig.provider.accepted() == []
    rig.write("HELP")
    rig.write("START")
    eventually(lambda: rig.came() == ["STOP", "HELP", "START"], what="START in HighLevel")
    rig.sandbox.deliveries.send("Welcome back")
    eventually(lambda: rig.provider.accepted(), what="the message after START")
    assert [one.order.text for one in rig.provider.accepted()] == ["Welcome back"]


@over([each for each in HEARS if each.reports and each.names_calls])
def test_the_pages_customer_answers_a_sender_that_has_sent(rig):
    rig.sandbox.deliveries.send("Kumusta")
    [sender] = eventually(lambda: rig.sandbox.phone.senders_of(PLACE.id), what="the sender on the page")
    sent = rig.sandbox.phone.send("Mabuti", from_number=MARIA, sender=sender)
    assert sent.taken, sent.answers
    eventually(lambda: rig.came() == ["Mabuti"], what="the answer in HighLevel")


@over(HEARS)
def test_a_stranger_cannot_post_to_an_unknown_key(rig):
    url = f"{rig.url.rpartition('/')[0]}/{'x' * 32}/receive"
    written = Written("X1", 0.0, MARIA, "", "Trust me", url)
    assert [each.status for each in rig.provider.write(written)] == [404]
    assert rig.portal.messages("in") == []


@over(DIALECTS.values())
def test_the_credentials_of_the_stand_in_pass_the_probe(rig):
    wanted = senders.NewSender(rig.dialect.kind, "", rig.provider.credentials, rig.provider.url, operator=True)
    assert senders.check(rig.portal.parts.http, wanted, rig.portal.settings).ok
    assert registry.get(rig.dialect.kind).calls_back == (rig.dialect.reports or rig.dialect.hears)
