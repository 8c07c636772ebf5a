"""Who has stopped marketing is sent everything else; who says so, and what lifts it."""

import pytest
from sqlalchemy import select

from portal.channels.base import Accepted, ChannelError, Outcome, Preference, TemplateNotice
from portal.channels.content import AddressKind, Content, Kind, Peer
from portal.messaging import optouts, senders
from portal.messaging.silence import MARKETING
from portal.models import ContactDnd, Message, OptOut, Sender, TemplateRow
from portal.sandbox import world
from tests import cloudy
from tests.cloudy import ANNA, ANNA_ID, item, post, send
from tests.hand import work

STOP = Preference(Peer(AddressKind.PHONE, ANNA, "Anna"), marketing=False)
WANTED = Preference(Peer(AddressKind.PHONE, ANNA, "Anna"), marketing=True)


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


def fate(shop, content=None):
    message = send(shop, content=content)
    work(shop.portal, "send")
    (row,) = shop.rows(Message.id == message.id)
    return row.status, row.error_code


def standing(shop):
    return [(row.family, row.address, row.origin) for row in shop.everything(OptOut) if row.lifted_at is None]


STOPPED, OUT = ("failed", optouts.CODE), ("accepted", "")


def test_marketing_alone_is_stopped(shop):
    assert fate(shop, template("MARKETING")) == OUT
    shop.say(STOP)
    assert standing(shop) == [(MARKETING, ANNA, "provider")]
    assert fate(shop, template("MARKETING")) == STOPPED
    assert "marketing" in shop.portal.messages()[-1].reason
    assert fate(shop, template("UTILITY")) == OUT and fate(shop) == OUT
    shop.say(STOP, STOP)
    assert len(shop.everything(OptOut)) == 1
    assert [row for row in shop.everything(ContactDnd) if row.wanted or row.known] == [], "DND would stop everything"
    shop.say(WANTED)
    assert standing(shop) == [] and fate(shop, template("MARKETING")) == OUT
    shop.say(WANTED)
    assert shop.note() == "marketing was not stopped"


def test_what_waits_ends_with_it_and_what_is_about_to_go_does_not_pass(shop):
    with shop.portal.database.write() as session:
        senders.pause(session, shop.sender, "a test")
    held, free = send(shop, content=template("MARKETING")), send(shop)
    shop.say(STOP)
    work(shop.portal, "send")
    assert [shop.rows(Message.id == each.id)[0].status for each in (held, free)] == ["failed", "held"]
    with shop.portal.database.write() as session:
        senders.resume(session, shop.sender)
    shop.settle()
    assert shop.rows(Message.id == free.id)[0].status == "accepted"


def test_the_fence_asks_too(shop):
    message = send(shop, content=template("MARKETING"))
    with shop.portal.database.write() as session:
        sender = session.get_one(Sender, shop.sender)
        evidence = optouts.Evidence(optouts.Origin.PROVIDER)
        assert optouts.add(session, sender.location_id, MARKETING, ANNA, "a test", evidence, lock=False)
        session.flush()
        session.execute(cloudy.delete_jobs("silence"))
    work(shop.portal, "send")
    assert shop.rows(Message.id == message.id)[0].status == "failed" and shop.channel.sent == []


def test_it_holds_for_every_address_of_the_person(shop):
    by_id = Preference(Peer(AddressKind.BSUID, ANNA_ID), False, same_as=[Peer(AddressKind.PHONE, ANNA)])
    shop.say(by_id)
    assert fate(shop, template("MARKETING")) == STOPPED and fate(shop) == OUT


@pytest.mark.parametrize("by_webhook", [True, False])
def test_the_providers_refusal_is_remembered(shop, by_webhook):
    refused = ChannelError("The customer has stopped marketing messages.", code="131050")
    shop.channel.outcomes.append(Accepted("wamid.1") if by_webhook else refused)
    assert fate(shop, template("MARKETING")) == (OUT if by_webhook else ("failed", "131050"))
    if by_webhook:
        shop.receipt("wamid.1", Outcome.FAILED, code="131050", detail="Stopped.")
    assert standing(shop) == [(MARKETING, ANNA, "provider")]
    assert fate(shop, template("MARKETING")) == STOPPED and fate(shop) == OUT


def test_stop_and_start_speak_of_everything(shop):
    shop.say(STOP)
    shop.hear("STOP", "m2")
    shop.apply()
    assert fate(shop) == STOPPED
    shop.hear("START", "m3")
    shop.apply()
    assert fate(shop) == OUT and fate(shop, template("MARKETING")) == STOPPED


def test_another_tenants_customer_is_not_concerned(shop):
    shop.portal.install(world.DEMO_LOCATIONS[1])
    cloudy.add(shop.portal, "1002", world.DEMO_LOCATIONS[1], "W2", "theirs")
    assert post(shop.portal, item(STOP, "1002")).status_code == 200
    shop.apply()
    assert [row.location_id for row in shop.everything(OptOut)] == [2]
    assert fate(shop, template("MARKETING")) == OUT


def test_a_notice_on_a_template_reaches_its_account(shop):
    shop.say(TemplateNotice("marketing", "en", "PAUSED", "low quality"), to="group:W1")
    assert "said to be PAUSED" in shop.note()
    with shop.portal.session() as session:
        said = session.scalars(select(TemplateRow.said).where(TemplateRow.name == "marketing")).one()
    assert said == "PAUSED"
