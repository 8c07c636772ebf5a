"""Random lives of one conversation: calls, receipts, people, pauses, kills and sweeps in any order.

After every step the books must balance and nothing may be stuck: a part that waits has a job and its credits, a part
that has ended has neither, and HighLevel is told. In memory, so that many lives fit into a test.
"""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, delete, event, select, update
from sqlalchemy.pool import StaticPool

from portal import clock
from portal.channels import registry
from portal.channels.base import Accepted, ChannelError, Outcome, Receipt, Scope
from portal.credits import ledger
from portal.database import Database
from portal.errors import InvalidInput
from portal.messaging import contacts, decisions, optouts, receipts, releasing, senders, sweeping
from portal.messaging.fence import open_fence
from portal.messaging.outbound import Request, queue_message
from portal.messaging.outcomes import Result
from portal.messaging.receipts import take_receipt
from portal.messaging.results import write_results
from portal.messaging.sending import Outbox
from portal.messaging.statuses import FINAL, TAKEN, ghl_status, of_parts
from portal.models import (
    Base,
    Contact,
    Conversation,
    Job,
    Location,
    Message,
    OptOut,
    Part,
    Sender,
    SenderState,
    Wallet,
)
from portal.queue.claim import Limits, claim
from portal.queue.jobs import GHL, SEND, complete

LIVES, STEPS = 25, 120
PHONE = "+639170000001"
ANSWERS = (
    Accepted("id"),
    Accepted("id"),
    Accepted(""),
    ChannelError("later", retry=True),
    ChannelError("slower", retry=True, scope=Scope.SENDER, retry_after=1.0),
    ChannelError("never"),
    ChannelError("stopped", scope=Scope.SENDER, stops=True),
    ChannelError("silence", unknown=True),
    ChannelError("silence", unknown=True, scope=Scope.SENDER, retry=True),
    ChannelError("never, from memory", cached=True),
    ChannelError("later, from memory", retry=True, cached=True),
)


@pytest.fixture
def time(monkeypatch):
    class Time:
        at = datetime(2026, 1, 1, tzinfo=UTC)

        def now(self):
            return self.at

        def pass_(self, seconds):
            self.at += timedelta(seconds=seconds)

    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


@pytest.fixture
def database():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connect(connection, _record):
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    yield Database(engine)
    engine.dispose()


