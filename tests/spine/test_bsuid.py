"""Customers whose number WhatsApp does not tell (BSUID), and customers who change it."""

import pytest

from portal.channels.base import Outcome
from portal.channels.content import AddressKind, Kind, Peer
from portal.messaging import merging, opt_out_decisions, optouts
from portal.messaging.outbound import Request, queue_message
from portal.models import Address, Contact, ContactMerge, Location, Message, OptOut, Sender
from tests.cloudy import ANNA, ANNA_ID, send
from tests.hand import work
from tests.portal import PLACE

ID = {"sender": ANNA_ID, "sender_kind": AddressKind.BSUID}
SAME = (Peer(AddressKind.BSUID, ANNA_ID),)
NEW = "+4915199999999"
CHANGED = {"kind": Kind.SYSTEM, "details": {"type": "number_changed", "number": NEW}}


def owners(cloud) -> dict[str, int]:
    return {each.value: each.contact_id for each in cloud.everything(Address)}


def answer(cloud, text, number=""):
    """From the thread in HighLevel, as its user does."""
    person = cloud.portal.sandbox.ghl.directory.of_location(PLACE.id)[-1]
    cloud.portal.sandbox.deliveries.send(text, contact=person)
    cloud.settle()
    return cloud.channel.sent[-1]


def test_who_writes_without_a_number_can_be_answered(cloud):
    cloud.hear("Hello", "m1", **ID)
    cloud.settle()
    (contact,) = cloud.everything(Contact)
    assert contact.name == "Anna" and owners(cloud) == {ANNA_ID: contact.id}
    (there,) = cloud.portal.sandbox.ghl.mailbox.messages(direction="inbound")
    assert there.text == "Hello" and there.contact_id == contact.ghl_contact_id
    sent = answer(cloud, "Hello Anna")
    assert (sent.to, sent.to_kind) == (ANNA_ID, AddressKind.BSUID)
    message = cloud.portal.messages()[-1]
    cloud.receipt(message.external_id or cloud.portal.parts_of(message)[0].external_id, Outcome.READ)
    assert cloud.portal.messages()[-1].status == "read"


def test_the_number_that_is_learnt_later_makes_one_contact_of_two(cloud):
    cloud.hear("Without my number", "m1", **ID)
    cloud.hear("With it", "m2", sender=ANNA)
    cloud.settle()
    assert len(set(owners(cloud).values())) == 2
    cloud.hear("Both", "m3", sender=ANNA, same_as=SAME)
    cloud.settle()
    assert len(set(owners(cloud).values())) == 1
    (merge,) = cloud.everything(ContactMerge)
    assert {merge.kind, merge.by_kind} == {"bsuid", "phone"} and merge.undone_at is None
    assert len({row.conversation_id for row in cloud.rows()}) == 1
    with cloud.portal.database.write() as session:
        merging.undo(session, merge.id, "a person")
    assert len(set(owners(cloud).values())) == 2
    cloud.hear("Both again", "m4", sender=ANNA, same_as=SAME)
    cloud.settle()
    assert len(set(owners(cloud).values())) == 2, "what a person took apart stays apart"


def test_their_stop_holds_for_every_address(cloud):
    cloud.hear("STOP", "m1", **ID)
    cloud.settle()
    (row,) = cloud.everything(OptOut)
    assert row.address == ANNA_ID
    cloud.hear("It is me", "m2", sender=ANNA, same_as=SAME)
    cloud.settle()
    message = send(cloud)
    assert (message.status, message.error_code) == ("failed", optouts.CODE)
    with cloud.portal.session() as session:
        found = opt_out_decisions.address_of(session, session.get_one(Location, 1), ANNA_ID)
    assert found == ANNA_ID


def test_a_sender_that_writes_to_numbers_only_says_so(cloud):
    cloud.hear("Hello", "m1", **ID)
    cloud.settle()
    other = cloud.portal.add_sender("simulator", name="SMS line")
    with cloud.portal.database.write() as session:
        contact = session.get_one(Contact, 1)
        wanted = Request(contact, "", "Hi", 9, cloud.time.now(), named_sender_id=other)
        message = queue_message(session, session.get_one(Location, 1), wanted)
    assert message.status == "failed" and "SMS line writes to phone numbers only" in message.reason


# A number is changed


@pytest.fixture
def changed(cloud):
    cloud.hear("Hello", "m1", sender=ANNA, same_as=SAME)
    cloud.settle()
    cloud.hear("Anna changed from one to another", "s1", sender=ANNA, **CHANGED)
    cloud.settle()
    return cloud


def test_a_new_number_is_on_record_and_gets_the_answers(changed):
    assert set(owners(changed)) == {ANNA, ANNA_ID, NEW} and len(set(owners(changed).values())) == 1
    merge = changed.everything(ContactMerge)[-1]
    assert (merge.kind, merge.value, merge.by_value, merge.from_id) == ("phone", NEW, ANNA, None)
    told = changed.shown("inbound")[-1]
    assert told == (
        f"The customer has changed their number to {NEW}: correct it on the contact. "
        "Answers by WhatsApp go to the new number."
    )
    assert answer(changed, "To your new number").to == NEW, "HighLevel names the old one still"
    changed.hear("From the new one", "m2", sender=NEW)
    changed.settle()
    assert len({row.conversation_id for row in changed.rows()}) == 1


def test_who_goes_back_to_the_first_number_is_answered_there(changed):
    back = {"kind": Kind.SYSTEM, "details": {"type": "number_changed", "number": ANNA}}
    for name in ("s2", "s3"):
        changed.hear("Anna changed back", name, sender=NEW, **back)
        changed.settle()
        assert answer(changed, "To the first one").to == ANNA, "the second may be a stranger's by now"
    assert len(changed.everything(ContactMerge)) == 3, "the BSUID, there and back"
    changed.hear("And once more", "s4", sender=ANNA, **CHANGED)
    changed.settle()
    assert answer(changed, "To the second").to == NEW


