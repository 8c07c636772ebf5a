"""From whom the provider withholds marketing: nothing of it is tried for a day, and everything else goes out."""

import pytest
from sqlalchemy import select, update

from portal.channels.base import Accepted, ChannelError, Outcome, Setback
from portal.channels.content import AddressKind, Content, Kind, Peer
from portal.messaging import marketing_pauses, senders
from portal.models import Address, Conversation, MarketingPause, Message, OptOut
from tests.cloudy import ANNA, ANNA_ID, send
from tests.hand import work

DAY = 24 * 3600.0
ENOUGH = Setback(no_marketing=DAY, sentence="This customer gets enough marketing.")
BEN = "+4915187654321"


@pytest.fixture
def shop(cloud):
    """A customer who has just written, and an approved template of each category."""
    for category in ("MARKETING", "UTILITY"):
        cloud.approve(category.lower(), category)
    cloud.hear("Hi", "m1")
    cloud.apply()
    return cloud


def template(category) -> Content:
    details = {"name": category.lower(), "language": "en", "category": category, "components": []}
    return Content(Kind.TEMPLATE, details)


def fate(shop, content=None, **more):
    message = send(shop, content=content, **more)
    work(shop.portal, "send")
    return now(shop, message)


def now(shop, message):
    (row,) = shop.rows(Message.id == message.id)
    return row.status, row.error_code


def withheld(shop, code="131049") -> None:
    shop.channel.outcomes.append(Accepted("wamid.1"))
    first = send(shop, content=template("MARKETING"))
    work(shop.portal, "send")
    shop.receipt("wamid.1", Outcome.FAILED, code=code, detail="Enough marketing.", setback=ENOUGH)
    assert now(shop, first) == ("failed", code)


PAUSED, OUT = ("failed", marketing_pauses.CODE), ("accepted", "")


def test_a_failed_status_withholds_marketing_for_a_day_and_nothing_else(shop):
    withheld(shop)
    until = shop.everything(MarketingPause)[0].until
    assert fate(shop, template("MARKETING")) == PAUSED
    told = shop.portal.messages()[-1].reason
    assert f"{until:%-d %b %Y %H:%M} UTC" in told and "Everything else" in told
    assert fate(shop, template("UTILITY")) == OUT and fate(shop) == OUT
    assert fate(shop, template("MARKETING"), phone=BEN) == OUT, "another customer"
    assert shop.everything(OptOut) == []
    shop.time.forward(hours=24)
    assert fate(shop, template("MARKETING")) == OUT
    with shop.portal.database.write() as session:
        assert marketing_pauses.forget(session) == 1


def test_so_does_a_refused_call(shop):
    shop.channel.outcomes.append(ChannelError("Enough.", code="130472", no_marketing=DAY))
    assert fate(shop, template("MARKETING")) == ("failed", "130472")
    assert fate(shop, template("MARKETING")) == PAUSED and len(shop.channel.sent) == 1


def test_it_holds_for_every_address_of_the_person(shop):
    with shop.portal.database.write() as session:
        contact = session.scalars(select(Conversation.contact_id)).one()
        location = session.scalars(select(Address.location_id)).first()
        session.add(
            Address(location_id=location, contact_id=contact, kind="bsuid", value=ANNA_ID, created_at=shop.time.now())
        )
    withheld(shop)
    assert {(row.kind, row.value) for row in shop.everything(MarketingPause)} == {("phone", ANNA), ("bsuid", ANNA_ID)}


def test_an_address_that_is_learnt_later_is_the_same_person_s(shop):
    withheld(shop)
    shop.hear("It is me", "m2", same_as=[Peer(AddressKind.BSUID, ANNA_ID)])
    shop.apply()
    assert {(row.kind, row.value) for row in shop.everything(MarketingPause)} == {("phone", ANNA), ("bsuid", ANNA_ID)}


def test_the_fence_asks_too(shop):
    waiting = send(shop, content=template("MARKETING"))
    with shop.portal.database.write() as session:
        marketing_pauses.begin(session, session.get_one(Message, waiting.id), DAY, "131049")
    work(shop.portal, "send")
    assert now(shop, waiting) == PAUSED and shop.channel.sent == []


def test_what_is_held_or_planned_is_judged_when_it_goes(shop):
    with shop.portal.database.write() as session:
        senders.pause(session, shop.sender, "a test")
    held = send(shop, content=template("MARKETING"))
    work(shop.portal, "send")
    with shop.portal.database.write() as session:
        marketing_pauses.begin(session, session.get_one(Message, held.id), 600.0, "131049")
        senders.resume(session, shop.sender)
    shop.time.forward(minutes=5)
    planned = send(shop, content=template("MARKETING"), scheduled_at=shop.time.at.replace(microsecond=0))
    with shop.portal.database.write() as session:
        later = shop.time.at.replace(microsecond=0)
        session.execute(update(Message).where(Message.id == planned.id).values(scheduled_at=later))
    work(shop.portal, "ghl", "send")
    work(shop.portal, "ghl", "send")
    assert now(shop, held) == PAUSED


def test_the_longest_counts(shop):
    withheld(shop)
    until = shop.everything(MarketingPause)[0].until
    with shop.portal.database.write() as session:
        marketing_pauses.begin(
            session, session.scalars(select(Message).where(Message.direction == "out")).first(), 5, "x"
        )
    assert [(row.until, row.code) for row in shop.everything(MarketingPause)] == [(until, "131049")]
