"""Infobip's own ways: what it is sent, its logs, its account."""

from dataclasses import replace

import pytest

from portal.channels.base import ChannelError, Loss, Outcome
from portal.channels.infobip.client import Infobip
from portal.http import HttpClient
from tests.contract.cases import PART, WEBHOOK_URL
from tests.contract.cases.infobip import API_KEY, INFOBIP, MESSAGE, report
from tests.contract.standin import StandIn, answer

UUID_KEY = "0b8f6a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b.2:3"


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = INFOBIP.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


def sent(server, part=PART, **credentials):
    server.script(INFOBIP.accepts)
    Infobip().send(HttpClient(), account(server, **credentials), part)
    call = server.calls[-1]
    assert (call.method, call.target) == ("POST", "/sms/3/messages")
    assert call.headers["authorization"] == f"App {API_KEY}"
    return call.json()["messages"]


def test_a_text_under_our_id_with_the_address_for_its_reports(server):
    assert sent(server, replace(PART, text="ñ 👋"), **{"from": "+447700900001"}) == [
        {
            "sender": "447700900001",
            "from": "447700900001",
            "destinations": [{"to": "639171234567", "messageId": "41_1"}],
            "content": {"text": "ñ 👋"},
            "webhooks": {
                "delivery": {"url": f"{WEBHOOK_URL}/status?key=41_1", "intermediateReport": True, "notify": True},
                "contentType": "application/json",
                "callbackData": "41:1",
            },
        }
    ]


def test_no_address_is_given_out_that_nobody_could_reach(server):
    server.script(INFOBIP.accepts)
    Infobip().send(HttpClient(), replace(account(server), webhook_url=""), PART)
    assert "webhooks" not in server.calls[0].json()["messages"][0]


def test_segments_are_as_infobip_counts_them(server):
    server.script(INFOBIP.accepts)
    assert Infobip().send(HttpClient(), account(server), PART).segments == 2


def test_our_key_comes_back_out_of_the_id(server):
    [message] = sent(server, replace(PART, idempotency_key=UUID_KEY))
    external_id = message["destinations"][0]["messageId"]
    server.script(answer(200, {"results": [report(3, "DELIVERED", 5, messageId=external_id)]}))
    found = Infobip().status(HttpClient(), account(server), external_id)
    assert (found.external_id, found.our_key, found.outcome) == (external_id, UUID_KEY, Outcome.DELIVERED)


def test_the_logs_tell_the_status_and_the_price(server):
    row = report(2, "UNDELIVERABLE", 9, "EC_UNKNOWN_SUBSCRIBER")
    row |= {"price": {"pricePerMessage": 0.0255, "currency": "EUR"}, "messageCount": 2}
    server.script(answer(200, {"results": [row]}))
    found = Infobip().status(HttpClient(), account(server), MESSAGE)
    assert server.calls[0].target == f"/sms/3/logs?messageId={MESSAGE}&limit=1"
    assert (found.outcome, found.loss, found.detail) == (Outcome.FAILED, Loss.UNREACHABLE, "The number is not in use.")
    assert found.billing == {"price": "0.0255", "currency": "EUR", "segments": "2"}


@pytest.mark.parametrize("results", [[], [report(3, "DELIVERED", 5, messageId="another")], [7], None])
def test_a_log_that_has_it_no_more_says_nothing(server, results):
    server.script(answer(200, {"results": results}))
    assert Infobip().status(HttpClient(), account(server), MESSAGE) is None


@pytest.mark.parametrize(
    ("told", "ok"),
    [
        (answer(200, {"results": []}), True),
        (answer(401, {"errorCode": "E401"}), False),
        (answer(403, {"errorCode": "E403"}), False),
        (answer(404, body=b"<html>"), False),
    ],
)
def test_probe(server, told, ok):
    server.script(told)
    found = Infobip().probe(HttpClient(), account(server))
    assert found.ok is ok and found.detail.endswith(".")


def test_balance(server):
    server.script(answer(200, {"balance": 47.79134, "currency": "EUR"}))
    found = Infobip().balance(HttpClient(), account(server))
    assert (found.credits, found.currency) == (47, "EUR")
    server.script(answer(403, {"errorCode": "E403"}))
    with pytest.raises(ChannelError) as caught:
        Infobip().balance(HttpClient(), account(server))
    assert "scope" in caught.value.message
