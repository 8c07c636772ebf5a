"""One person behind two addresses: put together on the provider's word, on record, and taken apart by a person."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from portal.channels.content import AddressKind, Peer
from portal.errors import InvalidInput, NotFound
from portal.messaging import merging, senders
from portal.messaging.silence import why as silence_of
from portal.models import Address, Contact, ContactMerge, Conversation, Message, OptOut, Sender
from tests.hand import work
from tests.portal import PLACE, eventually
from tests.pretend import ANNA, BEN, LID

ID = {"sender": LID, "sender_kind": AddressKind.LID}
SAME = (Peer(AddressKind.LID, LID),)


def undo(line, merge_id=1):
    with line.portal.database.write() as session:
        merging.undo(session, merge_id, "anna@example.com")


def owners(line) -> dict[str, int]:
    return {each.value: each.contact_id for each in line.everything(Address)}


def threads(line) -> dict[str, int]:
    return {each.external_id or each.body: each.conversation_id for each in line.rows()}


def test_an_id_that_is_told_with_its_number_is_learnt(line):
    line.hear("Hello", "m1", same_as=SAME)
    line.hear("Still me", "m2", **ID)
    line.settle()
    assert len(line.everything(Contact)) == 1 and set(owners(line)) == {ANNA, LID}
    (merge,) = line.everything(ContactMerge)
    assert (merge.kind, merge.value, merge.by_value, merge.from_id) == ("lid", LID, ANNA, None)
    assert merge.event_id == 1 and "pretend" in merge.who and merge.undone_at is None
    assert len({each.contact_id for each in line.portal.sandbox.ghl.mailbox.messages()}) == 1


def test_two_contacts_become_one_and_both_threads_of_highlevel_lead_to_it(line):
    line.hear("With my number", "m1")
    line.hear("Without it", "m2", **ID)
    line.settle()
    old = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    assert len(set(threads(line).values())) == 2
    line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.settle()
    assert len(set(threads(line).values())) == 1 and len(set(owners(line).values())) == 1
    first, second = line.everything(Contact)
    assert second.merged_into_id == first.id
    texts = {each.text: each.contact_id for each in line.portal.sandbox.ghl.mailbox.messages()}
    assert texts["It is me"] == texts["With my number"] == first.ghl_contact_id
    line.portal.sandbox.deliveries.send("An answer in the old thread", contact=old)
    line.settle()
    (answer,) = line.rows(Message.direction == "out")
    assert answer.conversation_id == threads(line)["m1"] and answer.status == "accepted"


def test_what_waits_goes_along(line):
    line.hear("With my number", "m1")
    line.settle()
    line.hear("a", "m2", **ID)
    line.hear("b", "m3")
    line.apply()
    line.hear("c", "m4", same_as=SAME)
    line.apply()
    assert {each.lane for each in line.portal.jobs()} == {f"in:{threads(line)['m1']}"}
    line.settle()
    assert sorted(line.shown()) == ["With my number", "a", "b", "c"] and line.shown()[-1] == "c"


def test_taken_apart_each_has_its_own_again_and_stays_apart(line):
    line.hear("With my number", "m1")
    line.hear("Without it", "m2", **ID)
    line.settle()
    before = owners(line), threads(line)
    line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.hear("On the number", "m4")
    line.apply()
    undo(line)
    line.hear("It is me again", "m5", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.settle()
    assert owners(line) == before[0]
    now = threads(line)
    assert {each: now[each] for each in before[1]} == before[1]
    assert now["m3"] == now["m5"] == now["m2"] and now["m4"] == now["m1"]
    (merge,) = line.everything(ContactMerge)
    assert merge.undone_by == "anna@example.com"
    texts = {each.text: each.contact_id for each in line.portal.sandbox.ghl.mailbox.messages()}
    assert texts["It is me"] == texts["Without it"] != texts["On the number"] == texts["With my number"]
    rows = {each.id: each for each in line.everything(Conversation)}
    assert rows[now["m5"]].last_text == "It is me again" and rows[now["m4"]].last_text == "On the number"
    assert [rows[now[each]].unread for each in ("m1", "m2")] == [2, 3]
    with pytest.raises(InvalidInput):
        undo(line)
    with pytest.raises(NotFound):
        undo(line, 99)


def test_an_address_that_was_only_learnt_gets_a_contact_of_its_own(line):
    line.hear("Hello", "m1", same_as=SAME)
    line.hear("Without my number", "m2", **ID)
    line.settle()
    undo(line)
    line.hear("Who am I?", "m3", same_as=SAME)
    line.hear("And I?", "m4", **ID)
    line.settle()
    assert len(set(owners(line).values())) == 2
    now = threads(line)
    assert now["m1"] == now["m3"] != now["m2"] == now["m4"]


def test_merges_one_after_the_other_are_taken_apart_in_any_order(line):
    third = {"sender": "555", "sender_kind": AddressKind.LID}
    line.hear("a", "m1")
    line.hear("b", "m2", **ID)
    line.hear("c", "m3", **third)
    line.settle()
    before = owners(line), threads(line)
    line.hear("d", "m4", same_as=SAME, **third)
    line.hear("e", "m5", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.settle()
    assert len(set(owners(line).values())) == 1
    undo(line, 1)
    undo(line, 2)
    line.settle()
    assert owners(line) == before[0]
    assert {each: threads(line)[each] for each in before[1]} == before[1]


def test_a_group_or_a_name_is_nobodys_other_address(line):
    line.hear("a", "m1", same_as=[Peer(AddressKind.GROUP, "1@g.us"), Peer(AddressKind.SENDER_ID, "BANK")])
    line.hear("b", "m2", sender="1@g.us", sender_kind=AddressKind.GROUP, same_as=[Peer(AddressKind.PHONE, BEN)])
    line.settle()
    assert line.everything(ContactMerge) == [] and len(line.everything(Contact)) == 2


@pytest.mark.parametrize("way", ["merge", "undo"])
def test_a_message_that_waited_for_the_merge_lands_where_its_address_is_then(line, way):
    """On PostgreSQL transactions run side by side: one has found the conversation, the other takes it away."""
    database = line.portal.database
    if database.sqlite:
        pytest.skip("SQLite has one writer")
    line.hear("With my number", "m1")
    line.hear("Without it", "m2", **ID)
    if way == "undo":
        line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.apply()
    line.hear("Where do I belong?", "m4", **ID)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            if way == "undo":
                merging.undo(session, 1, "anna@example.com")
            else:
                sender = session.get_one(Sender, line.sender)
                merging.learn(session, sender, Peer(AddressKind.PHONE, ANNA), SAME, None)
            session.flush()
            waiting = pool.submit(line.apply)
            eventually(lambda: _waits(database), what="it waits for the conversation")
        waiting.result(30)
    now = threads(line)
    assert (now["m4"] == now["m1"]) is (way == "merge") and now["m4"] == now["m2"]
    assert owners(line)[LID] == {each.id: each.contact_id for each in line.everything(Conversation)}[now["m4"]]


def _waits(database) -> bool:
    with database.read() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_what_waits_is_let_go_also_where_it_is_merged_meanwhile(line):
    """The job that lets a conversation go finds it put together with another one."""
    line.hear("With my number", "m1")
    line.hear("Without it", "m2", **ID)
    line.settle()
    with line.portal.database.write() as session:
        senders.pause(session, line.sender, "a person paused it")
    contact = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    line.portal.sandbox.deliveries.send("Held", contact=contact)
    line.apply()
    old = threads(line)["m2"]
    line.time.forward(minutes=30)
    with line.portal.database.write() as session:
        senders.resume(session, line.sender)
    work(line.portal, "ghl")
    assert [each.subject for each in line.portal.jobs() if each.kind == "release"] == [old]
    line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.apply()
    line.settle()
    assert threads(line)["m2"] != old and [each.text for each in line.channel.sent] == ["Held"]


def test_taken_apart_each_has_its_own_silence(line):
    line.hear("Hello", "m1")
    line.hear("STOP", "m2", **ID)
    line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.apply()
    undo(line)
    line.settle()
    people = owners(line)
    (silence,) = line.everything(OptOut)
    assert silence.address == LID and silence.contact_id == people[LID]
    line.hear("START", "m4")
    line.settle()
    (silence,) = line.everything(OptOut)
    assert silence.lifted_at is None, "somebody else's START"
    with line.portal.session() as session:
        assert silence_of(session, silence.location_id, "whatsapp", ANNA, people[ANNA]) == ""
        assert silence_of(session, silence.location_id, "whatsapp", LID, people[LID])


def test_highlevels_word_on_the_other_of_two_that_became_one_counts(line):
    """HighLevel goes on having two contacts, and a person may set DND on, or delete, either."""
    line.hear("With my number", "m1")
    line.hear("Without it", "m2", **ID)
    line.settle()
    other = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.settle()
    dnd = {"dndSettings": {"WhatsApp": {"status": "active"}}}
    assert line.portal.sandbox.deliveries.contact_event("ContactDndUpdate", other, **dnd).taken
    line.apply()
    one = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-2]
    line.portal.sandbox.deliveries.send("Buy now", contact=one)
    line.settle()
    assert line.channel.sent == [] and line.rows(Message.direction == "out")[0].error_code == "opted_out"
    dnd["dndSettings"]["WhatsApp"]["status"] = "inactive"
    for each, words in ((other, "Not yet"), (one, "Hello again")):
        line.portal.sandbox.deliveries.contact_event("ContactDndUpdate", each, **dnd)
        line.portal.sandbox.deliveries.send(words, contact=one)
        line.settle()
    assert [each.text for each in line.channel.sent] == ["Hello again"], "the refusal was written on the first one"


def test_taken_apart_each_has_its_own_dnd(line):
    line.hear("With my number", "m1")
    line.hear("Without it", "m2", **ID)
    line.settle()
    other = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    line.hear("It is me", "m3", same_as=[Peer(AddressKind.PHONE, ANNA)], **ID)
    line.settle()
    dnd = {"dndSettings": {"WhatsApp": {"status": "active"}}}
    line.portal.sandbox.deliveries.contact_event("ContactDndUpdate", other, **dnd)
    line.apply()
    undo(line)
    people = owners(line)
    with line.portal.session() as session:
        location = session.get_one(Sender, line.sender).location_id
        assert silence_of(session, location, "whatsapp", LID, people[LID])
        assert silence_of(session, location, "whatsapp", ANNA, people[ANNA]) == ""
