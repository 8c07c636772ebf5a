"""More attacks: decisions beside calls, parts that end apart, releases under load, what HighLevel has lost."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from portal import clock
from portal.alerts.notices import GHL_WAITS, STATUS_REFUSED
from portal.channels.base import ChannelError, Outcome, Receipt
from portal.errors import InvalidInput
from portal.messaging import contacts, decisions, releasing, senders
from portal.messaging.fence import open_fence
from portal.messaging.held import hold_conversation
from portal.messaging.outbound import Request, queue_message
from portal.messaging.outcomes import Result
from portal.messaging.receipts import take_receipt
from portal.messaging.results import write_results
from portal.models import (
    Alert,
    Attempt,
    Contact,
    Conversation,
    Job,
    LedgerEntry,
    Location,
    Message,
    OptOut,
    Part,
    Sender,
    Wallet,
)
from portal.queue.claim import Limits, claim
from portal.queue.jobs import APPLY, GHL, SEND
from portal.worker.scheduler import Clockwork
from portal.worker.tasks import handlers
from tests.spine.test_attacks import (
    CONTACT,
    FILES,
    accept,
    begin_call,
    doubt,
    due_of,
    limit_credits,
    pushes_wanted,
    queued,
    send_jobs,
    wallet,
    work,
)
from tests.spine.test_composing import write

NOW_AND_THEN = ChannelError("Come back later.", code="later", retry=True)
NEVER = ChannelError("No.", code="no")


def finish(portal, due, passed, outcome, *, idempotent=False):
    """The call of `begin_call` comes to this."""
    with portal.database.write() as session:
        write_results(session, [Result(due, passed, outcome, idempotent, True, False)])


def hear(portal, external_id, outcome, sender=1):
    """A receipt comes in."""
    with portal.database.write() as session:
        return take_receipt(session, session.get_one(Sender, sender), Receipt(external_id, outcome), None)


def decide(portal, decision, message):
    with portal.database.write() as session:
        decision(session, message.id, "a person")


def pause(portal, sender=1):
    with portal.database.write() as session:
        senders.pause(session, sender, "a test")


def release(portal):
    """What a person's "release" sets in motion, carried out."""
    with portal.database.write() as session:
        tried = releasing.release_held(session, 1)
    carry_out_releases(portal)
    return tried


def carry_out_releases(portal):
    while jobs := [row for row in portal.jobs() if row.kind in ("release", "release_held")]:
        for row in jobs:
            handlers(portal.parts)[row.kind](due_of(row))


def proved(portal):
    """The wallet's entries add up to it; grants of these tests are not entries, so only what moved is compared."""
    with portal.session() as session:
        entries = session.scalars(select(LedgerEntry)).all()
        row = session.scalars(select(Wallet)).one()
    return (sum(each.held for each in entries), sum(each.spent for each in entries)) == (row.held, row.spent)


# Parts that end apart


def test_a_part_that_is_refused_for_now_does_not_outlive_the_failure_of_another(idle):
    idle.add_sender("simulator")
    message = queued(idle, "Two parts", attachments=FILES[:1])
    one, two = send_jobs(idle)
    accept(idle, one, begin_call(idle, one), "sim-one")
    passed = begin_call(idle, two)
    hear(idle, "sim-one", Outcome.FAILED)
    finish(idle, two, passed, NOW_AND_THEN)
    assert idle.messages()[0].status == "failed"
    assert [part.status for part in idle.parts_of(message)] == ["failed", "failed"], "it waits in a message that ended"
    assert wallet(idle) == (0, 0, 0), "its credits are held for ever"
    assert pushes_wanted(idle) and not send_jobs(idle)


