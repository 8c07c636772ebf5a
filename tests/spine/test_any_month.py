"""A month of anything: grants, holds, receipts in any order and any number of times, days passing. It always proves.

The model beside it is as simple as can be: for each message what it may have cost in the end.
"""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import create_engine, event, func, select, update
from sqlalchemy.pool import StaticPool

from portal import clock
from portal.credits import grants, ledger, months, proof
from portal.credits.grants import Credit
from portal.database import Database
from portal.messaging import contacts, funding
from portal.models import Agency, Base, CreditPlan, Direction, LedgerEntry, Location, Message, Source, Wallet

amounts = st.integers(1, 6)
picks = st.integers(0, 10**6)


def empty_database():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connect(connection, _record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    return Database(engine)


class AnyMonth(RuleBasedStateMachine):
    """One wallet that counts. `messages` are what was asked for: price, and what it costs now."""

    def __init__(self):
        super().__init__()
        self.at = datetime(2026, 1, 20, tzinfo=UTC)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clock, "now", lambda: self.at)
        self.database, self.messages, self.given, self.occasion = empty_database(), [], 0, 0

    def teardown(self):
        self.patch.undo()
        self.database.engine.dispose()

    @initialize(overdraft=st.sampled_from([0, 0, 5]), monthly=st.sampled_from([0, 8, 20]))
    def begin(self, overdraft, monthly):
        with self.database.write() as session:
            agency = Agency(company_id="agency", created_at=self.at)
            plan = CreditPlan(name="plan", monthly_credits=monthly, created_at=self.at)
            session.add_all([agency, plan])
            session.flush()
            session.add(Location(ghl_id="here", agency_id=agency.id, created_at=self.at))
            session.flush()
            contact = contacts.for_ghl(session, 1, "contact", "+639171234567")
            contacts.conversation(session, 1, contact.id)
            wallet = ledger.wallet_of(session, 1)
            session.execute(update(Wallet).values(unlimited=False, overdraft=overdraft))
            months.assign(session, wallet, plan.id)

    @rule(amount=amounts, days=st.sampled_from([None, 1, 3, 10, 40]), again=st.booleans())
    def give(self, amount, days, again):
        self.occasion += not again
        until = self.at + timedelta(days=days) if days else None
        with self.database.write() as session:
            credit = Credit(amount, Source.TOP_UP, f"occasion {self.occasion}", "a test", "", until)
            self.given += amount * grants.give(session, session.get_one(Location, 1), credit)

    @rule()
    def month(self):
        with self.database.read() as session:
            before = self._granted(session)
        funding.begin_months(self.database)
        with self.database.read() as session:
            self.given += self._granted(session) - before

    @rule(amount=st.integers(-4, 4).filter(bool), key=st.integers(1, 3))
    def correct(self, amount, key):
        with self.database.write() as session:
            here = session.get_one(Location, 1)
            done = grants.correct(session, here, amount, key=f"{key}", who="a test", reason="wrong")
        self.given += amount * done

    @rule(price=amounts)
    def queue(self, price):
        with self.database.write() as session:
            shared = {"location_id": 1, "conversation_id": 1, "direction": Direction.OUT, "created_at": self.at}
            row = Message(**shared, position=len(self.messages), status="queued", status_at=self.at)
            session.add(row)
            session.flush()
            held = ledger.hold(session, 1, row.id, price)
        self.messages.append(SimpleNamespace(id=row.id, price=price, held=price if held else 0, spent=0, funded=held))

    @rule(pick=picks)
    def hold_twice(self, pick):
        if message := self._pick(pick, lambda each: each.held and each.funded):
            with self.database.write() as session:
                assert ledger.hold(session, 1, message.id, message.price)

    @rule(pick=picks, fails=st.booleans(), again=st.booleans())
    def settle(self, pick, fails, again):
        """The provider has it, or has refused it; the same word may come twice."""
        if message := self._pick(pick, lambda each: each.held):
            with self.database.write() as session:
                account = self._account(session, message)
                arguments = (1, message.id, 1, account.held)
                if fails:
                    entry = ledger.give_back(*arguments, "no", account.round, account.hold)
                else:
                    entry = ledger.settle(*arguments, account.round)
                ledger.write(session, [entry] * (1 + again))
            message.held, message.spent = 0, 0 if fails else message.price

    @rule(pick=picks)
    def refund(self, pick):
        if message := self._pick(pick, lambda each: each.spent):
            with self.database.write() as session:
                account = self._account(session, message)
                back = ledger.refund(1, message.id, 1, account.spent, "no", account.round, account.hold)
                ledger.write(session, [back])
            message.spent = 0

    @rule(pick=picks)
    def charge_late(self, pick):
        if message := self._pick(pick, lambda each: each.funded and not each.held and not each.spent):
            with self.database.write() as session:
                account = self._account(session, message)
                ledger.write(session, [ledger.charge_late(1, message.id, 1, message.price, "late", account.round)])
            message.spent = message.price

    @rule(pick=picks)
    def hold_again(self, pick):
        if message := self._pick(pick, lambda each: each.funded and not each.held and not each.spent):
            with self.database.write() as session:
                if ledger.hold_again(session, 1, message.id, 1, message.price):
                    message.held = message.price

    @rule(hours=st.sampled_from([1, 12, 30, 24 * 9]))
    def wait(self, hours):
        self.at += timedelta(hours=hours)

    @rule()
    def tick(self):
        funding.end_buckets(self.database)

    @invariant()
    def it_proves(self):
        with self.database.read() as session:
            looked_at, wrong = proof.prove(session)
            if not looked_at:
                return
            assert wrong == []
            wallet = session.scalars(select(Wallet)).one()
            expired = session.scalar(
                select(func.coalesce(func.sum(LedgerEntry.outside), 0)).where(LedgerEntry.kind == "expiry")
            )
            assert wallet.held == sum(each.held for each in self.messages)
            assert wallet.spent == sum(each.spent for each in self.messages)
            assert wallet.available == self.given - expired - wallet.held - wallet.spent
            lying = grants.lying(session, wallet.id)
            assert all(left > 0 for _, left in lying)
            if wallet.bucket_id is not None and wallet.available > 0:
                assert sum(left for _, left in lying) == wallet.available, "what is available lies in the buckets"
            head_is_empty = wallet.available == wallet.later
            if wallet.available > 0 and lying and not head_is_empty:
                assert lying[0][0].id == wallet.bucket_id, "another one than that which ends soonest is burned"

    def _pick(self, pick, which):
        found = [each for each in self.messages if which(each)]
        return found[pick % len(found)] if found else None

    def _account(self, session, message):
        return ledger.account_of(session, message.id, 1, message.price)

    def _granted(self, session):
        granted = select(func.coalesce(func.sum(LedgerEntry.available), 0)).where(LedgerEntry.kind == "grant")
        return session.scalar(granted)


TestAnyMonth = AnyMonth.TestCase
TestAnyMonth.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
