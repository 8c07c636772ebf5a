"""Attacks on the promises: races, poison, forged requests and unlucky moments. Each test names what must not happen."""

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from portal import clock
from portal.channels.base import Accepted, ChannelError, Outcome, Receipt, Scope
from portal.channels.cast.client import Cast
from portal.channels.simulator.client import Simulator
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import TokenGrant
from portal.installations import grants
from portal.installations.tokens import NoToken
from portal.journal.entry import Entry
from portal.journal.replay import drain
from portal.logs import JsonFormatter
from portal.messaging import decisions, senders
from portal.messaging.fence import open_fence
from portal.messaging.outcomes import Result
from portal.messaging.receipts import apply_receipt, lock_part, take_receipt
from portal.messaging.receiving import Context
from portal.messaging.results import write_results
from portal.messaging.statuses import follow_parts, move_part
from portal.models import (
    Event,
    EventState,
    Gate,
    Grant,
    Job,
    Location,
    Message,
    OptOut,
    Part,
    Sender,
    Status,
    Wallet,
)
from portal.queue.claim import Limits, claim
from portal.queue.jobs import APPLY, GHL, SEND, Due, enqueue, job
from portal.sandbox import world
from portal.sandbox.ghl.grants import Owner
from portal.web.webhooks.intake import Evidence
from portal.worker.scheduler import Clockwork
from portal.worker.tasks import Apply, batch_handlers, handlers
from tests.portal import PLACE, eventually

CONTACT = world.DEMO_PEOPLE[0][0][1]
FILES = ["https://attachments.example/a.png", "https://attachments.example/b.pdf"]


def work(portal, pool):
    """Carries out what is due in a pool, by hand; the jobs it took."""
    claimed = claim(portal.database, pool, "a test", Limits(100, 100, 100), {})
    jobs = [due for lane in claimed.lanes for due in lane]
    if pool == APPLY:
        batch_handlers(portal.parts)[APPLY](jobs)
    else:
        for due in jobs:
            handlers(portal.parts)[due.kind](due)
    return jobs


def queued(portal, text="Hello", **more):
    """A message that was delivered to the portal and applied."""
    portal.sandbox.deliveries.send(text, **more)
    work(portal, APPLY)
    return portal.messages()[-1]


def wallet(portal):
    with portal.session() as session:
        row = session.scalars(select(Wallet)).one()
        return row.available, row.held, row.spent


def limit_credits(portal, available):
    with portal.database.write() as session:
        session.add(Wallet(location_id=1, unlimited=False, available=available, held=0, spent=0))


def due_of(row):
    return Due(row.id, row.kind, row.subject, row.lane, row.gate, row.priority, row.attempts, row.created_at)


def send_jobs(portal):
    return [due_of(row) for row in portal.jobs() if row.kind == "send"]


def begin_call(portal, due):
    with portal.database.write() as session:
        return open_fence(session, [due.subject])[due.subject]


def accept(portal, due, passed, external_id):
    with portal.database.write() as session:
        write_results(session, [Result(due, passed, Accepted(external_id), False, True, False)])


def pushes_wanted(portal):
    return [row for row in portal.jobs() if row.kind == "push_status"]


# Credits


def test_a_message_that_was_never_paid_for_frees_no_credits_when_it_expires(idle):
    idle.add_sender("cast")
    limit_credits(idle, 0)
    message = queued(idle)
    assert message.status == "held" and "credits" in message.reason
    with idle.database.write() as session:
        session.execute(update(Message).values(expires_at=clock.now() - timedelta(seconds=1)))
    Clockwork(idle.parts).recover()
    assert idle.messages()[0].status == "expired"
    assert wallet(idle) == (0, 0, 0), "an expired message made credits out of nothing"


def test_a_held_message_that_fails_on_release_gives_its_credits_back(idle):
    sender = idle.add_sender("cast")
    limit_credits(idle, 5)
    queued(idle)
    with idle.database.write() as session:
        senders.pause(session, sender, "a test")
    work(idle, SEND)
    assert idle.messages()[0].status == "held" and wallet(idle) == (4, 1, 0)
    with idle.database.write() as session:
        session.add(OptOut(location_id=1, family="sms", address=CONTACT, source="a person", created_at=clock.now()))
        session.flush()
        senders.resume(session, sender)
    work(idle, GHL)
    work(idle, SEND)
    assert idle.messages()[0].status == "failed"
    assert wallet(idle) == (5, 0, 0), "its hold is never released"


