"""Globe Labs' own ways: what it is sent, what is never sent, and what a long text is cut into."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from portal.channels.base import ChannelError
from portal.channels.content import File
from portal.channels.globe.client import Globe
from portal.http import HttpClient
from tests.contract.cases import PART, posted
from tests.contract.cases.globe import APP_SECRET, GLOBE, PASSPHRASE, TAKEN, texts
from tests.contract.standin import StandIn, answer

PICTURE = File("https://pictures.test/a.png", "a.png", "image/png", 10)


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = GLOBE.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


@pytest.mark.parametrize("status", [200, 201])
def test_the_call(server, status):
    server.script(answer(status, TAKEN))
    accepted = Globe().send(HttpClient(), account(server), replace(PART, text="Kumusta ñ 👋", files=(PICTURE,)))
    [call] = server.calls
    assert (call.method, call.target) == ("POST", "/smsmessaging/v1/outbound/21581234/requests")
    assert call.json() == {
        "address": "639171234567",
        "message": f"Kumusta ñ 👋\n{PICTURE.url}",
        "passphrase": PASSPHRASE,
        "app_id": "B54z",
        "app_secret": APP_SECRET,
    }
    assert (accepted.external_id, accepted.code) == ("", str(status))


def test_a_long_text_goes_in_one_call(server):
    server.script(answer(201, TAKEN))
    Globe().send(HttpClient(), account(server), replace(PART, text="x" * 400))
    assert len(server.calls) == 1 and len(server.calls[0].json()["message"]) == 400


def test_numbers_abroad_are_refused_before_anything_is_paid(server):
    server.script(answer(201, TAKEN))
    with pytest.raises(ChannelError) as caught:
        Globe().send(HttpClient(), account(server), replace(PART, to="+27831234567"))
    assert not caught.value.retry and server.calls == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_wrong_credentials_stop_the_sender_because_every_try_costs(server, status):
    server.script(answer(status, {"error": "x"}))
    with pytest.raises(ChannelError) as caught:
        Globe().send(HttpClient(), account(server), PART)
    assert caught.value.stops and "resume" in caught.value.message


def test_the_probe_asks_nothing_and_says_so(server):
    found = Globe().probe(HttpClient(), account(server))
    assert found.ok and "not tried" in found.detail and server.calls == []
    assert APP_SECRET not in repr(found) and PASSPHRASE not in repr(found)


def test_the_date_of_a_text():
    [heard] = [each for each in GLOBE.heard if each.name == "a text"]
    [found] = Globe().parse(heard.request)
    assert found.at == datetime(2013, 11, 22, 12, 12, 13, tzinfo=UTC)


@pytest.mark.parametrize("place", ["", "0", "3", "x", None, 1.5e30, True])
def test_what_cannot_be_placed_is_a_text_by_itself(place):
    item = {"senderAddress": "tel:+639171234567", "message": "Hi", "multipartRefId": "r", "multipartSeqNum": place}
    [found] = Globe().parse(texts(item, count="2"))
    assert found.piece is None and found.text == "Hi"


def test_all_that_a_person_does_is_one_lane():
    number = "+639171234567"
    requests = [
        texts({"senderAddress": f"tel:{number}", "message": "Hi"}),
        texts({"senderAddress": "tel:9171234567", "message": "Hi"}),
        posted("receive", json.dumps({"unsubscribed": {"subscriber_number": "9171234567"}})),
    ]
    assert {Globe().lane(each) for each in requests} == {number}
