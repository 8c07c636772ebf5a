"""Opt-outs whole: by words, providers, HighLevel and people, for every address, before anything goes out."""

import threading
from datetime import timedelta

import flask_migrate
import pytest
import requests
import sqlalchemy as sa
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from portal import clock, create_app
from portal.alerts.notices import SCOPES_MISSING
from portal.channels.base import ChannelError
from portal.channels.content import AddressKind
from portal.channels.simulator.client import Simulator
from portal.config import ROOT
from portal.extensions import db
from portal.ghl.client import GhlClient
from portal.ghl.dnd import Dnd, DndChannel
from portal.messaging import composing, contacts, dnd, dnd_heard, optouts, senders
from portal.messaging.fence import open_fence
from portal.migrate import upgrade
from portal.models import (
    Address,
    Alert,
    Contact,
    ContactDnd,
    Conversation,
    Job,
    Location,
    Message,
    OptOut,
    Origin,
    Part,
    Sender,
)
from portal.queue.jobs import APPLY, GHL, SEND
from portal.sandbox import world
from tests.hand import settle, work
from tests.portal import PLACE, eventually, settings_for

MARIA = world.DEMO_PEOPLE[0][0][1]
STRANGER = "+639175559999"
LID = "123456789012345"


@pytest.fixture
def line(by_hand, time):
    """One installed location with one sender, and the hands that move its work."""
    by_hand.install()
    by_hand.add_sender("simulator", is_default=True)
    by_hand.time = time
    return by_hand


def writes(portal, words, number=MARIA, **more):
    """A customer writes, and it is applied."""
    url = f"{portal.url}/webhooks/sms/simulator/{portal.sender_key(1)}/receive"
    assert requests.post(url, json={"from": number, "text": words, **more}, timeout=60).ok
    work(portal, APPLY)


def agent_writes(portal, words="See you at ten", **more):
    portal.sandbox.deliveries.send(words, contact=maria(portal), **more)
    work(portal, APPLY)


def maria(portal):
    return portal.sandbox.ghl.directory.find(PLACE.id, MARIA)


def rows(portal, model=OptOut):
    with portal.session() as session:
        return list(session.scalars(select(model).order_by(model.id)))


def standing(portal):
    return [row for row in rows(portal) if row.lifted_at is None]


def refused(portal):
    """Every outbound message has failed for the opt-out, nothing of it reached a provider, and HighLevel shows so."""
    messages = portal.messages()
    told = portal.sandbox.ghl.mailbox.messages(direction="outbound")
    return (
        bool(messages)
        and all((each.status, each.error_code) == ("failed", "opted_out") for each in messages)
        and all(part.attempt == 0 for each in messages for part in portal.parts_of(each))
        and all("opted out" in each.reason for each in messages)
        and all(each.status == "failed" and "opted out" in each.error["message"] for each in told if each.posted_at)
    )


def heard(portal, kind="ContactDndUpdate", contact=None, **fields):
    """HighLevel tells of a contact."""
    assert portal.sandbox.deliveries.contact_event(kind, contact or maria(portal), **fields).taken
    work(portal, APPLY)


# Evidence


def test_a_stop_is_kept_with_who_when_and_the_message_and_a_start_with_its_own(line):
    writes(line, "Stop!! 🛑", id="m1")
    (row,) = rows(line)
    message = line.messages("in")[0]
    assert (row.origin, row.message_id, row.words, row.address) == ("words", message.id, "Stop!! 🛑", MARIA)
    assert row.contact_id and row.source == "the contact wrote Stop!! 🛑" and row.lifted_at is None
    writes(line, "stop", id="m2")
    assert len(rows(line)) == 1, "once"
    writes(line, "Start, please? No: START", id="m3")
    assert standing(line), "only the whole message counts"
    writes(line, "start", id="m4")
    (row,) = rows(line)
    assert row.lifted_at and row.lifted_by == "the contact wrote start"
    assert row.lifted_message_id == line.messages("in")[-1].id
    agent_writes(line)
    settle(line, line.time)
    assert line.statuses() == {"accepted": 1}


