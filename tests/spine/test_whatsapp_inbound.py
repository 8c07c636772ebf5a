"""Everything a WhatsApp line receives: kept as what it is, linked to what it speaks of, told to HighLevel in words."""

from datetime import timedelta

from portal.channels.base import Outcome
from portal.channels.content import About, AddressKind, File, Kind, Peer, Relation
from portal.models import Address, Contact, LedgerEntry, Message, OptOut, Sender
from tests import pretend
from tests.hand import work
from tests.portal import PLACE
from tests.pretend import ANNA, BEN, GROUP, LID


def test_every_kind_comes_in_once_and_is_said_in_words(line):
    line.hear("Here we are", "m1", kind=Kind.LOCATION, details={"latitude": 52.5, "longitude": 13.4, "name": "Café"})
    line.hear("", "m2", kind=Kind.CONTACT, details={"contacts": [{"name": "Ben", "phones": [BEN]}]})
    line.hear("", "m3", kind=Kind.STICKER, files=[File("", name="s.webp", fault="It is gone.")])
    line.hear("{{SWE001}}", "m4", kind=Kind.UNREADABLE, code="SWE001")
    line.hear("", "m5", kind=Kind.UNSUPPORTED, details={"type": "hologram"})
    line.hear("", "m6", kind=Kind.VIDEO, files=[File("", fault="The file is larger than 100 MB.")])
    for _ in range(2):
        line.hear("Here we are", "m1", kind=Kind.LOCATION)
    line.settle()
    assert line.shown("inbound") == [
        "Location\nHere we are\nCafé\nhttps://www.google.com/maps?q=52.5,13.4",
        f"Contact\nBen, {BEN}",
        "Sticker\n[s.webp could not be received. It is gone.]",
        "{{SWE001}} (SWE001)",
        "A message of a kind that cannot be shown here (hologram): ask for it in words, or see it on the line's phone.",
        "Video\n[file could not be received. The file is larger than 100 MB.]",
    ]
    assert [each.kind for each in line.rows()] == [
        "location", "contact", "sticker", "unreadable", "unsupported", "video",
    ]  # fmt: skip
    assert [each.credits for each in line.rows()] == [1, 1, 1, 0, 0, 2]
    assert line.row("m1").details["name"] == "Café" and line.row("m4").marker == "SWE001"


def test_a_reply_a_reaction_and_its_end_name_what_they_are_about(line):
    line.hear("See you at ten", "m1")
    line.about(Relation.REPLY, "m1", Kind.TEXT, "Make it eleven", "r1")
    line.about(Relation.REACTION, "m1", Kind.REACTION, "👍", "r2")
    line.about(Relation.REACTION, "m1", Kind.REACTION, "", "r3")
    line.hear("and this?", "r4", about=About(Relation.REPLY, "long-ago", "the old offer"))
    line.settle()
    assert line.shown() == [
        "See you at ten",
        "> See you at ten\nMake it eleven",
        "👍 to “See you at ten”",
        "Took back the reaction to “See you at ten”",
        "> the old offer\nand this?",
    ]
    first = line.row("m1")
    assert {each.about_id for each in line.rows(Message.about_relation != "")} == {first.id, None}
    assert [each.credits for each in line.rows()] == [1, 1, 0, 0, 1]


def test_an_edit_and_a_deletion_leave_the_first_text_where_it_was(line):
    line.hear("Table for tow", "m1")
    line.settle()
    line.about(Relation.EDIT, "m1", Kind.EDIT, "Table for two", "e1")
    line.about(Relation.EDIT, "m1", Kind.EDIT, "Table for three", "e2")
    line.about(Relation.DELETION, "m1", Kind.DELETION, own_id="d1")
    line.settle()
    assert line.shown()[1:] == [
        "Edited: Table for two (was: Table for tow)",
        "Edited: Table for three (was: Table for two)",
        "Deleted: “Table for tow”",
    ]
    first = line.row("m1")
    assert first.body == "Table for tow" and first.edited_at and first.deleted_at


def test_what_comes_before_its_message_is_linked_when_that_comes(line):
    line.about(Relation.EDIT, "m1", Kind.EDIT, "Two", "e1")
    line.about(Relation.REACTION, "m1", Kind.REACTION, "👍", "r1")
    line.settle()
    assert [each.about_id for each in line.rows()] == [None, None]
    line.hear("Tow", "m1")
    line.settle()
    first = line.row("m1")
    assert {each.about_id for each in line.rows(Message.id != first.id)} == {first.id} and first.edited_at


