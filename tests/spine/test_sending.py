"""At most once: whatever the provider does, a message is accepted once, and its status says what is known."""

from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update

from portal import clock
from portal.errors import InvalidInput
from portal.messaging import decisions, senders
from portal.models import Attempt, Gate, LedgerEntry, Message, OptOut, Wallet
from portal.queue import gates
from portal.sandbox import world
from tests.portal import PLACE, eventually

CONTACT = world.DEMO_PEOPLE[0][0][1]


def wallet(portal):
    with portal.session() as session:
        row = session.scalars(select(Wallet)).one()
        return row.available, row.held, row.spent


def attempts(portal):
    with portal.session() as session:
        return [(row.outcome, row.idempotency_key.rsplit(":", 1)[1]) for row in session.scalars(select(Attempt))]


@pytest.mark.parametrize(
    ("effect", "options"),
    [
        ("status", {"status": 429, "retry_after": 1}),
        ("status", {"status": 500}),
        ("status_after", {"status": 500}),
        ("half_answer", {}),
        ("reset_before", {}),
        ("reset_after", {}),
    ],
)
def test_one_fault_never_doubles_a_message(portal, effect, options):
    portal.sandbox.faults.arm("cast.send", effect, times=1, **options)
    portal.sandbox.deliveries.send("Once")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    assert len(portal.sandbox.cast.accepted()) == 1
    assert wallet(portal) == (-1, 0, 1)
    assert not portal.sandbox.cast.mismatches, "a key was used for another message"


def test_a_refusal_of_a_repetition_does_not_end_the_doubt(portal, monkeypatch):
    monkeypatch.setattr(gates, "FIRST_BREAK", 0.5)
    # Half an answer, though Cast took it; then 429 for the repetition: a new key would send it a second time.
    portal.sandbox.faults.arm("cast.send", "half_answer", times=1)
    portal.sandbox.faults.arm("cast.send", "status", status=429, retry_after=1, times=1, skip=0)
    portal.sandbox.faults.arm("cast.send", "reset_before", times=1)
    portal.sandbox.deliveries.send("Once and only once")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    assert len(portal.sandbox.cast.accepted()) == 1
    assert {key for _, key in attempts(portal)} == {"1"}


def test_a_definite_refusal_gets_a_new_key(portal):
    portal.sandbox.faults.arm("cast.send", "status", status=429, retry_after=1, times=1)
    portal.sandbox.deliveries.send("Again, please")
    eventually(lambda: portal.statuses().get("delivered"), what="delivered")
    assert attempts(portal) == [("refused", "1"), ("accepted", "2")]


def test_an_unknown_outcome_waits_on_a_channel_without_idempotency(portal):
    portal.add_sender("simulator", name="line", is_default=True)
    contact = portal.sandbox.ghl.directory.add(PLACE.id, {"name": "Four", "phone": "+639170000004"})[0]
    portal.sandbox.deliveries.send("Nobody knows", contact=contact)
    eventually(lambda: portal.statuses().get("unknown"), what="unknown")
    eventually(lambda: not portal.jobs(), what="no job left")
    assert len(attempts(portal)) == 1
    assert wallet(portal) == (-1, 1, 0), "an unknown outcome keeps its hold"
    # A receipt settles it.
    part = portal.parts_of(portal.messages()[0])[0]
    assert part.external_id is None


def test_a_message_in_many_parts_says_how_much_went_out(portal):
    portal.add_sender("simulator", name="line", is_default=True)
    contact = portal.sandbox.ghl.directory.of_location(PLACE.id)[0]
    files = ["https://attachments.example/a.png", "https://attachments.example/b.pdf"]
    portal.sandbox.deliveries.send("Three parts", contact=contact, attachments=files)
    eventually(lambda: portal.statuses().get("delivered"), what="delivered")
    message = portal.messages()[0]
    assert [part.status for part in portal.parts_of(message)] == ["delivered"] * 3
    assert message.credits == 1 + 2 + 2
    assert wallet(portal) == (-5, 0, 5)


def test_nothing_goes_to_somebody_who_opted_out(portal):
    key = portal.sender_key(portal.add_sender("simulator", name="line"))
    url = f"{portal.url}/webhooks/sms/simulator/{key}/receive"
    requests.post(url, json={"id": "s1", "from": CONTACT, "text": " Stop. "}, timeout=60)
    eventually(lambda: portal.messages("in"), what="STOP kept")
    portal.sandbox.deliveries.send("An offer")
    eventually(lambda: portal.ghl_statuses().get("failed"), what="failed in HighLevel")
    assert "opted out" in portal.messages()[0].reason
    assert portal.sandbox.records.count("cast.send") == 0
    requests.post(url, json={"id": "s2", "from": CONTACT, "text": "START"}, timeout=60)
    eventually(lambda: len(portal.messages("in")) == 2, what="START kept")
    with portal.session() as session:
        assert session.scalars(select(OptOut)).one().lifted_at is not None