def test_a_providers_word_is_kept_with_its_code_and_sentence(line, monkeypatch):
    def refuse(self, http, account, part):
        raise ChannelError("The recipient has unsubscribed.", code="21610", opted_out=True)

    monkeypatch.setattr(Simulator, "send", refuse)
    agent_writes(line, "One")
    settle(line, line.time)
    (row,) = rows(line)
    assert (row.origin, row.code, row.detail) == ("provider", "21610", "The recipient has unsubscribed.")
    assert row.message_id == line.messages()[0].id and row.contact_id
    monkeypatch.undo()
    agent_writes(line, "Two")
    settle(line, line.time)
    assert line.messages()[1].error_code == "opted_out" and "Simulator said 21610" in line.messages()[1].reason
    assert maria(line).dnd["SMS"]["status"] == "active"


def test_a_sub_accounts_own_words_count_instead_of_the_usual_ones(line):
    with line.database.write() as session:
        session.execute(update(Location).values(stop_words="STOP\nCANCEL", start_words="WEITER"))
    writes(line, "cancel", id="1")
    assert len(standing(line)) == 1
    writes(line, "start", id="2")
    assert len(standing(line)) == 1
    writes(line, "Weiter.", id="3")
    assert standing(line) == []


def inbound(session, conversation_id, address, body="STOP", **more):
    """An inbound message as it is written by whoever takes it."""
    location_id, family = 1, session.scalar(select(Sender.family))
    values = {"direction": "in", "position": 1, "status": "received", "status_at": clock.now(), "kind": "text"}
    message = Message(
        location_id=location_id, conversation_id=conversation_id, family=family, address=address, body=body,
        created_at=clock.now(), **(values | more),
    )  # fmt: skip
    session.add(message)
    session.flush()
    return message


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (AddressKind.GROUP, {}),
        (AddressKind.SENDER_ID, {}),
        (AddressKind.PHONE, {"direction": "out"}),
        (AddressKind.PHONE, {"kind": "image"}),
        (AddressKind.PHONE, {"kind": "vote"}),
        (AddressKind.PHONE, {"attachments": ["https://a.example/stop.png"]}),
    ],
)
def test_what_is_no_word_of_the_contact_to_us(line, kind, more):
    with line.database.write() as session:
        contact, _ = contacts.for_address(session, 1, kind, MARIA)
        place = contacts.conversation(session, 1, contact.id)
        message = inbound(session, place.id, MARIA, **more)
        optouts.notice(session, session.get_one(Location, 1), message, contact.id, kind)
    assert rows(line) == []


# Whom it silences


def test_every_address_of_the_contact_and_no_other_family(line):
    with line.database.write() as session:
        session.execute(update(Sender).values(family="whatsapp"))
        contact, _ = contacts.for_address(session, 1, AddressKind.LID, LID)
        session.add(Address(location_id=1, contact_id=contact.id, kind="phone", value=MARIA, created_at=clock.now()))
        place = contacts.conversation(session, 1, contact.id)
        message = inbound(session, place.id, LID)
        optouts.notice(session, session.get_one(Location, 1), message, contact.id, AddressKind.LID)
    assert [(row.family, row.address) for row in standing(line)] == [("whatsapp", LID)]
    agent_writes(line, "To the phone")
    settle(line, line.time)
    assert refused(line)
    assert maria(line).dnd == {"WhatsApp": {"status": "active", "message": "the contact wrote STOP", "code": ""}}
    with line.database.write() as session:
        session.execute(update(Sender).values(family="sms"))
    agent_writes(line, "By SMS")
    settle(line, line.time)
    assert line.messages()[-1].status == "accepted"


@pytest.mark.parametrize("family", ["sms", "whatsapp", "viber"])
@pytest.mark.parametrize("how", ["address", "contact", "sibling"])
def test_the_fence_asks_for_all_of_them(line, family, how):
    """However the opt-out names the person; written behind the back of everything but the fence."""
    with line.database.write() as session:
        session.execute(update(Sender).values(family=family))
    agent_writes(line)
    (message,) = line.messages()
    with line.database.write() as session:
        contact_id = session.scalar(select(Conversation.contact_id))
        named = {"address": {"address": MARIA}, "contact": {"address": "", "contact_id": contact_id}}
        sibling = Address(location_id=1, contact_id=contact_id, kind="lid", value=LID, created_at=clock.now())
        session.add(sibling)
        values = named.get(how, {"address": LID})
        session.add(OptOut(location_id=1, family=family, source="a test", created_at=clock.now(), **values))
    with line.database.write() as session:
        assert open_fence(session, [part.id for part in line.parts_of(message)]) == {}
    settle(line, line.time)
    assert refused(line)