def test_a_reaction_to_what_we_sent_finds_it_also_when_our_id_came_later(line):
    from portal.messaging.relations import link_orphans

    line.hear("Hello", "m1")
    line.settle()
    contact = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    line.portal.sandbox.deliveries.send("See you at ten", contact=contact)
    line.about(Relation.REACTION, "out-x", Kind.REACTION, "👍", "r1")
    line.channel.outcomes = [pretend.Accepted("out-x")]
    line.settle()
    with line.portal.database.write() as session:
        assert link_orphans(session) == 1
    (sent,) = line.rows(Message.direction == "out")
    assert line.row("r1").about_id == sent.id
    line.about(Relation.REACTION, "out-x", Kind.REACTION, "🎉", "r2")
    line.settle()
    assert line.shown("inbound")[-1] == "🎉 to “See you at ten”"


def test_a_group_is_one_contact_and_its_authors_are_named(line):
    group = {"sender": GROUP, "sender_kind": AddressKind.GROUP, "name": "Book club"}
    line.hear("Who brings cake?", "g1", author=Peer(AddressKind.PHONE, "+49 151 12345678", "Anna"), **group)
    line.hear("STOP", "g2", author=Peer(AddressKind.LID, LID, "Ben"), **group)
    line.settle()
    assert line.shown() == [f"Anna ({ANNA}): Who brings cake?", "Ben: STOP"]
    assert line.everything(OptOut) == []
    ours = [each for each in line.portal.sandbox.ghl.directory.of_location(PLACE.id) if each.name == "Book club"]
    assert [(each.phone, each.tags) for each in ours] == [("", [])]
    assert [(each.kind, each.value) for each in line.everything(Address)] == [("group", GROUP)]
    assert {each.address_kind for each in line.rows()} == {"group"}
    assert line.row("g1").author_address == ANNA and line.row("g2").author_address == LID


def test_a_person_without_a_number_is_a_contact_without_a_number(line):
    line.hear("Hi", "l1", sender=LID, sender_kind=AddressKind.LID, name="Zoë")
    line.hear("Again", "l2", sender=LID, sender_kind=AddressKind.LID, name="Zoë K.")
    line.hear("", "l3", sender="77", sender_kind=AddressKind.LID, name="", kind=Kind.IMAGE)
    line.settle()
    made = [each for each in line.portal.sandbox.ghl.directory.of_location(PLACE.id) if not each.phone]
    assert [(each.name, each.phone) for each in made] == [("Zoë", ""), ("WhatsApp contact 77", "")]
    assert [each.value for each in line.everything(Address)] == [LID, "77"]
    posted = [call for call in line.portal.sandbox.records.calls() if "contacts" in call.path]
    assert not any("upsert" in call.path for call in posted)
    line.hear("STOP", "l4", sender=LID, sender_kind=AddressKind.LID)
    line.settle()
    assert [each.address for each in line.everything(OptOut)] == [LID]


def test_a_button_may_say_stop_and_a_reaction_may_not(line):
    line.hear("", "t1", kind=Kind.REACTION, about=About(Relation.REACTION, "m1", "STOP"), details={"text": "STOP"})
    line.hear("STOP", "t2", kind=Kind.UNREADABLE)
    line.hear("STOP", "t3", from_us=True)
    line.settle()
    assert line.everything(OptOut) == []
    line.hear("", "t4", kind=Kind.TAP, details={"id": "7", "text": "Stop"})
    line.settle()
    assert [each.address for each in line.everything(OptOut)] == [ANNA]


def test_a_call_is_one_line_whatever_is_heard_of_it(line):
    call = {"kind": Kind.CALL, "details": {"state": "ringing", "video": True}}
    line.hear("", "c1", **call)
    line.apply()
    line.hear("Are you there?", "m1")
    line.hear("", "c1", kind=Kind.CALL, details={"state": "missed"})
    line.hear("", "c1", **call)
    line.settle()
    assert sorted(line.shown()) == ["Are you there?", "Incoming video call, missed"]
    line.hear("", "c2", **call)
    line.settle()
    assert line.shown()[-1] == "Incoming video call"
    line.hear("", "c2", kind=Kind.CALL, details={"state": "answered"})
    line.settle()
    assert len(line.shown()) == 3 and line.row("c2").details == {"state": "answered", "video": True}
    line.hear("", "c3", kind=Kind.CALL, details={"state": "declined"})
    line.hear("", "c3", **call)
    line.settle()
    assert line.shown()[-1] == "Incoming call, declined" and len(line.rows(Message.kind == "call")) == 3


