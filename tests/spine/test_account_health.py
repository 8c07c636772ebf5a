"""How quick and sound a provider account is: counted, told once for an incident, and switched away from on request."""

from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import select, text

from portal.alerts.notices import ACCOUNT_FAILING, ACCOUNT_SLOW, ACCOUNT_WELL, close_alert
from portal.messaging import contacts, incidents, measuring, switching
from portal.models import AccountHealth, Alert, Attempt, Location, Message, Part, ReceiptRow
from portal.queue.gates import sender_gate
from tests.spine.test_attacks import queued


@pytest.fixture
def line(by_hand, time):
    """A portal on a clock that the test moves, with two senders and a way to say how sending went."""
    by_hand.install()
    by_hand.first = by_hand.add_sender("simulator", name="Line A", is_default=True)
    by_hand.second = by_hand.add_sender("simulator", name="Line B")
    numbers = count(1)

    def went(times, minutes_ago, delivered_after=None, outcome="accepted", fault=False, sender=by_hand.first, at=None):
        """So many calls; `delivered_after` is minutes from acceptance to our hearing, `at` by the provider's clock."""
        begun = time.at - timedelta(minutes=minutes_ago)
        with by_hand.database.write() as session:
            contact, _ = contacts.for_address(session, 1, contacts.PHONE, "+639170000001")
            talk = contacts.conversation(session, 1, contact.id)
            for _ in range(times):
                number = next(numbers)
                status = "delivered" if delivered_after is not None else "accepted"
                status = status if outcome == "accepted" else "queued"
                message = Message(
                    location_id=1,
                    conversation_id=talk.id,
                    position=number,
                    direction="out",
                    status=status,
                    status_at=begun,
                    created_at=begun,
                    sender_id=sender,
                    family="sms",
                )
                part = Part(message=message, status=status, sender_id=sender, external_id=f"X{number}")
                session.add_all([message, part])
                session.flush()
                call = {"part_id": part.id, "number": 1, "sender_id": sender, "idempotency_key": str(number)}
                ended = {"started_at": begun - timedelta(milliseconds=200), "ended_at": begun}
                session.add(Attempt(**call, **ended, outcome=outcome, fault=fault))
                if delivered_after is not None and outcome == "accepted":
                    heard = begun + timedelta(minutes=delivered_after)
                    said = begun + timedelta(minutes=delivered_after if at is None else at)
                    receipt = {"sender_id": sender, "external_id": f"X{number}", "outcome": "delivered", "at": said}
                    session.add(ReceiptRow(**receipt, received_at=heard, part_id=part.id))

    by_hand.went = went
    return by_hand


def look(portal):
    return incidents.look(portal.database)


def health(portal, sender=1):
    with portal.session() as session:
        return session.get(AccountHealth, sender_gate(sender))


def alerts(portal, kind):
    with portal.session() as session:
        return list(session.scalars(select(Alert).where(Alert.kind == kind, Alert.closed_at.is_(None))))


def test_from_15_percent_of_20_messages_on_that_took_over_five_minutes_it_is_slow(line, time):
    line.went(10, minutes_ago=2, delivered_after=1)
    line.went(7, minutes_ago=8, delivered_after=4.9)
    line.went(2, minutes_ago=8, delivered_after=6)
    assert look(line) == 0, "19 are too few"
    line.went(1, minutes_ago=8)
    assert look(line) == 1
    row = health(line)
    assert (row.messages, row.slow, row.calls, row.faults, row.call_ms) == (20, 3, 20, 0, 200)
    [alert] = alerts(line, ACCOUNT_SLOW)
    assert "Line A is slow: 3 of its last 20 messages (15%) took more than 5 minutes" in alert.text
    assert alert.location_id == 1
    assert look(line) == 0 and alerts(line, ACCOUNT_SLOW)[0].count == 1, "once for an incident"
    with line.database.write() as session:
        close_alert(session, ACCOUNT_SLOW, alert.subject)
    assert look(line) == 0 and alerts(line, ACCOUNT_SLOW) == [], "what a person closes stays closed"


def test_14_percent_are_not_and_neither_is_what_is_older_than_ten_minutes(line):
    line.went(43, minutes_ago=7, delivered_after=1)
    line.went(7, minutes_ago=7)
    line.went(50, minutes_ago=11)
    assert look(line) == 0
    assert (health(line).messages, health(line).slow) == (50, 7)


def test_its_end_is_told_with_what_happened(line, time):
    line.went(17, minutes_ago=6, delivered_after=1)
    line.went(3, minutes_ago=6)
    look(line)
    time.forward(minutes=25)
    line.went(19, minutes_ago=6, delivered_after=1)
    line.went(2, minutes_ago=6)
    assert look(line) == 1, "2 of 21 are below 10 %"
    assert alerts(line, ACCOUNT_SLOW) == []
    [notice] = alerts(line, ACCOUNT_WELL)
    assert "Line A is quick again: 2 of its last 21 messages (10%)" in notice.text
    assert "It was slow for 25 minutes" in notice.text
    time.forward(days=1, minutes=1)
    look(line)
    assert alerts(line, ACCOUNT_WELL) == [], "the notice goes by itself"