class Life:
    """One location with a contact, one or two senders of different channels, and all that can happen to them."""

    def __init__(self, database, time, seed):
        self.database, self.time, self.chance = database, time, random.Random(seed)
        self.outbox = Outbox(database, None, None, None)
        self.calls, self.story, self.granted = [], [], 0
        with database.write() as session:
            location = Location(ghl_id="here", install_state="installed", country="PH", created_at=clock.now())
            session.add(location)
            session.flush()
            limited = self.chance.random() < 0.5
            self.granted = self.chance.randint(3, 30) if limited else 0
            wallet = Wallet(location_id=1, unlimited=not limited, available=self.granted, held=0, spent=0)
            session.add_all([wallet, Contact(location_id=1, ghl_contact_id="them", created_at=clock.now())])
        for kind in self.chance.sample(["simulator", "cast"], self.chance.randint(1, 2)):
            self._add_sender(kind)
        weight = self.chance.choice
        # Each life has some troubles often and others never, so that they meet in many ways.
        self.steps = {
            self.queue: 6,
            self.work: 14,
            self.end_call: 12,
            self.hear: 8,
            self.tell: 4,
            self.resume: 2,
            self.install: 1,
            self.let_back: 0.6,
            self.recover: 1,
            self.look_for_lost: 1,
        } | {
            trouble: often * weight([0, 1, 1, 3])
            for trouble, often in (
                (self.cancel, 2),
                (self.send_again, 3),
                (self.give_up, 1),
                (self.pause, 1.5),
                (self.opt_out, 0.2),
                (self.wait, 4),
                (self.wait_for_days, 0.3),
                (self.kill, 1),
                (self.uninstall, 0.3),
                (self.choose_default, 1.5),
                (self.replace_sender, 0.4),
                (self.change_policy, 0.5),
                (self.top_up, 1),
            )
        }

    def live(self):
        """One step, and what must hold after it."""
        step = self.chance.choices(list(self.steps), list(self.steps.values()))[0]
        self.story.append(step.__name__)
        step()
        self.time.pass_(0.01)
        with self.database.read() as session:
            self.check_books(session)
            for message in session.scalars(select(Message)):
                self.check_message(session, message)

    # What happens

    def queue(self):
        with self.database.write() as session:
            number = len(session.scalars(select(Message.id)).all()) + 1
            if number > 10:
                return
            contact = contacts.for_ghl(session, 1, "them", PHONE)
            files = tuple(f"https://attachments.example/{each}.png" for each in range(self.chance.choice([0, 0, 1, 2])))
            wanted = Request(contact, PHONE, f"m{number}", number, clock.now(), files, ghl_message_id=f"ghl-{number}")
            queue_message(session, session.get_one(Location, 1), wanted)

    def work(self):
        lanes = claim(self.database, SEND, "a worker", Limits(1, 1, 50), {}).lanes
        if not lanes:
            self.time.pass_(self.chance.choice([3, 20, 40]))
        for due in (due for lane in lanes for due in lane):
            if due.kind == "release":
                with self.database.write() as session:
                    releasing.release_conversation(session, due)
                continue
            if due.kind == receipts.MATCH:
                with self.database.write() as session:
                    receipts.match(session, due.subject)
                    complete(session, [due.id])
                continue
            with self.database.write() as session:
                passed = open_fence(session, [due.subject]).get(due.subject)
            if passed is None:
                self.outbox._turned_away(due)
            else:
                self.calls.append((due, passed))

    def end_call(self):
        if self.calls:
            due, passed = self.calls.pop(self.chance.randrange(len(self.calls)))
            outcome = self.chance.choice(ANSWERS)
            if isinstance(outcome, Accepted) and outcome.external_id:
                outcome = Accepted(self._id_of(passed.channel, passed.part_id, passed.attempt))
            self.story[-1] += f" of part {passed.part_id}, attempt {passed.attempt}: {outcome!r}"
            idempotent = registry.get(passed.channel).idempotent
            with self.database.write() as session:
                result = Result(due, passed, outcome, idempotent, True, False)
                write_results(session, [result], singly=self.chance.random() < 0.3)

    def _id_of(self, channel, part, attempt):
        """A provider that knows the key answers with the same id."""
        return f"{channel}-{part}" if registry.get(channel).idempotent else f"{channel}-{part}-{attempt}"

    def hear(self):
        with self.database.write() as session:
            tried = session.scalars(select(Part).where(Part.attempt > 0)).all()
            if tried:
                part = self.chance.choice(tried)
                sender = session.get_one(Sender, part.sender_id)
                id_ = part.external_id or self._id_of(sender.channel, part.id, part.attempt)
                outcome = self.chance.choice(list(Outcome))
                self.story[-1] += f" {outcome} of {id_}: {take_receipt(session, sender, Receipt(id_, outcome), None)}"

    def tell(self):
        for due in (
            due for lane in claim(self.database, GHL, "a worker", Limits(99, 99, 99), {}).lanes for due in lane
        ):
            with self.database.write() as session:
                if due.kind == "release_held":
                    releasing.release_location(session, due)
                elif due.kind == "push_status":
                    message = session.get_one(Message, due.subject)
                    message.pushed_status = ghl_status(message.status, False)
                session.execute(delete(Job).where(Job.id == due.id))

    def cancel(self):
        self._decide(decisions.cancel, "queued", "held")

    def send_again(self):
        self._decide(decisions.send_again, "unknown")

    def give_up(self):
        self._decide(decisions.give_up, "unknown")

    def _decide(self, decision, *statuses):
        with self.database.read() as session:
            found = session.scalars(select(Message.id).where(Message.status.in_(statuses))).all()
        if found:
            try:
                with self.database.write() as session:
                    decision(session, self.chance.choice(found), "a person")
            except InvalidInput as error:
                self.story[-1] += f": {error.message}"

    def pause(self):
        with self.database.write() as session:
            senders.pause(session, self._sender(session), "tea")

    def resume(self):
        with self.database.write() as session:
            senders.resume(session, self._sender(session))

    def choose_default(self):
        with self.database.write() as session:
            session.execute(update(Conversation).values(sticky_sender_id=None))
            senders.make_default(session, self._sender(session))

    def replace_sender(self):
        new = self._add_sender(self.chance.choice(["simulator", "cast"]))
        with self.database.write() as session:
            if self.chance.random() < 0.7:
                senders.make_default(session, new)
            others = Sender.state != SenderState.REMOVED, Sender.id != new
            senders.remove(session, session.scalars(select(Sender.id).where(*others)).all()[0])

    def _add_sender(self, kind):
        with self.database.write() as session:
            count = len(session.scalars(select(Sender.id)).all())
            fields = {"key": f"key-{count}", "name": f"{kind} {count}", "credentials": "", "is_default": not count}
            sender = Sender(location_id=1, channel=kind, family="sms", created_at=clock.now(), **fields)
            session.add(sender)
            session.flush()
            return sender.id

    def _sender(self, session):
        return self.chance.choice(session.scalars(select(Sender.id).where(Sender.state != "removed")).all())

    def change_policy(self):
        self._set(update(Location).values(failover=self.chance.choice(["hold", "fail", "same_channel"])))

    def opt_out(self):
        with self.database.write() as session:
            optouts.add(session, 1, "sms", PHONE, "them")

    def let_back(self):
        self._set(update(OptOut).values(lifted_at=clock.now()))

    def uninstall(self):
        self._set(update(Location).values(install_state="uninstalled"))

    def install(self):
        self._set(update(Location).values(install_state="installed"), release=True)

    def top_up(self):
        more = self.chance.randint(1, 4)
        with self.database.read() as session:
            limited = not session.scalars(select(Wallet.unlimited)).one()
        if limited:
            self.granted += more
            self._set(update(Wallet).values(available=Wallet.available + more), release=True)

    def _set(self, change, *, release=False):
        with self.database.write() as session:
            session.execute(change)
            if release:
                releasing.release_held(session, 1)

    def wait(self):
        self.time.pass_(self.chance.choice([1, 5, 70, 200, 3600]))

    def wait_for_days(self):
        self.time.pass_(3600 * self.chance.choice([12, 30, 80]))

    def kill(self):
        """A worker dies with a call in hand; its leases end."""
        if self.calls:
            self.calls.pop()
        self._set(update(Job).values(lease_until=None, lease_owner=""))

    def recover(self):
        self._set(update(Job).where(Job.lease_until < clock.now()).values(lease_until=None, lease_owner=""))
        sweeping.end_overdue(self.database)

    def look_for_lost(self):
        for sweep in (
            sweeping.enqueue_forgotten,
            sweeping.settle_lost_calls,
            sweeping.release_old_holds,
            sweeping.release_forgotten,
            sweeping.match_orphans,
        ):
            sweep(self.database)

    # What must hold

    def check_books(self, session):
        wallet = session.scalars(select(Wallet)).one()
        assert wallet.available + wallet.held + wallet.spent == self.granted, "credits out of nothing"
        assert wallet.held >= 0 and wallet.spent >= 0
        accounts = [
            ledger.account_of(session, part.message_id, part.number, part.price)
            for part in session.scalars(select(Part))
            if part.message.funded
        ]
        shares = sum(each.held for each in accounts), sum(each.spent for each in accounts)
        assert (wallet.held, wallet.spent) == shares, "the wallet is not what its messages' parts add up to"
        held = session.scalar(select(Message.id).where(Message.status == "held").limit(1)) is not None
        reason = session.scalar(select(Conversation.held_reason)) or ""
        assert bool(reason) == held, f"the conversation holds {reason!r}, and a message is held: {held}"

    def check_message(self, session, message):
        statuses = [part.status for part in message.parts]
        ended = message.status in FINAL
        if statuses and message.status != "held":
            adds_up = of_parts(statuses)
            assert message.status == adds_up or (ended and adds_up in FINAL), f"{message.status}, its parts {statuses}"
        told = ghl_status(message.status, False)
        pushes = select(Job.id).where(Job.kind == "push_status", Job.subject == message.id)
        assert told in ("pending", message.pushed_status) or session.scalar(pushes), "HighLevel will never hear of it"
        for part in message.parts:
            self.check_part(session, message, part, ended)

    def check_part(self, session, message, part, ended):
        account = ledger.account_of(session, message.id, part.number, part.price)
        mine = f"part {part.number} of message {message.id} is {part.status}, {account}, price {part.price}"
        waits = part.status in ("queued", "sending")
        assert not (ended and part.status in ("queued", "held")), mine
        if part.status in TAKEN:
            assert (account.held, account.spent) == (0, part.price), mine
        elif message.funded and part.status in FINAL:
            assert (account.held, account.spent) == (0, 0), mine
        elif message.funded and waits:
            assert (account.held, account.spent) == (part.price, 0), mine
        job = session.scalar(select(Job.id).where(Job.kind == "send", Job.subject == part.id))
        if part.status == "queued" and message.status in ("queued", "sending", "unknown"):
            assert job, f"{mine}, and nothing will ever send it"
        if self.story[-1] == "look_for_lost" and part.sending_at is not None:
            age = clock.now() - part.sending_at
            called = job or part.id in [passed.part_id for _, passed in self.calls]
            assert not (part.status == "sending" and age > timedelta(minutes=4)) or called, mine
            assert not (part.status == "unknown" and age > timedelta(hours=73) and account.held), mine


@pytest.mark.parametrize("seed", range(LIVES))
def test_the_books_balance_and_nothing_is_stuck(database, time, seed):
    life = Life(database, time, seed)
    for _ in range(STEPS):
        try:
            life.live()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(life.story[-15:])) from error
