"""Vonage's own ways: what it is sent, its signatures, its account."""

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from portal.channels.base import ChannelError
from portal.channels.content import File
from portal.channels.vonage import signature
from portal.channels.vonage.client import Vonage
from portal.http import HttpClient
from tests.contract.cases import PART, WEBHOOK_URL, got
from tests.contract.cases.vonage import API_SECRET, MESSAGE, VONAGE, sign
from tests.contract.standin import StandIn, answer

HOME = Path(__file__).resolve().parents[2]
VECTORS = next(
    (each / "shared/vectors/signatures.json" for each in HOME.parents[:3] if (each / "shared/vectors").is_dir()), None
)


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = VONAGE.account(server.url if server else "")
    return replace(known, credentials={**known.credentials, **credentials})


def sent(server, part=PART, **credentials):
    server.script(VONAGE.accepts)
    Vonage().send(HttpClient(), account(server, **credentials), part)
    assert server.calls[-1].target == "/sms/json"
    return parse_qsl(server.calls[-1].body.decode(), keep_blank_values=True)


def test_a_text_with_the_address_for_its_receipts(server):
    assert sent(server, **{"from": "+447700900001"}) == [
        ("api_key", "abcd1234"),
        ("api_secret", API_SECRET),
        ("from", "447700900001"),
        ("to", "639171234567"),
        ("text", PART.text),
        ("type", "text"),
        ("status-report-req", "1"),
        ("client-ref", "41:1"),
        ("callback", f"{WEBHOOK_URL}/status?key=41_1"),
    ]


@pytest.mark.parametrize(
    ("text", "kind"), [("ñ à € [x]", "text"), ("Kumusta 👋", "unicode"), ("ça va", "unicode"), ("l’eau", "unicode")]
)
def test_unicode_is_said_where_the_cheap_alphabet_does_not_do(server, text, kind):
    form = dict(sent(server, replace(PART, text=text)))
    assert (form["text"], form["type"]) == (text, kind)


def test_files_are_links(server):
    picture = File("https://pictures.test/a.png", "a.png", "image/png", 10)
    assert dict(sent(server, replace(PART, files=(picture,))))["text"] == f"{PART.text}\n{picture.url}"


def test_no_address_is_given_out_that_nobody_could_reach(server):
    server.script(VONAGE.accepts)
    Vonage().send(HttpClient(), replace(account(server), webhook_url=""), PART)
    assert b"callback" not in server.calls[0].body


def test_a_long_text_is_as_many_segments_as_vonage_names(server):
    told = [{"status": "0", "message-id": f"{MESSAGE}{n}"} for n in range(3)]
    server.script(answer(200, {"message-count": "3", "messages": told}))
    accepted = Vonage().send(HttpClient(), account(server), PART)
    assert (accepted.external_id, accepted.segments) == (f"{MESSAGE}0", 3)


def test_a_text_that_was_taken_in_part_says_so_and_is_not_repeated(server):
    told = [{"status": "0", "message-id": MESSAGE}, {"status": "9"}]
    server.script(answer(200, {"messages": told}))
    with pytest.raises(ChannelError) as caught:
        Vonage().send(HttpClient(), account(server), PART)
    error = caught.value
    assert (error.retry, error.unknown) == (False, False)
    assert error.message == (
        "Vonage took 1 of the 2 SMS of this text and refused the rest: "
        "The Vonage account has no credit left: top it up."
    )


@pytest.mark.skipif(VECTORS is None or not VECTORS.exists(), reason="the collection of vectors is not here")
@pytest.mark.parametrize(
    ("name", "method"), [("hmac_sha256", "sha256"), ("hmac_md5", "md5"), ("plain_md5_hash", "md5hash")]
)
@pytest.mark.parametrize("setting", ["any", "its own", "another"])
def test_the_vector(name, method, setting):
    vector = json.loads(VECTORS.read_text())["vonage_sms_sig"]
    assert signature.signature(method, vector["secret"], vector["params"]) == vector[name]
    chosen = {"any": "any", "its own": method, "another": "sha512"}[setting]
    known = account(None, signature_secret=vector["secret"], signature=chosen)
    heard = got("status", urlencode({**vector["params"], "sig": vector[name].upper()}))
    assert Vonage().verify(known, heard) is (setting != "another")


@pytest.mark.parametrize("name", ["md5hash", "md5", "sha1", "sha256", "sha512"])
def test_every_method(name):
    for heard in VONAGE.heard:
        assert Vonage().verify(account(None), sign(heard.request, name)), heard.name
        assert Vonage().verify(account(None, signature=name), sign(heard.request, name)), heard.name


def test_the_key_in_our_address_may_be_signed_too():
    said = {"key": "41_1", "messageId": MESSAGE, "status": "delivered", "msisdn": "639171234567"}
    sig = signature.signature("sha256", VONAGE.credentials["signature_secret"], said)
    assert Vonage().verify(account(None), got("status", urlencode({**said, "sig": sig})))
    assert not Vonage().verify(account(None), got("status", urlencode({**said, "key": "42_1", "sig": sig})))


def test_none_is_said_and_not_guessed():
    plain = VONAGE.heard[0].request
    assert not Vonage().verify(account(None), plain)
    assert not Vonage().verify(account(None, signature_secret=""), plain)
    assert Vonage().verify(account(None, signature="none"), plain)
    assert Vonage().verify(account(None, signature="none", signature_secret=""), plain)


@pytest.mark.parametrize(
    ("told", "more", "ok"),
    [
        (answer(200, {"value": 10.28, "autoReload": False}), {}, True),
        (answer(200, {"value": 10.28}), {"signature_secret": ""}, False),
        (answer(200, {"value": 10.28}), {"signature_secret": "", "signature": "none"}, True),
        (answer(401, {"error-code": "401"}), {}, False),
        (answer(404, body=b""), {}, False),
    ],
)
def test_probe(server, told, more, ok):
    server.script(told)
    found = Vonage().probe(HttpClient(), account(server, **more))
    assert found.ok is ok and found.detail.endswith(".")
    assert server.calls[0].target == "/account/get-balance"
    assert server.calls[0].headers["authorization"].startswith("Basic ")


def test_balance(server):
    server.script(answer(200, {"value": 10.98, "autoReload": False}))
    found = Vonage().balance(HttpClient(), account(server))
    assert (found.credits, found.currency) == (10, "EUR")


def test_all_receipts_of_a_text_have_one_lane():
    one = got("status", urlencode({"key": "41_1", "messageId": "A1"}))
    other = got("status", urlencode({"client-ref": "41:1", "messageId": "B2"}))
    assert Vonage().lane(one) == Vonage().lane(other) != ""
