"""What goes out besides texts to numbers: groups and LIDs, quotes, captions, places, contacts, polls, buttons."""

import json
import mimetypes

import pytest
from sqlalchemy import select, update

from portal.channels import registry
from portal.channels.content import AddressKind, Content, Kind
from portal.installations.lifecycle import ensure_location
from portal.media import fetching
from portal.media.fetching import Found
from portal.messaging import composing, contacts, kinds, parts, senders
from portal.messaging.outbound import Request, queue_message
from portal.models import Address, Message, Sender, Wallet
from portal.queue.jobs import SEND
from tests import linked
from tests.hand import settle
from tests.linked import Linked, Provider, add_line, serving
from tests.portal import PLACE
from tests.spine.test_installing import COMPANY, consent

NUMBER = "+4915112345678"
LID, GROUP = "120650379300963", "120363043968066561@g.us"
STICKER = "https://pictures.example/d.webp"
PHOTO, FILE, VOICE = (
    "https://pictures.example/a.jpg",
    "https://pictures.example/b.pdf",
    "https://pictures.example/c.ogg",
)


def look(_http, address: str, **_limits) -> Found:
    """As a server of files would answer: what files are is another test's matter."""
    return Found(address.rpartition("/")[2], mimetypes.guess_type(address)[0] or "", 1000)


@pytest.fixture
def provider(monkeypatch):
    linked.register(monkeypatch)
    monkeypatch.setattr(fetching, "look", look)
    with serving(Provider()) as provider:
        yield provider


@pytest.fixture
def portal(by_hand, time, provider):
    """A portal with a linked line that is ready."""
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    by_hand.line = add_line(by_hand, provider)
    settle(by_hand, time, SEND)
    return by_hand


def held_at(portal, kind: AddressKind, value: str, sender: int) -> int:
    """A contact who has written from this address, through this sender."""
    with portal.database.write() as session:
        location = ensure_location(session, PLACE.id)
        contact, _ = contacts.for_address(session, location.id, kind, value)
        contact.ghl_contact_id = f"ghl-{value}"[:40]
        conversation = contacts.conversation(session, location.id, contact.id)
        contacts.remember_route(session, conversation, session.get_one(Sender, sender), kind, value)
        return contact.id


def answer(portal, contact_id: int, text: str = "Hello", phone: str = "", **more) -> Message:
    """A delivery of HighLevel to that contact, as far as queueing."""
    with portal.database.write() as session:
        location = ensure_location(session, PLACE.id)
        contact = session.get_one(contacts.Contact, contact_id)
        position = len(portal.messages()) + 100
        about = more.pop("about", None)
        wanted = Request(contact, phone, text, position, location.created_at, ghl_message_id=f"g{position}", **more)
        message = queue_message(session, location, wanted)
        message.about_external_id = about
        return message


def the(portal, message) -> Message:
    with portal.session() as session:
        return session.get_one(Message, message.id)


@pytest.mark.parametrize(("kind", "value"), [(AddressKind.LID, LID), (AddressKind.GROUP, GROUP)])
def test_a_conversation_without_a_number_is_answered_where_it_is_held(portal, time, provider, kind, value):
    contact = held_at(portal, kind, value, portal.line)
    answer(portal, contact)
    answer(portal, contact, "and again", phone=NUMBER)
    settle(portal, time, SEND)
    assert [(each["to"], each["kind"]) for each in provider.sent] == [(value, kind.value)] * 2, (
        "also when HighLevel has a number for the contact: the conversation is not held there"
    )
    with portal.session() as session:
        used = session.scalars(select(Address.conversation_id).where(Address.value == value)).one()
    assert used is not None


def test_a_number_is_written_to_as_ever(portal, time, provider):
    contact = held_at(portal, AddressKind.PHONE, "+4915199999999", portal.line)
    answer(portal, contact)
    answer(portal, contact, phone=NUMBER)
    settle(portal, time, SEND)
    assert [(each["to"], each["kind"]) for each in provider.sent] == [("+4915199999999", "phone"), (NUMBER, "phone")]


@pytest.mark.parametrize(("kind", "value"), [(AddressKind.LID, LID), (AddressKind.GROUP, GROUP)])
def test_an_sms_never_goes_to_what_is_no_number(portal, time, provider, kind, value):
    contact = held_at(portal, kind, value, portal.line)
    sms = portal.add_sender("simulator", name="SMS line")
    message = answer(portal, contact, named_sender_id=sms)
    assert message.status == "failed"
    assert message.reason.startswith("SMS line writes to phone numbers only, and this is a WhatsApp group or somebody")
    with_number = answer(portal, contact, phone=NUMBER, named_sender_id=sms)
    assert (with_number.status, with_number.address, with_number.address_kind) == ("queued", NUMBER, "phone")


