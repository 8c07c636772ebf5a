"""The log: one JSON object a line, whatever happens, and nothing in it that opens a door or names a customer."""

import json
import logging
import sys

import pytest

from portal.logs import JsonFormatter, log_context, redact

SECRETS = [
    ("POST https://api.example/send?api_key=HUSHhush1234&to=1", "HUSHhush1234"),
    ("https://api.example/x?client_secret=HUSHhush1234", "HUSHhush1234"),
    ("https://api.example/x?app_secret=HUSHhush1234&b=1", "HUSHhush1234"),
    ("https://api.example/x?passphrase=HUSHhush1234", "HUSHhush1234"),
    ("grant_type=refresh_token&refresh_token=HUSHhush1234", "HUSHhush1234"),
    ("/oauth/callback?code=HUSHhush1234", "HUSHhush1234"),
    ("username=u&password=HUSH,hush:1234", "hush:1234"),
    ("connect(user='u', password='HUSHhush1234')", "HUSHhush1234"),
    ("{'X-API-Key': 'HUSHhush1234', 'a': 'b'}", "HUSHhush1234"),
    ("{'auth_token': \"HUSHhush1234\"}", "HUSHhush1234"),
    ('{"apiTokenInstance": "HUSHhush1234"}', "HUSHhush1234"),
    ('{"body": "{\\"access_token\\": \\"HUSHhush1234\\"}"}', "HUSHhush1234"),
    ("X-API-Key: HUSHhush1234", "HUSHhush1234"),
    ("Authorization: Bearer HUSHhush1234", "HUSHhush1234"),
    ("authorization: Basic SFVTSDpodXNo", "SFVTSDpodXNo"),
    ("Set-Cookie: session=HUSHhush1234; Path=/", "HUSHhush1234"),
    ("could not connect to postgresql://portal:HUSHhush1234@db.example/portal", "HUSHhush1234"),
    ("redis://:HUSHhush1234@cache.example", "HUSHhush1234"),
    ("no sender at /webhooks/sms/kannel/HUSHhush1234/receive", "HUSHhush1234"),
    ("no sender at /webhooks/whatsapp/HUSHhush1234", "HUSHhush1234"),
    ("failed at /media/HUSHhush1234_-abc/beach.jpg", "HUSHhush1234_-abc"),
    ("failed at /link/HUSHhush1234_-abcdefgh", "HUSHhush1234_-abcdefgh"),
    ("GET /app/files/1?once=HUSHhush.1234_-abc", "HUSHhush.1234_-abc"),
    ("failed at /media/view/MQ.HUSHhush1234.x-y", "HUSHhush1234"),
    ("https://api.green-api.com/waInstance1101000001/sendMessage/HUSHhush1234", "HUSHhush1234"),
    ("the key cast_0123456789abcdef0123 is not known", "cast_0123456789abcdef0123"),
    ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmVk", "eyJzdWIiOiIxIn0"),
    ("sealed gAAAAABkHUSHhushHUSHhushHUSH", "gAAAAABkHUSH"),
    ("Meta said no to EAAGm0PX4ZCpsBAHUSHhushHUSHhush", "EAAGm0PX4ZCps"),
]
NUMBERS = [
    "The number +639175550142 is not valid.",
    "(+63 917 555 0142)",
    "to=639175550142&x=1",
    "639175550142@c.us left",
    '{"phone":"+639175550142"}',
    "lane simulator:key:+639175550142",
    "by 09175550142, again",
]
HARMLESS = [
    "message 3b241101-e2bb-4255-8caf-413456789012 failed",
    "sim-1700000000000-0042-0123456789abcdef",
    "Cast refused it, for a reason that is not known here (HTTP 418).",
    "part 1 of 3, attempt 2, after 1234.567890123 s",
    'File "/srv/portal/http.py", line 1234, in request',
    "2026-11-21T12:20:27.844+00:00",
    "location ve9EPM428h8vShlRW1KT",
]


def written(message="a message", exc_info=None, **extra):
    """The line that a record becomes."""
    record = logging.LogRecord("portal", logging.ERROR, "file.py", 1, message, None, exc_info)
    record.__dict__.update(extra)
    return JsonFormatter().format(record)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_no_secret_is_written_wherever_it_stands(text, secret):
    deep = {"a": [{"b": (text,)}], "c": RuntimeError(text)}
    try:
        raise ValueError(text)
    except ValueError:
        line = written(text, sys.exc_info(), reason=text, deep=deep, error=RuntimeError(text))
    assert secret not in line, line
    with log_context(request_id=text):
        assert secret not in written()
    assert secret not in redact(text)


@pytest.mark.parametrize("name", ["api_key", "X-API-Key", "password", "Authorization", "refresh_token", "credentials"])
def test_what_is_called_a_secret_is_none_of_the_logs_business(name):
    assert "HUSH" not in written(**{name: "HUSH"})
    assert "HUSH" not in written(given={"headers": {name: "HUSH"}})


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_masked_but_for_their_end(text):
    line = written(text, reason=text)
    assert "5550" not in line and "917" not in line and "42" in line


@pytest.mark.parametrize("text", HARMLESS)
def test_what_helps_to_find_a_fault_stays(text):
    assert json.loads(written(text))["message"] == text


def test_every_line_is_an_object_on_a_line_of_its_own():
    odd = {"lone": "\ud83d", "nul": "\0", "line": "a\nb", "raw": b"\xff", "self": object(), "nan": float("nan")}
    line = written("half an emoji \ud83d", **odd)
    assert "\n" not in line
    line.encode()
    assert set(odd) < set(json.loads(line))


@pytest.mark.parametrize(
    "piece", ["a-", "token-", '"token', "eyJ-", "token= ", "/webhooks/a", "+1 ", "DETAIL:", "://:"]
)
def test_text_that_strangers_write_does_not_hold_the_log_up(piece):
    """Without bounds in the patterns this takes hours."""
    written(piece * (500_000 // len(piece)))