def test_another_tenants_opt_out_and_a_lifted_one_stop_nothing(line):
    other = line.install(world.DEMO_LOCATIONS[1])
    with line.database.write() as session:
        optouts.add(session, other, "sms", MARIA, "a test")
        optouts.add(session, 1, "viber", MARIA, "a test")
        optouts.add(session, 1, "sms", MARIA, "a test")
        assert optouts.lift(session, 1, "sms", MARIA, "a person", reason="they called") == 1
    agent_writes(line)
    settle(line, line.time)
    assert line.statuses() == {"accepted": 1}


def test_two_rows_that_become_one_contact_keep_the_opt_out(line):
    with line.database.write() as session:
        known = contacts.for_ghl(session, 1, "known", None)
        contacts.conversation(session, 1, known.id)
        stranger, _ = contacts.for_address(session, 1, AddressKind.PHONE, STRANGER)
        contacts.conversation(session, 1, stranger.id)
        optouts.add(session, 1, "sms", STRANGER, "a test")
        contacts.identify(session, stranger, "known")
    (row,) = rows(line)
    assert row.contact_id == known.id
    assert [(each.contact_id, each.wanted) for each in rows(line, ContactDnd)][-1] == (known.id, "on")
    with line.session() as session:
        assert optouts.why(session, 1, "sms", "+639170000000", known.id)


# Before anything goes out


@pytest.mark.parametrize("family", ["sms", "whatsapp", "viber"])
@pytest.mark.parametrize("way", ["queued", "scheduled", "held", "paused", "composed", "bulk"])
def test_what_waits_when_the_stop_comes_is_not_sent_and_highlevel_hears(line, family, way):
    with line.database.write() as session:
        session.execute(update(Sender).values(family=family))
        if way == "paused":
            senders.pause(session, 1, "a test")
    if way == "held":
        line.add_sender("simulator", name="second")
        with line.database.write() as session:
            session.execute(update(Sender).values(is_default=False, family=family))
    if way in ("composed", "bulk", "scheduled"):
        to = (MARIA, "+639185550102") if way == "bulk" else (MARIA,)
        at = clock.now() + timedelta(days=2) if way == "scheduled" else None
        with line.session() as session:
            place = session.get_one(Location, 1)
        draft = composing.Draft(to, "Closed on Monday", "anna@example.com", scheduled_at=at)
        composing.compose(line.database, line.parts.journal, place, draft)
        work(line, APPLY)
    else:
        agent_writes(line)
    waiting = {"held": "held", "paused": "held"}.get(way, "queued")
    assert set(line.statuses()) == {waiting}
    writes(line, "STOP", id="1")
    if way == "held":  # which sender, and with it which family, is chosen now
        with line.database.write() as session:
            senders.make_default(session, 1)
    for _ in range(4):
        work(line, SEND, GHL)
    message = line.messages()[0]
    assert (message.status, message.error_code, message.credits and message.held) == ("failed", "opted_out", False)
    assert all(part.attempt == 0 for part in line.parts_of(message))
    with line.session() as session:
        assert session.scalar(select(Conversation.held_reason).where(Conversation.id == message.conversation_id)) == ""
        assert way == "bulk" or session.scalar(text("SELECT held FROM wallet")) == 0, "its credits are free"
    if way in ("queued", "held", "paused"):
        settle(line, line.time)
        assert refused(line)
    if way == "bulk":
        settle(line, line.time)
        assert [each.status for each in line.messages()] == ["failed", "accepted"]