def test_a_failure_of_one_part_frees_the_credits_of_those_that_never_went(idle):
    idle.add_sender("simulator")
    message = queued(idle, "Three parts", attachments=FILES)
    first = send_jobs(idle)[0]
    accept(idle, first, begin_call(idle, first), "sim-one")
    with idle.database.write() as session:
        take_receipt(session, session.get_one(Sender, 1), Receipt("sim-one", Outcome.FAILED), None)
    work(idle, SEND)
    assert idle.messages()[0].status == "failed"
    assert Status.QUEUED not in {part.status for part in idle.parts_of(message)}
    assert wallet(idle) == (0, 0, 0), "failed is free, and nothing of it is held"


def test_what_was_charged_late_and_then_failed_is_free(idle):
    idle.add_sender("simulator")
    message = queued(idle)
    due = send_jobs(idle)[0]
    begin_call(idle, due)
    part_id = idle.parts_of(message)[0].id
    with idle.database.write() as session:
        part = lock_part(session, message.id, part_id)
        move_part(session, part, Status.UNKNOWN, who="a test")
        follow_parts(session, part.message, who="a test")
        part.sending_at = clock.now() - timedelta(hours=73)
    Clockwork(idle.parts).look_for_lost()
    assert wallet(idle) == (0, 0, 0), "after 72 hours the hold is released"
    for outcome, expected in ((Outcome.SENT, (-1, 0, 1)), (Outcome.FAILED, (0, 0, 0))):
        with idle.database.write() as session:
            apply_receipt(session, lock_part(session, message.id, part_id), Receipt("x", outcome), "a test")
        assert wallet(idle) == expected


# Results and receipts


@pytest.mark.parametrize(
    "poison",
    [
        Accepted("sim-poison", segments=10**30),
        Accepted("sim-\ud800"),
        Accepted("sim-\x00"),
        ChannelError("no", code="\ud83d"),
        ChannelError("n\x00o"),
    ],
    ids=[
        "huge count",
        "half a surrogate in the id",
        "NUL in the id",
        "half a surrogate in the code",
        "NUL in the text",
    ],
)
def test_one_providers_odd_answer_loses_no_other_result(idle, monkeypatch, poison):
    idle.add_sender("simulator", is_default=True)
    numbers = [f"+6391755502{n:02}" for n in range(12)]
    contacts = [idle.sandbox.ghl.directory.add(PLACE.id, {"phone": number})[0] for number in numbers]
    together, real = threading.Barrier(12), Simulator.send

    def send(self, http, account, part):
        together.wait(120)
        if part.text == "poison":
            if isinstance(poison, ChannelError):
                raise poison
            return poison
        return real(self, http, account, part)

    monkeypatch.setattr(Simulator, "send", send)
    for place, contact in enumerate(contacts):
        idle.sandbox.deliveries.send("poison" if place in (3, 7) else "innocent", contact=contact)
    idle.start()
    kinds = ("apply", "send")
    eventually(lambda: not [row for row in idle.jobs() if row.kind in kinds], what="nothing left to apply or send")
    innocent = {message.status for message in idle.messages() if message.body == "innocent"}
    assert innocent <= {"accepted", "sent", "delivered"}, "an accepted message was taken for unknown"


def test_a_failed_part_is_told_to_highlevel_when_the_last_part_is_accepted(idle):
    idle.add_sender("simulator")
    message = queued(idle, "Two parts", attachments=FILES[:1])
    one, two = send_jobs(idle)
    accept(idle, one, begin_call(idle, one), "sim-one")
    passed = begin_call(idle, two)
    with idle.database.write() as session:
        take_receipt(session, session.get_one(Sender, 1), Receipt("sim-one", Outcome.FAILED), None)
    accept(idle, two, passed, "sim-two")
    assert idle.messages()[0].status == "failed"
    assert [row.subject for row in pushes_wanted(idle)] == [message.id], "HighLevel shows it pending for ever"


