"""Random lives in which a provider takes back what it had taken: of any call, at any time, more than once.

The rules of `test_any_life` hold here too. Beyond them nothing goes out again without a definite refusal or a person,
HighLevel never hears that what is over is open again, and the ledger is what its entries add up to.
"""

import pytest
from sqlalchemy import delete, select, update

from portal.channels import registry
from portal.channels.base import Accepted, Outcome, Receipt, Scope, Setback
from portal.credits import ledger
from portal.errors import InvalidInput
from portal.messaging import decisions, restoring
from portal.messaging.forward import Word, carry_forward
from portal.messaging.into_ghl import _wanted
from portal.messaging.outcomes import Result
from portal.messaging.receipts import take_receipt
from portal.messaging.results import write_results
from portal.models import Job, Message, Sender
from portal.queue.claim import Limits, claim
from portal.queue.jobs import GHL
from tests.spine import test_any_life
from tests.spine.test_any_life import ANSWERS, Life

database, time = test_any_life.database, test_any_life.time
LIVES, STEPS = 12, 120
SETBACKS = (
    None,
    Setback(retry=True, sentence="again"),
    Setback(retry=True, sentence="again"),
    Setback(retry=True, crowded=True, sentence="too fast"),
    Setback(Scope.SENDER, retry=True, sentence="the sender waits"),
    Setback(Scope.SENDER, retry=True, stops=True, sentence="unpaid"),
)
MISSED = (Outcome.FAILED, Outcome.FAILED, Outcome.FAILED, Outcome.SENT)
ARRIVED = (Outcome.ACCEPTED, Outcome.SENT, Outcome.DELIVERED, Outcome.READ)


class Unsure(Life):
    """`copies`: what the provider has of each call, by its id: part, sender, key, is it lost, was its loss told."""

    def __init__(self, database, time, seed):
        super().__init__(database, time, seed)
        self.copies, self.asked_for, self.told_ghl = {}, set(), {}
        self.lossy = self.chance.choice([0.3, 0.6, 0.9])
        self.names_key = self.chance.random() < 0.8
        self.counts = self.chance.random() < 0.3
        self.steps[self.hear] = 14
        self.steps[self.confirm] = self.chance.choice([0, 1, 3])
        self.steps[self.restore] = self.chance.choice([0, 0, 0.3])
        with database.write() as session:
            session.execute(update(Sender).values(acceptance_counts=self.counts))

    def work(self):
        before = len(self.calls)
        super().work()
        for _, passed in self.calls[before:]:
            self.check_call(passed)
            id_ = self.id_of(passed)
            if id_ not in self.copies:
                lost = self.chance.random() < self.lossy
                self.copies[id_] = [passed, lost, False, False]

    def check_call(self, passed):
        """Whatever the part was called for before, under another key, is known not to have gone out."""
        for id_, (other, _, told, refused) in self.copies.items():
            if other.part_id != passed.part_id or other.idempotency_key == passed.idempotency_key:
                continue
            fine = told or refused or id_ in self.asked_for
            assert fine, f"part {passed.part_id} goes out as {passed.idempotency_key}, and {id_} may have gone out"

    def id_of(self, passed):
        if registry.get(passed.channel).idempotent:
            return f"{passed.sender_id}/{passed.idempotency_key}"
        return f"{passed.sender_id}/{passed.part_id}-{passed.attempt}"

    def end_call(self):
        if not self.calls:
            return
        due, passed = self.calls.pop(self.chance.randrange(len(self.calls)))
        outcome, id_ = self.chance.choice(ANSWERS), self.id_of(passed)
        if isinstance(outcome, Accepted):
            outcome = Accepted(id_)
        elif not outcome.unknown and (outcome.cached or self.copies[id_][0].attempt == passed.attempt):
            self.copies[id_][3] = True  # a definite refusal, of the first call or from the provider's memory
        self.story[-1] += f" of part {passed.part_id}, attempt {passed.attempt}: {outcome!r}"
        with self.database.write() as session:
            idempotent = registry.get(passed.channel).idempotent
            result = Result(due, passed, outcome, idempotent, True, self.counts)
            write_results(session, [result], singly=self.chance.random() < 0.3)

    def hear(self):
        known = [id_ for id_, each in self.copies.items() if not each[3]]
        if not known:
            return
        id_ = self.chance.choice(known)
        passed, lost, _, _ = self.copies[id_]
        outcome = self.chance.choice(MISSED if lost else ARRIVED)
        setback = self.chance.choice(SETBACKS) if outcome is Outcome.FAILED else None
        if outcome is Outcome.FAILED:
            self.copies[id_][2] = True
        key = passed.idempotency_key if self.names_key else ""
        receipt = Receipt(id_, outcome, "131000", "said", setback=setback, our_key=key)
        with self.database.write() as session:
            sender = session.get_one(Sender, passed.sender_id)
            [quick] = carry_forward(session, [Word(sender.id, receipt, "a receipt")])
            said = quick or take_receipt(session, sender, receipt, None)
        self.story[-1] += f" {outcome} of {id_} ({setback and setback.sentence}): {said}"

    def send_again(self):
        with self.database.read() as session:
            found = session.scalars(select(Message.id).where(Message.status == "unknown")).all()
        if not found:
            return
        chosen = self.chance.choice(found)
        try:
            with self.database.write() as session:
                decisions.send_again(session, chosen, "a person")
        except InvalidInput:
            return
        self.asked_for |= {id_ for id_, each in self.copies.items() if each[0].message_id == chosen}

    def confirm(self):
        self._decide(decisions.confirm, "unknown")

    def restore(self):
        with self.database.write() as session:
            while restoring.hold_messages(session):
                pass
            restoring.forget_repetitions(session)

    def tell(self):
        for due in (due for lane in claim(self.database, GHL, "w", Limits(99, 99, 99), {}).lanes for due in lane):
            if due.kind != "push_status":
                with self.database.write() as session:
                    session.execute(delete(Job).where(Job.id == due.id))
                    if due.kind == "release_held":
                        test_any_life.releasing.release_location(session, due)
                continue
            with self.database.write() as session:
                message = session.get_one(Message, due.subject)
                told = _wanted(message)
                if told != message.pushed_status:
                    self.told_ghl.setdefault(message.id, []).append(told)
                message.pushed_status = told
                session.execute(delete(Job).where(Job.id == due.id))

    def check_message(self, session, message):
        if message.funded or message.status != "unknown":  # one without credits was restored: none of it was called
            super().check_message(session, message)

    def check_books(self, session):
        super().check_books(session)
        for told in self.told_ghl.values():
            assert "pending" not in told[1:], f"HighLevel heard {told}"


@pytest.mark.parametrize("seed", range(LIVES))
def test_nothing_goes_out_twice_and_the_books_balance(database, time, seed):
    life = Unsure(database, time, seed)
    for _ in range(STEPS):
        try:
            life.live()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(life.story[-25:])) from error
    if life.granted == 0:
        with database.read() as session:
            assert ledger.prove(session)[1] == []
