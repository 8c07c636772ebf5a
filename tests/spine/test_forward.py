"""The quick path of receipts does exactly what the thorough one does, or leaves it to that."""

import itertools

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.channels.base import Outcome, Receipt
from portal.channels.cast.client import Cast
from portal.credits import ledger
from portal.messaging import contacts, effects, funding, polling
from portal.messaging.forward import Word, carry_forward
from portal.messaging.outbound import Request, queue_message
from portal.messaging.receipts import take_receipt
from portal.models import Event, Job, LedgerEntry, Location, Message, Part, ReceiptRow, Sender, Status, StatusChange
from portal.queue.jobs import Due
from portal.sandbox import world
from portal.worker.tasks import handlers

CONTACT = world.DEMO_PEOPLE[0][0][1]
numbers = itertools.count(1)


@pytest.fixture
def portal(idle):
    idle.add_sender("cast")
    idle.sandbox.cast.decide(CONTACT, "stuck")
    return idle


def accepted(portal, text="Hi", **more):
    """A message that Cast has taken, and the id it gave."""
    number = next(numbers)
    with portal.database.write() as session:
        contact = contacts.for_ghl(session, 1, "contact", CONTACT)
        wanted = Request(contact, CONTACT, text, number, clock.now(), ghl_message_id=f"ghl{number:08d}", **more)
        message = queue_message(session, session.get_one(Location, 1), wanted)
        message_id = message.id
    for job in portal.jobs():
        if job.kind == "send":
            portal.parts.outbox.send(Due(job.id, "send", job.subject, job.lane, job.gate, 1, 0, job.created_at))
    with portal.session() as session:
        part = session.scalars(select(Part).where(Part.message_id == message_id)).first()
    assert part.status == Status.ACCEPTED
    return message_id, part.external_id


def told(external_id, outcome, code="", detail="", **more):
    return Receipt(external_id, outcome, code, detail, **more)


def facts(portal, message_id):
    """All that a receipt may change, without ids and times."""
    with portal.session() as session:
        message = session.get_one(Message, message_id)
        parts = session.scalars(select(Part).where(Part.message_id == message_id).order_by(Part.number)).all()
        ids = [part.id for part in parts]
        history = session.scalars(select(StatusChange).where(StatusChange.message_id == message_id)).all()
        receipts = session.scalars(select(ReceiptRow).where(ReceiptRow.part_id.in_(ids))).all()
        entries = session.scalars(select(LedgerEntry).where(LedgerEntry.message_id == message_id)).all()
        jobs = session.scalars(select(Job).where(Job.kind == "push_status", Job.subject == message_id)).all()
        return {
            "message": (message.status, message.reason, message.error_code, message.held, message.pushed_status),
            "parts": [(p.status, p.code, p.detail, p.next_poll_at is None, p.billing, p.price) for p in parts],
            "history": [(h.before, h.after, h.who, h.code, h.detail, h.part_id is None) for h in history],
            "receipts": sorted((r.outcome, r.code, r.detail, r.recipient, r.our_key, str(r.billing)) for r in receipts),
            "entries": sorted((e.kind, e.available, e.held, e.spent) for e in entries),
            "jobs": [(job.lane.split(":")[0], job.gate, job.priority, job.pool) for job in jobs],
        }


def quickly(portal, receipts):
    """How many of them the quick path took; the thorough one gets the rest, as in life."""
    taken = 0
    for receipt in receipts:
        with portal.database.write() as session:
            sender = session.get_one(Sender, 1)
            [uuid] = carry_forward(session, [Word(1, receipt, "cast receipt", 7)])
            taken += bool(uuid)
            if not uuid:
                take_receipt(session, sender, receipt, 7)
    return taken


def thoroughly(portal, receipts):
    for receipt in receipts:
        with portal.database.write() as session:
            take_receipt(session, session.get_one(Sender, 1), receipt, 7)