def test_a_receipt_beside_its_result_is_not_lost(idle):
    """The receipt looks for its message before the result is committed, and the result for receipts before it is."""
    if idle.database.sqlite:
        pytest.skip("one writer at a time")
    idle.add_sender("simulator")
    queued(idle)
    due = send_jobs(idle)[0]
    passed = begin_call(idle, due)
    with idle.database.write() as session:
        take_receipt(session, session.get_one(Sender, 1), Receipt("sim-one", Outcome.DELIVERED), None)
        with ThreadPoolExecutor(1) as other:
            writing = other.submit(accept, idle, due, passed, "sim-one")
            time.sleep(0.5)  # the result either ends now or waits for us
    writing.result(20)
    with idle.database.write() as session:  # the provider repeats itself, or the poll asks again
        take_receipt(session, session.get_one(Sender, 1), Receipt("sim-one", Outcome.DELIVERED), None)
    Clockwork(idle.parts).look_for_lost()
    assert idle.messages()[0].status == "delivered"


def test_a_doubt_survives_a_pause_of_the_sender(portal):
    portal.sandbox.faults.arm("cast.send", "half_answer", times=1)
    portal.sandbox.deliveries.send("Once")
    eventually(lambda: portal.statuses().get("unknown"), what="unknown")
    with portal.database.write() as session:
        senders.pause(session, 1, "a test")
    time.sleep(2.5)
    with portal.database.write() as session:
        senders.resume(session, 1)
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="the same key asked again")
    assert len(portal.sandbox.cast.accepted()) == 1


def test_an_unknown_message_does_not_hold_up_its_conversation(portal, monkeypatch):
    real = Cast.send

    def send(self, http, account, part):
        if part.text == "doubtful":
            raise ChannelError("no answer", scope=Scope.SENDER, retry=True, unknown=True)
        return real(self, http, account, part)

    monkeypatch.setattr(Cast, "send", send)
    monkeypatch.setattr("portal.messaging.results.DOUBT_ASIDE", timedelta(seconds=1))
    portal.sandbox.deliveries.send("doubtful")
    eventually(lambda: portal.statuses().get("unknown"), what="unknown")
    portal.sandbox.deliveries.send("clear")
    eventually(lambda: portal.sandbox.cast.accepted(), what="the next message out")


# What a person decides


def doubt(portal, message, number=0):
    """The outcome of one part's call becomes unknown."""
    due = send_jobs(portal)[number]
    passed = begin_call(portal, due)
    with portal.database.write() as session:
        write_results(session, [Result(due, passed, ChannelError("silence", unknown=True), False, True, False)])


def test_sending_again_after_the_hold_was_released_is_paid_for(idle):
    idle.add_sender("simulator")
    limit_credits(idle, 1)
    message = queued(idle)
    doubt(idle, message)
    with idle.database.write() as session:
        session.execute(update(Part).values(sending_at=clock.now() - timedelta(hours=73)))
    Clockwork(idle.parts).look_for_lost()
    assert wallet(idle) == (1, 0, 0)
    with idle.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    due = send_jobs(idle)[0]
    accept(idle, due, begin_call(idle, due), "sim-one")
    assert wallet(idle) == (0, 0, 1)


def test_a_rest_sent_again_through_a_paused_sender_goes_out_later(idle):
    sender = idle.add_sender("simulator")
    message = queued(idle, "Two parts", attachments=FILES[:1])
    first = send_jobs(idle)[0]
    accept(idle, first, begin_call(idle, first), "sim-one")
    doubt(idle, message)
    with idle.database.write() as session:
        senders.pause(session, sender, "a test")
    with idle.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    with idle.database.write() as session:
        senders.resume(session, sender)
    Clockwork(idle.parts).recover()
    Clockwork(idle.parts).look_for_lost()
    assert send_jobs(idle), f"{idle.messages()[0].status}, and nothing will ever move it"


# Holding and releasing


def test_a_message_held_while_the_app_is_being_installed_is_released(database_url, sandbox, tmp_path):
    """Its event reads "not installed", the installation releases what is held, then the event commits."""
    from tests.portal import Portal

    portal = Portal(database_url, sandbox, tmp_path)
    try:
        if portal.database.sqlite:
            pytest.skip("one writer at a time")
        portal.add_sender("cast")
        portal.sandbox.deliveries.send("Welcome")
        due = next(due_of(row) for row in portal.jobs() if row.kind == "apply")
        # The installation may wait for the event: its thread is waited for after the event's transaction.
        with ThreadPoolExecutor(1) as other, portal.database.write() as session:
            Apply(portal.database, Context(portal.settings, portal.parts.vault))._one(session, due)
            installing = other.submit(lambda: (portal.install(), work(portal, GHL)))
            time.sleep(1)
        installing.result(30)
        Clockwork(portal.parts).recover()
        Clockwork(portal.parts).look_for_lost()
        work(portal, GHL)
        work(portal, SEND)
        assert portal.messages()[0].status == "queued", "held for want of an installation that is there"
    finally:
        portal.close()


