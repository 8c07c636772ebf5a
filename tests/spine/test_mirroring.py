"""What went out from the line without us is shown once; what was ours all along is never shown twice."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Accepted, ChannelError, Inbound, Outcome, Receipt
from portal.channels.content import About, AddressKind, Kind, Relation
from portal.messaging import decisions, mirroring
from portal.models import LedgerEntry, Message, Part, Status, StatusChange
from tests import pretend
from tests.hand import work
from tests.portal import PLACE
from tests.pretend import ANNA, LID

SILENCE = ChannelError("The provider does not answer.", unknown=True)


def send(line, text="See you at ten") -> Message:
    """A message from HighLevel to Anna, applied, not sent yet."""
    if not line.rows():
        line.hear("Hello", "hello")
        line.settle()
    contact = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    line.portal.sandbox.deliveries.send(text, contact=contact)
    line.apply()
    return line.rows(Message.direction == "out")[-1]


def echo(line, external_id, text="See you at ten", **said) -> None:
    line.hear(text, external_id, from_us=True, by_api=True, **said)


def evidence(line, message) -> list[str]:
    with line.portal.session() as session:
        rows = session.scalars(select(StatusChange).where(StatusChange.message_id == message.id))
        return [each.detail for each in rows if each.who == "Pretend WhatsApp" and each.before == each.after]


def test_what_another_program_sent_is_shown_and_marked(line):
    echo(line, "x1", "Your parcel is here")
    echo(line, "x1", "Your parcel is here")
    line.settle()
    (message,) = line.rows()
    assert (message.direction, message.by_api, message.from_us) == ("out", True, True)
    assert "Another program" in message.reason
    assert line.shown("outbound") == ["Your parcel is here"] and line.everything(LedgerEntry) == []


def test_our_own_message_is_not_shown_again(line):
    send(line)
    line.channel.outcomes = [Accepted("ours-1")]
    line.settle()
    for _ in range(2):
        echo(line, "ours-1")
    line.settle()
    assert line.shown("outbound") == ["See you at ten"]
    assert len(line.rows(Message.direction == "out")) == 1


def test_an_echo_during_the_call_waits_for_its_id(line):
    message, seen = send(line), []

    def while_calling(part):
        echo(line, "ours-1")
        line.apply()
        seen.append(line.portal.events()[-1].state)
        return Accepted("ours-1")

    line.channel.outcomes = [while_calling]
    line.settle()
    assert seen == ["pending"] and evidence(line, message) == []
    assert [each.state for each in line.portal.events()] == ["applied"] * 3
    assert len(line.rows(Message.direction == "out")) == 1 and len(line.shown("outbound")) == 1


def test_a_message_typed_during_the_call_waits_for_nothing(line):
    send(line)
    seen = []

    def while_calling(part):
        line.hear("I typed this", "t1", from_us=True)
        line.apply()
        seen.append(line.row("t1").status)
        return Accepted("ours-1")

    line.channel.outcomes = [while_calling]
    line.settle()
    assert seen == ["sent"]
    assert sorted(line.shown("outbound")) == ["I typed this", "See you at ten"]


@pytest.mark.parametrize(("text", "same"), [("See you at ten", "yes"), ("Something else", "no")])
def test_what_may_be_the_unknown_message_is_left_to_a_person(line, text, same):
    message = send(line)
    line.channel.outcomes = [SILENCE]
    line.settle()
    for _ in range(2):
        echo(line, "who-knows", text)
    line.settle()
    assert [each.status for each in line.rows(Message.direction == "out")] == ["unknown"]
    (words,) = evidence(line, message)
    assert f"id who-knows, same text: {same}" in words
    assert line.shown("outbound") == ["See you at ten"], "HighLevel's own, and no second line"


def test_a_chat_without_a_number_may_be_ours_too(line):
    message = send(line)
    line.channel.outcomes = [SILENCE]
    line.settle()
    echo(line, "who-knows", sender=LID, sender_kind=AddressKind.LID)
    echo(line, "elsewhere", sender="+4915100000000")
    line.time.forward(hours=3)
    echo(line, "much-later", "Good evening", sender="999", sender_kind=AddressKind.LID, at=line.time.now())
    line.settle()
    assert len(evidence(line, message)) == 1
    assert line.row("elsewhere").by_api and line.row("much-later").by_api
    assert line.rows(Message.external_id == "who-knows") == []


def test_what_a_person_confirms_follows_its_receipts(line):
    message = send(line)
    line.channel.outcomes = [SILENCE]
    line.settle()
    line.receipt("who-knows", Outcome.DELIVERED)
    echo(line, "who-knows")
    line.settle()
    with line.portal.database.write() as session:
        decisions.confirm(session, message.id, "anna@example.com")
    line.settle()
    line.receipt("who-knows", Outcome.READ)
    line.settle()
    (message,) = line.rows(Message.direction == "out")
    assert (message.status, message.pushed_status) == ("read", "read")
    assert len(line.channel.sent) == 1 and line.shown("outbound") == ["See you at ten"]
    assert [each.spent for each in line.everything(LedgerEntry) if each.message_id == message.id] == [0, 1]


def test_two_reports_are_no_proof_of_either(line):
    message = send(line)
    line.channel.outcomes = [SILENCE]
    line.settle()
    echo(line, "this")
    echo(line, "or-that")
    line.settle()
    with line.portal.database.write() as session:
        decisions.confirm(session, message.id, "anna@example.com")
    line.settle()
    (part,) = line.everything(Part)
    assert (part.status, part.external_id) == ("accepted", None)


def test_a_call_from_the_phone_is_one_line_too(line):
    for state in ("ringing", "answered", "ringing"):
        line.hear("", "c1", from_us=True, kind=Kind.CALL, details={"state": state})
    line.settle()
    assert line.shown() == ["Outgoing call, answered"]


def test_highlevels_own_echo_of_a_mirrored_message_is_not_sent(line):
    line.hear("Hello", "hello")
    line.hear("From my phone", "p1", from_us=True)
    line.settle()
    mirrored = line.row("p1")
    assert mirrored.echo_state == "done" and mirrored.ghl_message_id
    contact = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    fields = {"messageId": mirrored.ghl_message_id}
    line.portal.sandbox.deliveries.send("From my phone", contact=contact, fields=fields)
    line.settle()
    assert line.channel.sent == [] and len(line.rows(Message.direction == "out")) == 1


def test_a_failed_receipt_of_a_typed_message_is_told(line):
    line.hear("From my phone", "p1", from_us=True)
    line.settle()
    line.receipt("p1", Outcome.FAILED)
    line.settle()
    assert line.row("p1").status == "failed"
    assert [each.status for each in line.portal.sandbox.ghl.mailbox.messages()] == ["failed"]


TALK = (
    Inbound(ANNA, "Tow, please", "m", name="Anna"),
    Inbound(ANNA, "Two, please", "e", kind=Kind.EDIT, about=About(Relation.EDIT, "m")),
    Inbound(ANNA, "", "d", kind=Kind.DELETION, about=About(Relation.DELETION, "m")),
    Inbound(ANNA, "👍", "r", kind=Kind.REACTION, about=About(Relation.REACTION, "p")),
    Inbound(ANNA, "Coming", "p", from_us=True),
    Inbound(ANNA, "", "c", kind=Kind.CALL, details={"state": "ringing"}),
    Inbound(ANNA, "", "c", kind=Kind.CALL, details={"state": "answered"}),
    Receipt("p", Outcome.DELIVERED),
    Receipt("p", Outcome.READ),
)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_repetition_end_the_same(line, seed):
    chance = random.Random(seed)
    story = [*TALK, *chance.choices(TALK, k=5)]
    chance.shuffle(story)
    for each in story:
        pretend.post(line.portal, line.key, each)
        if chance.random() < 0.4:
            work(line.portal)
    line.settle()
    rows = {each.external_id: each for each in line.rows()}
    assert len(rows) == len(line.rows()) == 6
    message, mirrored = rows["m"], rows["p"]
    assert message.edited_at and message.deleted_at and message.body == "Tow, please"
    assert [rows[each].about_id for each in "edr"] == [message.id, message.id, mirrored.id]
    assert (mirrored.status, mirrored.direction) == (Status.READ, "out")
    assert rows["c"].details["state"] == "answered"
    assert sum(each.credits for each in rows.values()) == 1
    there = line.portal.sandbox.ghl.mailbox.messages()
    assert len(there) == 6 and {each.status for each in there if each.text == "Coming"} == {"read"}
    assert all(each.ghl_message_id for each in rows.values())
    with line.portal.session() as session:
        assert session.scalars(select(Part.external_id)).all() == ["p"]


def test_an_id_that_is_written_while_the_echo_is_judged_is_seen(line, monkeypatch):
    """On PostgreSQL each statement sees what was committed before it: the call ends between two of them."""
    if line.portal.database.sqlite:
        pytest.skip("SQLite has one writer")
    send(line)
    judge, judging, ended = mirroring._in_doubt, threading.Event(), threading.Event()

    def slowly(*given):
        judging.set()
        ended.wait(120)
        return judge(*given)

    with ThreadPoolExecutor(1) as pool:

        def while_calling(part):
            echo(line, "ours-1")
            pool.submit(line.apply)
            assert judging.wait(120)
            return Accepted("ours-1")

        monkeypatch.setattr(mirroring, "_in_doubt", slowly)
        line.channel.outcomes = [while_calling]
        work(line.portal, "send")
        ended.set()
    line.settle()
    assert len(line.rows(Message.direction == "out")) == 1 and line.shown("outbound") == ["See you at ten"]


def test_what_comes_too_late_to_be_the_unknown_message_is_shown(line):
    send(line)
    line.channel.outcomes = [SILENCE]
    line.settle()
    for hours, external_id, text in ((24, "who-knows", "See you at ten"), (26, "a-bot", "Good morning")):
        with line.portal.database.write() as session:
            called = clock.now() - timedelta(hours=hours)
            session.execute(update(Part).where(Part.status == "unknown").values(sending_at=called))
        echo(line, external_id, text)
        line.apply()
    line.settle()
    assert line.rows(Message.external_id == "who-knows") == [] and line.row("a-bot").by_api
    assert line.shown("outbound")[-1] == "Good morning"
