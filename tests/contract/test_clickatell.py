"""Clickatell's own ways: what it is sent, its statuses, its account."""

from dataclasses import replace

import pytest

from portal.channels.base import ChannelError, Loss, Outcome
from portal.channels.clickatell.client import Clickatell
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.clickatell import API_KEY, CLICKATELL, MESSAGE, update
from tests.contract.standin import StandIn, answer


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = CLICKATELL.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


def sent(server, part=PART, **credentials):
    server.script(CLICKATELL.accepts)
    Clickatell().send(HttpClient(), account(server, **credentials), part)
    call = server.calls[-1]
    assert (call.method, call.target) == ("POST", "/v1/message")
    assert call.headers["authorization"] == API_KEY, "no word before it"
    return call.json()


def test_a_text_with_our_key(server):
    message = {"channel": "sms", "to": "639171234567", "content": "ñ 👋", "clientMessageId": "41:1"}
    assert sent(server, replace(PART, text="ñ 👋"), **{"from": "+447700900001"}) == {
        "messages": [message | {"from": "447700900001"}]
    }
    assert sent(server, replace(PART, text="ñ 👋"), **{"from": ""}) == {"messages": [message]}


@pytest.mark.parametrize(("code", "stops", "opted_out"), [(2, True, False), (3, True, False), (26, False, True)])
def test_what_stops_and_who_has_stopped(server, code, stops, opted_out):
    server.script(answer(400, {"messages": [], "error": {"code": code}}))
    with pytest.raises(ChannelError) as caught:
        Clickatell().send(HttpClient(), account(server), PART)
    assert (caught.value.stops, caught.value.opted_out, caught.value.code) == (stops, opted_out, str(code))


def test_status(server):
    server.script(answer(200, update("RECIPIENT_DOES_NOT_EXIST", 29)))
    found = Clickatell().status(HttpClient(), account(server), MESSAGE)
    assert server.calls[0].target == f"/v1/message/{MESSAGE}"
    assert (found.outcome, found.loss, found.external_id) == (Outcome.FAILED, Loss.UNREACHABLE, MESSAGE)
    server.script(answer(200, {"statusCode": 4}))
    assert Clickatell().status(HttpClient(), account(server), MESSAGE).outcome == Outcome.SENT
    server.script(answer(200, {"status": "TELEPORTED", "statusCode": 77}))
    assert Clickatell().status(HttpClient(), account(server), MESSAGE) is None


@pytest.mark.parametrize(
    "told", [answer(404, {}), answer(200, {"status": "UNKNOWN", "statusCode": 1}), answer(200, {"statusCode": 1})]
)
def test_a_message_that_is_not_known(server, told):
    server.script(told)
    with pytest.raises(ChannelError) as caught:
        Clickatell().status(HttpClient(), account(server), MESSAGE)
    assert caught.value.code == "unknown_message" and not caught.value.retry


@pytest.mark.parametrize(
    ("told", "ok"),
    [
        (answer(200, {"balance": 12.5, "currency": "USD"}), True),
        (answer(401, {"error": {"code": 1}}), False),
        (answer(400, {"error": {"code": 2}}), False),
        (answer(404, body=b"<html>"), False),
    ],
)
def test_probe(server, told, ok):
    server.script(told)
    found = Clickatell().probe(HttpClient(), account(server))
    assert found.ok is ok and found.detail.endswith(".")


def test_balance(server):
    server.script(answer(200, {"balance": "12.97", "currency": "ZAR"}))
    found = Clickatell().balance(HttpClient(), account(server))
    assert (found.credits, found.currency) == (12, "ZAR")
