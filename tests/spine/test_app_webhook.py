"""One app for many numbers: what is cut apart, whose it is, what proves it, and what one bad item costs."""

import json

import pytest
import requests
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from portal.alerts import notices
from portal.channels.base import Inbound, Outcome, Receipt, TemplateNotice, Unread
from portal.errors import InvalidInput
from portal.journal.replay import drain
from portal.messaging import pieces, replay, senders
from portal.models import Event, Sender
from portal.sandbox import world
from portal.web.webhooks.app import MOST_SHARES
from tests import cloudy
from tests.cloudy import ANNA, APP_SECRET, VERIFY_TOKEN, item, post, settle_pool
from tests.spine.test_installing import alerts

OTHER_PLACE = world.DEMO_LOCATIONS[1]
BEN = "+4915187654321"


def said(text, external_id, sender=ANNA):
    return Inbound(sender, text, external_id, name="Anna")


def inbound(cloud):
    return [(each.sender_id, each.body) for each in cloud.portal.messages("in")]


def confirm(cloud, path="whatsapp", **asked):
    asked = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"} | asked
    prefix = "/webhooks/" if not path.startswith("/") else ""
    return requests.get(f"{cloud.portal.url}{prefix}{path}", params=asked, timeout=60)


def test_meta_confirms_the_address(cloud):
    for path in ("whatsapp", "/api/whatsapp/webhook"):
        answer = confirm(cloud, path)
        assert (answer.status_code, answer.text) == (200, "1158201444")
        assert answer.headers["Content-Type"].startswith("text/plain")
    wrong = (
        {"hub.verify_token": "guess"},
        {"hub.verify_token": ""},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": ""},
        {"hub.challenge": "1" * 300},
        {"hub.verify_token": "t\u00f6ken"},
    )
    for each in wrong:
        answer = confirm(cloud, **each)
        assert (answer.status_code, answer.headers["Content-Type"][:10]) == (403, "text/plain"), each


def test_a_request_is_cut_into_what_belongs_to_each_number(cloud):
    portal = cloud.portal
    portal.install(OTHER_PLACE)
    other = cloudy.add(portal, "1002", OTHER_PLACE, "W2", "their line")
    items = [item(said("one", "m1"), "1001"), item(said("two", "m2"), "1002"), item(said("three", "m3", BEN), "1001")]
    assert post(portal, *items).status_code == 200
    kept = [event for event in portal.events() if event.source == "whatsapp_cloud"]
    assert [event.lane for event in kept] == [f"whatsapp_cloud:1001:{ANNA}", f"whatsapp_cloud:1002:{ANNA}"]
    assert b"m2" not in kept[0].body and b"m1" not in kept[1].body and all(event.verified for event in kept)
    cloud.apply()
    assert inbound(cloud) == [(cloud.sender, "one"), (cloud.sender, "three"), (other, "two")]
    assert [event.sender_key for event in portal.events()[-2:]] == [cloud.key, portal.sender_key(other)]
    assert post(portal, *items).status_code == 200, "Meta repeats what it likes"
    cloud.apply()
    assert len(inbound(cloud)) == 3
    assert {message.location_id for message in portal.messages("in")} == {1, 2}


def test_what_names_nobody_is_kept_beside_what_names_somebody(cloud):
    """A 200 says that all of it is on disk; nobody's items are no tenant's to see."""
    portal = cloud.portal
    items = [item(said("one", "m1"), "1001"), item(said("lost", "m2"), ""), item(said("two", "m3"), "1002")]
    assert post(portal, *items).status_code == 200
    kept = [event for event in portal.events() if event.source == "whatsapp_cloud"]
    assert len(kept) == 3 and [b"lost" in event.body for event in kept] == [False, False, True]
    cloud.apply()
    nobodys = portal.events()[-1]
    assert (nobodys.state, nobodys.sender_key) == ("ignored", "")
    assert inbound(cloud) == [(cloud.sender, "one")]