def test_an_opt_out_between_queue_and_call_stops_the_call(portal):
    portal.stop_worker()
    portal.sandbox.deliveries.send("Too late")
    with portal.database.write() as session:
        session.add(OptOut(location_id=1, family="sms", address=CONTACT, source="a person", created_at=clock.now()))
    portal.start()
    eventually(lambda: portal.statuses().get("failed"), what="failed")
    assert portal.sandbox.records.count("cast.send") == 0


def test_several_senders_and_no_default_hold_the_conversation_in_order(portal):
    other = portal.add_sender("cast", name="second")
    for number in range(3):
        portal.sandbox.deliveries.send(f"Held {number}")
    eventually(lambda: portal.statuses().get("held") == 3, what="held")
    assert "choose a default" in portal.messages()[0].reason
    assert portal.ghl_statuses() == {"pending": 3}
    with portal.database.write() as session:
        assert senders.make_default(session, other) == 3
    eventually(lambda: portal.ghl_statuses() == {"delivered": 3}, what="delivered after the choice")
    assert [one.text for one in portal.sandbox.cast.accepted()] == ["Held 0", "Held 1", "Held 2"]


def test_a_paused_sender_holds_and_resumes(portal):
    with portal.database.write() as session:
        senders.pause(session, 1, "a test")
    portal.sandbox.deliveries.send("Wait for it")
    eventually(lambda: portal.statuses().get("held"), what="held")
    with portal.database.write() as session:
        assert senders.resume(session, 1) == 1
    eventually(lambda: portal.statuses().get("delivered"), what="delivered")


def test_a_message_that_cannot_go_out_in_time_expires_and_highlevel_hears(portal):
    with portal.database.write() as session:
        senders.pause(session, 1, "a test")
    portal.sandbox.deliveries.send("Old news")
    eventually(lambda: portal.statuses().get("held"), what="held")
    with portal.database.write() as session:
        session.execute(update(Message).values(expires_at=clock.now() - timedelta(seconds=1)))
    portal.worker._clockwork.recover()
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    message = portal.messages()[0]
    assert message.status == "expired" and "in time" in message.reason
    with portal.database.write() as session:
        senders.resume(session, 1)
    portal.sandbox.deliveries.send("Fresh news")
    eventually(lambda: portal.statuses().get("delivered"), what="the conversation is not held any more")


def test_no_sender_fails_at_once(idle):
    idle.start()
    idle.sandbox.deliveries.send("To nobody")
    eventually(lambda: idle.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    assert "no sender" in idle.messages()[0].reason


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "Email"}, "not Email"),
        ({"message": "  "}, "empty"),
        ({"phone": "12"}, "Digits are missing"),
    ],
)
def test_what_cannot_be_sent_fails_with_a_sentence(portal, fields, words):
    portal.sandbox.deliveries.send("x", fields=fields)
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    told = portal.sandbox.ghl.mailbox.messages(direction="outbound")[0].error
    assert words in told["message"]
    assert portal.sandbox.records.count("cast.send") == 0


def test_a_delivery_without_an_id_is_parked_and_never_sent(portal):
    portal.sandbox.deliveries.send("Twice?", fields={"messageId": None})
    event = eventually(lambda: [each for each in portal.events() if each.state == "parked"], what="parked")[0]
    assert "messageId" in event.note
    assert portal.messages() == []


def test_three_time_outs_open_the_breaker_and_a_success_closes_it(portal, monkeypatch):
    monkeypatch.setattr(gates, "FIRST_BREAK", 0.5)
    for _ in range(4):
        portal.sandbox.faults.arm("cast.send", "status", status=503, times=1)
    portal.sandbox.deliveries.send("Ill provider")
    eventually(lambda: portal.statuses().get("delivered"), what="delivered after the illness")
    with portal.session() as session:
        gate = session.scalars(select(Gate).where(Gate.key.startswith("account:"))).one()
        assert gate.failures == 0 and gate.blocked_until is None
        entries = session.scalars(select(LedgerEntry.kind)).all()
    assert sorted(entries) == ["hold", "settle"]


def unknown_message(portal):
    portal.add_sender("simulator", name="line", is_default=True)
    contact = portal.sandbox.ghl.directory.add(PLACE.id, {"name": "Four", "phone": "+639170000004"})[0]
    portal.sandbox.deliveries.send("Nobody knows", contact=contact)
    eventually(lambda: portal.statuses().get("unknown"), what="unknown")
    return portal.messages()[0]


def test_a_person_may_have_an_unknown_message_sent_again(portal):
    message = unknown_message(portal)
    with portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    eventually(lambda: len(attempts(portal)) == 2, what="a second attempt under a new key")
    assert {key for _, key in attempts(portal)} == {"1", "2"}


def test_a_person_may_give_an_unknown_message_up(portal):
    message = unknown_message(portal)
    with portal.database.write() as session:
        decisions.give_up(session, message.id, "a person")
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    assert wallet(portal) == (0, 0, 0)
    with pytest.raises(InvalidInput), portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
