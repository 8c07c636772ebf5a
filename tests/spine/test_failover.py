"""Another sender of the family goes in for one that does not answer or was switched away from: never for what may be
out, at its own price, and only for as long as it lasts."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Accepted, ChannelError, Scope
from portal.errors import InvalidInput, NotFound
from portal.messaging import optouts, rerouting, senders, switching
from portal.messaging.composing import Draft, compose
from portal.messaging.outcomes import Result
from portal.messaging.results import write_results
from portal.models import Conversation, Gate, Location, Sender, SenderSwitch
from portal.queue import gates
from portal.queue.jobs import APPLY, SEND
from tests.portal import PLACE
from tests.spine.test_attacks import CONTACT, FILES, begin_call, limit_credits, queued, send_jobs, wallet, work
from tests.spine.test_attacks_again import carry_out_releases

SILENCE = ChannelError("It did not answer in time.", unknown=True)
ILL = ChannelError("It answers 503.", scope=Scope.SENDER, retry=True)


@pytest.fixture
def two(idle):
    """The simulator by default, Cast beside it, and the policy that either stands in for the other."""
    idle.first = idle.add_sender("simulator", name="Line A", is_default=True)
    idle.second = idle.add_sender("cast", name="Line B")
    policy(idle, "family")
    return idle


def policy(portal, name, **more):
    with portal.database.write() as session:
        location = session.scalars(select(Location)).one()
        switching.set_policy(session, location, name, switches_itself=more.get("itself", False))


def fall_ill(portal, sender):
    """Three faults in a row: its gate is shut, and the portal probes with one call at a time."""
    with portal.database.write() as session:
        for _ in range(gates.PROBE_AFTER):
            gates.ensure_exists(session, gates.sender_gate(sender))
            gates.count_fault(session, gates.sender_gate(sender), "It did not answer in time.")


def get_well(portal, sender):
    with portal.database.write() as session:
        gates.reopen(session, [gates.sender_gate(sender)])


def lead(portal):
    moved = rerouting.lead_away(portal.database)
    carry_out_releases(portal)
    return moved


def sticky(portal):
    with portal.session() as session:
        return session.scalars(select(Conversation)).one().sticky_sender_id


def test_what_is_written_while_a_sender_does_not_answer_goes_through_another_and_says_so(two):
    fall_ill(two, two.first)
    message = queued(two)
    assert message.sender_id == two.second
    assert message.sender_reason == "Line B stands in for Line A, which does not answer (the default sender)"
    assert sticky(two) is None, "a stand-in does not become the conversation's own"
    get_well(two, two.first)
    message = queued(two, "again")
    assert (message.sender_id, message.sender_reason) == (two.first, "the default sender")
    assert sticky(two) == two.first
    fall_ill(two, two.first)
    assert queued(two, "once more").sender_id == two.second
    assert sticky(two) == two.first
    get_well(two, two.first)
    assert queued(two, "at last").sender_reason == "the conversation's own sender"


@pytest.mark.parametrize("name", ["hold", "fail", "channel"])
def test_without_that_policy_it_waits_for_its_sender(two, name):
    policy(two, name)
    fall_ill(two, two.first)
    message = queued(two)
    assert (message.sender_id, message.status) == (two.first, "queued")
    assert lead(two) == 0


def test_what_waited_already_is_led_to_the_other_in_its_order_and_at_its_price(two):
    limit_credits(two, 10)
    first = queued(two, "one", attachments=FILES)
    second = queued(two, "two")
    assert (first.sender_id, wallet(two)) == (two.first, (4, 6, 0)), "three parts and one"
    assert lead(two) == 0, "nothing is wrong"
    fall_ill(two, two.first)
    assert lead(two) == 1
    first, second = two.messages()
    assert {first.sender_id, second.sender_id} == {two.second}
    assert "Line B stands in for Line A" in first.sender_reason
    assert two.history(first) == ["queued", "held", "queued"]
    assert [part.sender_id for part in two.parts_of(first)] == [two.second], "an SMS carries files as links"
    assert sum(wallet(two)) == 10 and wallet(two)[1] == first.credits + second.credits
    work(two, SEND)
    work(two, SEND)
    assert two.statuses() == {"accepted": 2}
    assert [each.text[:3] for each in two.sandbox.cast.accepted()] == ["one", "two"]
    assert lead(two) == 0


def finish(portal, due, passed, outcome):
    with portal.database.write() as session:
        write_results(session, [Result(due, passed, outcome, False, True, False)])


def test_an_outcome_that_nobody_knows_is_never_led_away(two):
    for text in ("first", "second"):
        queued(two, text)
    [due] = send_jobs(two)[:1]
    finish(two, due, begin_call(two, due), SILENCE)
    fall_ill(two, two.first)
    assert lead(two) == 1
    unknown, waiting = two.messages()
    assert (unknown.status, unknown.sender_id) == ("unknown", two.first)
    assert (waiting.status, waiting.sender_id) == ("queued", two.second)
    work(two, SEND)
    assert [each.text for each in two.sandbox.cast.accepted()] == ["second"]


def test_a_message_of_which_a_part_is_out_stays(two):
    queued(two, "Three parts", attachments=FILES)
    due = send_jobs(two)[0]
    two.handlers = None
    passed = begin_call(two, due)
    finish(two, due, passed, Accepted("SIM1"))
    fall_ill(two, two.first)
    assert lead(two) == 0
    assert two.messages()[0].sender_id == two.first


def test_a_definite_refusal_for_the_senders_sake_is_led_away(two):
    queued(two)
    for _ in range(gates.PROBE_AFTER):
        with two.database.write() as session:
            session.execute(update(Gate).values(blocked_until=None))
        [due] = send_jobs(two)
        finish(two, due, begin_call(two, due), ILL)
    assert lead(two) == 1
    work(two, SEND)
    assert [(each.status, each.sender_id) for each in two.messages()] == [("accepted", two.second)]
    assert len(two.sandbox.cast.accepted()) == 1


def test_who_opted_out_of_the_family_gets_nothing_from_a_stand_in(two):
    queued(two)
    with two.database.write() as session:
        optouts.add(session, 1, "sms", CONTACT, "wrote STOP")
    fall_ill(two, two.first)
    lead(two)
    assert two.statuses() == {"failed": 1}
    assert two.sandbox.cast.accepted() == []


def test_the_order_decides_who_stands_in_and_nobody_does_who_is_ill_too(two):
    third = two.add_sender("simulator", name="Line C")
    with two.database.write() as session:
        location = session.scalars(select(Location)).one()
        switching.set_order(session, location, [third, two.second])
        with pytest.raises(InvalidInput):
            switching.set_order(session, location, [third, 99])
    fall_ill(two, two.first)
    assert queued(two).sender_id == third
    fall_ill(two, third)
    assert queued(two).sender_id == two.second
    with two.database.write() as session:
        senders.pause(session, two.second, "on holiday")
    assert queued(two).sender_id == two.first, "then it waits for its own"


def switch(portal, from_id, to_id=None, **more):
    with portal.database.write() as session:
        wanted = switching.Wanted(from_id, to_id, "ann@example.com", more.pop("reason", "Cast is cheaper"), **more)
        return switching.begin(session, wanted).id


def test_a_person_switches_and_switches_back_and_every_switch_stays(two):
    policy(two, "hold")
    waiting = queued(two, "before")
    switch(two, two.first, two.second)
    assert lead(two) == 1
    assert two.messages()[0].id == waiting.id and two.messages()[0].sender_id == two.second
    message = queued(two, "after")
    assert message.sender_reason == (
        "Line B stands in for Line A, which is switched away from: Cast is cheaper (the conversation's own sender)"
    )
    with two.database.write() as session:
        assert switching.end(session, two.first, "bob@example.com", "cheap again")
        assert not switching.end(session, two.first, "bob@example.com")
    assert queued(two, "back").sender_id == two.first
    with two.session() as session:
        [row] = switching.history(session, two.first)
    assert (row.who, row.ended_by, row.end_reason) == ("ann@example.com", "bob@example.com", "cheap again")


def test_a_switch_ends_at_its_time(two, monkeypatch):
    switch(two, two.first, until=clock.now() + timedelta(minutes=5))
    assert queued(two).sender_id == two.second, "any that can take it"
    later = clock.now() + timedelta(minutes=6)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert queued(two, "later").sender_id == two.first
    with two.database.write() as session:
        assert switching.is_due(session) and switching.end_due(session) == 1
        assert not switching.is_due(session)
        assert session.scalars(select(SenderSwitch)).one().end_reason == "Its time was over."


def test_one_switch_stands_at_a_time_and_a_removed_sender_has_none(two):
    switch(two, two.first, two.second)
    switch(two, two.first, None, reason="no, any")
    with two.session() as session:
        assert [row.end_reason for row in switching.history(session, two.first)] == [
            "",
            "Another switch took its place.",
        ]
    third = two.add_sender("simulator", name="Line C")
    switch(two, third, two.first)
    with two.database.write() as session:
        senders.remove(session, two.first)
    with two.session() as session:
        assert session.scalars(select(SenderSwitch).where(SenderSwitch.ended_at.is_(None))).all() == []


def test_a_switch_to_one_that_cannot_send_leads_nowhere(two):
    switch(two, two.first, two.second)
    with two.database.write() as session:
        senders.pause(session, two.second, "on holiday")
    assert queued(two).sender_id == two.first


def test_switches_that_make_no_sense_are_refused(two):
    other_family = two.add_sender("whatsapp_cloud", name="WhatsApp")
    for wanted in (
        {"to_id": two.first},
        {"to_id": other_family},
        {"to_id": 99},
        {"reason": " "},
        {"until": clock.now()},
        {"until": clock.now() + timedelta(days=200)},
    ):
        with pytest.raises(InvalidInput):
            switch(two, two.first, **wanted)
    with pytest.raises(InvalidInput):
        switch(two, other_family)
    with pytest.raises(NotFound):
        switch(two, 99)


def test_a_bulk_call_that_waits_is_led_away_recipient_by_recipient_and_makes_no_call_later(idle):
    cast = idle.add_sender("cast", name="Line B", is_default=True)
    spare = idle.add_sender("simulator", name="Line A")
    policy(idle, "family")
    with idle.session() as session:
        location = session.scalars(select(Location)).one()
        key = gates.sender_gate(cast, session.get_one(Sender, cast).account_key)
    draft = Draft(["+639171234501", "+639171234502", "+639171234503"], "Closed on Monday.", "ann@example.com")
    compose(idle.database, idle.parts.journal, location, draft)
    work(idle, APPLY)
    assert [job.gate for job in idle.jobs() if job.kind.startswith("send")] == [key] and key.startswith("account:")
    with idle.database.write() as session:
        for _ in range(gates.PROBE_AFTER):
            gates.count_fault(session, key, "It did not answer in time.")
    assert lead(idle) == 3
    assert {message.sender_id for message in idle.messages()} == {spare}
    with idle.database.write() as session:
        gates.reopen(session, [key])
    for _ in range(3):
        work(idle, SEND)
    assert idle.sandbox.cast.accepted() == []
    assert idle.statuses() == {"accepted": 3} and [job.kind for job in idle.jobs() if job.kind.startswith("send")] == []


def test_cast_that_stumbles_is_stood_in_for_over_real_http(idle):
    """Its calls in doubt are repeated under their keys and go nowhere else; what is written meanwhile goes out."""
    cast = idle.add_sender("cast", name="Line B", is_default=True)
    idle.add_sender("simulator", name="Line A")
    policy(idle, "family")
    idle.sandbox.faults.arm("cast.send", "half_answer", times=gates.PROBE_AFTER)
    texts = [f"number {number}" for number in range(gates.PROBE_AFTER)]
    for text, phone in zip(texts, ("+639171234501", "+639171234502", "+639171234503"), strict=True):
        contact = idle.sandbox.ghl.directory.add(PLACE.id, {"name": text, "phone": phone})[0]
        queued(idle, text, contact=contact)
    work(idle, SEND)
    assert idle.statuses() == {"unknown": gates.PROBE_AFTER}
    late = queued(idle, "after the third")
    assert late.sender_reason.startswith("Line A stands in for Line B, which does not answer")
    assert lead(idle) == 0
    work(idle, SEND)
    assert {message.sender_id for message in idle.messages()[:-1]} == {cast}
    assert sorted(each.text for each in idle.sandbox.cast.accepted()) == texts, "half an answer, yet it took them"
    assert idle.messages()[-1].status == "accepted"