def test_half_a_message_is_not_sent_again(idle):
    idle.add_sender("simulator")
    message = queued(idle, "Two parts", attachments=FILES[:1])
    one, two = send_jobs(idle)
    accept(idle, one, begin_call(idle, one), "sim-one")
    passed = begin_call(idle, two)
    hear(idle, "sim-one", Outcome.FAILED)
    finish(idle, two, passed, ChannelError("silence", unknown=True))
    assert idle.messages()[0].status == "unknown"
    with pytest.raises(InvalidInput, match="failed for good"):
        decide(idle, decisions.send_again, message)
    decide(idle, decisions.give_up, message)
    assert idle.messages()[0].status == "failed" and wallet(idle) == (0, 0, 0)


def test_every_part_of_unknown_fate_frees_its_credits_after_three_days(idle):
    """The parts' calls were days apart, or another part had freed its credits before."""
    idle.add_sender("simulator")
    message = queued(idle, "Two parts", attachments=FILES[:1])
    doubt(idle, message)
    with idle.database.write() as session:
        session.execute(update(Part).where(Part.number == 1).values(sending_at=clock.now() - timedelta(hours=73)))
    Clockwork(idle.parts).look_for_lost()
    doubt(idle, message)
    assert wallet(idle) == (-2, 2, 0)
    with idle.database.write() as session:
        session.execute(update(Part).values(sending_at=clock.now() - timedelta(hours=73)))
    for _ in range(2):
        Clockwork(idle.parts).look_for_lost()
    assert wallet(idle) == (0, 0, 0) and proved(idle)


def test_an_expired_part_that_arrives_is_paid_for_once(idle):
    idle.add_sender("simulator")
    message = queued(idle)
    due = send_jobs(idle)[0]
    accept(idle, due, begin_call(idle, due), "sim-one")
    hear(idle, "sim-one", Outcome.EXPIRED)
    assert (idle.messages()[0].status, wallet(idle)) == ("expired", (0, 0, 0))
    for outcome in (Outcome.SENT, Outcome.DELIVERED, Outcome.DELIVERED, Outcome.READ, Outcome.FAILED, Outcome.EXPIRED):
        hear(idle, "sim-one", outcome)
    assert (idle.messages()[0].status, wallet(idle)) == ("read", (-1, 0, 1))
    assert idle.history(message)[-3:] == ["expired", "delivered", "read"]
    assert proved(idle) and pushes_wanted(idle)


# Calls that end after a person has decided


def lost_call(portal, **more):
    """A call under way that the portal has taken for lost: its message is unknown. The job, the pass, the message."""
    message = queued(portal, **more)
    due = send_jobs(portal)[0]
    passed = begin_call(portal, due)
    with portal.database.write() as session:
        session.execute(update(Job).where(Job.kind == "send").values(lease_until=None))
    handlers(portal.parts)["send"](due)  # another worker finds it `sending`, and knows nothing of the call
    assert portal.messages()[0].status == "unknown"
    return due, passed, message


@pytest.mark.parametrize("paused", [False, True], ids=["queued", "held"])
def test_an_acceptance_that_comes_late_spares_the_second_copy(idle, paused):
    idle.add_sender("simulator")
    due, passed, message = lost_call(idle)
    if paused:
        pause(idle)
    decide(idle, decisions.send_again, message)
    accept(idle, due, passed, "sim-one")
    assert idle.messages()[0].status == "accepted"
    assert not send_jobs(idle), "the provider has it, and gets it again"
    hear(idle, "sim-one", Outcome.DELIVERED)
    assert (idle.messages()[0].status, wallet(idle)) == ("delivered", (-1, 0, 1))
    with idle.session() as session:
        assert session.scalars(select(Conversation.held_reason)).one() == ""


@pytest.mark.parametrize("outcome", [NOW_AND_THEN, NEVER, ChannelError("silence", unknown=True)])
def test_a_refusal_that_comes_late_does_not_undo_what_a_person_decided(idle, outcome):
    idle.add_sender("simulator")
    due, passed, message = lost_call(idle)
    decide(idle, decisions.send_again, message)
    finish(idle, due, passed, outcome)
    assert idle.messages()[0].status == "queued"
    assert [row.subject for row in send_jobs(idle)] == [idle.parts_of(message)[0].id], "nothing will ever send it"


# Two at once


