"""Twilio's own ways: what it is sent, its signature, its prices, its files."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from portal.channels.base import Account, ChannelError, Loss, Outcome, WebhookRequest
from portal.channels.content import File
from portal.channels.twilio import signature
from portal.channels.twilio.client import Twilio
from portal.http import HttpClient
from tests.contract.cases import PART, WEBHOOK_URL
from tests.contract.cases.twilio import MESSAGE, TWILIO, TWILIO_SID, TWILIO_TOKEN, sign
from tests.contract.standin import StandIn, answer

HOME = Path(__file__).resolve().parents[2]
VECTORS = next(
    (each / "shared/vectors/signatures.json" for each in HOME.parents[:3] if (each / "shared/vectors").is_dir()), None
)
PICTURE = File("https://pictures.test/a.png", "a.png", "image/png", 10)


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = TWILIO.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


def sent(server, part=PART, **credentials):
    server.script(TWILIO.accepts)
    Twilio().send(HttpClient(), account(server, **credentials), part)
    call = server.calls[-1]
    assert call.target == f"/2010-04-01/Accounts/{TWILIO_SID}/Messages.json"
    assert call.headers["authorization"].startswith("Basic ")
    return parse_qsl(call.body.decode(), keep_blank_values=True)


def test_a_text_with_the_address_for_its_receipts(server):
    assert sent(server) == [
        ("To", PART.to),
        ("From", "+15005550006"),
        ("Body", PART.text),
        ("StatusCallback", f"{WEBHOOK_URL}/status?key=41_1"),
    ]


def test_a_service_stands_before_a_number(server):
    service = "MG" + "0" * 32
    assert ("MessagingServiceSid", service) in sent(server, messaging_service_sid=service)
    assert "From" not in dict(sent(server, messaging_service_sid=service))


def test_no_address_is_given_out_that_nobody_could_reach(server):
    server.script(TWILIO.accepts)
    Twilio().send(HttpClient(), replace(account(server), webhook_url=""), PART)
    assert b"StatusCallback" not in server.calls[0].body


def test_files_are_links_unless_the_number_can_mms(server):
    part = replace(PART, files=(PICTURE, PICTURE))
    assert dict(sent(server, part))["Body"] == f"{PART.text}\n{PICTURE.url}\n{PICTURE.url}"
    form = sent(server, part, mms="yes")
    assert [value for name, value in form if name == "MediaUrl"] == [PICTURE.url] * 2
    assert dict(form)["Body"] == PART.text
    assert "Body" not in dict(sent(server, replace(part, text=""), mms="yes"))


def test_a_sender_that_names_nobody_is_told_so_and_calls_nobody(server):
    server.script(TWILIO.accepts)
    with pytest.raises(ChannelError) as caught:
        Twilio().send(HttpClient(), account(server, **{"from": ""}), PART)
    assert caught.value.retry and not caught.value.unknown and server.calls == []
    server.script(answer(200, {"status": "active", "type": "Full", "friendly_name": "Us"}))
    assert not Twilio().probe(HttpClient(), account(server, **{"from": ""})).ok


def test_opted_out_is_learnt(server):
    server.script(answer(400, {"code": 21610}))
    with pytest.raises(ChannelError) as caught:
        Twilio().send(HttpClient(), account(server), PART)
    assert caught.value.opted_out


def test_the_price_comes_with_the_status(server):
    server.script(
        answer(
            200,
            {"sid": MESSAGE, "status": "undelivered", "error_code": 30005, "price": "-0.00790", "price_unit": "USD"}
            | {"num_segments": "2", "to": PART.to},
        )
    )
    receipt = Twilio().status(HttpClient(), account(server), MESSAGE)
    assert (receipt.outcome, receipt.loss, receipt.code) == (Outcome.FAILED, Loss.UNREACHABLE, "30005")
    assert receipt.billing == {"price": "-0.00790", "currency": "USD", "segments": "2"}
    server.script(answer(404, {"code": 20404}))
    with pytest.raises(ChannelError) as caught:
        Twilio().status(HttpClient(), account(server), MESSAGE)
    assert not caught.value.retry and caught.value.code == "20404"


@pytest.mark.parametrize(
    ("told", "ok"),
    [
        (answer(200, {"status": "active", "type": "Trial"}), True),
        (answer(200, {"status": "suspended", "type": "Full"}), False),
        (answer(401, {"code": 20003}), False),
        (answer(404, {"code": 20404}), False),
    ],
)
def test_probe(server, told, ok):
    server.script(told)
    found = Twilio().probe(HttpClient(), account(server))
    assert found.ok is ok and found.detail.endswith(".")


def test_balance(server):
    server.script(answer(200, {"balance": "12.97", "currency": "USD"}))
    found = Twilio().balance(HttpClient(), account(server))
    assert (found.credits, found.currency) == (12, "USD")


@pytest.mark.skipif(VECTORS is None or not VECTORS.exists(), reason="the collection of vectors is not here")
def test_the_vector():
    vector = json.loads(VECTORS.read_text())["twilio_x_twilio_signature"]
    pairs = list(vector["params"].items())
    assert signature.signature(vector["token"], vector["url"], pairs) == vector["signature"]


@pytest.mark.parametrize("given", ["https://sms.example.com:443/hooks", "https://sms.example.com/hooks"])
@pytest.mark.parametrize("called", ["https://sms.example.com:443/hooks", "https://sms.example.com/hooks"])
def test_a_port_makes_no_difference(given, called):
    known = Account(1, {"auth_token": "t"}, webhook_url=given)
    shown = signature.signature("t", f"{called}/receive?a=1", [("From", "+1"), ("Body", "x")])
    heard = WebhookRequest("receive", b"From=%2B1&Body=x", headers={"x-twilio-signature": shown}, query="a=1")
    assert Twilio().verify(known, heard)
    assert not Twilio().verify(known, replace(heard, query="a=2"))
    assert not Twilio().verify(known, replace(heard, body=b"From=%2B1&Body=y"))


def test_a_json_body_is_signed_by_its_digest():
    body, digest = b'{"a":1}', "0" * 64
    query = f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    known = Account(1, {"auth_token": "t"}, webhook_url="https://x.test/h")
    shown = signature.signature("t", f"https://x.test/h/receive?{query}", [])
    heard = WebhookRequest("receive", body, headers={"x-twilio-signature": shown}, query=query)
    assert Twilio().verify(known, heard)
    assert not Twilio().verify(known, replace(heard, body=b'{"a":2}'))
    assert not Twilio().verify(known, replace(heard, query=f"bodySHA256={digest}"))


def test_nothing_is_proved_where_our_address_is_not_known():
    request = sign(TWILIO.heard[0].request)
    assert Twilio().verify(TWILIO.account(""), request)
    assert not Twilio().verify(replace(TWILIO.account(""), webhook_url=""), request)


def test_the_token_is_shown_to_twilio_alone(server):
    known = account(server)
    for url, shown in (
        ("https://api.twilio.com/x", True),
        ("https://media.us1.twilio.com/x", True),
        ("https://twilio.com.evil.test/x", False),
        ("https://eviltwilio.com/x", False),
        (f"{server.url}/x", True),
    ):
        where, headers = Twilio().media_request(HttpClient(), known, url)
        assert where == url and bool(headers) is shown, url
    assert TWILIO_TOKEN not in str(Twilio().media_request(HttpClient(), known, "https://else.test")[1])


def test_the_answer_tells_twilio_to_say_nothing():
    body, content_type = Twilio().answer(TWILIO.heard[0].request)
    assert body.endswith("<Response></Response>") and content_type == "text/xml"