# Tokens


def expire(portal, kind="location"):
    with portal.database.write() as session:
        session.execute(update(Grant).where(Grant.kind == kind).values(expires_at=clock.now(), refreshing_until=None))


def consent(portal, owner):
    code = portal.sandbox.ghl.grants.mint_code(owner)
    granted = portal.parts.oauth.exchange_code(code, portal.settings.redirect_uri)
    with portal.database.write() as session:
        return grants.save(session, portal.parts.vault, granted, consented=True)


def grant_state(portal, kind="location"):
    with portal.session() as session:
        return session.scalars(select(Grant.state).where(Grant.kind == kind)).one()


def test_minting_renews_the_agencys_token_without_locking_itself_out(idle):
    consent(idle, Owner(PLACE.company_id))
    expire(idle, "company")
    with idle.session() as session:
        location = session.get_one(Location, 1)
    minting = threading.Thread(target=idle.parts.tokens.mint, args=(location,), daemon=True)
    minting.start()
    minting.join(120)
    assert not minting.is_alive(), "the whole portal hangs: it waits for the write lock that it holds"


def test_no_transaction_is_open_while_a_token_is_minted(idle, monkeypatch):
    consent(idle, Owner(PLACE.company_id))
    real, wrote = idle.parts.oauth.location_token, []

    def location_token(*asked):
        def write():
            with idle.database.write() as session:
                session.execute(update(Location).where(Location.id == 1).values(name="still here"))
            wrote.append(True)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        writer.join(3)
        assert wrote, "nothing can be written during a call to HighLevel"
        return real(*asked)

    monkeypatch.setattr(type(idle.parts.oauth), "location_token", lambda _, *asked: location_token(*asked))
    with idle.session() as session:
        location = session.get_one(Location, 1)
    idle.parts.tokens.mint(location)


def test_a_refresh_that_fails_late_does_not_kill_a_new_installation(idle, monkeypatch):
    expire(idle)

    def refresh(_self, *_asked):
        consent(idle, Owner(PLACE.company_id, PLACE.id))  # a person installs again meanwhile
        raise GhlError(Kind.GRANT_DEAD)

    monkeypatch.setattr(type(idle.parts.oauth), "refresh", refresh)
    with suppress(NoToken):
        idle.parts.tokens.for_location(PLACE.id)
    assert grant_state(idle) == "active"
    assert idle.parts.tokens.for_location(PLACE.id)


def test_a_refresh_that_ends_late_does_not_replace_a_new_installations_tokens(idle, monkeypatch):
    expire(idle)

    def refresh(_self, *_asked):
        consent(idle, Owner(PLACE.company_id, PLACE.id))
        return TokenGrant("old-access", "old-refresh", clock.now() + timedelta(days=1))

    monkeypatch.setattr(type(idle.parts.oauth), "refresh", refresh)
    idle.parts.tokens.for_location(PLACE.id)
    with idle.session() as session:
        kept = session.scalars(select(Grant).where(Grant.kind == "location")).one()
    assert idle.parts.vault.open(kept.refresh_token) != "old-refresh"


def test_a_token_minted_during_an_uninstallation_is_not_kept(idle, monkeypatch):
    consent(idle, Owner(PLACE.company_id))
    real = type(idle.parts.oauth).location_token

    def location_token(self, *asked):
        granted = real(self, *asked)
        idle.sandbox.deliveries.uninstall(PLACE.id)
        with ThreadPoolExecutor(1) as other:
            other.submit(work, idle, APPLY).result(20)
        return granted

    with idle.session() as session:
        location = session.get_one(Location, 1)
    monkeypatch.setattr(type(idle.parts.oauth), "location_token", location_token)
    minting = threading.Thread(target=lambda: _quietly(idle.parts.tokens.mint, location), daemon=True)
    minting.start()
    minting.join(30)
    assert not minting.is_alive()
    with idle.session() as session:
        assert session.get_one(Location, 1).install_state == "uninstalled"


def _quietly(call, *asked):
    with suppress(Exception):
        call(*asked)


# Into HighLevel