@contextmanager
def beside(portal, work):
    """The work runs in a thread of its own, beside the transaction of the block; its error is raised at the end."""
    with ThreadPoolExecutor(1) as other, portal.database.write() as session:

        def begin():
            session.flush()
            running = other.submit(work)
            time.sleep(0.7)  # it either ends now or waits for us
            return running

        yield session, begin


def only_postgresql(portal):
    if portal.database.sqlite:
        pytest.skip("one writer at a time")


def deliver(session, text="Another", position=10**6):
    """A delivery is applied, as far as locks go."""
    location = session.get_one(Location, 1)
    contact = contacts.for_ghl(session, 1, session.scalars(select(Contact.ghl_contact_id)).first(), CONTACT)
    return queue_message(session, location, Request(contact, CONTACT, text, position, clock.now()))


def test_a_sender_is_resumed_beside_a_delivery(idle):
    only_postgresql(idle)
    sender = idle.add_sender("simulator")
    pause(idle)
    queued(idle)

    def resume():
        with idle.database.write() as session:
            senders.resume(session, sender)

    with beside(idle, resume) as (session, begin):
        contacts.conversation(session, 1, 1)
        running = begin()
        deliver(session)
    running.result(20)
    carry_out_releases(idle)
    assert idle.statuses() == {"queued": 2}


def test_a_message_is_cancelled_beside_a_delivery(idle):
    """The delivery has the conversation and wants the wallet; a cancellation needs both."""
    only_postgresql(idle)
    idle.add_sender("simulator")
    message = queued(idle)
    with beside(idle, lambda: decide(idle, decisions.cancel, message)) as (session, begin):
        contacts.conversation(session, 1, 1)
        running = begin()
        deliver(session)
    running.result(20)
    assert idle.statuses() == {"cancelled": 1, "queued": 1} and proved(idle)


def test_a_message_is_cancelled_while_its_conversation_is_being_held(idle):
    only_postgresql(idle)
    idle.add_sender("simulator")
    first, second = queued(idle, "one"), queued(idle, "two")
    with beside(idle, lambda: decide(idle, decisions.cancel, second)) as (session, begin):
        held = session.get_one(Message, first.id, with_for_update=True)
        begun = []
        real = session.scalars

        def scalars(*asked, **more):
            if not begun:
                begun.append(begin())
            return real(*asked, **more)

        session.scalars = scalars
        hold_conversation(session, held, "a test")
    begun[0].result(20)
    assert idle.statuses() == {"held": 1, "cancelled": 1}


def test_the_last_held_message_is_cancelled_from_a_page_that_knew_nothing_of_the_hold(idle):
    """The page's own session has read the conversation before it was held."""
    only_postgresql(idle)
    idle.add_sender("simulator")
    message = queued(idle)
    with idle.database.write() as session:
        session.scalars(select(Message).where(Message.id == message.id).options(joinedload(Message.conversation))).one()
        with ThreadPoolExecutor(1) as other:
            other.submit(hold, idle, message).result(20)
        decisions.cancel(session, message.id, "a person")
    with idle.session() as session:
        assert session.scalars(select(Conversation.held_reason)).one() == "", "everything later is held for nothing"


def hold(portal, message):
    with portal.database.write() as session:
        hold_conversation(session, session.get_one(Message, message.id), "a test")


def test_a_message_held_while_its_sender_is_being_resumed_goes_out(idle):
    only_postgresql(idle)
    sender = idle.add_sender("simulator")
    queued(idle)
    pause(idle)
    due = send_jobs(idle)[0]

    def resume():
        with idle.database.write() as session:
            senders.resume(session, sender)
        carry_out_releases(idle)

    with beside(idle, resume) as (session, begin):
        message = session.scalars(select(Message)).one()
        hold_conversation(session, message, "simulator is paused: resume it, and this goes out.")
        begin().result(20)
    assert idle.statuses() == {"held": 1} and due
    Clockwork(idle.parts).look_for_lost()
    carry_out_releases(idle)
    assert idle.statuses() == {"queued": 1}, "its sender is active, and nobody will look at it again"


