"""Blue ticks: after a person's answer, at once or never, and never in anybody's way."""

from contextlib import contextmanager

import pytest

from portal.channels.base import ChannelError
from portal.channels.content import AddressKind, Kind, Peer
from portal.messaging import senders
from portal.messaging.reading import KIND
from tests.cloudy import ANNA, send
from tests.hand import work
from tests.pretend import GROUP


def jobs(cloud):
    return [(job.lane, job.attempts) for job in cloud.portal.jobs() if job.kind == KIND]


def set_to(cloud, when):
    with cloud.portal.database.write() as session:
        senders.change(session, cloud.portal.parts.vault, cloud.sender, {"mark_read": when})


@contextmanager
def nothing_marked(cloud):
    before = list(cloud.channel.read)
    yield
    cloud.settle()
    assert cloud.channel.read == before


def test_a_persons_answer_marks_the_newest_message_once(cloud):
    cloud.hear("One", "m1")
    cloud.hear("Two", "m2")
    cloud.settle()
    assert cloud.channel.read == []
    send(cloud, "An answer")
    send(cloud, "And more")
    cloud.settle()
    assert cloud.channel.read == ["m2"]
    with nothing_marked(cloud):
        send(cloud, "It was marked before")
    cloud.hear("Three", "m3")
    cloud.settle()
    send(cloud, "Yes", user_id="", author="ana@example.com")
    cloud.settle()
    assert cloud.channel.read == ["m2", "m3"]


@pytest.mark.parametrize("more", [{"user_id": ""}, {"user_id": "", "author": "a", "bulk": "b"}], ids=["robot", "bulk"])
def test_what_no_person_answers_marks_nothing(cloud, more):
    cloud.hear("One", "m1")
    cloud.settle()
    with nothing_marked(cloud):
        send(cloud, "From a workflow", **more)


def test_at_once_where_the_sender_says_so(cloud):
    set_to(cloud, "received")
    cloud.hear("One", "m1")
    cloud.hear("Two", "m2")
    cloud.apply()
    assert len(jobs(cloud)) == 1, "one for a conversation, however many messages"
    cloud.settle()
    assert cloud.channel.read == ["m2"]


def test_never(cloud):
    set_to(cloud, "never")
    with nothing_marked(cloud):
        cloud.hear("One", "m1")
        cloud.settle()
        send(cloud, "An answer")


def test_neither_groups_nor_history_nor_echoes_nor_whatsapp_itself(cloud):
    set_to(cloud, "received")
    with nothing_marked(cloud):
        author = Peer(AddressKind.PHONE, ANNA, "Anna")
        cloud.hear("x", "m1", sender=GROUP, sender_kind=AddressKind.GROUP, author=author)
        cloud.hear("x", "m2", from_us=True)
        cloud.hear("x", "m3", kind=Kind.SYSTEM, details={"type": "number_changed"})


def test_a_provider_that_does_not_take_it_is_left_alone(cloud):
    cloud.channel.read_faults = [ChannelError("Not now.", retry=True)] * 9
    cloud.hear("One", "m1")
    cloud.settle()
    message = send(cloud, "An answer")
    cloud.settle()
    assert cloud.channel.read == ["m1"] * 3 and jobs(cloud) == []
    assert cloud.portal.messages()[-1].id == message.id and cloud.portal.messages()[-1].status == "accepted"
    cloud.channel.read_faults = [ChannelError("No such message.")]
    send(cloud, "Another")
    cloud.settle()
    assert cloud.channel.read == ["m1"] * 4


def test_what_came_in_after_the_answer_nobody_has_read(cloud):
    cloud.hear("One", "m1")
    cloud.settle()
    send(cloud, "An answer")
    while not jobs(cloud):
        work(cloud.portal, "send")
    cloud.hear("Two", "m2")
    cloud.apply()
    cloud.settle()
    assert cloud.channel.read == ["m1"]