def test_a_call_that_rings_keeps_nobody_waiting(line):
    line.hear("", "c1", kind=Kind.CALL, details={"state": "ringing"})
    line.hear("Pick up!", "m1")
    for _ in range(6):
        work(line.portal)
    assert line.shown() == ["Pick up!"]


def test_history_is_kept_and_shown_but_is_no_news(line):
    linked = line.time.now()
    with line.portal.database.write() as session:
        session.get_one(Sender, line.sender).line_since = linked
    line.hear("STOP", "o1", at=linked - timedelta(days=400))
    line.hear("Typed long ago", "o2", at=linked - timedelta(days=1), from_us=True)
    line.hear("Just before the link was seen", "o3", at=linked - timedelta(minutes=2))
    line.settle()
    assert line.shown() == ["Just before the link was seen"]
    assert line.everything(OptOut) == []
    assert [(each.backfilled, each.credits) for each in line.rows()] == [(True, 0), (True, 0), (False, 1)]
    assert len(line.everything(LedgerEntry)) == 1
    assert line.row("o1").provider_at == linked - timedelta(days=400)


def test_a_line_that_was_never_linked_has_no_history(line):
    line.hear("Old but new to us", "o1", at=line.time.now() - timedelta(days=2))
    line.settle()
    assert line.shown() == ["Old but new to us"]


def test_at_most_twenty_a_day_are_charged(line):
    for number in range(25):
        line.hear(f"word {number}", f"m{number}")
    line.settle()
    assert sum(each.credits for each in line.rows()) == 20


def test_what_no_column_takes_is_kept_all_the_same(line):
    line.hear("nul \x00", "m1", kind=Kind.LOCATION, details={"name": "a\x00b", "deep": [[[]]], "n": None}, name="N\x00")
    line.hear("x" * 5000, "m2", about=About(Relation.REPLY, "y" * 300, "z" * 9000), code="c" * 100)
    line.settle()
    assert [each.state for each in line.portal.events()] == ["applied", "applied"]
    assert line.row("m1").details["name"] == "a�b"


def test_an_answer_from_highlevel_quotes_what_it_answers(line):
    line.hear("See you at ten?", "m1")
    line.settle()
    contact = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    line.portal.sandbox.deliveries.send("Yes", contact=contact, fields={"replyToAltId": "m1"})
    line.portal.sandbox.deliveries.send("No such thing", contact=contact, fields={"replyToAltId": "elsewhere"})
    line.settle()
    yes, no = line.rows(Message.direction == "out")
    assert (yes.about_relation, yes.about_external_id, yes.about_id) == ("reply", "m1", line.row("m1").id)
    assert (yes.about_text, yes.status) == ("See you at ten?", "accepted")
    assert (no.about_relation, no.about_external_id) == ("", None)


def test_receipts_move_what_was_typed_on_the_phone(line):
    line.receipt("p1", Outcome.DELIVERED)
    line.hear("I am on my way", "p1", from_us=True)
    line.settle()
    (message,) = line.rows()
    assert (message.direction, message.status, message.from_us, message.credits) == ("out", "delivered", True, 0)
    line.receipt("p1", Outcome.READ)
    line.settle()
    (there,) = line.portal.sandbox.ghl.mailbox.messages()
    assert (there.direction, there.text, there.status) == ("outbound", "I am on my way", "read")
    assert line.channel.sent == [] and line.everything(LedgerEntry) == []
    assert [each.ghl_contact_id is not None for each in line.everything(Contact)] == [True]


def test_what_was_heard_before_the_phone_was_linked_anew_is_news_still(line):
    """It came over the link of then, and is applied late: it was set aside, or the worker was away."""
    line.hear("Over the first link", "m1", at=line.time.now())
    with line.portal.database.write() as session:
        session.get_one(Sender, line.sender).line_since = line.time.now() + timedelta(hours=1)
    line.settle()
    assert line.shown() == ["Over the first link"] and not line.row("m1").backfilled


def test_history_that_is_quicker_than_our_look_at_the_link_is_no_news(line):
    with line.portal.database.write() as session:
        session.get_one(Sender, line.sender).line_unlinked_at = line.time.now()
    line.time.forward(seconds=10)
    line.hear("From last year", "o1", at=line.time.now() - timedelta(days=300))
    line.hear("Typed last year", "o2", at=line.time.now() - timedelta(days=299), from_us=True)
    line.hear("Hello", "m1", at=line.time.now())
    line.settle()
    assert line.shown() == ["Hello"]