def test_what_keeps_its_cause_is_not_tried_over_and_over(idle):
    idle.add_sender("simulator")
    message = queued(idle)
    pause(idle)
    work(idle, SEND)
    for _ in range(3):
        Clockwork(idle.parts).look_for_lost()
        carry_out_releases(idle)
    release(idle)
    assert idle.history(message) == ["queued", "held"]


def test_a_release_asked_for_while_one_is_under_way_is_not_lost(idle):
    """The first has looked at the sender already when a person resumes it."""
    only_postgresql(idle)
    sender = idle.add_sender("simulator")
    queued(idle)
    pause(idle)
    work(idle, SEND)
    with idle.database.write() as session:
        releasing.release_held(session, 1)
    work(idle, GHL)
    due = next(due_of(row) for row in idle.jobs() if row.kind == "release")

    def resume():
        with idle.database.write() as session:
            senders.resume(session, sender)
        for row in idle.jobs():
            if row.kind == "release_held":
                handlers(idle.parts)[row.kind](due_of(row))

    with beside(idle, resume) as (session, begin):
        releasing.release_conversation(session, due)
        running = begin()
    running.result(20)
    carry_out_releases(idle)
    assert idle.statuses() == {"queued": 1}


def test_the_fence_sees_what_came_while_it_waited_for_the_message(idle):
    only_postgresql(idle)
    idle.add_sender("simulator")
    queued(idle)
    due = send_jobs(idle)[0]
    answers = []

    def fence():
        with idle.database.write() as session:
            answers.append(open_fence(session, [due.subject]))

    with beside(idle, fence) as (session, begin):
        session.scalars(select(Message).with_for_update()).one()
        running = begin()
        session.add(OptOut(location_id=1, family="sms", address=CONTACT, source="them", created_at=clock.now()))
    running.result(20)
    assert answers == [{}], "it goes to somebody who has opted out"


# Releasing


def test_a_release_takes_one_conversation_at_a_time_and_each_in_order(idle, monkeypatch):
    monkeypatch.setattr(releasing, "AT_ONCE", 2)
    other = idle.sandbox.ghl.directory.add("x", {"phone": "+639175550777"})[0]
    sender = idle.add_sender("simulator")
    pause(idle)
    for number in range(5):
        queued(idle, f"one {number}")
        queued(idle, f"two {number}", fields={"contactId": other.id, "phone": "+639175550777"})
    with idle.database.write() as session:
        assert senders.resume(session, sender) == 10
    work(idle, GHL)
    jobs = [row for row in idle.jobs() if row.kind == "release"]
    assert len(jobs) == 2
    handlers(idle.parts)["release"](due_of(jobs[0]))
    assert idle.statuses() == {"queued": 2, "held": 8}
    late = queued(idle, "one late")
    assert late.status == "held", "it must not overtake what is being released"
    carry_out_releases(idle)
    assert idle.statuses() == {"queued": 11}
    order = {}
    with idle.session() as session:
        for row in send_jobs(idle):
            order.setdefault(row.lane, []).append(session.get_one(Part, row.subject).message.body)
    assert sorted(order.values()) == [[f"one {n}" for n in range(5)] + ["one late"], [f"two {n}" for n in range(5)]]


def test_a_release_that_is_killed_goes_on(idle, monkeypatch):
    sender = idle.add_sender("simulator")
    pause(idle)
    queued(idle)
    with idle.database.write() as session:
        senders.resume(session, sender)
    work(idle, GHL)
    due = next(due_of(row) for row in idle.jobs() if row.kind == "release")

    def killed(*_asked):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "place", killed)
        with pytest.raises(MemoryError):
            handlers(idle.parts)["release"](due)
    carry_out_releases(idle)
    assert idle.statuses() == {"queued": 1}