def post(portal, body, key=None, action="receive", **more):
    key = key or portal.sender_key(portal.add_sender("simulator", name="line"))
    return requests.post(f"{portal.url}/webhooks/sms/simulator/{key}/{action}", json=body, timeout=30, **more)


def test_a_refused_look_up_does_not_end_the_doubt_about_a_post(portal):
    portal.sandbox.faults.arm("ghl.add_inbound", "half_answer", times=1)
    portal.sandbox.faults.arm("ghl.list_messages", "status", status=429, times=1)
    post(portal, {"id": "in-1", "from": "+639175550101", "text": "Yes please"})
    eventually(lambda: portal.messages("in") and not portal.jobs(), what="queue empty")
    assert len(portal.sandbox.ghl.mailbox.messages(direction="inbound")) == 1


def test_a_message_from_a_name_reaches_highlevel(portal):
    post(portal, {"id": "otp-1", "from": "MYBANK", "text": "Your code is 123"})
    eventually(lambda: portal.sandbox.ghl.mailbox.messages(direction="inbound"), what="in HighLevel")


def test_an_inbound_message_is_not_dropped_after_three_days(idle):
    sender = idle.add_sender("simulator")
    post(idle, {"id": "in-1", "from": "+639175550101", "text": "Still here"}, idle.sender_key(sender))
    work(idle, APPLY)
    with idle.database.write() as session:
        session.execute(
            update(Job).where(Job.kind == "post_message").values(created_at=clock.now() - timedelta(days=4))
        )
    idle.sandbox.faults.arm("ghl.*", "status", status=422, times=None)
    work(idle, GHL)
    assert [row.kind for row in idle.jobs() if row.kind == "post_message"], "inbound posts have no time-to-live"


def test_a_status_that_is_always_too_early_is_asked_ever_more_rarely(idle, monkeypatch):
    queued(idle)  # no sender: failed at once
    monkeypatch.setattr("portal.ghl.client.GhlClient.update_status", _too_early)
    with idle.database.write() as session:
        session.execute(update(Job).where(Job.kind == "push_status").values(attempts=500))
    work(idle, GHL)
    waiting = pushes_wanted(idle)[0].run_at - clock.now()
    assert waiting > timedelta(minutes=1), "one deleted message takes a request every 2 seconds for ever"


def _too_early(*_asked, **_more):
    raise GhlError(Kind.TOO_EARLY, status=403)


# The queue


def lanes(portal, *rows):
    with portal.database.write() as session:
        enqueue(session, [job(SEND, "send", number, lane, **more) for number, (lane, more) in enumerate(rows, 1)])


def gate(portal, key, **values):
    with portal.database.write() as session:
        session.add(Gate(**{"key": key, "pace": 0.0, "burst": 1.0, "failures": 0, "reason": ""} | values))


def test_an_open_gate_behind_it_takes_no_job_through_a_closed_one(idle):
    gate(idle, "sender:1", blocked_until=clock.now() + timedelta(minutes=5))
    gate(idle, "sender:2")
    lanes(idle, ("out:1", {"gate": "sender:1"}), ("out:1", {"gate": "sender:2"}))
    taken = claim(idle.database, SEND, "a test", Limits(10, 10, 10), {}).lanes
    assert [due.gate for lane in taken for due in lane] == [], "the provider asked for a pause"


def test_a_sick_sender_with_a_long_queue_does_not_starve_the_others(idle):
    gate(idle, "sender:1", failures=3)
    rows = [(f"out:{number}", {"gate": "sender:1"}) for number in range(200)]
    lanes(idle, *rows, ("out:healthy", {"gate": "sender:2"}))
    limits = Limits(2, 1, 2)
    first = claim(idle.database, SEND, "a test", limits, {}).lanes  # the probe, which is under way from now on
    found = first + claim(idle.database, SEND, "a test", limits, {}).lanes
    assert "out:healthy" in {due.lane for lane in found for due in lane}


def test_two_workers_apply_an_event_once(idle):
    if idle.database.sqlite:
        pytest.skip("one writer at a time")
    key = idle.sender_key(idle.add_sender("simulator"))
    post(idle, {"from": "+639175550101", "text": "No id of its own"}, key)
    due = next(due_of(row) for row in idle.jobs())
    apply = Apply(idle.database, Context(idle.settings, idle.parts.vault))
    with ThreadPoolExecutor(1) as other:
        with idle.database.write() as session:
            apply._one(session, due)
            session.flush()
            second = other.submit(apply, [due])  # its lease had run out while this process stood still
            time.sleep(0.5)
        second.result(20)
    assert len(idle.messages("in")) == 1