STORIES = {
    "delivered": ([(Outcome.DELIVERED, "DELIVRD")], 1),
    "sent, then delivered": ([(Outcome.SENT, "ACCEPTD"), (Outcome.DELIVERED, "DELIVRD")], 2),
    "delivered, then sent": ([(Outcome.DELIVERED, ""), (Outcome.SENT, "")], 1),
    "read at once, and delivered later": ([(Outcome.READ, "r"), (Outcome.DELIVERED, "d")], 1),
    "twice": ([(Outcome.SENT, "a"), (Outcome.SENT, "a"), (Outcome.DELIVERED, "b"), (Outcome.DELIVERED, "b")], 2),
    "failed": ([(Outcome.FAILED, "UNDELIV", "No.")], 0),
    "sent, then failed": ([(Outcome.SENT, "a"), (Outcome.FAILED, "REJECTD", "No.")], 1),
    "expired, and delivered all the same": ([(Outcome.EXPIRED, "x", "Late."), (Outcome.DELIVERED, "d")], 0),
    "accepted": ([(Outcome.ACCEPTED, "queued"), (Outcome.SENT, "")], 1),
    "odd words": ([(Outcome.DELIVERED, "x\x00" * 80, "half \ud83d a letter")], 1),
}


@pytest.mark.parametrize("story", STORIES)
def test_both_paths_come_to_the_same(portal, story):
    words, expected = STORIES[story]
    (one, one_id), (other, other_id) = accepted(portal), accepted(portal)
    billing = {"billable": True}
    taken = quickly(portal, [told(one_id, *word, billing=billing, recipient=CONTACT) for word in words])
    thoroughly(portal, [told(other_id, *word, billing=billing, recipient=CONTACT) for word in words])
    assert facts(portal, one) == facts(portal, other)
    assert taken == expected
    with portal.session() as session:
        assert ledger.prove(session)[1] == []


def test_what_is_not_as_expected_is_left_alone(portal):
    """Two parts, a part that waits again, one whose price was given back, one that HighLevel is yet to hear of."""
    (both, first), (waits, waiting), (written, new) = (accepted(portal) for _ in range(3))
    with portal.database.write() as session:
        funding.set_policies(session, session.get_one(Location, 1), settles_on_delivery=True)
    _, late = accepted(portal)  # not paid for as yet
    with portal.database.write() as session:
        one = session.scalars(select(Part).where(Part.message_id == both)).one()
        session.add(Part(message_id=both, number=2, status=one.status, sender_id=1, external_id="another"))
        session.execute(update(Message).where(Message.id == waits).values(status=Status.QUEUED))
        session.execute(update(Part).where(Part.message_id == waits).values(status=Status.QUEUED))
        session.execute(update(Message).where(Message.id == written).values(echo_state="wanted", ghl_message_id=None))
    for external_id in [first, "another", waiting, late, new, "nobody's", ""]:
        with portal.database.write() as session:
            word = Word(1, told(external_id, Outcome.DELIVERED), "cast receipt")
            assert carry_forward(session, [word]) == [""], external_id
    with portal.session() as session:
        assert session.scalars(select(ReceiptRow)).all() == [], "nothing was written on the way"


def test_another_sender_with_the_same_id_is_not_meant(portal):
    message_id, external_id = accepted(portal)
    with portal.database.write() as session:
        assert carry_forward(session, [Word(2, told(external_id, Outcome.DELIVERED), "cast receipt")]) == [""]
    assert facts(portal, message_id)["message"][0] == Status.ACCEPTED


def test_several_at_once(portal):
    """Each to its own message; of two words on one message neither goes the quick way."""
    messages = [accepted(portal) for _ in range(4)]
    words = [Word(1, told(external_id, Outcome.DELIVERED), "cast poll") for _, external_id in messages]
    words.append(Word(1, told(messages[3][1], Outcome.SENT), "cast poll"))
    with portal.database.write() as session:
        uuids = carry_forward(session, words)
    with portal.session() as session:
        found = {message_id: session.get_one(Message, message_id) for message_id, _ in messages}
    assert uuids == [found[message_id].uuid for message_id, _ in messages[:3]] + ["", ""]
    assert [found[message_id].status for message_id, _ in messages] == ["delivered"] * 3 + ["accepted"]