def test_held_for_one_line_and_sent_by_another_it_goes_where_that_one_can_write(portal, time, provider):
    contact = held_at(portal, AddressKind.LID, LID, portal.line)
    with portal.database.write() as session:
        senders.pause(session, portal.line, "on holiday")
    message = answer(portal, contact, phone=NUMBER)
    assert message.status == "held"
    portal.add_sender("simulator", name="SMS line", is_default=True)
    with portal.database.write() as session:
        senders.remove(session, portal.line)
    settle(portal, time)
    row = the(portal, message)
    assert (row.address, row.address_kind, row.family) == (NUMBER, "phone", "sms") and row.status != "held"


def test_what_is_answered_stands_above_the_first_part_where_the_channel_can_say_so(portal, time, provider, monkeypatch):
    contact = held_at(portal, AddressKind.PHONE, NUMBER, portal.line)
    answer(portal, contact, "A text that is too long for a caption", attachments=[PHOTO], about="wamid-7")
    settle(portal, time, SEND)
    assert [each["quotes"] for each in provider.sent] == ["wamid-7", ""]
    monkeypatch.setattr(Linked, "quotes", False)
    answer(portal, contact, "short", about="wamid-7")
    settle(portal, time, SEND)
    assert provider.sent[-1]["quotes"] == ""


# Parts


@pytest.mark.parametrize(
    ("body", "files", "wanted"),
    [
        ("Look", [PHOTO, FILE], [("Look", (PHOTO,), "image"), ("", (FILE,), "document")]),
        ("x" * 20, [FILE], [("x" * 20, (FILE,), "document")]),
        ("x" * 21, [PHOTO], [("x" * 21, (), "text"), ("", (PHOTO,), "image")]),
        ("Listen", [VOICE, PHOTO], [("Listen", (), "text"), ("", (VOICE,), "audio"), ("", (PHOTO,), "image")]),
        ("", [PHOTO], [("", (PHOTO,), "image")]),
        ("Hi", [STICKER], [("Hi", (), "text"), ("", (STICKER,), "sticker")]),
        ("Only this", [], [("Only this", (), "text")]),
    ],
)
def test_a_caption_saves_a_call_where_the_limit_allows_it(body, files, wanted):
    cut = parts.cut(Linked(), "whatsapp", body, files)
    assert [(each.body, each.attachments, each.kind) for each in cut] == wanted


def test_channels_that_name_no_caption_limit_are_cut_as_before():
    cut = parts.cut(registry.get("simulator"), "sms", "Look", [PHOTO])
    assert [(each.body, each.attachments) for each in cut] == [("Look", ()), ("", (PHOTO,))]


def test_prices_follow_the_calls(portal, time, provider):
    contact = held_at(portal, AddressKind.PHONE, NUMBER, portal.line)
    assert answer(portal, contact, "Look", attachments=[PHOTO]).credits == 2
    assert answer(portal, contact, "x" * 21, attachments=[PHOTO]).credits == 3
    settle(portal, time, SEND)
    assert [(each["text"], each["files"]) for each in provider.sent] == [
        ("Look", [PHOTO]),
        ("x" * 21, []),
        ("", [PHOTO]),
    ]
    with portal.session() as session:
        assert session.scalars(select(Wallet.spent)).one() == 5


def test_too_long_a_text_fails_before_anything_is_sent_and_says_what_to_do(portal, time, provider):
    contact = held_at(portal, AddressKind.PHONE, NUMBER, portal.line)
    message = answer(portal, contact, "x" * 201)
    assert (message.status, message.body) == ("failed", "x" * 201)
    assert message.reason == "The message has 201 characters, and Linked phone takes at most 200: shorten it."
    settle(portal, time, SEND)
    assert provider.sent == [] and "push_status" in [job.kind for job in portal.jobs()], "HighLevel is told"


# Written in the portal

POLL = {"question": "When?", "options": ["Monday", "Tuesday"], "multiple": False}
CASES = [
    (["--place", "52.5186,13.4081,Reichstag,Platz der Republik 1, Berlin"], "location", {"name": "Reichstag"}),
    (["--contact", "Berg, Anna,+4915112345678"], "contact", {"contacts": [{"name": "Berg, Anna", "phones": [NUMBER]}]}),
    (["--poll", "When?", "--option", "Monday", "--option", "Tuesday"], "poll", POLL),
    (["--text", "Shall we?", "--button", "Yes", "--button", "No"], "buttons", {}),
]


def run(portal, *words: str):
    return portal.app.test_cli_runner().invoke(args=["send", "--location", PLACE.id, "--to", "09175550101", *words])


