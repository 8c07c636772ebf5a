"""The gateways' own ways: what they are sent, in which alphabet, and what they are answered."""

from dataclasses import replace
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import pytest

from portal.channels import alphabet
from portal.channels.base import ChannelError
from portal.channels.content import File
from portal.channels.kannel.client import Kannel
from portal.http import HttpClient
from portal.messaging import segments
from tests.contract.cases import PART, WEBHOOK_URL, got
from tests.contract.cases.kannel import JASMIN, JASMIN_ID, KANNEL, PASSWORD, said
from tests.contract.standin import StandIn, answer

PICTURE = File("https://pictures.test/a.png", "a.png", "image/png", 10)


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(case, server, **credentials):
    known = case.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


def sent(case, server, part=PART, **credentials):
    server.script(case.accepts)
    Kannel().send(HttpClient(), account(case, server, **credentials), part)
    call = server.calls[-1]
    if case is JASMIN:
        assert (call.method, call.target) == ("POST", "/send")
        return dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    assert call.method == "GET" and urlsplit(call.target).path == "/cgi-bin/sendsms"
    return dict(parse_qsl(urlsplit(call.target).query, keep_blank_values=True, encoding="latin-1"))


def test_kannel_is_told_the_alphabet_and_where_to_report(server):
    assert sent(KANNEL, server) == {
        **{"username": "portal", "password": PASSWORD, "from": "21583", "to": "+639171234567"},
        **{"coding": "0", "charset": "UTF-8", "text": "Kumusta", "dlr-mask": "27"},
        "dlr-url": f"{WEBHOOK_URL}/status?key=41_1&dlr=%d&reply=%A&foreign=%F&at=%T",
    }


def test_kannel_gets_unicode_as_the_units_that_travel(server):
    part = replace(PART, text="ñ & “ok” 👋")
    form = sent(KANNEL, server, part)
    assert (form["coding"], form["charset"]) == ("2", "UTF-16BE")
    raw = urlsplit(server.calls[-1].target).query.split("&text=")[1].split("&")[0]
    assert unquote_to_bytes(raw.replace("+", " ")).decode("utf-16-be") == part.text


def test_jasmin_gets_unicode_in_hex(server):
    form = sent(JASMIN, server)
    assert form == {
        **{"username": "portal", "password": PASSWORD, "from": "21583", "to": "+639171234567"},
        **{"coding": "0", "content": "Kumusta", "dlr": "yes", "dlr-level": "3", "dlr-method": "GET"},
        "dlr-url": f"{WEBHOOK_URL}/status?key=41_1",
    }
    form = sent(JASMIN, server, replace(PART, text="ñá 👋"))
    assert form["coding"] == "8" and "content" not in form
    assert bytes.fromhex(form["hex-content"]).decode("utf-16-be") == "ñá 👋"


@pytest.mark.parametrize("case", [KANNEL, JASMIN], ids=["kannel", "jasmin"])
def test_wishes(case, server):
    form = sent(case, server, replace(PART, files=(PICTURE,)), numbers="digits", smsc="globe", validity="30")
    assert form["to"] == "639171234567"
    assert form["smsc" if case is KANNEL else "tags"] == "globe"
    assert form["validity" if case is KANNEL else "validity-period"] == "30"
    assert form["text" if case is KANNEL else "content"] == f"Kumusta\n{PICTURE.url}"


@pytest.mark.parametrize("case", [KANNEL, JASMIN], ids=["kannel", "jasmin"])
def test_no_report_is_asked_for_where_nobody_could_reach_us(case, server):
    server.script(case.accepts)
    Kannel().send(HttpClient(), replace(account(case, server), webhook_url=""), PART)
    assert "dlr" not in server.calls[0].target + server.calls[0].body.decode()


@pytest.mark.parametrize(
    ("case", "text", "fits"),
    [
        (KANNEL, "a" * 1530, True),
        (KANNEL, "a" * 1531, False),
        (KANNEL, "€" * 766, False),
        (KANNEL, "á" * 670, True),
        (KANNEL, "á" * 671, False),
        (JASMIN, "a" * 765, True),
        (JASMIN, "a" * 766, False),
        (JASMIN, "👋" * 168, False),
    ],
)
def test_what_the_gateway_would_cut_is_not_sent(case, text, fits, server):
    server.script(case.accepts)
    try:
        Kannel().send(HttpClient(), account(case, server), replace(PART, text=text))
    except ChannelError as error:
        assert not fits and not error.retry and not error.unknown and server.calls == []
    else:
        assert fits
    server.script(case.accepts)
    Kannel().send(HttpClient(), account(case, server, max_parts="12"), replace(PART, text=text))