def test_what_the_transaction_has_in_hand_is_seen_and_read_anew(portal):
    message_id, external_id = accepted(portal)
    with portal.database.write() as session:
        message = session.get_one(Message, message_id)
        part = session.scalars(select(Part).where(Part.message_id == message_id)).one()
        message.status = part.status = Status.SENT
        assert carry_forward(session, [Word(1, told(external_id, Outcome.DELIVERED), "cast poll")]) == [message.uuid]
        assert (message.status, part.status) == (Status.DELIVERED, Status.DELIVERED)
    assert facts(portal, message_id)["history"][-1][:2] == ("sent", "delivered")


def never(*_, **__):
    raise AssertionError("the thorough path was taken")


def test_polls_take_the_quick_path(portal, monkeypatch):
    monkeypatch.setattr(polling, "take_receipt", never)
    monkeypatch.setattr(Cast, "status", lambda *given: told(given[-1], Outcome.DELIVERED, "DELIVRD"))
    messages = [accepted(portal)[0] for _ in range(3)]
    with portal.database.write() as session:
        session.execute(update(Part).values(next_poll_at=clock.now()))
        assert polling.enqueue_due(session) == 3
    for job in portal.jobs():
        if job.kind == "check_status":
            portal.parts.poller.check(Due(job.id, job.kind, job.subject, job.lane, job.gate, 1, 0, job.created_at))
    for message_id in messages:
        found = facts(portal, message_id)
        assert found["message"][0] == Status.DELIVERED
        assert found["history"][-1] == ("accepted", "delivered", "cast poll", "DELIVRD", "", True)
        assert found["parts"][0][3], "nobody asks about it any more"
    kinds = [job.kind for job in portal.jobs()]
    assert (kinds.count("push_status"), kinds.count("check_status")) == (3, 0)


def test_webhooks_take_the_quick_path(portal, monkeypatch):
    monkeypatch.setattr(effects, "take_receipt", never)
    message_id, external_id = accepted(portal)
    with portal.database.write() as session:
        said = [told(external_id, Outcome.SENT), told(external_id, Outcome.DELIVERED)]
        notes = effects.take(session, session.get_one(Sender, 1), said, Event(id=7), portal.parts.vault)
    assert notes == [f"{word} for message {portal.messages()[0].uuid}" for word in ("sent", "delivered")]
    assert facts(portal, message_id)["message"][0] == Status.DELIVERED


def test_a_receipt_and_its_answer_that_did_not_see_each_other(portal):
    """Both were being written at the same moment: a second look a second later brings them together."""
    message_id, _ = accepted(portal)
    thoroughly(portal, [told("the same moment", Outcome.DELIVERED, "d")])
    [job] = [job for job in portal.jobs() if job.kind == "match_receipt"]
    with portal.database.write() as session:
        session.execute(update(Part).where(Part.message_id == message_id).values(external_id="the same moment"))
    assert job.run_at > job.created_at
    due = Due(job.id, job.kind, job.subject, job.lane, job.gate, 1, 0, job.created_at)
    assert handlers(portal.parts)["match_receipt"](due)
    assert facts(portal, message_id)["message"][0] == Status.DELIVERED
    assert "match_receipt" not in {job.kind for job in portal.jobs()}


def test_a_receipt_of_nobody_costs_one_second_look(portal):
    thoroughly(portal, [told("nobody's", Outcome.DELIVERED), told("nobody's", Outcome.DELIVERED)])
    [job] = [job for job in portal.jobs() if job.kind == "match_receipt"]
    due = Due(job.id, job.kind, job.subject, job.lane, job.gate, 1, 0, job.created_at)
    assert handlers(portal.parts)["match_receipt"](due)
    assert "match_receipt" not in {job.kind for job in portal.jobs()}