def test_when_nothing_goes_out_any_more_nobody_says_that_it_is_well(line, time):
    line.went(20, minutes_ago=6)
    line.went(1, minutes_ago=9, delivered_after=1)
    look(line)
    time.forward(minutes=20)
    assert look(line) == 1
    assert "sent nothing for 10 minutes, so nobody knows" in alerts(line, ACCOUNT_WELL)[0].text
    assert health(line).messages == 21, "the last numbers stay, with their time"


def test_the_providers_own_time_counts_where_it_is_earlier(line):
    line.went(20, minutes_ago=9, delivered_after=8, at=1)
    assert look(line) == 0 and health(line).slow == 0


def test_without_receipts_nothing_is_said_of_speed(line):
    line.went(30, minutes_ago=7)
    assert look(line) == 0
    assert health(line).slow is None
    assert "not known" in measuring.of_row(health(line)).speed


def test_calls_that_fail_for_the_senders_sake_or_are_not_answered(line, time):
    line.went(8, minutes_ago=1)
    line.went(1, minutes_ago=1, outcome="refused", fault=True)
    line.went(5, minutes_ago=1, outcome="refused")
    assert look(line) == 0, "a wrong number is no fault of the sender's"
    line.went(3, minutes_ago=1, outcome="unknown")
    assert look(line) == 1
    [alert] = alerts(line, ACCOUNT_FAILING)
    assert "4 of its last 17 calls (24%) failed: 1 refused for the sender's sake, 3 without an answer" in alert.text
    time.forward(minutes=11)
    line.went(10, minutes_ago=1)
    assert look(line) == 1
    assert "Line A is well again" in alerts(line, ACCOUNT_WELL)[0].text


def itself(portal):
    with portal.database.write() as session:
        location = session.scalars(select(Location)).one()
        switching.set_policy(session, location, "channel", switches_itself=True)


def switches(portal):
    with portal.session() as session:
        return list(reversed(switching.history(session, portal.first)))


def lasts(switch):
    return round((switch.until - switch.began_at) / timedelta(minutes=1))


def test_a_slow_sender_is_switched_away_from_and_back_and_for_longer_each_time(line, time):
    itself(line)
    line.went(1, minutes_ago=9, delivered_after=1)
    line.went(19, minutes_ago=6)
    look(line), look(line)
    [switch] = switches(line)
    assert (switch.who, switch.to_id, lasts(switch)) == (switching.PORTAL, line.second, 15)
    message = queued(line)
    assert message.sender_id == line.second
    assert "Line B stands in for Line A, which is switched away from: it is slow: 19 of its last 20" in (
        message.sender_reason
    )
    time.forward(minutes=12)
    assert look(line) == 0, "that nothing goes out through it is our own doing"
    time.forward(minutes=4)
    with line.database.write() as session:
        assert switching.end_due(session) == 1
    assert queued(line, "back").sender_id == line.first
    time.forward(minutes=9)
    line.went(20, minutes_ago=6)
    look(line)
    assert len(alerts(line, ACCOUNT_SLOW)) == 1 and alerts(line, ACCOUNT_SLOW)[0].count == 1, "the same incident"
    assert [lasts(each) for each in switches(line)] == [15, 30]


def test_it_is_switched_back_as_soon_as_it_is_measured_well(line, time):
    itself(line)
    line.went(1, minutes_ago=9, delivered_after=1)
    line.went(19, minutes_ago=6)
    look(line)
    time.forward(minutes=8)
    line.went(20, minutes_ago=6, delivered_after=1)
    assert look(line) == 1
    assert "quick again" in switches(line)[0].end_reason
    assert queued(line).sender_id == line.first


@pytest.mark.parametrize("why", ["not wanted", "the other is ill too", "a person has switched"])
def test_it_is_not_switched_away_from_when(line, why):
    if why != "not wanted":
        itself(line)
    if why == "the other is ill too":
        line.went(1, minutes_ago=9, delivered_after=1, sender=line.second)
        line.went(19, minutes_ago=6, sender=line.second)
        look(line)
        with line.database.write() as session:
            switching.end(session, line.second, "ann@example.com")
    if why == "a person has switched":
        with line.database.write() as session:
            switching.begin(session, switching.Wanted(line.first, line.second, "ann@example.com", "because"))
    line.went(1, minutes_ago=9, delivered_after=1)
    line.went(19, minutes_ago=6)
    look(line)
    assert [each.who for each in switches(line)] == (["ann@example.com"] if why == "a person has switched" else [])


def test_a_sample_stands_for_any_number_and_an_index_finds_it(line):
    """Bounded: at most `SAMPLE` rows of each kind, found by sender and time."""
    line.went(measuring.SAMPLE + 20, minutes_ago=6, delivered_after=1)
    look(line)
    assert (health(line).messages, health(line).calls) == (measuring.SAMPLE, measuring.SAMPLE)
    with line.session() as session:
        if session.connection().dialect.name == "sqlite":
            asked = "SELECT 1 FROM attempt WHERE sender_id = 1 AND ended_at > '2026' ORDER BY ended_at DESC LIMIT 500"
            plan = " ".join(str(row) for row in session.execute(text(f"EXPLAIN QUERY PLAN {asked}")))
            assert "ix_attempt_recent" in plan and "TEMP B-TREE" not in plan