def test_a_message_of_a_removed_sender_goes_out_through_another(idle):
    first, second = idle.add_sender("simulator", is_default=True), idle.add_sender("simulator", name="second")
    queued(idle, "one"), queued(idle, "two")
    with idle.database.write() as session:
        senders.remove(session, first)
    for _ in range(2):
        work(idle, SEND)
        carry_out_releases(idle)
    assert {message.sender_id for message in idle.messages()} == {second}
    work(idle, SEND)
    assert idle.statuses() == {"accepted": 2}


def test_a_pause_after_queueing_follows_the_locations_policy(idle):
    idle.add_sender("simulator", is_default=True)
    second = idle.add_sender("simulator", name="second")
    with idle.database.write() as session:
        session.execute(update(Location).values(failover="same_channel"))
    queued(idle)
    pause(idle)
    work(idle, SEND)
    carry_out_releases(idle)
    assert [(each.status, each.sender_id) for each in idle.messages()] == [("queued", second)]


# Cut anew


def refuse_once(portal, number=0):
    """One part's call is refused for now: the provider knows its key."""
    due = send_jobs(portal)[number]
    passed = begin_call(portal, due)
    finish(portal, due, passed, NOW_AND_THEN)
    return passed.idempotency_key


def reroute(portal, sender):
    with portal.database.write() as session:
        session.execute(update(Conversation).values(sticky_sender_id=None))
        senders.make_default(session, sender)
    carry_out_releases(portal)


def test_a_message_that_changes_its_channel_is_cut_and_priced_anew(idle):
    idle.add_sender("simulator", is_default=True)
    cast = idle.add_sender("cast")
    limit_credits(idle, 10)
    message = queued(idle, "Three parts", attachments=FILES)
    assert wallet(idle) == (5, 5, 0)
    key = refuse_once(idle)
    pause(idle)
    work_when_due(idle)
    reroute(idle, cast)
    (part,) = idle.parts_of(message)
    after = idle.messages()[0]
    assert (after.status, after.credits, after.sender_id) == ("queued", part.price, cast)
    assert part.attachments == FILES and wallet(idle) == (10 - part.price, part.price, 0)
    due = send_jobs(idle)[0]
    passed = begin_call(idle, due)
    assert passed.idempotency_key != key, "the provider answers another text with what became of the first"
    assert (passed.parts, passed.body, list(passed.attachments)) == (1, "Three parts", FILES)
    accept(idle, due, passed, "cast-one")
    assert wallet(idle) == (10 - part.price, 0, part.price) and proved(idle)
    with idle.session() as session:
        assert len(session.scalars(select(Attempt)).all()) == 2


def work_when_due(portal):
    with portal.database.write() as session:
        session.execute(update(Job).values(run_at=clock.now(), lease_until=None))
    work(portal, SEND)
    assert portal.statuses() == {"held": 1}


def test_a_message_that_becomes_dearer_waits_for_credits(idle):
    idle.add_sender("cast", is_default=True)
    simulator = idle.add_sender("simulator")
    limit_credits(idle, 3)
    message = queued(idle, "Hi", attachments=FILES)
    price = message.credits
    assert price < 5
    pause(idle)
    work(idle, SEND)
    reroute(idle, simulator)
    after = idle.messages()[0]
    assert (after.status, after.credits) == ("held", price) and "credits" in after.reason
    assert wallet(idle) == (3 - price, price, 0)
    with idle.database.write() as session:
        session.execute(update(Wallet).values(available=Wallet.available + 2))
    release(idle)
    after = idle.messages()[0]
    assert (after.status, after.credits, len(idle.parts_of(message))) == ("queued", 5, 3)
    assert wallet(idle) == (0, 5, 0) and proved(idle)
    decide(idle, decisions.cancel, message)
    assert wallet(idle) == (5, 0, 0) and proved(idle)