def test_an_opted_out_contact_is_refused_at_once_even_where_it_would_be_held(line):
    writes(line, "STOP", id="1")
    with line.database.write() as session:
        senders.pause(session, 1, "a test")
        session.execute(update(Conversation).values(held_reason="something"))
    agent_writes(line)
    assert line.messages()[0].error_code == "opted_out"


def test_a_message_of_which_a_part_is_out_ends_where_it_is(line):
    agent_writes(line, attachments=["https://a.example/a.png"])
    (message,) = line.messages()
    first = line.parts_of(message)[0]
    with line.database.write() as session:
        session.execute(update(Part).where(Part.id == first.id).values(status="delivered"))
        session.execute(update(Message).values(status="sending"))
        session.execute(text("DELETE FROM job WHERE kind = 'send' AND subject = :id"), {"id": first.id})
    writes(line, "STOP", id="1")
    settle(line, line.time)
    message = line.messages()[0]
    assert (message.status, message.error_code) == ("failed", "opted_out")
    assert message.reason.startswith("1 of 2 parts went out.") and line.parts_of(message)[1].attempt == 0


def stop(session):
    row = session.scalars(select(Conversation)).one()
    message = inbound(session, row.id, MARIA)
    optouts.notice(session, session.get_one(Location, 1), message, row.contact_id, AddressKind.PHONE)


def test_a_fence_that_comes_while_a_stop_is_being_committed_stays_shut(line):
    """Either the call comes first, or the opt-out: once that is committed, no fence opens that had not before."""
    agent_writes(line)
    part = line.parts_of(line.messages()[0])[0]
    opened, asking = [], threading.Event()

    def ask():
        asking.set()
        with line.database.write() as session:
            opened.append(open_fence(session, [part.id]))

    with line.database.write() as session:
        stop(session)
        thread = threading.Thread(target=ask)
        thread.start()
        asking.wait()
        if not line.database.sqlite:  # there the writer lock keeps it out from the beginning
            blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            with line.database.engine.connect() as look:
                eventually(lambda: look.scalar(blocked), what="the fence waits for the opt-out")
    thread.join(30)
    assert opened == [{}]
    settle(line, line.time)
    assert refused(line)


def test_a_stop_that_comes_while_a_fence_is_being_committed_is_later_than_the_call(line):
    agent_writes(line)
    part = line.parts_of(line.messages()[0])[0]
    done = []

    def write():
        with line.database.write() as session:
            stop(session)
        with line.session() as session:
            done.append(session.get_one(Message, part.message_id).status)

    with line.database.write() as session:
        assert part.id in open_fence(session, [part.id])
        thread = threading.Thread(target=write)
        thread.start()
        if not line.database.sqlite:
            blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            with line.database.engine.connect() as look:
                eventually(lambda: look.scalar(blocked), what="the opt-out waits for the fence")
    thread.join(30)
    assert done == ["sending"], "when the opt-out is committed the call has begun"


# HighLevel


def test_a_stop_is_written_to_highlevel_and_a_start_takes_it_off_and_neither_comes_back(line):
    maria(line).tags[:] = ["vip"]
    writes(line, "STOP", id="1")
    settle(line, line.time)
    assert [row.wanted for row in rows(line, ContactDnd)] == [""] and rows(line, ContactDnd)[0].told_at
    assert maria(line).dnd == {"SMS": {"status": "active", "message": "the contact wrote STOP", "code": ""}}
    assert maria(line).tags == ["vip"]
    eventually(lambda: "ContactDndUpdate" in str(line.events()[-1].body), what="our own write comes back")
    settle(line, line.time)
    assert line.events()[-1].note == "contact updated" and len(rows(line)) == 1
    writes(line, "START", id="2")
    settle(line, line.time)
    assert maria(line).dnd["SMS"]["status"] == "inactive"
    eventually(lambda: sum("ContactDndUpdate" in str(each.body) for each in line.events()) == 2, what="and again")
    settle(line, line.time)
    assert standing(line) == [] and len(rows(line)) == 1
    assert line.sandbox.records.count("ghl.update_contact") == 2, "nothing is written in answer"


