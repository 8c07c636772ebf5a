"""Carriers that turn a sender's messages away: one alert for an incident, a notice at its end."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts.notices import REJECTIONS, REJECTIONS_OVER, close_alert
from portal.channels.base import Loss, Outcome, Receipt
from portal.messaging import contacts, rejections
from portal.messaging.outbound import Request, queue_message
from portal.messaging.receipts import take_receipt
from portal.messaging.sweeping import match_orphans
from portal.models import Alert, Location, OptOut, Part, ReceiptRow, Sender
from portal.queue.gates import sender_gate
from portal.sandbox import world
from tests.portal import eventually


@pytest.fixture
def line(idle):
    """A portal with one sender, and a way to take receipts for it."""
    idle.add_sender("cast", name="Clinic line")
    count = iter(range(10_000))

    def take(outcome, times=1, loss=Loss.NONE):
        with idle.database.write() as session:
            for _ in range(times):
                receipt = Receipt(f"CAST{next(count)}", outcome, code=loss.value or outcome.value, loss=loss)
                take_receipt(session, session.get_one(Sender, 1), receipt, None)

    idle.take = take
    return idle


def open_alerts(portal, kind):
    with portal.session() as session:
        return list(session.scalars(select(Alert).where(Alert.kind == kind, Alert.closed_at.is_(None))))


def ends(portal):
    with portal.database.write() as session:
        return rejections.look_for_ends(session)


def test_from_20_messages_and_30_percent_on_it_is_an_incident(line):
    line.take(Outcome.DELIVERED, 14)
    line.take(Outcome.FAILED, 5, Loss.REJECTED)
    assert open_alerts(line, REJECTIONS) == [], "19 are too few"
    line.take(Outcome.FAILED, 1, Loss.REJECTED)
    [alert] = open_alerts(line, REJECTIONS)
    assert alert.location_id == 1
    for words in ("Clinic line", "CEBUDENTAL", "6 of its last 20", "30%", "sender id is not approved"):
        assert words in alert.text
    line.take(Outcome.FAILED, 10, Loss.REJECTED)
    assert [each.count for each in open_alerts(line, REJECTIONS)] == [1], "one alert for one incident"


def test_what_its_recipient_is_not_to_have_says_nothing_of_the_sender(line):
    """A campaign to people who get enough marketing, or whose window is closed: no carrier turns the sender away."""
    line.take(Outcome.FAILED, 40, Loss.WITHHELD)
    assert open_alerts(line, REJECTIONS) == []
    line.take(Outcome.DELIVERED, 14)
    line.take(Outcome.FAILED, 6, Loss.REJECTED)
    [alert] = open_alerts(line, REJECTIONS)
    assert "6 of its last 20" in alert.text, "and hides nothing"


def test_fewer_than_30_percent_are_none(line):
    line.take(Outcome.DELIVERED, 15)
    line.take(Outcome.FAILED, 6, Loss.REJECTED)
    assert open_alerts(line, REJECTIONS) == []


@pytest.mark.parametrize(
    ("loss", "words"), [(Loss.UNREACHABLE, "cannot be reached"), (Loss.NONE, "in the carriers' own words")]
)
def test_the_likely_cause(line, loss, words):
    line.take(Outcome.FAILED, 20, loss)
    assert words in open_alerts(line, REJECTIONS)[0].text


def test_opt_outs_and_messages_under_way_are_no_rejections(line):
    line.take(Outcome.SENT, 30)
    line.take(Outcome.FAILED, 30, Loss.OPTED_OUT)
    assert open_alerts(line, REJECTIONS) == []
    with line.session() as session:
        assert session.scalars(select(OptOut)).all() == [], "whose they were is not known yet"


def test_what_is_older_than_an_hour_does_not_count(line):
    line.take(Outcome.FAILED, 19, Loss.REJECTED)
    with line.database.write() as session:
        session.execute(update(ReceiptRow).values(received_at=clock.now() - timedelta(minutes=61)))
    line.take(Outcome.FAILED, 1, Loss.REJECTED)
    assert open_alerts(line, REJECTIONS) == []


def test_a_repeated_receipt_counts_once(line):
    receipt = Receipt("CAST", Outcome.FAILED, code="REJECTD", loss=Loss.REJECTED)
    for _ in range(30):
        with line.database.write() as session:
            take_receipt(session, session.get_one(Sender, 1), receipt, None)
    assert open_alerts(line, REJECTIONS) == []


def test_its_end_is_told(line):
    line.take(Outcome.FAILED, 20, Loss.REJECTED)
    assert ends(line) == 0
    line.take(Outcome.DELIVERED, 100)
    assert ends(line) == 0, "20 of 120 are still too many"
    line.take(Outcome.DELIVERED, 20)
    assert ends(line) == 1
    assert open_alerts(line, REJECTIONS) == []
    [notice] = open_alerts(line, REJECTIONS_OVER)
    assert "get through again" in notice.text and "Clinic line (sender id CEBUDENTAL)" in notice.text
    assert ends(line) == 0
    line.take(Outcome.FAILED, 60, Loss.REJECTED)
    assert len(open_alerts(line, REJECTIONS)) == 1
    assert open_alerts(line, REJECTIONS_OVER) == [], "it is not over any more"


def test_what_a_person_closes_stays_closed_while_it_lasts(line):
    line.take(Outcome.FAILED, 20, Loss.REJECTED)
    with line.database.write() as session:
        close_alert(session, REJECTIONS, sender_gate(1))
    line.take(Outcome.FAILED, 20, Loss.REJECTED)
    assert open_alerts(line, REJECTIONS) == []


def test_silence_does_not_end_it_but_lets_the_next_one_begin(line):
    line.take(Outcome.FAILED, 20, Loss.REJECTED)
    with line.database.write() as session:
        session.execute(update(ReceiptRow).values(received_at=clock.now() - timedelta(hours=2)))
    assert ends(line) == 0
    with line.database.write() as session:
        session.execute(update(Sender).values(rejecting_since=clock.now() - timedelta(days=2)))
    assert ends(line) == 1
    assert open_alerts(line, REJECTIONS_OVER) == [], "nobody knows that it is over"
    assert len(open_alerts(line, REJECTIONS)) == 1


def test_a_notice_goes_by_itself_after_a_day(line):
    line.take(Outcome.FAILED, 20, Loss.REJECTED)
    line.take(Outcome.DELIVERED, 180)
    assert ends(line) == 1
    with line.database.write() as session:
        session.execute(update(Alert).values(opened_at=clock.now() - timedelta(days=2)))
    ends(line)
    assert open_alerts(line, REJECTIONS_OVER) == []


def test_cast_says_success_and_the_carrier_rejects(portal):
    """The field lesson: every send is accepted, every receipt is REJECTD, and nobody looks."""
    with portal.database.write() as session:
        session.execute(update(Sender).values(name="Clinic line"))
    contact = portal.sandbox.ghl.directory.of_location(world.DEMO_LOCATIONS[0].id)[0]
    portal.sandbox.cast.decide(contact.phone, "rejected")
    for number in range(rejections.LEAST):
        portal.sandbox.deliveries.send(f"Code {number}", contact=contact)
    eventually(lambda: portal.ghl_statuses() == {"failed": 20}, what="failed")
    portal.worker._clockwork.watch_senders()
    [alert] = open_alerts(portal, REJECTIONS)
    assert "20 of its last 20" in alert.text and "CEBUDENTAL" in alert.text


def test_an_opt_out_in_a_receipt_is_learnt_also_when_it_comes_early(idle):
    idle.add_sender("cast")
    phone = world.DEMO_PEOPLE[0][0][1]
    with idle.database.write() as session:
        receipt = Receipt("EARLY", Outcome.FAILED, code="STOPPED", detail="They want silence.", loss=Loss.OPTED_OUT)
        take_receipt(session, session.get_one(Sender, 1), receipt, None)
        contact = contacts.for_ghl(session, 1, "contact", phone)
        queue_message(session, session.get_one(Location, 1), Request(contact, phone, "Hi", 1, clock.now()))
        session.execute(update(Part).values(external_id="EARLY", status="accepted"))
    assert match_orphans(idle.database) == 1
    with idle.session() as session:
        learnt = session.scalars(select(OptOut)).one()
    assert (learnt.address, learnt.family, "STOPPED" in learnt.source) == (phone, "sms", True)


def test_what_two_workers_missed_together_is_found(line, monkeypatch):
    monkeypatch.setattr(rejections, "note", lambda session, sender_id: None)
    line.take(Outcome.FAILED, 20, Loss.REJECTED)
    monkeypatch.undo()
    assert open_alerts(line, REJECTIONS) == []
    for found in (1, 0):
        with line.database.write() as session:
            assert rejections.look_for_missed(session) == found
    assert len(open_alerts(line, REJECTIONS)) == 1
