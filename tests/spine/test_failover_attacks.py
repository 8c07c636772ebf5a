"""What attacks on stand-ins, switches, hints and pieces broke, and what holds."""

from uuid import uuid4

from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Accepted, Inbound, Outcome, Receipt, Setback
from portal.channels.content import Piece
from portal.messaging import hints, pieces, rerouting, senders, switching
from portal.messaging.receipts import take_receipt
from portal.models import Event, Job, Message, Part, ReceiptRow, Sender
from portal.queue import gates
from portal.queue.jobs import SEND
from portal.worker.scheduler import Clockwork
from tests.portal import PLACE
from tests.spine.test_account_health import itself, line, look, switches
from tests.spine.test_attacks import CONTACT, FILES, begin_call, limit_credits, queued, send_jobs, wallet, work
from tests.spine.test_attacks_again import proved
from tests.spine.test_failover import fall_ill, finish, get_well, lead, switch, two

__all__ = ["line", "two"]  # fixtures


def test_who_is_switched_away_from_stands_in_for_nobody(two):
    third = two.add_sender("simulator", name="Line C")
    switch(two, two.second, third, reason="its number is blocked")
    fall_ill(two, two.first)
    assert queued(two).sender_id == third


def test_nobody_is_led_by_a_general_switch_to_one_that_is_switched_away_from(two):
    third = two.add_sender("simulator", name="Line C")
    switch(two, two.second, third, reason="its number is blocked")
    switch(two, two.first, None)
    assert queued(two).sender_id == third


def test_what_waits_for_a_stand_in_that_falls_ill_goes_back_to_its_own_sender_that_is_well(two):
    fall_ill(two, two.first)
    message = queued(two)
    assert message.sender_id == two.second
    get_well(two, two.first)
    with two.session() as session:
        key = gates.sender_gate(two.second, session.get_one(Sender, two.second).account_key)
    with two.database.write() as session:
        gates.ensure_exists(session, key)
        for _ in range(gates.PROBE_AFTER):
            gates.count_fault(session, key, "It did not answer in time.")
    assert lead(two) == 1
    assert two.messages()[0].sender_id == two.first
    assert lead(two) == 0


def test_a_person_who_switches_back_is_not_overruled_during_the_same_incident(line, time):
    itself(line)
    line.went(1, minutes_ago=6, delivered_after=1)
    line.went(40, minutes_ago=6)
    look(line)
    assert len(switches(line)) == 1
    with line.database.write() as session:
        assert switching.end(session, line.first, "ann@example.com", "it has to be this number")
    time.forward(minutes=1)
    look(line)
    assert len(switches(line)) == 1


def test_the_portal_does_not_lead_to_one_that_a_person_has_switched_away_from(line):
    itself(line)
    with line.database.write() as session:
        switching.begin(session, switching.Wanted(line.second, line.first, "ann@example.com", "because"))
    line.went(1, minutes_ago=9, delivered_after=1)
    line.went(19, minutes_ago=6)
    look(line)
    assert switches(line) == []


def test_what_cannot_move_does_not_keep_back_what_can(two, monkeypatch):
    monkeypatch.setattr(rerouting, "AT_ONCE", 2)
    stuck = []
    for number in range(5):
        contact = two.sandbox.ghl.directory.add(PLACE.id, {"name": f"n{number}", "phone": f"+63917123456{number}"})[0]
        stuck.append(queued(two, f"m{number}", contact=contact))
    fits = {stuck[-1].id}
    real = rerouting.choosing.route

    def route(session, location, conversation, message):
        if message.id in fits:
            return real(session, location, conversation, message)
        return rerouting.routing.Choice(rerouting.routing.Verdict.SEND, "own", message.sender_id)

    fall_ill(two, two.first)
    monkeypatch.setattr(rerouting.choosing, "route", route)
    assert sum(rerouting.lead_away(two.database) for _ in range(3)) == 1