def test_only_the_newest_wish_is_written(line):
    agent_writes(line)
    settle(line, line.time)
    for number, word in enumerate(("STOP", "START", "STOP")):
        writes(line, word, id=str(number))
    settle(line, line.time)
    assert line.sandbox.records.count("ghl.update_contact") == 1 and maria(line).dnd["SMS"]["status"] == "active"


def test_what_is_wished_while_the_opposite_is_being_written_is_written_after_it(line, monkeypatch):
    """The call for START is under way when the next STOP comes: HighLevel must not be left with START."""
    agent_writes(line)
    writes(line, "STOP", id="1")
    settle(line, line.time)
    told, calls = GhlClient.update_dnd, []

    def meanwhile(self, token, contact, channel, on, note):
        calls.append(on)
        if len(calls) == 1:
            writes(line, "STOP", id="3")
        told(self, token, contact, channel, on, note)

    monkeypatch.setattr(GhlClient, "update_dnd", meanwhile)
    writes(line, "START", id="2")
    work(line, GHL)
    settle(line, line.time)
    assert calls == [False, True] and standing(line) and maria(line).dnd["SMS"]["status"] == "active"
    assert [(row.known, row.wanted) for row in rows(line, ContactDnd)] == [("on", "")]


def test_an_event_that_is_older_than_what_we_wrote_changes_nothing(line):
    """The echo of a STOP that comes after its START: nobody has opted out again."""
    agent_writes(line)
    for number, word in enumerate(("STOP", "START")):
        writes(line, word, id=str(number))
        settle(line, line.time)
    with line.database.write() as session:
        contact = session.scalars(select(Contact)).one()
        [row] = session.scalars(select(ContactDnd))
        assert (row.known, row.wanted) == ("off", "")
        old = row.told_at - timedelta(seconds=1)
        assert dnd_heard.hear(session, contact, Dnd({DndChannel.SMS: True}), old) == []
        assert row.known == "off"
        assert dnd_heard.hear(session, contact, Dnd({DndChannel.SMS: True}), clock.now()) == ["opted out of sms"]


def test_it_is_tried_until_highlevel_takes_it(line):
    agent_writes(line)
    settle(line, line.time)
    line.sandbox.faults.arm("ghl.update_contact", "status", status=500, times=2)
    writes(line, "STOP", id="1")
    work(line, GHL)
    with line.session() as session:
        assert session.scalar(select(ContactDnd.failure)), "said on the contact's row, not on some message"
        assert not session.scalar(select(Message.push_failure).where(Message.push_failure != ""))
    settle(line, line.time)
    assert maria(line).dnd["SMS"]["status"] == "active" and rows(line, ContactDnd)[0].failure == ""


def test_a_missing_permission_is_named_and_it_waits(line):
    agent_writes(line)
    settle(line, line.time)
    granted = line.sandbox.ghl.grants.scope
    line.sandbox.ghl.grants.scope = granted.replace("contacts.write ", "")
    line.install()
    writes(line, "STOP", id="1")
    work(line, GHL)
    with line.session() as session:
        alert = session.scalars(select(Alert).where(Alert.kind == SCOPES_MISSING)).one()
    assert "contacts.write" in alert.text and [job for job in line.jobs() if job.kind == dnd.KIND]
    line.sandbox.ghl.grants.scope = granted
    line.install()
    settle(line, line.time)
    assert maria(line).dnd["SMS"]["status"] == "active"


def test_a_contact_that_highlevel_does_not_know_is_told_of_once_it_does(line):
    with line.database.write() as session:
        optouts.add(session, 1, "sms", STRANGER, "a test")
        contacts.for_address(session, 1, AddressKind.PHONE, STRANGER)
    settle(line, line.time)
    assert line.sandbox.ghl.directory.find(PLACE.id, STRANGER) is None, "none is made for it"
    writes(line, "Hello?", STRANGER, id="1")
    settle(line, line.time)
    assert line.sandbox.ghl.directory.find(PLACE.id, STRANGER).dnd["SMS"]["status"] == "active"


