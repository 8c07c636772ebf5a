"""Credits run out: what cannot be paid for waits or fails, HighLevel is told, and it goes out by itself, in order."""

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Outcome, Receipt
from portal.credits import balances, ledger, proof, refusals, statements, tariffs, terms
from portal.credits.grants import Credit, correct, set_limit
from portal.credits.pricing import Rule
from portal.messaging import funding, sweeping
from portal.messaging.receipts import take_receipt
from portal.models import Job, Location, Message, Sender, Source, Wallet
from portal.queue.jobs import APPLY, GHL, SEND
from portal.sandbox import world
from tests.hand import settle, work
from tests.portal import PLACE

OTHER = 1


def told(portal):
    """What HighLevel heard of each message, with the code of the reason."""
    found = []
    for message in portal.sandbox.ghl.mailbox.messages(direction="outbound"):
        found.append([(each.status, (each.error or {}).get("code")) for each in message.history])
    return found


@pytest.fixture
def poor(by_hand):
    """A portal whose only location has three credits."""
    by_hand.install()
    by_hand.sender = by_hand.add_sender("simulator")
    by_hand.allow = lambda **values: _allow(by_hand, values)
    by_hand.allow()
    with by_hand.database.write() as session:
        set_limit(session, session.get_one(Location, 1), False, "a test", 3)
    return by_hand


def _allow(portal, values):
    with portal.database.write() as session:
        ledger.wallet_of(session, 1)
    if values:
        with portal.database.write() as session:
            funding.set_policies(session, session.get_one(Location, 1), **values)


def top_up(portal, amount, key="payment 1"):
    with portal.database.write() as session:
        credit = Credit(amount, Source.TOP_UP, key, "a test")
        return funding.give(session, session.get_one(Location, 1), credit)


def deliver(portal, *texts, who=0, **more):
    contact = portal.sandbox.ghl.directory.of_location(PLACE.id)[who]
    for text in texts:
        portal.sandbox.deliveries.send(text, contact=contact, **more)
    work(portal, APPLY)


def columns(portal):
    with portal.session() as session:
        assert proof.prove(session)[1] == []
        row = session.scalars(select(Wallet)).one()
        return row.available, row.held, row.spent


def sent(portal, time):
    """The texts in the order in which they went out."""
    settle(portal, time, SEND, GHL)
    with portal.session() as session:
        out = [message for message in portal.messages() if message.status in ("accepted", "sent", "delivered")]
        parts = {message.id: portal.parts_of(message)[0].sending_at for message in out}
        assert session is not None
    return [message.body for message in sorted(out, key=lambda each: parts[each.id])]


def test_what_waits_goes_out_in_order_after_a_top_up(poor, time):
    deliver(poor, "a1", "a2")
    deliver(poor, "b1", "b2", who=OTHER)
    deliver(poor, "a3")
    assert [message.status for message in poor.messages()] == ["queued"] * 3 + ["held"] * 2
    assert {message.reason for message in poor.messages() if message.status == "held"} == {refusals.NO_CREDITS}
    sent(poor, time)
    assert told(poor)[3:] == [[("pending", "no_credits")]] * 2
    assert columns(poor)[0] == 0
    assert top_up(poor, 1)
    assert sent(poor, time)[3:] == ["b2"], "the one that waited longest"
    assert not top_up(poor, 1), "the same payment"
    assert top_up(poor, 5, "payment 2")
    assert sent(poor, time) == ["a1", "a2", "b1", "b2", "a3"]
    assert columns(poor) == (4, 0, 5)


def test_what_came_back_lets_the_next_one_go(poor, time):
    deliver(poor, "1", "2", "3", "4")
    first = poor.messages()[0]
    work(poor, SEND)
    with poor.database.write() as session:
        sender = session.get_one(Sender, poor.sender)
        external = poor.parts_of(first)[0].external_id
        take_receipt(session, sender, Receipt(external, Outcome.FAILED), None)
    assert columns(poor)[0] == 1
    time.forward(hours=2)
    assert funding.release_paid(poor.database) == 1 and funding.release_paid(poor.database) == 1
    assert sent(poor, time)[-1] == "4"
    assert funding.release_paid(poor.database) == 0


def test_by_policy_it_fails(poor, time):
    poor.allow(fails_when_empty=True)
    deliver(poor, "1", "2", "3", "4")
    last = poor.messages()[-1]
    assert (last.status, last.error_code, last.reason) == ("failed", "no_credits", refusals.FAILED[refusals.NO_CREDITS])
    sent(poor, time)
    assert told(poor)[3] == [("failed", "no_credits")]
    assert columns(poor) == (0, 0, 3)


