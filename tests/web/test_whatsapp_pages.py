"""What the pages say of WhatsApp Cloud: what is charged, until when one may write freely, who stopped marketing."""

from datetime import timedelta

import pytest

from portal import clock
from portal.channels.base import Outcome, Receipt
from portal.messaging import marketing_pauses, optouts
from portal.messaging.receipts import take_receipt
from portal.messaging.silence import MARKETING
from portal.models import Event, EventState, Message, Origin, Part, Sender, ServiceWindow
from portal.web.pages.words import billed, free_until

BOTH_ENGINES = True
NUMBER = "+639170000042"


@pytest.fixture
def page(database, acme, queue, signed_in):
    message = queue(acme, "Hello")
    client = signed_in(acme.agency)

    def get(billing=None, closes_in=None) -> str:
        with database.write() as session:
            session.get_one(Sender, acme.sender).windowed = True
            part = session.query(Part).filter_by(message_id=message.id).one()
            part.billing = billing or {}
            if closes_in is not None:
                row = ServiceWindow(sender_id=acme.sender, kind=message.address_kind, value=message.address)
                row.opened_at = row.closes_at = clock.now() + closes_in
                session.add(row)
        answer = client.get(f"/admin/messages/{message.uuid}")
        assert answer.status_code == 200
        return " ".join(answer.text.split())

    return get


def test_a_message_says_what_the_provider_charges(page):
    assert "The provider charges it as marketing." in page({"billable": True, "category": "marketing"})
    assert "The provider" not in page({})


def test_a_message_says_until_when_one_may_write_freely(page):
    assert "It is not known when the customer wrote last." in page()
    assert "Free messages may go out until <time" in page(closes_in=timedelta(hours=5))


def test_and_that_it_is_over(page):
    assert "Only templates may go out since <time" in page(closes_in=-timedelta(hours=5))


def test_a_message_says_which_advertisement_or_product_it_answers(database, acme, queue, signed_in):
    message = queue(acme, "Is it free?")
    ad = {
        "headline": "Roofs <b>",
        "id": "1202",
        "click": "ARAk",
        "greeting": "How can we help?",
        "image": "https://a.example",
    }
    with database.write() as session:
        row = session.get_one(Message, message.id)
        row.details = {"referral": ad, "product": {"sku": "GUTTER-5M", "catalog": "700"}}
    shown = " ".join(signed_in(acme.agency).get(f"/admin/messages/{message.uuid}").text.split())
    for words in (
        "Roofs &lt;b&gt;",
        "<code>1202</code>",
        "<code>ARAk</code>",
        "How can we help?",
        "GUTTER-5M",
        "catalogue 700",
    ):
        assert words in shown
    assert "Picture: https://a.example" in shown, "and what HighLevel is told"


@pytest.mark.parametrize(
    ("billing", "words"),
    [
        ({}, ""),
        ({"billable": True}, "The provider charges it."),
        ({"billable": True, "category": "authentication_international", "type": "regular"}, None),
        ({"billable": False, "type": "free_entry_point"}, None),
        ({"billable": False, "type": "free_of_tomorrow"}, "The provider does not charge it: free of tomorrow."),
        ({"billable": False, "type": "regular"}, "The provider does not charge it."),
        ({"billable": None, "category": 5}, "The provider charges it as 5."),
    ],
)
def test_prices_in_words(app, billing, words):
    with app.test_request_context():
        said = billed(billing)
        assert said == words if words is not None else said.endswith(".") and "_" not in said
        assert free_until(None)


def test_an_opt_out_of_marketing_is_called_so(database, acme, signed_in):
    with database.write() as session:
        evidence = optouts.Evidence(Origin.PROVIDER)
        row = optouts.add(session, acme.location, MARKETING, NUMBER, "WhatsApp said that they stopped it", evidence)
    client = signed_in(acme.agency)
    assert "WhatsApp, marketing only" in client.get("/admin/opt-outs").text
    shown = " ".join(client.get(f"/admin/opt-outs/{row.id}").text.split())
    assert "WhatsApp, marketing only" in shown and "HighLevel is told. Do it" not in shown
    assert "wa:marketing" in client.get("/admin/opt-outs/export.csv").text


def test_a_webhook_that_nobody_was_there_for_can_be_replayed_on_its_page(database, signed_in):
    with database.write() as session:
        row = Event(uuid="e" * 36, source="whatsapp_cloud", action="app", lane="whatsapp_cloud:1:", verified=True)
        row.received_at, row.state, row.body = clock.now(), EventState.IGNORED, b"[]"
        row.note = "ignored: no sender here has the number 1"
        session.add(row)
    assert "Replay: apply it again" in signed_in().get(f"/admin/events/{row.id}").text


def test_a_message_says_until_when_no_marketing_is_delivered(database, page, acme):
    assert "No marketing is delivered" not in page()
    with database.write() as session:
        message = session.query(Message).order_by(Message.id.desc()).first()
        marketing_pauses.begin(session, message, 3600.0, "131049")
    # The page of the message that was queued first: its recipient is the same.
    assert "No marketing is delivered to this customer until <time" in page()


def test_a_voice_message_that_was_played_says_so(database, acme, queue, signed_in):
    message = queue(acme, "Hello")
    with database.write() as session:
        part = session.query(Part).filter_by(message_id=message.id).one()
        part.sender_id, part.external_id, part.status = acme.sender, "wamid.1", "accepted"
        session.query(Message).filter_by(id=message.id).one().status = "accepted"
    client = signed_in(acme.agency)

    def shown() -> str:
        return " ".join(client.get(f"/admin/messages/{message.uuid}").text.split())

    for outcome in (Outcome.READ, Outcome.PLAYED):
        assert "has listened to it" not in shown()
        with database.write() as session:
            take_receipt(session, session.get_one(Sender, acme.sender), Receipt("wamid.1", outcome), None)
    assert "Played: the customer has listened to it." in shown()
    assert "reports: read." in shown() and "reports: played." in shown()