def test_a_contact_that_was_deleted_there_ends_the_attempt(line):
    agent_writes(line)
    settle(line, line.time)
    with line.database.write() as session:
        session.execute(update(Contact).values(ghl_contact_id="gone"))
        optouts.add(session, 1, "sms", MARIA, "a person")
    work(line, GHL)
    assert [job for job in line.jobs() if job.kind == dnd.KIND] == []
    assert "not found" in rows(line, ContactDnd)[0].failure and standing(line)
    writes(line, "Hello?", id="1")
    settle(line, line.time)
    assert maria(line).dnd["SMS"]["status"] == "active", "it was looked up anew for the message"


def test_dnd_of_a_person_in_highlevel_is_an_opt_out_and_ends_with_it(line):
    agent_writes(line)
    settle(line, line.time)
    maria(line).dnd["SMS"] = {"status": "active", "message": "", "code": ""}
    heard(line)
    heard(line)
    (row,) = rows(line)
    assert (row.origin, row.address, row.by) == ("highlevel", MARIA, "HighLevel") and row.contact_id
    agent_writes(line, "Not now")
    settle(line, line.time)
    assert "DND is on in HighLevel" in line.messages()[1].reason
    assert line.sandbox.records.count("ghl.update_contact") == 0, "what HighLevel says is not told to it"
    maria(line).dnd["SMS"]["status"] = "inactive"
    heard(line)
    assert rows(line)[0].lifted_by == "DND was taken off in HighLevel" and standing(line) == []
    agent_writes(line, "Now")
    settle(line, line.time)
    assert line.messages()[2].status == "accepted"


def test_a_contacts_own_stop_outlives_dnd(line):
    writes(line, "STOP", id="1")
    settle(line, line.time)
    maria(line).dnd["SMS"]["status"] = "inactive"
    heard(line)
    settle(line, line.time)
    assert [row.origin for row in standing(line)] == ["words"]
    assert maria(line).dnd["SMS"]["status"] == "inactive", "and nobody begins a quarrel over it"
    agent_writes(line)
    settle(line, line.time)
    assert line.messages()[0].error_code == "opted_out" and maria(line).dnd["SMS"]["status"] == "inactive"
    with line.database.write() as session:
        assert optouts.lift(session, 1, "sms", MARIA, "anna@example.com", reason="They asked for it by phone") == 1
    assert rows(line)[0].lift_reason == "They asked for it by phone"


def test_what_an_event_does_not_say_changes_nothing(line):
    agent_writes(line)
    settle(line, line.time)
    maria(line).dnd["SMS"] = {"status": "active", "message": "", "code": ""}
    heard(line)
    heard(line, "ContactUpdate", name="Maria S.")  # it tells `dnd: false`, of all channels at once
    assert len(standing(line)) == 1
    old = (clock.now() - timedelta(hours=1)).isoformat()
    maria(line).dnd["SMS"]["status"] = "inactive"
    heard(line, timestamp=old)
    assert len(standing(line)) == 1, "older than what is known"


def test_the_switch_for_all_channels_turns_on_and_off(line):
    agent_writes(line)
    settle(line, line.time)
    heard(line, "ContactUpdate", dnd=True)
    assert sorted(row.family for row in standing(line)) == ["sms", "whatsapp"]
    heard(line, "ContactUpdate", dnd=False)
    assert standing(line) == []


def test_dnd_of_somebody_we_never_met_is_kept_and_others_are_not(line):
    heard(line, dndSettings={"Email": {"status": "active"}, "SMS": {"status": "inactive"}})
    assert rows(line, Contact) == [] and "not known" in line.events()[-1].note
    heard(line, dndSettings={"SMS": {"status": "permanent"}})
    with line.session() as session:
        place = session.get_one(Location, 1)
    composing.compose(line.database, line.parts.journal, place, composing.Draft((MARIA,), "Hi", "anna"))
    work(line, APPLY)
    assert line.messages()[0].error_code == "opted_out"


def test_dnd_is_read_when_a_contact_is_looked_up(line):
    maria(line).dnd["SMS"] = {"status": "active", "message": "", "code": ""}
    writes(line, "Hello", id="1")
    assert rows(line) == []
    settle(line, line.time)
    assert [row.origin for row in standing(line)] == ["highlevel"]