def test_credits_of_what_was_lost_and_is_cut_anew(two):
    limit_credits(two, 20)
    message = queued(two, "Three parts", attachments=FILES)
    for number, due in enumerate(send_jobs(two)):
        finish(two, due, begin_call(two, due), Accepted(f"SIM{number}"))
    for number in range(3):
        with two.database.write() as session:
            back = Setback(retry=True, sentence="It was lost.")
            receipt = Receipt(f"SIM{number}", Outcome.FAILED, "x", "lost", setback=back)
            take_receipt(session, session.get_one(Sender, two.first), receipt, None)
    assert (two.statuses(), wallet(two)) == ({"queued": 1}, (15, 5, 0))
    fall_ill(two, two.first)
    assert lead(two) == 1
    with two.database.write() as session:
        session.execute(update(Job).values(run_at=clock.now()))
    work(two, SEND)
    assert two.statuses() == {"accepted": 1} and len(two.sandbox.cast.accepted()) == 1
    price = two.messages()[0].credits
    assert wallet(two) == (20 - price, 0, price) and proved(two)
    with two.session() as session:
        assert {row.part_id for row in session.scalars(select(ReceiptRow))} == {two.parts_of(message)[0].id}


def hint(portal, outcome, **more):
    with portal.database.write() as session:
        receipt = Receipt("X1", outcome, **more)
        take_receipt(session, session.get_one(Sender, portal.first), receipt, 1)


def test_more_and_more_hints_keep_no_word_in_limbo(by_hand, time):
    by_hand.install()
    by_hand.first = by_hand.add_sender("clickatell", credentials={"api_key": "k"}, name="Line A", is_default=True)
    queued(by_hand)
    with by_hand.database.write() as session:
        part = session.scalars(select(Part)).one()
        part.status, part.external_id, part.message.status = "sent", "X1", "sent"
    hint(by_hand, Outcome.DELIVERED)
    for number in range(4):
        time.forward(seconds=10)
        hint(by_hand, Outcome.FAILED, recipient=f"+63917123456{number}")
    with by_hand.session() as session:
        assert not hints.are_fresh(session, session.scalars(select(Part)).one())


GLOBE = {"app_id": "a", "app_secret": "s", "passphrase": "p", "shortcode": "21581234"}


def said(portal):
    with portal.session() as session:
        return list(session.scalars(select(Message.body).where(Message.direction == "in").order_by(Message.id)))


def piece(portal, number, sender=1, reference="7", total=3, address=CONTACT, text="word ", id_=None):
    with portal.database.write() as session:
        moment = clock.now()
        event = Event(uuid=str(uuid4()), source="globe", lane="x", received_at=moment, state="applied", verified=True)
        session.add(event)
        session.flush()
        said = Inbound(address, text, external_id=id_ or str(uuid4()), piece=Piece(reference, number, total))
        return pieces.take(session, session.get_one(Sender, sender), said, event, portal.parts.vault)


def test_a_text_that_cannot_be_joined_keeps_no_other_waiting(by_hand, time, monkeypatch):
    by_hand.install()
    by_hand.add_sender("globe", credentials=GLOBE, name="Line A", is_default=True)
    piece(by_hand, 1, address="+639170000001", text="poison")
    piece(by_hand, 1, address="+639170000002", text="good")
    time.forward(minutes=6)
    real = pieces.take_inbound

    def fails(session, sender, said, event, vault):
        if "poison" in said.text:
            raise ValueError("a fault of ours")
        return real(session, sender, said, event, vault)

    monkeypatch.setattr(pieces, "take_inbound", fails)
    Clockwork(by_hand.parts).join_pieces()
    assert said(by_hand) == ["good[…]"]
    monkeypatch.setattr(pieces, "take_inbound", real)
    Clockwork(by_hand.parts).join_pieces()
    assert said(by_hand) == ["good[…]", "poison[…]"]


def test_pieces_of_two_people_and_two_lines_do_not_mix_and_a_removed_line_loses_none(by_hand, time):
    by_hand.install()
    by_hand.add_sender("globe", credentials=GLOBE, name="Line A", is_default=True)
    by_hand.add_sender("globe", credentials=GLOBE | {"shortcode": "21581235"}, name="Line B")
    piece(by_hand, 1, total=2, text="a1", id_="same")
    piece(by_hand, 2, total=2, text="b2", address="+639170000009")
    piece(by_hand, 2, total=2, text="c2", sender=2, id_="same")
    assert piece(by_hand, 1, total=2, text="a1", id_="same") == "repeat of a known piece"
    assert said(by_hand) == []
    with by_hand.database.write() as session:
        senders.remove(session, 2)
    piece(by_hand, 2, total=2, text="a2")
    assert said(by_hand) == ["a1a2"]
    time.forward(minutes=6)
    Clockwork(by_hand.parts).join_pieces()
    assert sorted(said(by_hand)) == ["[…]b2", "[…]c2", "a1a2"]