def test_parts_that_come_back_get_keys_that_nobody_knows(idle):
    """Three parts, then one, then three again: no key may be used for two texts."""
    simulator = idle.add_sender("simulator", is_default=True)
    cast = idle.add_sender("cast")
    message = queued(idle, "Three parts", attachments=FILES)
    keys = [refuse_once(idle, number) for number in range(3)]
    for sender, there in ((simulator, cast), (cast, simulator)):
        pause(idle, sender)
        work_when_due(idle)
        reroute(idle, there)
        with idle.database.write() as session:
            senders.resume(session, sender)
        carry_out_releases(idle)
        if there == cast:
            keys.append(refuse_once(idle))
    keys += [begin_call(idle, due).idempotency_key for due in send_jobs(idle)]
    assert len(keys) == 7 and len(set(keys)) == 7
    assert [part.price for part in idle.parts_of(message)] == [1, 2, 2] and proved(idle)


def test_a_recipient_of_a_bulk_call_that_is_routed_elsewhere_leaves_the_call(idle):
    """It was held behind another message of its conversation, and let go through another sender."""
    idle.add_sender("cast")
    write(idle, CONTACT, "+639171234601", "+639171234602")
    work(idle, APPLY)
    other = idle.add_sender("simulator")
    elsewhere = idle.messages()[1]
    hold(idle, elsewhere)
    reroute(idle, other)
    for _ in range(2):
        with idle.database.write() as session:
            session.execute(update(Job).values(run_at=clock.now(), lease_until=None))
        work(idle, SEND)
    assert idle.statuses() == {"accepted": 3}
    assert idle.messages()[1].sender_id == other
    assert elsewhere.address not in [each.to for each in idle.sandbox.cast.accepted()], "through the wrong sender"


# HighLevel's lost rows, and its long silences


def customer_writes(portal, text="Hello?", **more):
    key = portal.sender_key(1)
    return requests.post(
        f"{portal.url}/webhooks/sms/simulator/{key}/receive",
        json={"from": CONTACT, "text": text, **more},
        timeout=30,
    )


def posted(portal):
    return [message.text for message in portal.sandbox.ghl.mailbox.messages(direction="inbound")]


def delete_contact(portal, contact_id, *, thread=True):
    """Somebody deletes a contact in HighLevel, and with it its thread."""
    directory, mailbox = portal.sandbox.ghl.directory, portal.sandbox.ghl.mailbox
    contact = directory._contacts.pop(contact_id)
    if thread:
        gone = mailbox._by_contact.pop(contact.id)
        del mailbox._conversations[gone.id]


def run_ghl(portal, kind="post_message"):
    """Makes what is due for HighLevel due now, and does it."""
    with portal.database.write() as session:
        session.execute(update(Job).values(run_at=clock.now(), lease_until=None))
    for lane in claim(portal.database, GHL, "a test", Limits(100, 100, 100), {}).lanes:
        for due in lane:
            if not handlers(portal.parts)[due.kind](due):
                break
    return [row for row in portal.jobs() if row.kind == kind]


def grow_old(portal, **age):
    with portal.database.write() as session:
        session.execute(update(Job).values(created_at=clock.now() - timedelta(**age)))


def alerts(portal, kind):
    with portal.session() as session:
        return list(session.scalars(select(Alert).where(Alert.kind == kind).order_by(Alert.id)))


def first_post(portal):
    """A customer has written, and HighLevel knows it."""
    portal.add_sender("simulator")
    customer_writes(portal, "first", id="in-1")
    work(portal, APPLY)
    assert not run_ghl(portal)
    with portal.session() as session:
        return session.scalars(select(Contact)).one().ghl_contact_id


@pytest.mark.parametrize("thread", [True, False], ids=["contact and thread", "contact alone"])
def test_a_contact_that_was_deleted_in_highlevel_is_looked_up_anew(idle, thread):
    gone = first_post(idle)
    delete_contact(idle, gone, thread=thread)
    if not thread:
        idle.sandbox.faults.arm("ghl.add_inbound", "status", status=400, only=gone)
    customer_writes(idle, "second", id="in-2")
    work(idle, APPLY)
    assert not run_ghl(idle), "every later message of this customer waits for ever"
    assert posted(idle)[-1] == "second"
    with idle.session() as session:
        contact = session.scalars(select(Contact)).one()
    assert contact.ghl_contact_id not in (gone, None)