def test_parts_are_counted_as_kannel_says(server):
    server.script(said(202, "Sent. Message splits: 3"))
    assert Kannel().send(HttpClient(), account(KANNEL, server), PART).segments == 3
    server.script(said(202, "3: Queued for later delivery"))
    assert Kannel().send(HttpClient(), account(KANNEL, server), PART).external_id == PART.idempotency_key


@pytest.mark.parametrize("path", ["", "/", "/cgi-bin/sendsms", "/cgi-bin/sendsms/"])
def test_the_address_may_hold_the_path(path, server):
    server.script(KANNEL.accepts)
    Kannel().send(HttpClient(), replace(account(KANNEL, server), api_url=server.url + path), PART)
    assert server.calls[0].target.startswith("/cgi-bin/sendsms?")


@pytest.mark.parametrize("case", [KANNEL, JASMIN], ids=["kannel", "jasmin"])
def test_without_an_address_nobody_is_called(case):
    nowhere = replace(case.account(""), api_url="")
    with pytest.raises(ChannelError) as caught:
        Kannel().send(HttpClient(), nowhere, PART)
    assert caught.value.retry and not caught.value.unknown and "API address" in caught.value.message
    assert not Kannel().probe(HttpClient(), nowhere).ok


@pytest.mark.parametrize(
    ("case", "told", "ok"),
    [
        (KANNEL, said(400, "Missing receiver number, rejected"), True),
        (KANNEL, said(403, "Authorization failed for sendsms"), False),
        (KANNEL, said(404, "Unknown request."), False),
        (KANNEL, said(400, "Bad request"), False),
        (JASMIN, answer(200, {"balance": 10.2, "sms_count": "ND"}), True),
        (JASMIN, answer(403, "Authentication failure for username:portal"), False),
        (JASMIN, said(404, "No Such Resource"), False),
        (JASMIN, answer(400, "Authorization failed for user [portal] (Cannot check balance)."), True),
    ],
)
def test_probe(case, told, ok, server):
    server.script(told)
    found = Kannel().probe(HttpClient(), account(case, server))
    assert found.ok is ok and found.detail.endswith(".")
    assert "to=" not in server.calls[0].target


def test_kannel_that_cannot_be_judged_is_no_probe(server):
    server.script(said(200, "Welcome"))
    with pytest.raises(ChannelError) as caught:
        Kannel().probe(HttpClient(), account(KANNEL, server))
    assert not caught.value.unknown


def test_balance(server):
    server.script(answer(200, {"balance": 12.9, "sms_count": 3}))
    assert Kannel().balance(HttpClient(), account(JASMIN, server)).credits == 12
    server.script(answer(200, {"balance": "ND", "sms_count": "ND"}))
    assert Kannel().balance(HttpClient(), account(JASMIN, server)).postpaid


def test_each_is_answered_in_its_own_words():
    """Whatever Kannel is answered to a customer's text goes to the customer."""
    for heard in KANNEL.heard:
        assert Kannel().answer(heard.request) == ("", "text/plain; charset=utf-8")
    for heard in JASMIN.heard:
        assert Kannel().answer(heard.request)[0] == "ACK/Jasmin"


def test_a_report_brings_the_time_and_nothing_is_believed_that_is_not_said():
    [told] = Kannel().parse(got("status", "key=41_1&dlr=1&reply=&at=1767225660"))
    assert told.at.isoformat() == "2026-01-01T00:01:00+00:00" and told.external_id == "41:1"
    [told] = Kannel().parse(got("status", f"id={JASMIN_ID}&message_status=DELIVRD&dlr=2"))
    assert told.outcome == "delivered" and told.our_key == ""


def test_the_alphabet_is_the_one_that_parts_are_counted_by():
    for text in ("a" * 160, "a" * 161, "€" * 80, "á" * 70, "👋" * 36):
        assert alphabet.is_gsm7(text) == (segments.split(text).encoding is segments.Encoding.GSM7)
        assert alphabet.fits(text, 2) == (segments.count(text) <= 2)
    assert segments.count("👋" * 67) == 3 and not alphabet.fits("👋" * 67, 2)
    assert segments.count("a" * 152 + "€" + "a" * 152) == 3 and not alphabet.fits("a" * 152 + "€" + "a" * 152, 2)