def test_a_days_limit_ends_with_the_day(poor, time):
    poor.allow(day_cap=2)
    deliver(poor, "1", "2", "3")
    assert poor.messages()[-1].reason == refusals.DAY_CAP
    assert funding.release_paid(poor.database) == 0
    with poor.database.write() as session:
        session.execute(update(Message).values(expires_at=None))
    time.forward(days=1)
    assert funding.release_paid(poor.database) == 1
    assert sent(poor, time) == ["1", "2", "3"]


def test_a_higher_limit_lets_it_go_at_once(poor, time):
    poor.allow(day_cap=2)
    deliver(poor, "1", "2", "3")
    poor.allow(day_cap=3)
    assert sent(poor, time) == ["1", "2", "3"]
    poor.allow(overdraft=1, day_cap=None)
    deliver(poor, "4", "5")
    assert [message.status for message in poor.messages()[3:]] == ["queued", "held"]
    assert columns(poor)[0] == -1


def test_paid_for_when_delivered(poor, time):
    poor.allow(settles_on_delivery=True)
    deliver(poor, "1", "2", "3")
    work(poor, SEND)
    assert {message.status for message in poor.messages()} == {"accepted"}
    assert columns(poor) == (0, 3, 0)
    for message, outcome in zip(poor.messages(), (Outcome.DELIVERED, Outcome.FAILED, Outcome.SENT), strict=True):
        with poor.database.write() as session:
            external = poor.parts_of(message)[0].external_id
            take_receipt(session, session.get_one(Sender, poor.sender), Receipt(external, outcome), None)
    assert columns(poor) == (1, 1, 1)
    time.forward(hours=73)
    assert sweeping.release_old_holds(poor.database) == 1 and sweeping.release_old_holds(poor.database) == 0
    assert columns(poor) == (2, 0, 1)
    with poor.database.write() as session:
        external = poor.parts_of(poor.messages()[-1])[0].external_id
        take_receipt(session, session.get_one(Sender, poor.sender), Receipt(external, Outcome.DELIVERED), None)
    assert columns(poor) == (1, 0, 2), "it arrived after all"


def test_where_nobody_says_that_it_arrived_acceptance_pays(poor):
    poor.allow(settles_on_delivery=True)
    with poor.database.write() as session:
        session.execute(update(Sender).values(acceptance_counts=True))
    deliver(poor, "1")
    work(poor, SEND)
    assert columns(poor) == (2, 0, 1)


def test_another_price_list_never_changes_what_was_written(poor, time):
    with poor.database.write() as session:
        tariffs.add(session, None, [Rule(2, "sms", country="PH")], clock.now() + tariffs.SOONEST * 2, "a test")
    deliver(poor, "1")
    time.forward(hours=1)
    deliver(poor, "2", "3")
    assert [message.credits for message in poor.messages()] == [1, 2, 2]
    assert [message.status for message in poor.messages()] == ["queued", "queued", "held"]
    sent(poor, time)
    assert columns(poor) == (0, 0, 3)
    with poor.session() as session:
        assert terms.of(session, 1).plan_id is None


def test_a_statement_adds_up_and_says_why_what_failed_was_free(poor, time):
    top_up(poor, 10)
    deliver(poor, "1", "2")
    work(poor, SEND)
    with poor.database.write() as session:
        sender = session.get_one(Sender, poor.sender)
        external = poor.parts_of(poor.messages()[0])[0].external_id
        take_receipt(session, sender, Receipt(external, Outcome.FAILED, detail="No such number."), None)
        correct(session, session.get_one(Location, 1), -1, key="c", who="Ann", reason="a mistake")
    deliver(poor, "3")
    with poor.session() as session:
        wallet = session.scalars(select(Wallet)).one()
        day = (clock.now().replace(hour=0, minute=0), clock.now())
        told = statements.of(session, wallet.id, *day)
        assert told.adds_up and (told.opening, told.closing) == (0, 11)
        assert [(line.what, line.credits) for line in told.given] == [("top_up", 10)]
        assert [(line.what, line.count, line.credits) for line in told.used] == [("text", 2, 2)]
        assert [(line.what, line.credits) for line in told.refunded] == [("No such number.", 1)]
        assert "a mistake" in "".join(statements.statement_csv(told))
        assert len(list(statements.as_csv(session, wallet.id, *day))) == 1 + len(statements.entries(session, wallet.id))
        [use] = [each for each in statements.use(session, wallet.id, *day) if each.credits]
        assert (use.channel, use.kind, use.direction, use.credits) == ("simulator", "text", "out", 1)
        found = balances.of(session, session.get_one(Location, 1))
        assert found.available == 10 and found.held == 1 and found.days_left is None


def test_a_duplicate_delivery_holds_once(poor):
    deliver(poor, "1", copies=3)
    assert columns(poor) == (2, 1, 0)
    with poor.session() as session:
        assert len(session.scalars(select(Job.id).where(Job.kind == "send")).all()) == 1
    assert world.DEMO_PEOPLE
