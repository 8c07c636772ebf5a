"""Credits: the database keeps the ledger, buckets burn and expire in their order, grants come once, limits hold."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, delete, select, text, update
from sqlalchemy.exc import DBAPIError

from portal import clock
from portal.credits import agencies, grants, ledger, months, proof, refusals, terms, totals, watching
from portal.credits.grants import Credit
from portal.database import Database, engine_options, prepare_engine
from portal.errors import InvalidInput
from portal.messaging import contacts, funding
from portal.models import (
    Agency,
    AgencyEntry,
    AgencyKind,
    AgencyWallet,
    Alert,
    Base,
    Bucket,
    CreditPlan,
    Direction,
    EntryKind,
    LedgerEntry,
    Location,
    Message,
    PriceList,
    Source,
    Wallet,
)


@pytest.fixture
def database(database_url):
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, **engine_options(url))
    prepare_engine(engine)
    Base.metadata.create_all(engine)
    yield Database(engine)
    engine.dispose()


class Place:
    """One location of an agency, whose wallet counts."""

    def __init__(self, database, time, opening=0):
        self.database, self.time, self.number = database, time, 0
        with database.write() as session:
            agency = Agency(company_id="agency", created_at=clock.now())
            session.add(agency)
            session.flush()
            here = Location(
                ghl_id="here", name="Here", install_state="installed", agency_id=agency.id, created_at=clock.now()
            )
            session.add(here)
            session.flush()
            self.agency, self.id = agency.id, here.id
            contact = contacts.for_ghl(session, here.id, "contact", "+639171234567")
            self.conversation = contacts.conversation(session, here.id, contact.id).id
            self.wallet_id = ledger.wallet_of(session, here.id)
        if opening is not None:
            with database.write() as session:
                grants.set_limit(session, session.get_one(Location, self.id), False, "a test", opening)

    def message(self, bulk=""):
        return self.messages(1, bulk)[0]

    def messages(self, count, bulk=""):
        moment = clock.now()
        shared = {"location_id": self.id, "conversation_id": self.conversation, "direction": Direction.OUT}
        shared |= {"status": "queued", "status_at": moment, "created_at": moment, "bulk": bulk}
        with self.database.write() as session:
            rows = [Message(**shared, position=self.number + number) for number in range(1, count + 1)]
            session.add_all(rows)
            session.flush()
            self.number += count
            return [row.id for row in rows]

    def give(self, amount, days=None, key="", source=Source.GRANT):
        until = clock.now() + timedelta(days=days) if days else None
        key = key or f"occasion {clock.now().isoformat()}"
        with self.database.write() as session:
            return grants.give(
                session, session.get_one(Location, self.id), Credit(amount, source, key, "a test", "", until)
            )

    def hold(self, amount, bulk=""):
        """The message that holds them, 0 when none may."""
        message = self.message(bulk)
        with self.database.write() as session:
            return message if ledger.hold(session, self.id, message, amount, bulk) else 0

    def end(self, message, amount, *, sent):
        with self.database.write() as session:
            account = ledger.account_of(session, message, 1, amount)
            entry = ledger.settle(self.wallet_id, message, 1, amount, account.round)
            if not sent:
                entry = ledger.give_back(self.wallet_id, message, 1, amount, "no", account.round, account.hold)
            ledger.write(session, [entry])

    def refund(self, message, amount):
        with self.database.write() as session:
            account = ledger.account_of(session, message, 1, amount)
            back = ledger.refund(self.wallet_id, message, 1, amount, "no", account.round, account.hold)
            ledger.write(session, [back])

    def tick(self):
        funding.end_buckets(self.database)

    @property
    def columns(self):
        with self.database.read() as session:
            row = session.get_one(Wallet, self.wallet_id)
            return row.available, row.held, row.spent

    @property
    def lying(self):
        with self.database.read() as session:
            return [amount for _, amount in grants.lying(session, self.wallet_id)]

    def entries(self, kind):
        with self.database.read() as session:
            return list(session.scalars(select(LedgerEntry).where(LedgerEntry.kind == kind).order_by(LedgerEntry.id)))

    def prove(self):
        with self.database.read() as session:
            assert proof.prove(session)[1] == []


@pytest.fixture
def place(database, time):
    return Place(database, time)


# The ledger


@pytest.mark.parametrize(
    "change",
    [
        update(LedgerEntry).values(note="another"),
        delete(LedgerEntry),
        update(AgencyEntry).values(note="another"),
        delete(AgencyEntry),
        update(PriceList).values(note="another"),
    ],
    ids=["entry changed", "entry removed", "agency's entry changed", "agency's entry removed", "price list changed"],
)
def test_the_database_refuses_to_change_what_was_written(place, change):
    place.give(5)
    with place.database.write() as session:
        terms_of = PriceList(starts_at=clock.now(), created_at=clock.now())
        session.add(terms_of)
    with pytest.raises(DBAPIError, match="append-only"), place.database.write() as session:
        session.execute(change)
    place.prove()


def test_the_database_refuses_an_entry_that_does_not_add_up(place):
    entry = LedgerEntry(wallet_id=place.wallet_id, key="x", kind="hold", available=-1, held=2, at=clock.now())
    with pytest.raises(DBAPIError), place.database.write() as session:
        session.add(entry)


def test_postgresql_refuses_to_empty_the_ledger(place):
    if place.database.sqlite:
        pytest.skip("SQLite knows no TRUNCATE")
    with pytest.raises(DBAPIError, match="append-only"), place.database.write() as session:
        session.execute(text("TRUNCATE ledger_entry CASCADE"))


def test_the_proof_finds_what_was_changed_behind_its_back(place):
    place.give(5, days=3)
    place.give(7)
    place.prove()
    for change in ({"available": Wallet.available + 1}, {"later": Wallet.later + 1}):
        with place.database.write() as session:
            session.execute(update(Wallet).values(**change))
        with place.database.read() as session:
            assert [each.id for each in proof.prove(session)[1]] == [place.wallet_id] * (1 + ("later" in change))


def test_holding_twice_is_once(place):
    place.give(5)
    message = place.hold(3)
    with place.database.write() as session:
        assert ledger.hold(session, place.id, message, 3)
    assert place.columns == (2, 3, 0)
    with place.database.write() as session:
        assert ledger.hold(session, place.id, message, 3), "it is held, whatever is left for others"
    assert place.columns == (2, 3, 0)
    place.prove()


def test_a_refused_hold_leaves_no_trace(place):
    place.give(2)
    assert not place.hold(3)
    assert place.columns == (2, 0, 0) and place.entries(EntryKind.HOLD) == []


def test_two_hundred_at_once_with_credit_for_a_hundred(place):
    for turn in range(20):
        place.give(100, days=1 + turn % 3)
        place.give(100, days=10)
        ids = place.messages(200)

        def one(id_):
            with place.database.write() as session:
                return ledger.hold(session, place.id, id_, 2)

        with ThreadPoolExecutor(16) as pool:
            held = [id_ for id_, got in zip(ids, pool.map(one, ids), strict=True) if got]
        assert len(held) == 100 and place.columns[0] == 0 and place.lying == []
        with place.database.write() as session:
            ledger.write(session, [ledger.settle(place.wallet_id, id_, 1, 2) for id_ in held])
        place.prove()
    assert place.columns == (0, 0, 4000)


# Buckets


def test_what_expires_soonest_is_burned_first(place):
    place.give(10)
    place.give(5, days=30)
    place.give(4, days=10)
    assert place.lying == [4, 5, 10]
    place.hold(6)
    assert place.lying == [3, 10]
    place.hold(4)
    assert place.lying == [9]
    place.prove()


def test_what_is_left_expires_and_is_gone_at_that_moment(place):
    place.give(5, days=1)
    place.give(3)
    place.hold(2)
    place.time.forward(days=1)
    assert not place.hold(4), "what is over cannot be used, though nobody has ended it yet"
    assert place.columns == (3, 2, 0)
    place.tick()
    place.tick()
    assert [(entry.available, entry.outside) for entry in place.entries(EntryKind.EXPIRY)] == [(-3, 3)]
    assert place.hold(3)
    place.prove()


def test_the_held_part_does_not_expire_before_the_hold_ends(place):
    place.give(5, days=1)
    sent, failed = place.hold(2), place.hold(2)
    place.time.forward(days=2)
    place.tick()
    assert place.columns == (0, 4, 0)
    place.end(sent, 2, sent=True)
    assert place.columns == (0, 2, 2)
    place.end(failed, 2, sent=False)
    assert place.columns == (0, 0, 2), "what came back had expired"
    assert [entry.available for entry in place.entries(EntryKind.EXPIRY)] == [-1, -2]
    place.prove()


def test_what_came_back_late_twice_expires_twice(place):
    place.give(5, days=1)
    messages = [place.hold(1), place.hold(1)]
    for message in messages:
        place.end(message, 1, sent=True)
    place.time.forward(days=2)
    place.tick()
    for message in messages:
        place.refund(message, 1)
    assert place.columns == (0, 0, 0) and len({entry.key for entry in place.entries(EntryKind.EXPIRY)}) == 3
    place.prove()


def test_what_comes_back_goes_back_where_it_was(place):
    place.give(3, days=5)
    place.give(10)
    first = place.hold(3)
    place.hold(4)
    assert place.lying == [6]
    place.end(first, 3, sent=False)
    assert place.lying == [3, 6]
    place.time.forward(days=6)
    place.tick()
    assert place.lying == [6]
    place.prove()


def test_credits_from_before_the_first_bucket_never_expire(database, time):
    place = Place(database, time, opening=4)
    first = place.hold(1)
    place.give(2, days=1)
    assert place.lying == [2, 3]
    place.end(first, 1, sent=False)
    assert place.lying == [2, 4]
    place.time.forward(days=2)
    place.tick()
    assert place.lying == [4]
    place.prove()


def test_an_overdraft_goes_below_zero_and_no_further(place):
    with place.database.write() as session:
        session.execute(update(Wallet).values(overdraft=5))
    place.give(2, days=3)
    assert place.hold(6) and not place.hold(2) and place.hold(1)
    assert place.columns == (-5, 7, 0)
    place.time.forward(days=4)
    place.tick()
    assert place.columns == (-5, 7, 0), "there is nothing left to expire"
    place.give(8, days=30)
    assert place.columns == (3, 7, 0) and place.lying == [3]
    place.prove()


def test_what_is_late_is_charged_below_zero(place):
    place.give(1)
    place.hold(1)
    message = place.message()
    with place.database.write() as session:
        ledger.write(session, [ledger.inbound(place.wallet_id, message, 2)])
    assert place.columns == (-2, 1, 2) and not place.hold(1)
    place.prove()


# Limits


def test_a_day_has_its_limit_and_failed_is_free(place):
    with place.database.write() as session:
        agencies.wallet_of(session, place.agency)
        session.execute(update(AgencyWallet).values(timezone="Asia/Manila"))
        session.execute(update(Wallet).values(day_cap=5))
    place.time.at = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)  # 23:00 in Manila
    place.give(100)
    failed = place.hold(4)
    assert not place.hold(2)
    with place.database.read() as session:
        assert refusals.why(session, place.id, 2) == refusals.DAY_CAP
    place.end(failed, 4, sent=False)
    assert place.hold(5) and not place.hold(1)
    place.time.forward(hours=1)
    assert place.hold(5), "a new day in Manila"
    assert not place.hold(1)
    place.prove()


def test_a_wallet_without_limit_may_have_a_limit_a_day(database, time):
    place = Place(database, time, opening=None)
    with place.database.write() as session:
        session.execute(update(Wallet).values(day_cap=2))
    assert place.hold(2) and not place.hold(1)
    assert place.columns == (-2, 2, 0)


def test_a_campaign_has_its_limit(place):
    with place.database.write() as session:
        session.execute(update(Wallet).values(bulk_cap=3))
    place.give(100)
    assert place.hold(2, "one") and not place.hold(2, "one") and place.hold(1, "one") and place.hold(3, "two")
    assert not place.hold(4, "three")
    with place.database.read() as session:
        assert refusals.why(session, place.id, 1, "one") == refusals.BULK_CAP
        assert refusals.why(session, place.id, 1, "four") == ""
    place.prove()


# Grants


def test_a_payment_counts_once(place):
    assert place.give(5, key="invoice 1") and not place.give(5, key="invoice 1")
    assert place.columns[0] == 5
    place.prove()


def test_an_agency_gives_what_it_has(place):
    with place.database.write() as session:
        agencies.set_limit(session, place.agency, False, "a test")
        assert agencies.add(session, place.agency, AgencyKind.TOP_UP, 10, key="1", who="a test")
        assert not agencies.add(session, place.agency, AgencyKind.TOP_UP, 10, key="1", who="a test")
    place.give(7)
    with pytest.raises(InvalidInput, match="agency"):
        place.give(4)
    place.give(3)
    with place.database.read() as session:
        row = session.scalars(select(AgencyWallet)).one()
        assert (row.available, row.given) == (0, 10)
    place.prove()


def test_a_correction_names_what_it_corrects(place):
    place.give(5)
    wrong = place.entries(EntryKind.GRANT)[0]
    with place.database.write() as session:
        here = session.get_one(Location, place.id)
        more = {"key": "c1", "who": "Ann", "reason": "typed twice", "entry_id": wrong.id}
        assert grants.correct(session, here, -2, **more)
    with place.database.write() as session:
        assert not grants.correct(session, session.get_one(Location, place.id), -2, **more)
        with pytest.raises(InvalidInput):
            grants.correct(session, session.get_one(Location, place.id), -2, **(more | {"entry_id": 999}))
    [entry] = place.entries(EntryKind.CORRECTION)
    assert (entry.corrects_id, entry.note, entry.who, entry.outside) == (wrong.id, "typed twice", "Ann", 2)
    assert place.lying == [3]
    place.prove()


def plan(place, monthly=100, **more):
    with place.database.write() as session:
        row = CreditPlan(name=f"plan {monthly}", monthly_credits=monthly, created_at=clock.now(), **more)
        session.add(row)
        session.flush()
        months.assign(session, place.wallet_id, row.id)
        return row.id


def test_a_month_is_given_once_in_the_agencys_time(place):
    with place.database.write() as session:
        agencies.wallet_of(session, place.agency)
        session.execute(update(AgencyWallet).values(timezone="America/New_York"))
    place.time.at = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)  # February still
    plan(place)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: funding.begin_months(place.database), range(8))) == 1
    assert place.columns[0] == 100
    with place.database.read() as session:
        bucket = session.scalars(select(Bucket)).one()
        assert bucket.expires_at == datetime(2026, 3, 1, 5, 0, tzinfo=UTC) and bucket.key.endswith("2026-02")
    place.hold(30)
    place.time.at = datetime(2026, 3, 1, 4, 59, tzinfo=UTC)
    assert funding.begin_months(place.database) == 0
    place.time.at = datetime(2026, 3, 2, 4, 59, tzinfo=UTC)  # late
    assert funding.begin_months(place.database) == 1
    place.tick()
    assert place.columns == (100, 30, 0) and place.lying == [100], "the rest of the month before is gone"
    with place.database.read() as session:
        until = session.scalars(select(Bucket.expires_at).where(Bucket.closed_at.is_(None))).one()
        assert until == datetime(2026, 4, 1, 4, 0, tzinfo=UTC), "summer time began"
    place.prove()


def test_an_agency_without_credits_is_told_and_the_month_comes_later(place):
    with place.database.write() as session:
        agencies.set_limit(session, place.agency, False, "a test")
    plan(place)
    assert funding.begin_months(place.database) == 0
    with place.database.write() as session:
        assert session.scalars(select(Alert.kind)).all() == ["credits_agency"]
        agencies.add(session, place.agency, AgencyKind.TOP_UP, 500, key="1", who="a test")
    place.time.forward(minutes=11)
    assert funding.begin_months(place.database) == 1
    with place.database.read() as session:
        assert session.scalars(select(Alert.closed_at)).one() is not None
    place.prove()


def test_the_time_of_no_limit_leaves_nothing_behind(place):
    place.give(5, days=3)
    held = place.hold(2)
    with place.database.write() as session:
        grants.set_limit(session, session.get_one(Location, place.id), True, "a test")
    place.hold(50)
    with place.database.write() as session:
        grants.set_limit(session, session.get_one(Location, place.id), False, "a test", opening=9)
    assert place.columns[0] == 9
    place.end(held, 2, sent=False)
    place.prove()


# Alerts


def test_each_level_is_told_once(place):
    def look():
        with place.database.write() as session:
            funding.watch(session)
        with place.database.read() as session:
            rows = session.scalars(select(Alert).where(Alert.kind == "credits_low").order_by(Alert.id))
            return [(row.count, row.closed_at is None, row.text.split(",")[0]) for row in rows]

    place.give(100)
    assert look() == []
    place.hold(80)
    assert look() == look() == [(1, True, "Here: 20 credits are left")]
    held = place.hold(16)
    place.end(held, 16, sent=False)
    assert len(look()) == 1, "nobody looked while it was lower"
    place.hold(15)
    assert look()[1:] == [(1, True, "Here: 5 credits are left")]
    place.hold(5)
    assert look()[2:] == [(1, True, "Here: no credits are left")]
    place.give(1000)
    assert [open_ for _, open_, _ in look()] == [False] * 3
    assert totals and watching.level_of(24, 100, 20) == 20 and watching.level_of(25, 100, 20) == 100


def test_an_unusual_day_is_told_once(place):
    def look():
        with place.database.write() as session:
            funding.watch(session)
        with place.database.read() as session:
            return [row.count for row in session.scalars(select(Alert).where(Alert.kind == "credits_burn"))]

    place.give(10_000)
    for _ in range(5):
        assert look() == []
        place.hold(40)
        place.time.forward(days=1)
    look()
    place.hold(119)
    assert look() == []
    place.hold(1)
    assert look() == look() == [1]


# Prices


def test_a_message_has_the_price_of_the_list_in_force_when_it_was_written(place):
    from portal.credits import tariffs
    from portal.credits.pricing import Ask, Rule

    number = plan(place, inbound_free=True)
    start = clock.now() + timedelta(minutes=5)
    with place.database.write() as session:
        rules = [
            Rule(3, "sms"),
            Rule(7, "sms", country="FR"),
            Rule(9, "twilio", kind="text"),
            Rule(1, "twilio", kind="text", country="FR"),
        ]
        tariffs.add(session, number, rules, start, "a test", "dearer")
        tariffs.add(session, None, [Rule(5, kind="sticker", per_segment=False)], start + timedelta(days=1), "a test")
        with pytest.raises(InvalidInput, match="minute"):
            tariffs.add(session, None, [Rule(5)], clock.now(), "a test")
        with pytest.raises(InvalidInput):
            tariffs.add(session, None, [Rule(-1)], start, "a test")
    place.time.forward(hours=30)

    def price(ask, at):
        with place.database.read() as session:
            return terms.price(session, place.id, ask, at)

    sms = Ask("cast", "sms", "out", "text", 2, "PH")
    assert price(sms, start - timedelta(seconds=1)) == 2 and price(sms, start) == 6
    assert price(Ask("cast", "sms", "out", "text", 2, "FR"), start) == 14
    assert price(Ask("twilio", "sms", "out", "text", 1, "US"), start) == 9
    assert price(Ask("twilio", "sms", "out", "text", 1, "FR"), start) == 1
    assert price(Ask("cloud", "whatsapp", "out", "image"), start) == 2, "what no rule is about has the default price"
    assert price(Ask("cloud", "whatsapp", "in", "image"), start) == 0
    assert price(Ask("cloud", "whatsapp", "out", "sticker"), start + timedelta(days=2)) == 1, (
        "the plan has its own list"
    )
