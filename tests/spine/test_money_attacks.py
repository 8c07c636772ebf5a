"""Credits under attack: long references, messages that were free, credits that lay loose, sweeps that look at few."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from portal import clock
from portal.credits import agencies, grants, ledger, refusals
from portal.credits.grants import Credit
from portal.errors import InvalidInput
from portal.messaging import funding, sweeping
from portal.messaging.releasing import release_conversations, release_held
from portal.models import (
    Agency,
    AgencyKind,
    AgencyWallet,
    Alert,
    CreditPlan,
    Job,
    Location,
    Message,
    Part,
    Source,
    Wallet,
)
from portal.queue.jobs import SEND, complete
from tests.spine.api import Client, new_key
from tests.spine.test_credits import Place, database, place, plan  # noqa: F401 - fixtures
from tests.spine.test_out_of_credit import columns, deliver, poor, sent, work  # noqa: F401 - fixtures

BUTTONS = {"kind": "buttons", "buttons": [{"text": "Yes"}]}
ABOVE = {"kind": "image"}
LONG = "https://pay.example.com/receipts/2026/11/customer-of-the-house/session-"


def correct(where, amount, key="c1", **more):
    with where.database.write() as session:
        here = session.get_one(Location, where.id)
        return grants.correct(session, here, amount, key=key, who="Ann", reason="counted wrong", **more)


def test_references_that_begin_alike_are_two_payments(place):  # noqa: F811
    assert len(f"grant:{place.wallet_id}:{LONG}") > 70
    assert place.give(5, key=LONG + "0123456789-a") and place.give(7, key=LONG + "0123456789-b")
    assert not place.give(7, key=LONG + "0123456789-b"), "the same one again"
    assert place.columns[0] == 12
    assert correct(place, 1, key=LONG + "0123456789-a") and correct(place, 1, key=LONG + "0123456789-b")
    with place.database.write() as session:
        for end in "ab":
            key = LONG + "0123456789-" + end
            assert agencies.add(session, place.agency, AgencyKind.TOP_UP, 5, key=key, who="Ann")
            assert not agencies.add(session, place.agency, AgencyKind.TOP_UP, 5, key=key, who="Ann")
    with place.database.read() as session:
        assert session.scalars(select(AgencyWallet.available)).one() == 10 - 12
    place.prove()


def test_what_an_agency_gets_has_a_bound(place):  # noqa: F811
    for amount in (grants.MOST + 1, -grants.MOST - 1, 10**30):
        with place.database.write() as session, pytest.raises(InvalidInput):
            agencies.add(session, place.agency, AgencyKind.CORRECTION, amount, key="k", who="Ann")


def test_a_free_message_that_begins_to_cost_gives_it_back(place):  # noqa: F811
    place.give(10)
    message = place.hold(0)
    with place.database.write() as session:
        assert ledger.hold_difference(session, place.id, message, 2)
    with place.database.write() as session:
        assert ledger.hold(session, place.id, message, 2)
    assert place.columns == (8, 2, 0), "once, however often it is placed"
    with place.database.read() as session:
        account = ledger.account_of(session, message, 1, 2)
    assert account.held == 2 and account.hold is not None
    place.end(message, 2, sent=False)
    assert place.columns == (10, 0, 0)
    place.prove()


def test_what_was_held_before_there_were_buckets_does_not_expire_with_one(database, time):  # noqa: F811
    here = Place(database, time, opening=4)
    first = here.hold(4)
    here.give(2, days=1)
    here.end(first, 4, sent=False)
    assert here.lying == [2, 4]
    here.time.forward(days=2)
    here.tick()
    assert here.columns == (4, 0, 0)
    here.prove()


def test_what_a_correction_adds_does_not_expire_with_the_month(place):  # noqa: F811
    plan(place, 100)
    assert funding.begin_months(place.database) == 1
    correct(place, 50)
    assert place.lying == [100, 50]
    place.hold(30)
    place.time.forward(days=40)
    correct(place, 5, key="c2")
    place.tick()
    assert place.columns[0] == 55, "the month is over, what was put right is not"
    place.prove()


def test_a_correction_does_not_free_a_days_limit(place):  # noqa: F811
    place.give(100)
    with place.database.write() as session:
        funding.set_policies(session, session.get_one(Location, place.id), day_cap=10)
    assert place.hold(10) and not place.hold(1)
    correct(place, 10)
    assert not place.hold(1)
    place.prove()


def test_what_cannot_go_yet_keeps_nobody_else_waiting(poor, time, monkeypatch):  # noqa: F811
    monkeypatch.setattr(funding, "AT_ONCE", 2)
    deliver(poor, "1", "2", "3")
    for who in (1, 2):
        deliver(poor, "dear " * 40, who=who)
    deliver(poor, "short")
    assert [message.status for message in poor.messages()] == ["queued"] * 3 + ["held"] * 3
    assert [message.credits for message in poor.messages()[3:]] == [2, 2, 1]
    sent(poor, time)
    with poor.database.write() as session:
        wallet = session.scalars(select(Wallet)).one()
        ledger.write(session, [ledger.refund(wallet.id, poor.messages()[0].id, 1, 1, "it failed")])
    assert columns(poor)[0] == 1
    funding.release_paid(poor.database)
    assert sent(poor, time)[3:] == ["short"]
    assert {message.reason for message in poor.messages() if message.status == "held"} == {refusals.NO_CREDITS}


def test_a_top_up_in_the_midst_of_a_release_is_not_killed(place):  # noqa: F811
    if place.database.sqlite:
        pytest.skip("SQLite has one writer")
    place.give(5)
    with place.database.write() as session:
        release_held(session, place.id)
        release_conversations(session, place.id, [place.conversation])

    def jobs(session, kind):
        return session.scalars(select(Job.id).where(Job.kind == kind)).all()

    def waiting(count):
        asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while True:
            with place.database.read() as session:
                if session.scalar(text(asked)) >= count:
                    return
            sleep(0.01)

    def release_location():
        with place.database.write() as session:
            complete(session, jobs(session, "release_held"))
            release_conversations(session, place.id, [place.conversation])

    def top_up():
        with place.database.write() as session:
            credit = Credit(7, Source.TOP_UP, "payment 1", "Ann")
            return funding.give(session, session.get_one(Location, place.id), credit)

    with ThreadPoolExecutor(2) as pool:
        with place.database.write() as session:  # a conversation that is being released
            complete(session, jobs(session, "release"))
            first = pool.submit(release_location)
            waiting(1)
            second = pool.submit(top_up)
            waiting(2)
            session.execute(update(Wallet).values(day="2026-01-01"))
        first.result()
        assert second.result()
    assert place.columns[0] == 12
    place.prove()


def test_the_oldest_holds_end_however_much_came_after_them(poor, time, monkeypatch):  # noqa: F811
    poor.allow(settles_on_delivery=True)
    deliver(poor, "1", "2", "3")
    work(poor, SEND)
    first, *_ = poor.messages()
    with poor.database.write() as session:
        for row in (Message, Part):
            mine = Message.id == first.id if row is Message else Part.message_id == first.id
            session.execute(update(row).where(mine).values(status="unknown"))
    poor.allow(settles_on_delivery=False)
    time.forward(hours=73)
    monkeypatch.setattr(sweeping, "RECENT_ROWS", 2)
    assert sweeping.release_old_holds(poor.database) == 0 and columns(poor) == (0, 3, 0)
    assert sweeping.release_oldest_holds(poor.database) == 3
    assert sweeping.release_oldest_holds(poor.database) == 0 and columns(poor) == (3, 0, 0)


def test_a_plan_of_another_agency_takes_nothing_from_the_one_that_a_place_has_moved_to(place):  # noqa: F811
    plan(place, 100, agency_id=place.agency)
    assert funding.begin_months(place.database) == 1
    with place.database.write() as session:
        other = Agency(company_id="other", created_at=clock.now())
        session.add(other)
        session.flush()
        session.execute(update(Location).values(agency_id=other.id))
    place.time.forward(days=40)
    place.tick()
    assert funding.begin_months(place.database) == 0 and place.columns[0] == 0
    with place.database.write() as session:
        assert session.scalars(select(Alert.kind).where(Alert.closed_at.is_(None))).all() == ["credits_agency"]
        session.execute(update(CreditPlan).values(agency_id=other.id))
    place.time.forward(minutes=11)
    assert funding.begin_months(place.database) == 1 and place.columns[0] == 100
    place.prove()


def test_a_hold_that_goes_on_to_the_next_bucket_waits_for_nobodys_entry(place):  # noqa: F811
    if place.database.sqlite:
        pytest.skip("SQLite has one writer")
    place.give(3, days=1)
    first = place.hold(1)
    place.give(10)
    with ThreadPoolExecutor(1) as pool, place.database.write() as session:
        ledger.write(session, [ledger.settle(place.wallet_id, first, 1, 1)])
        assert pool.submit(place.hold, 5).result(timeout=10), "else each waits for the other at the end"
    assert place.columns == (7, 5, 1) and place.lying == [7]
    place.prove()


@pytest.mark.parametrize("address", ["http://[", "https://[::1", "https://example.com:x/a.png", "https://"])
def test_a_file_whose_address_is_none_is_refused(idle, address):
    api = Client(idle, new_key(idle))
    for draft in ({"media": [address]}, {"text": "Hi", "interactive": {**BUTTONS, "media": {**ABOVE, "url": address}}}):
        said = api("POST", "/messages", {"to": "09171234567", **draft})
        assert said.status_code == 422, said.text


def test_sqlite_refuses_an_entry_in_the_place_of_another(place):  # noqa: F811
    if not place.database.sqlite:
        pytest.skip("PostgreSQL has no such statement")
    place.give(5)
    same = "id, wallet_id, key, kind, available, held, spent, outside, who, at"
    forged = text(f"REPLACE INTO ledger_entry ({same}, note) SELECT {same}, 'another' FROM ledger_entry")
    with pytest.raises(DBAPIError), place.database.write() as session:
        session.execute(forged)
    assert [entry.note for entry in place.entries("grant")] == [""]