@pytest.mark.parametrize(("words", "kind", "has"), CASES, ids=[case[1] for case in CASES])
def test_the_command_line_sends_each_kind(portal, time, provider, words, kind, has):
    answered = run(portal, *words)
    assert answered.exit_code == 0, answered.output
    settle(portal, time, "apply")
    settle(portal, time, SEND)
    (sent,) = provider.sent
    content = sent["content"]
    assert content.pop("kind") == kind and sent["to"] == "+639175550101"
    for name, value in has.items():
        if name == "contacts":
            value = [{**value[0], "organisation": ""}]
        assert content[name] == value
    if kind == "buttons":
        assert sent["text"] == "Shall we?"
        assert [(each["id"], each["text"]) for each in content["buttons"]] == [("1", "Yes"), ("2", "No")]
    (message,) = portal.messages()
    assert (message.kind, message.credits, message.status) == (kind, 1, "accepted")


def test_a_text_before_a_place_is_a_part_of_its_own(portal, time, provider):
    assert run(portal, "--text", "We are here:", "--place", "52.5,13.4").exit_code == 0
    settle(portal, time, "apply")
    settle(portal, time, SEND)
    assert [(each["text"], bool(each["content"])) for each in provider.sent] == [("We are here:", False), ("", True)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--place", "north,13"], "A place is read like"),
        (["--place", "91,13"], "A latitude is from -90 to 90"),
        (["--contact", "Anna"], "A contact is read like"),
        (["--poll", "When?", "--option", "Now"], "2 to 12 options"),
        (["--poll", "When?", "--option", "Now", "--option", "Now"], "each different"),
        (["--option", "Now"], "Options belong to a poll"),
        (["--button", "Yes"], "Buttons need a text"),
        (["--text", "x", *["--button", "Yes"] * 2], "each different"),
        (["--place", "1,1", "--poll", "When?"], "One message is one thing"),
        (["--place", "1,1", "--attachment", PHOTO], "Files go in a message of their own"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_queued(portal, provider, words, told):
    answered = run(portal, *words)
    assert answered.exit_code != 0 and told in answered.output, answered.output
    assert [event for event in portal.events() if event.source == "portal"] == []


def test_a_channel_that_cannot_send_the_kind_refuses_before_anything_is_queued(portal, time, provider):
    sms = portal.add_sender("simulator", name="SMS line")
    answered = run(portal, "--place", "52.5,13.4", "--sender", str(sms))
    assert "SMS line (Simulator) cannot send a location: choose another sender" in answered.output
    with portal.database.write() as session:
        senders.make_default(session, sms)
    assert run(portal, "--place", "52.5,13.4").exit_code == 0, "a sender of the place can send it"
    settle(portal, time, "apply")
    (message,) = portal.messages()
    assert message.status == "failed" and "cannot send a location" in message.reason, "but the routing chose another"


def test_a_poll_that_is_held_goes_out_as_a_poll(portal, time, provider):
    with portal.database.write() as session:
        senders.pause(session, portal.line, "on holiday")
    draft = composing.Draft(["09175550101"], "", "a test", content=Content(Kind.POLL, POLL))
    with portal.session() as session:
        location = ensure_location(session, PLACE.id)
    composing.compose(portal.database, portal.parts.journal, location, draft)
    settle(portal, time, "apply")
    assert portal.messages()[0].status == "held"
    with portal.database.write() as session:
        senders.resume(session, portal.line)
    settle(portal, time)
    assert provider.sent[0]["content"] == {"kind": "poll", **POLL}
    logged = portal.sandbox.ghl.mailbox.messages(direction="outbound")
    assert [each.text for each in logged] == ["Poll: When?\n- Monday\n- Tuesday"], "HighLevel shows it as a text"


def test_many_get_a_poll_each_and_no_bulk_call(portal, time, provider, monkeypatch):
    monkeypatch.setattr(Linked, "bulk_limit", lambda self, credentials: 100, raising=False)
    monkeypatch.setattr(Linked, "send_bulk", None, raising=False)
    answered = run(portal, "--to", "09175550102", "--poll", "When?", "--option", "Monday", "--option", "Tuesday")
    assert answered.exit_code == 0
    settle(portal, time, "apply")
    settle(portal, time, SEND)
    assert [each["content"]["question"] for each in provider.sent] == ["When?", "When?"]


def test_texts_that_no_engine_stores_are_cleaned(portal, time, provider):
    draft = composing.Draft(
        ["09175550101"], "", "a test", content=Content(Kind.POLL, {**POLL, "question": "When\x00?\ud83d"})
    )
    with portal.session() as session:
        location = ensure_location(session, PLACE.id)
    composing.compose(portal.database, portal.parts.journal, location, draft)
    settle(portal, time, "apply")
    settle(portal, time, SEND)
    assert json.dumps(provider.sent[0]["content"]["question"]) == '"When\\ufffd??"'


def test_rows_of_an_older_portal_are_texts(portal, time, provider):
    """Written by the portal before this one while both run: its columns have the database's own defaults."""
    contact = held_at(portal, AddressKind.PHONE, NUMBER, portal.line)
    answer(portal, contact)
    with portal.database.write() as session:
        session.execute(update(Message).values(details={}))
    settle(portal, time, SEND)
    assert provider.sent[0]["content"] is None
    assert kinds.content_of("image", {}) is None