# The journal


def entry(number=0, **more):
    body = json.dumps({"type": "INSTALL", "locationId": f"loc{number}", "companyId": "c"}).encode()
    return Entry("ghl", f"ghl:loc{number}", body, **more)


def test_a_clock_that_was_set_back_loses_nothing_of_the_spool(idle):
    ahead = time.time_ns() + 3600 * 10**9
    idle.parts.spool.append([entry(1, received_ns=ahead), entry(2, received_ns=ahead + 1)])
    drain(idle.database, idle.parts.spool)
    assert len(idle.events()) == 2, "answered 200, and not in the journal"
    assert not list(idle.parts.spool.folder.glob("*.torn"))


def test_evidence_of_forgeries_is_forgotten_in_time(idle):
    Evidence().refuse(idle.parts, entry(1, verified=False), "forged")
    with idle.database.write() as session:
        session.execute(update(Event).values(received_at=clock.now() - timedelta(days=400)))
    Clockwork(idle.parts).purge()
    assert not [event for event in idle.events() if event.body]


# Requests from outside

DEEP = b"[" * 100_000
BODIES = {
    "empty": b"",
    "spaces": b"   ",
    "not JSON": b"\x00\xff\xfe",
    "cut": b'{"type": "SMS", "messageId": "',
    "a list": b"[]",
    "a number": b"1e999",
    "a huge number": b'{"type": ' + b"9" * 6000 + b"}",
    "huge number as id": b'{"type":"SMS","messageId":'
    + b"9" * 5000
    + b',"locationId":"l","contactId":"c","message":"x"}',
    "deep lists": DEEP,
    "deep in a field": b'{"type": "SMS", "message": ' + DEEP,
    "deep and whole": b'{"type":"INSTALL","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "NUL": b'{"type":"SMS","locationId":"l\\u0000","contactId":"c","messageId":"m","message":"a\\u0000b"}',
    "half a surrogate": b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"m1","message":"\\ud83d"}',
    "invalid UTF-8": b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"m2","message":"\xc3\x28"}',
    "long ids": json.dumps(
        {"type": "SMS", "locationId": "l" * 9999, "contactId": "c" * 9999, "messageId": "m"}
    ).encode(),
    "ids of wrong types": b'{"type":"SMS","locationId":[],"contactId":{},"messageId":true,"message":"x"}',
    "type of a wrong type": b'{"type":{"a":1},"locationId":"l","messageId":"m"}',
    "message is a list": b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"m3","message":["x"]}',
    "attachments of wrong types": b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"4","attachments":[{}]}',
    "odd times": b'{"type":"UNINSTALL","locationId":"l","timestamp":"0001-01-01T00:00:00+14:00"}',
    "time out of range": b'{"type":"INSTALL","locationId":"l","companyId":"c","timestamp":1e300}',
    "time beyond the last year": b'{"type":"INSTALL","locationId":"l2","timestamp":"9999-12-31T23:59:59-14:00"}',
    "tags of wrong types": b'{"type":"ContactTagUpdate","locationId":"l","id":"c","tags":[null,{},"\\ud800"]}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"type":"SMS"}'.encode("utf-16"),
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(50_000)) + b"}",
    "twice the same key": b'{"type":"SMS","type":"INSTALL","messageId":"a","messageId":"b"}',
    "a long text": json.dumps(
        {"type": "SMS", "locationId": "l", "contactId": "c", "messageId": "m5", "message": "x" * 900_000}
    ).encode(),
    "name beyond its column": json.dumps(
        {
            "type": "INSTALL",
            "locationId": "l3",
            "companyId": "c2",
            "companyName": "n" * 5000,
            "whitelabelDetails": {"domain": "d" * 5000},
        }
    ).encode(),
    "phone of odd digits": '{"type":"SMS","locationId":"l","contactId":"c","messageId":"m6","phone":"+٦٣٩"}'.encode(),
}


def test_nothing_that_highlevel_signs_is_refused_or_stops_the_worker(idle):
    idle.start()
    for name, body in BODIES.items():
        headers = {"X-GHL-Signature": idle.sandbox.key.sign(body), "Content-Type": "application/json"}
        answer = requests.post(f"{idle.url}/webhooks/ghl", data=body, headers=headers, timeout=60)
        assert answer.status_code == 200, name
    eventually(lambda: not [row for row in idle.jobs() if row.kind == "apply"], what="all judged")
    events = idle.events()
    assert len(events) == len(BODIES)
    assert EventState.PENDING not in {event.state for event in events}
    for event in events:
        assert "portal failed" not in event.note, (event.body[:80], event.note)