def test_what_was_there_before_our_own_newer_word_is_no_opt_out(line):
    """START is written, DND in HighLevel is still on and not known here: ours is on its way, and counts."""
    with line.database.write() as session:
        contact = contacts.for_ghl(session, 1, maria(line).id, MARIA)
        optouts.add(session, 1, "sms", MARIA, "a test")
        optouts.lift(session, 1, "sms", MARIA, "the contact wrote START", contact.id)
        assert dnd_heard.hear(session, contact, Dnd({dnd.CHANNELS["sms"]: True}), clock.now()) == []
    assert standing(line) == [] and [row.wanted for row in rows(line, ContactDnd)] == ["off"]
    settle(line, line.time)
    assert maria(line).dnd["SMS"]["status"] == "inactive"


def test_who_left_and_came_back_before_highlevel_knew_them_may_be_written_to(line):
    number = line.sandbox.ghl.directory.find(PLACE.id, MARIA)
    number.dnd["SMS"] = {"status": "active", "message": "", "code": ""}
    for count, word in enumerate(("STOP", "START")):
        writes(line, word, id=str(count))
    settle(line, line.time)
    assert standing(line) == [] and number.dnd["SMS"]["status"] == "inactive", "START is newer than what was there"
    assert [row.wanted for row in rows(line, ContactDnd)] == [""]


def test_a_deleted_contact_keeps_the_opt_out_and_the_next_one_is_told(line):
    writes(line, "STOP", id="1")
    settle(line, line.time)
    heard(line, "ContactDelete")
    assert standing(line)
    maria(line).dnd.clear()
    agent_writes(line)  # the person is known there again, under whatever id
    settle(line, line.time)
    assert refused(line) and maria(line).dnd["SMS"]["status"] == "active"


def test_the_same_list_again_is_nothing_new_and_evidence_stays(line):
    at = clock.now() - timedelta(days=3)
    with line.database.write() as session:
        assert optouts.import_listed(session, 1, "sms", [(MARIA, at), (STRANGER, None)], "Cast.ph SMS") == 2
        assert optouts.import_listed(session, 1, "sms", [(MARIA, at), (STRANGER, None)], "Cast.ph SMS") == 0
    first, second = rows(line)
    assert (first.origin, first.since, second.since) == (Origin.IMPORT, at, None)
    with line.database.write() as session:
        optouts.lift(session, 1, "sms", MARIA, "a person")
        assert optouts.import_listed(session, 1, "sms", [(MARIA, at)], "Cast.ph SMS") == 0, "they have come back since"
    assert not [job for job in rows(line, Job) if job.kind == optouts.KIND], "nothing waited for them"


def test_what_an_older_portal_wrote_keeps_its_meaning(empty_url, sandbox, tmp_path):
    settings = settings_for(empty_url, sandbox, tmp_path)
    app = create_app(settings)
    sources = {
        "the contact wrote STOP": "words",
        "Cast.ph SMS said STOPPED to message 1b2c": "provider",
        "on the list of Cast.ph SMS since 2026-01-01 10:00 UTC": "import",
        "a person": "",
    }
    with app.app_context():
        flask_migrate.upgrade(directory=str(ROOT / "migrations"), revision="0001")
        with db.engine.begin() as connection:
            tables = sa.MetaData()
            tables.reflect(connection, only=("location", "opt_out"))
            place = {"ghl_id": "l", "install_state": "installed", "failover": "hold", "created_at": clock.now()}
            blank = ("name", "country", "timezone", "install_event", "install_note", "claimed_company", "plan_id")
            row = place | dict.fromkeys(blank, "") | {"ttl_seconds": 1, "provider_id": ""}
            connection.execute(tables.tables["location"].insert(), row)
            for source in sources:
                values = {"location_id": 1, "family": "sms", "address": MARIA, "source": source, "lifted_by": ""}
                connection.execute(tables.tables["opt_out"].insert(), values | {"created_at": clock.now()})
        db.engine.dispose()
    upgrade(settings)
    with app.app_context():
        with Session(db.engine) as session:
            assert {row.source: row.origin for row in session.scalars(select(OptOut))} == sources
            assert "START" in optouts.why(session, 1, "sms", MARIA, None)
        db.engine.dispose()