def test_a_thread_that_was_deleted_alone_is_opened_anew(idle):
    contact_id = first_post(idle)
    mailbox = idle.sandbox.ghl.mailbox
    del mailbox._conversations[mailbox._by_contact.pop(contact_id).id]
    customer_writes(idle, "second", id="in-2")
    work(idle, APPLY)
    assert not run_ghl(idle) and posted(idle)[-1] == "second"
    with idle.session() as session:
        assert session.scalars(select(Contact)).one().ghl_contact_id == contact_id


def test_a_refusal_does_not_prove_that_a_contact_is_gone(idle):
    contact_id = first_post(idle)
    idle.sandbox.faults.arm("ghl.add_inbound", "status", status=400, times=1)
    customer_writes(idle, "second", id="in-2")
    work(idle, APPLY)
    assert run_ghl(idle), "it was refused"
    with idle.session() as session:
        assert session.scalars(select(Contact)).one().ghl_contact_id == contact_id
    assert idle.sandbox.records.count("ghl.create_contact") == 0
    assert not run_ghl(idle) and posted(idle) == ["first", "second"]


def test_a_long_refusal_is_told_once_and_closed_when_the_last_got_through(idle):
    first_post(idle)
    rule = idle.sandbox.faults.arm("ghl.add_inbound", "status", status=403, times=None)
    for number in (2, 3):
        customer_writes(idle, f"number {number}", id=f"in-{number}", **{"from": f"+63917555070{number}"})
    work(idle, APPLY)
    assert len(run_ghl(idle)) == 2
    assert not alerts(idle, GHL_WAITS), "a moment's trouble is nobody's concern"
    grow_old(idle, minutes=20)
    for _ in range(2):
        run_ghl(idle)
    (alert,) = alerts(idle, GHL_WAITS)
    assert alert.closed_at is None and alert.location_id == 1 and "20 minutes" in alert.text
    idle.sandbox.faults.disarm(rule)
    with idle.database.write() as session:
        last = session.scalars(select(Job).order_by(Job.id.desc())).first()
        session.execute(update(Job).values(run_at=clock.now(), lease_until=None))
        session.execute(update(Job).where(Job.id == last.id).values(run_at=clock.now() + timedelta(hours=1)))
    work(idle, GHL)
    assert alerts(idle, GHL_WAITS)[0].closed_at is None, "one of them still waits"
    assert not run_ghl(idle)
    assert alerts(idle, GHL_WAITS)[0].closed_at is not None


def test_a_status_that_is_refused_for_long_is_told_and_given_up_in_the_end(idle):
    queued(idle)  # no sender: failed at once
    idle.sandbox.faults.arm("ghl.update_status", "status", status=404, times=None)
    grow_old(idle, minutes=20)
    assert run_ghl(idle, "push_status")
    assert alerts(idle, GHL_WAITS)[0].closed_at is None
    grow_old(idle, hours=73)
    assert not run_ghl(idle, "push_status")
    assert alerts(idle, GHL_WAITS)[0].closed_at is not None
    assert alerts(idle, STATUS_REFUSED)[0].closed_at is None


def test_a_message_that_highlevel_will_not_take_lets_the_rest_of_its_conversation_pass(idle):
    first_post(idle)
    idle.sandbox.faults.arm("ghl.add_inbound", "status", status=422, times=None, only="poison")
    for number, text in enumerate(("poison", "after it"), start=2):
        customer_writes(idle, text, id=f"in-{number}")
    work(idle, APPLY)
    run_ghl(idle)
    assert posted(idle) == ["first"], "in order, as long as it may be a passing trouble"
    grow_old(idle, minutes=20)
    for _ in range(2):
        run_ghl(idle)
    assert posted(idle) == ["first", "after it"]
    assert [row.subject for row in idle.jobs() if row.kind == "post_message"] == [2], "it is not given up"
