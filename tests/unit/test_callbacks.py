"""Our addresses as providers get them, and their requests as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels import callbacks
from portal.channels.base import Account, ChannelError, Outgoing, WebhookRequest
from portal.messaging.accounts import reaches_us

KEY = "0190b1c2-7d3e-7f00-8a1b-0123456789ab.2:3"
ACCOUNT = Account(1, {}, webhook_url="https://sms.example.com/webhooks/sms/x/key")


def part(key=KEY):
    return Outgoing("+639171234567", "x", key)


def test_our_key_comes_back_as_it_went():
    url = callbacks.status_url(ACCOUNT, part())
    assert url.startswith(f"{ACCOUNT.webhook_url}/status?key=") and set(url.partition("?")[2]) <= set(
        "abcdefghijklmnopqrstuvwxyz0123456789-._="
    ), "nothing that somebody might escape otherwise"
    assert callbacks.our_key(WebhookRequest("status", b"", query=url.partition("?")[2])) == KEY


def test_placeholders_stay_as_they_are():
    assert callbacks.status_url(ACCOUNT, part(), "what=%d").endswith("&what=%d")
    assert callbacks.status_url(ACCOUNT, None, "what=%d") == f"{ACCOUNT.webhook_url}/status?what=%d"
    assert callbacks.status_url(ACCOUNT) == f"{ACCOUNT.webhook_url}/status"


def test_no_address_where_nobody_could_reach_us():
    assert callbacks.status_url(Account(1, {}), part(), "what=%d") == ""


@pytest.mark.parametrize(
    ("app_url", "api_url", "reached"),
    [
        ("https://sms.example.com", "", True),
        ("https://sms.example.com", "http://127.0.0.1:8001/twilio", True),
        ("http://127.0.0.1:8000", "", False),
        ("http://localhost:8000", "https://api.twilio.com", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001/twilio", True),
        ("http://10.0.0.4", "http://kannel.internal:13013", True),
    ],
)
def test_who_can_reach_us(app_url, api_url, reached):
    assert reaches_us(app_url, api_url) is reached


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("639171234567", "+639171234567"),
        ("+639171234567", "+639171234567"),
        ("tel:+639171234567", "+639171234567"),
        ("32665", "32665"),
        ("09171234567", "09171234567"),
        ("GLOBE", "GLOBE"),
        ("", ""),
    ],
)
def test_numbers_as_providers_write_them(written, number):
    assert callbacks.e164(written) == number


def test_the_body_goes_before_the_address():
    both = WebhookRequest("status", b"a=1&b=2", query="b=3&c=4")
    assert callbacks.fields(both) == {"a": "1", "b": "2", "c": "4"}
    assert callbacks.told(WebhookRequest("status", b' {"a": 1}', query="a=2&c=4")) == {"a": 1, "c": "4"}
    with pytest.raises(ChannelError):
        callbacks.told(WebhookRequest("status", b'{"a": '))


@given(body=st.binary(), query=st.text())
def test_no_bytes_break_the_reading(body, query):
    request = WebhookRequest("status", body, query=query)
    assert all("\x00" not in value for value in callbacks.fields(request).values())
    assert isinstance(callbacks.our_key(request), str)
    try:
        callbacks.told(request)
    except ChannelError as error:
        assert error.message.endswith(".")
