"""Vonage through the whole portal: long texts, which are several SMS each way."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.messaging import pieces
from portal.messaging.sweeping import match_orphans
from portal.models import InboundPiece, ReceiptRow, Status
from portal.sandbox import Effect
from portal.sandbox.sms.dialects import DIALECTS, vonage
from portal.sandbox.sms.messages import Progress, Written
from portal.sandbox.sms.poster import Letter
from tests.portal import Portal, eventually
from tests.spine.test_sms_channels import MARIA, Rig

LONG = "Kumusta po, ito ang paalala ninyo para bukas. " * 9
ACCENTED = "Ça va ? 👋 À très bientôt, on vous attend demain matin. " * 4


@pytest.fixture
def rig(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path)
    portal.install()
    made = Rig(portal, DIALECTS["vonage"])
    portal.start()
    yield made
    portal.close()


def hooks(rig, text, text_id="LONG1"):
    """The calls in which a long text comes."""
    return rig.dialect.inbound(Written(text_id, 0.0, MARIA, vonage.NUMBER, text, f"{rig.url}/receive"))


def post(rig, hook):
    """One of them, by the frame's own line to the portal."""
    [answer] = rig.provider.poster.now(_letter(hook))
    assert answer.taken, answer


def _letter(hook):
    return Letter("x", "inbound", lambda: [hook])


def quiet(rig):
    eventually(lambda: not rig.portal.jobs(), what="all events applied")


def waiting(rig):
    with rig.portal.session() as session:
        return session.scalars(select(InboundPiece).where(InboundPiece.joined_at.is_(None))).all()


def part(rig):
    [message] = rig.portal.messages()
    [only] = rig.portal.parts_of(message)
    return message, only


@pytest.mark.parametrize("text", [LONG, ACCENTED], ids=["plain", "unicode"])
def test_a_long_text_is_delivered_when_all_its_sms_are(rig, text):
    rig.provider.copies, rig.provider.shuffled = 2, True
    rig.sandbox.deliveries.send(text)
    eventually(rig.settled, what="delivered in HighLevel")
    message, only = part(rig)
    assert only.segments == rig.provider.accepted()[0].parts > 2 and len(rig.provider.accepted()) == 1
    quiet(rig)
    with rig.portal.session() as session:
        rows = session.scalars(select(ReceiptRow)).all()
    assert {row.part_id for row in rows} == {only.id}
    assert len({row.external_id for row in rows}) == only.segments
    assert not [each for each in rig.portal.history(message) if "copy" in each]


def test_one_sms_that_has_not_arrived_keeps_the_text_from_being_delivered(rig, monkeypatch):
    late = []
    whole = rig.dialect.receipt

    def all_but_one(sent, word):
        made = list(whole(sent, word))
        if word == "delivered":
            late.append(made.pop(1))
        return made

    monkeypatch.setattr(rig.dialect, "receipt", all_but_one, raising=False)
    rig.sandbox.deliveries.send(LONG)
    eventually(lambda: late and len(rig.provider.posted) >= 2 * 3 - 1, what="the other receipts")
    quiet(rig)
    _, only = part(rig)
    assert (only.status, rig.status()) == (Status.SENT, "pending")
    post(rig, late[0])
    eventually(rig.settled, what="delivered in HighLevel")


def test_one_lost_sms_loses_the_text(rig, monkeypatch):
    whole = rig.dialect.receipt

    def second_lost(sent, word):
        made = list(whole(sent, word))
        if word == "delivered":
            made[1] = list(whole(sent, "undelivered"))[1]
        return made

    monkeypatch.setattr(rig.dialect, "receipt", second_lost, raising=False)
    rig.sandbox.deliveries.send(LONG)
    eventually(lambda: rig.told() and rig.status() == "failed", what="failed in HighLevel")
    message, _ = part(rig)
    assert message.reason == (
        "One of the 3 SMS of this text was lost. The phone cannot be reached: it is off, or out of reach."
    )


def test_a_lost_answer_to_a_long_text_is_settled_by_the_receipts_of_all_its_sms(rig):
    rig.provider.progress = Progress(0.3, 0.6)
    rig.sandbox.faults.arm("vonage.send", Effect.HALF_ANSWER)
    rig.sandbox.deliveries.send(LONG)
    eventually(rig.settled, what="delivered in HighLevel")
    assert rig.sandbox.records.count("vonage.send") == 1


def test_receipts_that_are_quicker_than_the_answer(rig):
    rig.provider.progress = Progress(0.0, 0.0)
    rig.sandbox.faults.arm("vonage.send", Effect.SLOW, seconds=1.0)
    rig.sandbox.deliveries.send(LONG)
    eventually(lambda: rig.portal.messages() and part(rig)[1].external_id, what="the answer")
    quiet(rig)
    match_orphans(rig.portal.parts.database)
    eventually(rig.settled, what="delivered in HighLevel")


@pytest.mark.parametrize("text", [LONG, ACCENTED], ids=["plain", "unicode"])
def test_a_long_text_comes_in_as_one_message(rig, text):
    cut = list(hooks(rig, text))
    assert len(cut) >= 3
    for hook in [*reversed(cut), *cut]:  # out of order, then all of them again
        post(rig, hook)
    quiet(rig)
    eventually(lambda: rig.came() == [text], what="the text in HighLevel")
    assert waiting(rig) == [] and len(rig.portal.messages("in")) == 1


def test_what_does_not_come_is_not_waited_for_and_is_shown_when_it_comes_late(rig, monkeypatch):
    first, second, third = hooks(rig, LONG)
    post(rig, first)
    post(rig, third)
    quiet(rig)
    assert rig.came() == [] and len(waiting(rig)) == 2
    parts = rig.portal.parts
    assert pieces.join_overdue(parts.database, parts.vault) == 0
    monkeypatch.setattr(pieces, "PATIENCE", timedelta(0))
    assert pieces.join_overdue(parts.database, parts.vault) == 1
    assert pieces.join_overdue(parts.database, parts.vault) == 0
    eventually(lambda: rig.came() == [f"{LONG[:153]}[…]{LONG[306:]}"], what="the gap in HighLevel")
    post(rig, second)
    eventually(lambda: rig.came()[1:] == [LONG[153:306]], what="what came late")
    assert waiting(rig) == []


def test_a_reference_that_comes_round_again_is_another_text(rig, monkeypatch):
    monkeypatch.setattr(vonage, "_reference", lambda written: "08B5")
    first = list(hooks(rig, LONG, "T1"))
    post(rig, first[0])
    quiet(rig)
    again = LONG.upper()
    for hook in hooks(rig, again, "T2"):
        post(rig, hook)
    eventually(lambda: len(rig.came()) == 2, what="both texts in HighLevel")
    assert rig.came() == [f"{LONG[:153]}[…]", again], "what never came is missing, and that is seen"
    assert waiting(rig) == []


def test_a_forged_receipt_is_refused(rig):
    rig.sandbox.deliveries.send("Kumusta")
    eventually(lambda: rig.provider.accepted(), what="the message")
    [sent] = rig.provider.accepted()
    [hook] = rig.dialect.receipt(sent, "delivered")
    forged = type(hook)("GET", hook.url.replace("delivered", "rejected"))
    [answer] = rig.provider.poster.now(_letter(forged))
    assert answer.status == 401
