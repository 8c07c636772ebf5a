"""The 24 hours after a customer's message: what opens them, what may not go out after them, and who says so."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.channels.base import Accepted, ChannelError, Outcome, TemplateNotice
from portal.channels.content import AddressKind, Kind, Peer
from portal.messaging import senders, windows
from portal.messaging.outbound import Request, queue_message
from portal.messaging.sweeping import match_orphans
from portal.models import Address, Contact, EntryKind, LedgerEntry, Location, Message, Sender, ServiceWindow, Status
from tests.cloudy import ANNA, ANNA_ID, send
from tests.hand import work
from tests.pretend import GROUP

BEN = "+4915187654321"


@pytest.fixture
def old(cloud):
    """A sender that has listened for more than a day: who has not written within it is known to be silent."""
    cloud.hear("first", "m0", sender=BEN)
    cloud.apply()
    cloud.time.forward(hours=25)
    return cloud


def now(cloud, message) -> Message:
    return cloud.rows(Message.id == message.id)[0]


def fate(cloud, message) -> tuple[str, str]:
    return now(cloud, message).status, now(cloud, message).error_code


def go(cloud, body="Hello", **more) -> tuple[str, str]:
    message = send(cloud, body, **more)
    work(cloud.portal, "send")
    return fate(cloud, message)


def window(cloud, value=ANNA):
    with cloud.portal.session() as session:
        return session.scalar(select(ServiceWindow).where(ServiceWindow.value == value))


CLOSED, OPEN = ("failed", "window_closed"), ("accepted", "")


def test_a_customer_who_has_written_may_be_answered_for_a_day(old):
    old.hear("Hi", "m1")
    old.apply()
    assert go(old) == OPEN
    old.time.forward(hours=23)
    assert go(old) == OPEN
    old.time.forward(hours=2)
    message = send(old)
    assert fate(old, message) == CLOSED
    reason = now(old, message).reason
    assert reason.startswith("The customer last wrote on ") and "approved template" in reason
    assert [entry.kind for entry in old.everything(LedgerEntry) if entry.message_id == message.id] == []
    assert go(old, content=old.approve("order_ready")) == OPEN, "a template may go"
    old.hear("Again", "m2")
    old.apply()
    assert go(old) == OPEN
    old.settle()
    assert len(old.channel.sent) == 4


def test_who_never_wrote_is_known_to_be_silent_only_after_a_day_of_listening(cloud):
    assert go(cloud) == OPEN, "nothing has been heard: the provider decides"
    cloud.hear("x", "m0", sender=BEN)
    cloud.apply()
    assert go(cloud) == OPEN
    cloud.time.forward(hours=25)
    message = send(cloud)
    assert fate(cloud, message) == CLOSED
    assert "has not written to this number" in now(cloud, message).reason


def test_word_on_the_account_alone_is_no_listening_to_customers(cloud):
    cloud.say(TemplateNotice("hello", "en", "APPROVED"), to="group:W1")
    cloud.time.forward(hours=25)
    assert go(cloud) == OPEN, "their messages may go to another address: the provider decides"


@pytest.mark.parametrize("for_all", [True, False], ids=["a backup was restored", "its webhook was missing at Meta"])
def test_where_something_may_have_been_missed_meta_decides_again(old, for_all):
    """A customer may have written meanwhile: no answer to them is refused on what we do not know."""
    assert go(old) == CLOSED and go(old, phone=BEN) == CLOSED
    with old.portal.database.write() as session:
        windows.doubt(session, None if for_all else old.sender)
    assert go(old) == OPEN and go(old, phone=BEN) == OPEN
    old.hear("later", "m9", sender=BEN)
    old.apply()
    old.time.forward(hours=25)
    assert go(old) == CLOSED, "it has listened for a day again"


def test_the_window_closes_between_queueing_and_the_call(old):
    old.hear("Hi", "m1")
    old.apply()
    message = send(old)
    assert now(old, message).status == Status.QUEUED
    old.time.forward(hours=25)
    with old.portal.database.write() as session:
        session.get_one(Message, message.id).expires_at = None
    work(old.portal, "send")
    assert fate(old, message) == CLOSED and old.channel.sent == []
    kinds = [entry.kind for entry in old.everything(LedgerEntry) if entry.message_id == message.id]
    assert kinds == [EntryKind.HOLD, EntryKind.RELEASE]
    assert not [job for job in old.portal.jobs() if job.kind == "send"]


def test_what_is_held_or_scheduled_is_judged_when_it_goes(old):
    old.hear("Hi", "m1")
    old.apply()
    with old.portal.database.write() as session:
        senders.pause(session, old.sender, "a test")
    held, later = send(old, "held"), send(old, "later", scheduled_at=old.time.now() + timedelta(hours=23))
    old.time.forward(hours=22)
    old.hear("Still here", "m2")
    old.apply()
    old.time.forward(hours=1.5)
    with old.portal.database.write() as session:
        senders.resume(session, old.sender)
    old.settle()
    assert fate(old, held) == OPEN and fate(old, later) == OPEN
    scheduled = send(old, "too late", scheduled_at=old.time.now() + timedelta(hours=30))
    assert now(old, scheduled).status == Status.QUEUED, "they may write until then"
    old.time.forward(hours=31)
    work(old.portal, "send")
    assert fate(old, scheduled) == CLOSED


def test_what_a_paused_sender_keeps_waiting_may_be_answered_until_then(old):
    old.hear("Hi", "m1")
    old.apply()
    message = send(old)
    with old.portal.database.write() as session:
        senders.pause(session, old.sender, "a test")
        session.get_one(Message, message.id).expires_at = None
    old.time.forward(hours=25)
    work(old.portal, "send")
    assert now(old, message).status == Status.HELD, "it is judged when it goes"
    old.hear("Still there?", "m2")
    old.apply()
    with old.portal.database.write() as session:
        senders.resume(session, old.sender)
    old.settle()
    assert fate(old, message) == OPEN


@pytest.mark.parametrize("kind", [Kind.REACTION, Kind.UNSUPPORTED, Kind.UNREADABLE, Kind.CALL, Kind.DELETION])
def test_whatever_a_customer_does_opens_it(old, kind):
    details = {"state": "missed"} if kind is Kind.CALL else {}
    old.hear("", "m1", kind=kind, details=details)
    old.apply()
    assert go(old) == OPEN


@pytest.mark.parametrize(
    "said",
    [
        {"kind": Kind.SYSTEM, "details": {"type": "number_changed"}},
        {"from_us": True},
        {"sender": GROUP, "sender_kind": AddressKind.GROUP, "author": Peer(AddressKind.PHONE, ANNA, "Anna")},
    ],
    ids=["WhatsApp itself", "typed in the app", "in a group"],
)
def test_what_is_no_message_of_theirs_to_us_opens_nothing(old, said):
    old.hear("x", "m1", **said)
    old.apply()
    assert window(old) is None
    assert fate(old, send(old)) == CLOSED


def to_group(cloud) -> tuple[str, str]:
    with cloud.portal.database.write() as session:
        group = session.scalars(select(Address).where(Address.kind == AddressKind.GROUP)).one()
        contact, location = session.get_one(Contact, group.contact_id), session.get_one(Location, group.location_id)
        message = queue_message(session, location, Request(contact, "", "Hello all", 1, cloud.time.now()))
    work(cloud.portal, "send")
    return fate(cloud, message)


def test_a_group_has_a_window_of_its_own(old, monkeypatch):
    kinds = (AddressKind.PHONE, AddressKind.BSUID, AddressKind.GROUP)
    monkeypatch.setattr(type(old.channel), "address_kinds", kinds)
    there = {"sender": GROUP, "sender_kind": AddressKind.GROUP, "author": Peer(AddressKind.PHONE, ANNA, "Anna")}
    old.hear("Anna was added", "s1", **there, kind=Kind.SYSTEM, details={"type": "added"})
    old.apply()
    assert to_group(old) == OPEN, "nobody has said that it was closed"
    old.hear("x", "m1", **there)
    old.apply()
    assert to_group(old) == OPEN and fate(old, send(old)) == CLOSED
    old.time.forward(hours=25)
    assert to_group(old) == CLOSED
    old.hear("y", "m2", **there)
    old.apply()
    assert to_group(old) == OPEN
    assert [sent.to_kind for sent in old.channel.sent] == [AddressKind.GROUP] * 3


def test_it_moves_forward_only_and_by_the_providers_clock(old):
    start = old.time.now()
    old.hear("new", "m2", at=start)
    old.hear("old", "m1", at=start - timedelta(hours=20))
    old.hear("from tomorrow", "m3", at=start + timedelta(days=1), sender="+4915100000009")
    old.apply()
    row = window(old)
    assert row.opened_at == start and row.closes_at == start + timedelta(hours=24)
    assert window(old, "+4915100000009").opened_at < start + timedelta(minutes=1), "such a stamp is not believed"
    old.time.forward(hours=30)
    old.hear("delayed for six hours", "m4", at=old.time.now() - timedelta(hours=25))
    old.apply()
    assert fate(old, send(old)) == CLOSED


def test_it_is_open_over_every_address_of_the_customer(old):
    old.hear("Hi", "m1", same_as=[Peer(AddressKind.BSUID, ANNA_ID)])
    old.apply()
    assert window(old, ANNA_ID).closes_at == window(old, ANNA).closes_at
    old.time.forward(hours=20)
    old.hear("By my name only", "m2", sender=ANNA_ID, sender_kind=AddressKind.BSUID)
    old.apply()
    old.time.forward(hours=20)
    assert window(old, ANNA_ID).closes_at == window(old, ANNA).closes_at > old.time.now()


def test_an_address_that_proves_to_be_theirs_later_is_as_open(old):
    old.hear("By my name only", "m1", sender=ANNA_ID, sender_kind=AddressKind.BSUID)
    old.apply()
    # Typed in the app: it tells both of the customer's addresses, and opens nothing by itself.
    old.hear("Typed", "e1", same_as=[Peer(AddressKind.BSUID, ANNA_ID)], from_us=True)
    old.apply()
    message = send(old)
    assert (now(old, message).address, now(old, message).status) == (ANNA, Status.QUEUED)
    assert window(old).closes_at == window(old, ANNA_ID).closes_at
    work(old.portal, "send")
    assert fate(old, message) == OPEN


def test_the_provider_knows_better(cloud):
    cloud.channel.outcomes.append(ChannelError("More than 24 hours have passed.", code="131047"))
    assert go(cloud) == ("failed", "131047")
    assert fate(cloud, send(cloud)) == CLOSED
    cloud.time.forward(minutes=5)
    cloud.hear("late", "m1", at=cloud.time.now() - timedelta(hours=2))
    cloud.apply()
    assert fate(cloud, send(cloud)) == CLOSED, "they wrote before the provider said so"
    cloud.hear("now", "m2")
    cloud.apply()
    assert go(cloud) == OPEN


def test_a_refusal_by_webhook_closes_it_and_a_newer_message_is_not_forgotten(old):
    old.hear("Hi", "m1")
    old.apply()
    old.time.forward(hours=1)
    assert go(old) == OPEN
    sent = old.portal.parts_of(old.portal.messages()[-1])[0].external_id
    old.receipt(sent, Outcome.FAILED, code="131047", detail="More than 24 hours have passed.")
    assert fate(old, send(old)) == CLOSED
    old.hear("Hi again", "m2")
    old.apply()
    old.channel.outcomes.append(Accepted("wamid.7"))
    assert go(old) == OPEN
    old.time.forward(hours=1)
    old.hear("And again", "m3")
    old.receipt("wamid.7", Outcome.FAILED, code="131047")
    assert go(old) == OPEN, "they have written since"


def test_other_senders_and_channels_are_not_touched(old):
    other = old.portal.add_sender("simulator", name="free")
    with old.portal.session() as session:
        assert [row.windowed for row in session.scalars(select(Sender).order_by(Sender.id))] == [True, False]
    assert fate(old, send(old, named_sender_id=other))[0] == Status.QUEUED
    assert match_orphans(old.portal.database) == 0 and windows.CODE in windows.CODES
