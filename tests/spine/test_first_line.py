"""Who talked through a line of the replaced adapter goes on talking through it: its tag is read once."""

import pytest

from portal.models import Contact, Message
from portal.sandbox import world
from tests.portal import PLACE


@pytest.fixture
def lines(line):
    """Two lines, the second one known as 1101000002; the first is the default."""
    second = line.portal.add_sender("pretend", name="second")
    line.address_it(line.sender, "1101000001")
    line.address_it(second, "1101000002")
    with line.portal.database.write() as session:
        from portal.messaging import senders

        senders.make_default(session, line.sender)
    line.second = second
    return line


def tag(line, *tags) -> world.Contact:
    contact = line.portal.sandbox.ghl.directory.of_location(PLACE.id)[0]
    contact.tags = list(tags)
    return contact


def asked(line) -> int:
    return len([call for call in line.portal.sandbox.records.calls() if call.path.startswith("/contacts/")])


def test_the_tag_decides_the_first_message_and_is_read_once(lines):
    contact = tag(lines, "vip", "WhatsApp-Instance-1101000002")
    for text in ("one", "two"):
        lines.portal.sandbox.deliveries.send(text, contact=contact)
    lines.settle()
    first, second = lines.rows(Message.direction == "out")
    assert {first.sender_id, second.sender_id} == {lines.second}
    assert first.sender_reason == "the line that the contact's tag names"
    assert [part.text for part in lines.channel.sent] == ["one", "two"]
    assert asked(lines) == 1 and lines.everything(Contact)[0].tags == contact.tags


@pytest.mark.parametrize("word", ["whatsapp-instance-1101000099", "whatsapp-instance-", "vip"])
def test_a_tag_that_names_none_of_our_own_lines_decides_nothing(lines, word):
    other = lines.portal.install(place=world.DEMO_LOCATIONS[1])
    foreign = lines.portal.add_sender("pretend", place=world.DEMO_LOCATIONS[1], name="foreign")
    lines.address_it(foreign, "1101000099")
    assert other
    lines.portal.sandbox.deliveries.send("Hello", contact=tag(lines, word))
    lines.settle()
    (message,) = lines.rows(Message.direction == "out")
    assert (message.sender_id, message.sender_reason) == (lines.sender, "the default sender")


def test_without_an_answer_the_message_goes_on_as_if_there_was_no_tag(lines):
    contact = tag(lines, "whatsapp-instance-1101000002")
    lines.portal.sandbox.ghl.directory._contacts.pop(contact.id)
    lines.portal.sandbox.deliveries.send("Hello", contact=contact)
    lines.settle()
    (message,) = lines.rows(Message.direction == "out")
    assert (message.sender_id, message.status) == (lines.sender, "accepted")


def test_nobody_is_asked_where_there_is_one_line_or_the_conversation_has_its_own(lines):
    contact = tag(lines, "whatsapp-instance-1101000002")
    lines.hear("Hello", "m1", sender=contact.phone)
    lines.settle()
    before = asked(lines)
    lines.portal.sandbox.deliveries.send("Hi", contact=contact)
    lines.settle()
    (message,) = lines.rows(Message.direction == "out")
    assert (message.sender_id, message.sender_reason) == (lines.sender, "the conversation's own sender")
    assert asked(lines) == before