def test_raw_bytes_are_kept_where_a_request_is_for_one_number(cloud):
    body = json.dumps([item(said("één 👍", "m1"))], indent=1).encode()
    assert post(cloud.portal, body=body, path="whatsapp").status_code == 200
    assert cloud.portal.events()[-1].body == body
    url = f"{cloud.portal.url}/api/whatsapp/webhook"
    headers = {"X-Hub-Signature-256": cloudy.signature(body)}
    assert requests.post(url, data=body, headers=headers, timeout=60).status_code == 200
    cloud.apply()
    assert inbound(cloud) == [(cloud.sender, "één 👍")]
    assert cloud.portal.events()[-1].headers["x-hub-signature-256"] == headers["X-Hub-Signature-256"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not JSON", b'[{"object": "page"}]'])
def test_what_names_nobody_is_kept_without_effect(cloud, body):
    assert post(cloud.portal, body=body).status_code == 200
    cloud.apply()
    last = cloud.portal.events()[-1]
    assert (last.state, last.note, last.body) == ("ignored", "ignored: it speaks of no number", body)


def test_what_is_not_signed_is_refused_and_bounded(cloud):
    before = len(cloud.portal.events())
    forged = [post(cloud.portal, item(said("x", "m1")), secret="guess").status_code for _ in range(15)]
    unsigned = [post(cloud.portal, item(said("x", "m1")), sign=False).status_code for _ in range(10)]
    assert set(forged + unsigned) == {401}
    kept = cloud.portal.events()[before:]
    assert {event.state for event in kept} == {"refused"} and len(kept) <= 21
    assert "rotated key" in alerts(cloud.portal, notices.UNAUTHENTIC)[0]
    assert inbound(cloud) == []


def test_a_body_of_four_mebibytes_is_taken_and_no_more(cloud):
    whole = item(said("x" * (3 * 1024 * 1024), "m1"))
    assert post(cloud.portal, whole).status_code == 200
    assert post(cloud.portal, body=b"x" * (4 * 1024 * 1024 + 1)).status_code == 413


def test_a_number_that_nobody_has_waits_for_its_sender(cloud):
    assert post(cloud.portal, item(said("early", "m1"), "1005")).status_code == 200
    cloud.apply()
    event = cloud.portal.events()[-1]
    assert (event.state, event.note) == ("ignored", "ignored: no sender here has the number 1005")
    added = cloudy.add(cloud.portal, "1005", name="second")
    with cloud.portal.database.write() as session:
        replay.replay(session, event.id)
    cloud.apply()
    assert inbound(cloud) == [(added, "early")]
    with pytest.raises(InvalidInput, match="only parked"), cloud.portal.database.write() as session:
        replay.replay(session, event.id)


def test_a_removed_sender_hears_nothing_and_blocks_nobody(cloud):
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
    assert post(cloud.portal, item(said("x", "m1"))).status_code == 200
    assert post(cloud.portal, item(said("x", "m1")), path=f"whatsapp/{cloud.key}").status_code == 401
    cloud.apply()
    assert inbound(cloud) == []
    assert "ignored: the sender was removed" in {event.note for event in cloud.portal.events()}


def now_on_its_clock(cloud):
    with cloud.portal.database.write() as session:
        session.execute(update(Event).values(received_at=cloud.time.now()))


def test_what_was_heard_before_a_number_moved_is_not_for_the_tenant_that_has_it_now(cloud):
    """Heard and not yet applied, and kept because its sender was removed: neither is the next one's."""
    assert post(cloud.portal, item(said("waiting", "m1"))).status_code == 200
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
    assert post(cloud.portal, item(said("to nobody", "m2"))).status_code == 200
    now_on_its_clock(cloud)
    cloud.portal.install(OTHER_PLACE)
    added = cloudy.add(cloud.portal, "1001", OTHER_PLACE, name="theirs")
    settle_pool(cloud.portal, "apply")
    kept = [event for event in cloud.portal.events() if event.source == "whatsapp_cloud"]
    assert inbound(cloud) == [] and {event.note for event in kept} == {"ignored: the sender was removed"}
    with cloud.portal.database.write() as session:
        replay.replay(session, kept[0].id)
    settle_pool(cloud.portal, "apply")
    assert post(cloud.portal, item(said("for them", "m3"))).status_code == 200
    cloud.apply()
    assert inbound(cloud) == [(added, "for them")]
    assert kept[0].sender_key == "@1001", "and none of their pages shows it"


def test_a_sender_that_is_added_again_takes_what_waited(cloud):
    assert post(cloud.portal, item(said("waiting", "m1"))).status_code == 200
    now_on_its_clock(cloud)
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
    added = cloudy.add(cloud.portal, "1001", name="the same line")
    settle_pool(cloud.portal, "apply")
    assert inbound(cloud) == [(added, "waiting")]


def test_an_account_speaks_to_all_its_senders(cloud, monkeypatch):
    cloudy.add(cloud.portal, "1002", name="second")
    cloudy.add(cloud.portal, "1003", waba="W9", name="another account")
    cloud.say(Unread("nothing"), to="group:W1")
    event = cloud.portal.events()[-1]
    assert event.lane == "whatsapp_cloud:group.W1:" and event.note.count("1 item could not be read") == 2
    assert event.sender_key == "@group:W1", "it is nobody's alone"
    cloud.say(Unread("nothing"), to="group:W7")
    assert cloud.note() == "ignored: no sender here has the account W7"


def test_one_bad_item_costs_none_of_the_others(cloud):
    bad = {"to": "1001", "type": "in", "sender": 5}
    assert post(cloud.portal, item(said("one", "m1")), bad, bad, item(said("two", "m2"))).status_code == 200
    cloud.apply()
    event = cloud.portal.events()[-1]
    assert inbound(cloud) == [(cloud.sender, "one"), (cloud.sender, "two")]
    assert event.state == "applied" and "2 items could not be read" in event.note
    assert post(cloud.portal, bad).status_code == 200
    cloud.apply()
    assert cloud.portal.events()[-1].state == "applied"
    (told,) = alerts(cloud.portal, notices.UNREAD_ITEMS)
    assert "the line" in told
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
    assert alerts(cloud.portal, notices.UNREAD_ITEMS) == []


def test_an_item_that_the_portal_fails_on_costs_none_of_the_others(cloud, monkeypatch):
    whole = pieces.take_inbound

    def fails(session, sender, said, event, vault):
        message = whole(session, sender, said, event, vault)
        if said.text == "poison":
            raise ValueError(said.text)
        return message

    monkeypatch.setattr(pieces, "take_inbound", fails)
    items = [item(said("one", "m1")), item(said("poison", "m2")), item(said("three", "m3"))]
    assert post(cloud.portal, *items).status_code == 200
    for _ in range(6):
        cloud.apply()
        cloud.time.forward(seconds=5)
    event = cloud.portal.events()[-1]
    assert inbound(cloud) == [(cloud.sender, "one"), (cloud.sender, "three")]
    assert event.state == "parked" and "the portal failed on one item (ValueError)" in event.note
    assert alerts(cloud.portal, notices.PARKED)
    monkeypatch.setattr(pieces, "take_inbound", whole)
    with cloud.portal.database.write() as session:
        replay.replay(session, event.id)
    cloud.apply()
    assert sorted(body for _, body in inbound(cloud)) == ["one", "poison", "three"]
    assert cloud.portal.events()[-1].state == "applied"


def test_more_numbers_than_are_cut_apart_are_all_served(cloud):
    items = [item(said("x", f"m{n}"), str(2000 + n)) for n in range(MOST_SHARES)]
    before = len(cloud.portal.events())
    assert post(cloud.portal, *items, item(said("mine", "m"))).status_code == 200
    assert len(cloud.portal.events()) == before + 1
    cloud.apply()
    assert inbound(cloud) == [(cloud.sender, "mine")]


# A sender with an app of its own


@pytest.fixture
def own(cloud):
    secrets = {"app_secret": "a secret of their own", "verify_token": "a token of their own"}
    return cloudy.add(cloud.portal, "1009", waba="W3", name="own app", **secrets)


def to_own(cloud, own, *items, secret="a secret of their own", **more):
    return post(cloud.portal, *items, path=f"whatsapp/{cloud.portal.sender_key(own)}", secret=secret, **more)


def test_a_sender_with_its_own_app_has_its_own_address(cloud, own):
    key = cloud.portal.sender_key(own)
    with cloud.portal.session() as session:
        shown = [senders.shown_webhook_url(cloud.portal.settings, row) for row in session.scalars(select(Sender))]
    url = cloud.portal.settings.app_url
    assert shown == [f"{url}/webhooks/whatsapp", f"{url}/webhooks/whatsapp/{key}"]
    assert confirm(cloud, f"whatsapp/{key}").status_code == 403, "the app's token is not theirs"
    assert confirm(cloud, f"whatsapp/{key}", **{"hub.verify_token": "a token of their own"}).text == "1158201444"
    assert confirm(cloud, "whatsapp/no-such-key").status_code == 404
    assert to_own(cloud, own, item(said("hello", "m1"), "1009")).status_code == 200
    assert to_own(cloud, own, item(said("x", "m2"), "1009"), secret=APP_SECRET).status_code == 401
    assert post(cloud.portal, item(said("x", "m2")), path="whatsapp/no-such-key").status_code == 404
    cloud.apply()
    assert inbound(cloud) == [(own, "hello")]


def test_an_own_app_speaks_for_nobody_else(cloud, own):
    """Its owner knows the secret, and may write what they like."""
    cloud.portal.install(OTHER_PLACE)
    theirs = cloudy.add(cloud.portal, "1002", OTHER_PLACE, "W2", "their line")
    receipt = Receipt("out-1", Outcome.DELIVERED)
    forged = [item(said("x", "m1"), "1001"), item(said("x", "m2"), "1002"), item(receipt, "1002")]
    forged.append(item(TemplateNotice("promo", "en", "REJECTED"), "group:W2"))
    assert to_own(cloud, own, *forged, item(said("mine", "m3"), "1009")).status_code == 200
    cloud.apply()
    assert inbound(cloud) == [(own, "mine")]
    assert cloud.everything(Event)[-1].state != "parked" and theirs
    notes = [event.note for event in cloud.portal.events()]
    assert notes.count("ignored: it speaks of another number than its sender's") == 3


def test_a_sender_without_an_app_of_its_own_has_no_such_secret(cloud):
    key = cloud.portal.sender_key(cloud.sender)
    assert post(cloud.portal, item(said("x", "m1")), path=f"whatsapp/{key}", secret="").status_code == 401
    assert confirm(cloud, f"whatsapp/{key}", **{"hub.verify_token": ""}).status_code == 403


# The database is away


@pytest.fixture
def outage(cloud):
    patch = pytest.MonkeyPatch()

    def gone(*_asked, **_more):
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    def begin():
        cloudy.app_senders._kept.clear()
        patch.setattr(type(cloud.portal.database), "read", gone)
        patch.setattr(type(cloud.portal.database), "write", gone)

    def end():
        patch.undo()
        drain(cloud.portal.database, cloud.portal.parts.spool)

    yield begin, end
    patch.undo()


def test_the_app_is_heard_while_the_database_is_away(cloud, outage):
    begin, end = outage
    begin()
    assert post(cloud.portal, item(said("one", "m1")), item(said("x", "x"), "1002")).status_code == 200
    assert post(cloud.portal, item(said("two", "m2"))).status_code == 200
    assert post(cloud.portal, item(said("forged", "m3")), secret="guess").status_code == 401
    assert confirm(cloud).status_code == 200
    end()
    cloud.apply()
    assert inbound(cloud) == [(cloud.sender, "one"), (cloud.sender, "two")]


def test_an_own_app_is_judged_when_the_database_is_back(cloud, own, outage):
    begin, end = outage
    path = f"whatsapp/{cloud.portal.sender_key(own)}"
    begin()
    mixed = [item(said("mine", "m1"), "1009"), item(said("x", "m2"), "1001")]
    assert post(cloud.portal, *mixed, path=path, secret="a secret of their own").status_code == 200
    assert post(cloud.portal, item(said("forged", "m3"), "1009"), path=path, secret="guess").status_code == 200
    assert post(cloud.portal, item(said("x" * 9000, "m4")), path="whatsapp/a-key-of-nobody").status_code == 200
    end()
    cloud.apply()
    assert inbound(cloud) == [(own, "mine")]
    states = [event.state for event in cloud.portal.events()[-3:]]
    assert states == ["applied", "parked", "refused"]
    stranger = cloud.portal.events()[-1]
    assert len(stranger.body) == 4096 and stranger.headers == {}, "evidence, and no more than that"


def test_what_waits_for_its_judgement_keeps_its_place(cloud, own, outage):
    begin, end = outage
    path, secret = f"whatsapp/{cloud.portal.sender_key(own)}", "a secret of their own"
    begin()
    assert post(cloud.portal, item(said("one", "m1"), "1009"), path=path, secret=secret).status_code == 200
    end()
    assert post(cloud.portal, item(said("two", "m2"), "1009"), path=path, secret=secret).status_code == 200
    lanes = {event.lane for event in cloud.portal.events() if event.source == "whatsapp_cloud"}
    assert lanes == {f"whatsapp_cloud:1009:{ANNA}"}
    cloud.apply()
    assert inbound(cloud) == [(own, "one"), (own, "two")]