def test_nothing_that_a_provider_sends_stops_the_worker(idle):
    url = f"{idle.url}/webhooks/sms/simulator/{idle.sender_key(idle.add_sender('simulator'))}"
    odd = {
        "half a surrogate": b'{"id":"1","from":"+639175550101","text":"\\ud83d"}',
        "NUL in the id": b'{"id":"a\\u0000","from":"+639175550101","text":"x"}',
        "NUL in the sender": b'{"id":"2","from":"BANK\\u0000","text":"x"}',
        "NUL in the text": b'{"id":"3","from":"BANK","text":"x\\u0000y"}',
        "long sender": json.dumps({"id": "4", "from": "B" * 5000, "text": "x"}).encode(),
        "form": b"id=5&from=%2B639175550101&text=%00%ff",
    }
    for name, body in odd.items():
        assert requests.post(f"{url}/receive", data=body, timeout=60).status_code == 200, name
    for body in (b'{"id":"a\\u0000","status":"sent"}', b'{"id":"\\ud800","status":"sent","detail":"\\u0000"}'):
        assert requests.post(f"{url}/status", data=body, timeout=60).status_code == 200
    idle.start()
    eventually(lambda: not [row for row in idle.jobs() if row.kind == "apply"], what="all judged")
    for event in idle.events():
        assert "portal failed" not in event.note, (event.body[:80], event.note)
    assert len(idle.messages("in")) == len(odd), "a message that can be shown is not set aside for one odd character"


@pytest.mark.parametrize("key", ["%00", "x%00y", "%ED%A0%80", "k" * 5000, "unknown"])
def test_an_address_that_nobody_has_keeps_nothing(idle, key):
    answer = requests.post(f"{idle.url}/webhooks/sms/simulator/{key}/receive", data=b"x" * 1000, timeout=60)
    assert answer.status_code == 404
    assert idle.events() == [], "anybody can fill the journal"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_webhook_takes_nothing_but_posts(idle, method):
    answer = requests.request(method, f"{idle.url}/webhooks/ghl", timeout=60)
    assert answer.status_code == (200 if method == "OPTIONS" else 405)
    assert idle.events() == []


def test_strangers_cannot_fill_the_spool_during_an_outage(idle, monkeypatch):
    """What nobody can verify may not take the room of what HighLevel has signed."""
    idle.parts.spool.max_bytes = 200_000

    def away(*_asked, **_more):
        raise TimeoutError

    monkeypatch.setattr(type(idle.database), "read", away)
    monkeypatch.setattr(type(idle.database), "write", away)
    for size in (20_000, 2_000, 200, 20):
        for number in range(20):
            requests.post(f"{idle.url}/webhooks/sms/cast/guess{number}/receive", data=b"x" * size, timeout=60)
    assert idle.sandbox.deliveries.send("Genuine").answers[0].status == 200


def test_sender_of_another_location_is_never_used(idle):
    other = world.DEMO_LOCATIONS[1]
    idle.install(other)
    stranger = idle.add_sender("cast", place=other)
    idle.add_sender("cast", name="own")
    message = queued(idle)
    with idle.database.write() as session:
        session.execute(update(Message).where(Message.id == message.id).values(sender_id=stranger))
    work(idle, SEND)
    assert idle.sandbox.cast.accepted() == []


def test_the_same_contact_id_in_two_locations_is_two_contacts(idle):
    idle.add_sender("cast")
    one = queued(idle, "one")
    two = queued(idle, "two", fields={"locationId": world.DEMO_LOCATIONS[1].id})
    assert one.location_id != two.location_id and one.conversation_id != two.conversation_id


def test_a_row_that_the_database_refuses_does_not_get_into_the_log(idle):
    with pytest.raises(IntegrityError) as refused, idle.database.write() as session:
        session.add(OptOut(location_id=None, family="sms", address="BANK", source="her words", created_at=clock.now()))
    record = logging.LogRecord("portal", logging.ERROR, "x", 1, "failed", None, refused._excinfo)
    line = JsonFormatter().format(record)
    assert "opt_out" in line and "her words" not in line and "BANK" not in line