def test_it_can_be_undone(changed):
    with changed.portal.database.write() as session:
        merging.undo(session, changed.everything(ContactMerge)[-1].id, "a person")
    assert len(set(owners(changed).values())) == 2
    assert answer(changed, "To the old number").to == ANNA
    changed.hear("again", "s2", sender=ANNA, **CHANGED)
    changed.settle()
    assert len(set(owners(changed).values())) == 2


def test_a_number_that_another_contact_has_merges_nobody(cloud):
    cloud.hear("Hello", "m1", sender=ANNA)
    cloud.hear("I am Ben", "m2", sender=NEW)
    cloud.settle()
    cloud.hear("", "s1", sender=ANNA, **CHANGED)
    cloud.settle()
    assert len(set(owners(cloud).values())) == 2 and cloud.everything(ContactMerge) == []
    assert "another contact has that number already" in cloud.shown("inbound")[-1]
    with cloud.portal.session() as session:
        assert session.get_one(Message, 3).details["held"] is True


def test_a_repeat_changes_nothing_and_costs_nothing(changed):
    before = (len(changed.everything(ContactMerge)), len(changed.rows()))
    changed.hear("Anna changed from one to another", "s1", sender=ANNA, **CHANGED)
    changed.settle()
    assert (len(changed.everything(ContactMerge)), len(changed.rows())) == before
    assert changed.row("s1").credits == 0


@pytest.mark.parametrize("number", ["", "12", "nonsense", ANNA])
def test_a_number_that_is_none_is_only_shown(cloud, number):
    cloud.hear("Hello", "m1", sender=ANNA)
    cloud.hear("changed", "s1", sender=ANNA, kind=Kind.SYSTEM, details={"type": "number_changed", "number": number})
    cloud.settle()
    assert set(owners(cloud)) == {ANNA} and len(cloud.rows()) == 2
    assert work(cloud.portal) == 0


# The id changes with the number, and alone for those whose number is not told

NEXT_ID = "DE.2000000000000000002"
NEXT = {
    "sender": ANNA_ID,
    "sender_kind": AddressKind.BSUID,
    "same_as": (Peer(AddressKind.BSUID, NEXT_ID),),
    "kind": Kind.SYSTEM,
    "details": {"type": "id_changed", "bsuid": NEXT_ID},
}


def test_answers_go_to_the_id_that_somebody_without_a_number_has_now(cloud):
    """The old id opens nothing any more at Meta, and the window that is open is the person's."""
    with cloud.portal.database.write() as session:
        session.get_one(Sender, cloud.sender).window_known_from = cloud.time.now()
    cloud.hear("Hello", "m1", **ID)
    cloud.settle()
    cloud.hear("Anna's id has changed", "s1", **NEXT)
    cloud.settle()
    assert answer(cloud, "To your new id").to == NEXT_ID
    cloud.hear("Written before", "m2", **ID)
    cloud.settle()
    assert answer(cloud, "Still there").to == NEXT_ID, "a webhook that came late brings the old id back"
    assert len(set(owners(cloud).values())) == 1


def test_the_new_id_may_write_before_its_notice_comes(cloud):
    cloud.hear("Hello", "m1", **ID)
    cloud.hear("It is me", "m2", sender=NEXT_ID, sender_kind=AddressKind.BSUID)
    cloud.settle()
    cloud.hear("Anna's id has changed", "s1", **NEXT)
    cloud.settle()
    assert len(set(owners(cloud).values())) == 1
    assert answer(cloud, "Hello again").to == NEXT_ID


def test_ids_that_a_person_took_apart_stay_apart(cloud):
    cloud.hear("Hello", "m1", **ID)
    cloud.hear("Anna's id has changed", "s1", **NEXT)
    cloud.settle()
    with cloud.portal.database.write() as session:
        merging.undo(session, cloud.everything(ContactMerge)[-1].id, "a person")
    cloud.hear("Anna's id has changed", "s2", **NEXT)
    cloud.settle()
    assert len(set(owners(cloud).values())) == 2
    cloud.hear("I am somebody else", "m2", sender=NEXT_ID, sender_kind=AddressKind.BSUID)
    cloud.settle()
    assert cloud.row("m1").conversation_id == cloud.row("s2").conversation_id != cloud.row("m2").conversation_id


def test_the_id_that_comes_with_a_new_number_is_the_same_person(cloud):
    cloud.hear("Hello", "m1", sender=ANNA, same_as=SAME)
    cloud.settle()
    details = CHANGED["details"] | {"bsuid": NEXT_ID}
    cloud.hear("Anna changed", "s1", sender=ANNA, same_as=SAME, **CHANGED | {"details": details})
    cloud.hear("Without my number", "m2", sender=NEXT_ID, sender_kind=AddressKind.BSUID)
    cloud.settle()
    assert set(owners(cloud)) == {ANNA, ANNA_ID, NEW, NEXT_ID} and len(set(owners(cloud).values())) == 1


def test_an_id_that_another_contact_has_merges_nobody(cloud):
    cloud.hear("Hello", "m1", sender=ANNA, same_as=SAME)
    cloud.hear("I am Ben", "m2", sender=NEXT_ID, sender_kind=AddressKind.BSUID)
    cloud.settle()
    details = CHANGED["details"] | {"bsuid": NEXT_ID}
    cloud.hear("Anna changed", "s1", sender=ANNA, same_as=SAME, **CHANGED | {"details": details})
    cloud.settle()
    assert len(set(owners(cloud).values())) == 2 and owners(cloud)[NEXT_ID] != owners(cloud)[NEW]
