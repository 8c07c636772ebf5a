"""Every error code that Cast documents, with its HTTP status: whose fault it is, what helps, what a person reads."""

import pytest

from portal.channels.base import ChannelError, Scope
from portal.channels.cast.client import Cast
from portal.channels.cast.codes import ERRORS
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.cast import CAST
from tests.contract.standin import StandIn, answer

NEVER = (Scope.MESSAGE, False, False)
SENDER_WAITS = (Scope.SENDER, True, False)
# A 5xx may have come after the message went out: the same key is asked again.
SAME_KEY = (Scope.SENDER, True, True)

# The "Error Code Reference" of Cast's API document v1: status, code, (scope, retry, unknown), a word of the remedy.
DOCUMENTED = [
    (400, "INVALID_REQUEST", NEVER, "operator"),
    (400, "VALIDATION_ERROR", NEVER, "correct it"),
    (401, "INVALID_API_KEY", SENDER_WAITS, "enter the right one"),
    (402, "INSUFFICIENT_CREDITS", SENDER_WAITS, "top it up"),
    (402, "CREDIT_LIMIT_REACHED", SENDER_WAITS, "settle it"),
    (403, "API_KEY_REVOKED", SENDER_WAITS, "enter a new one"),
    (403, "API_KEY_EXPIRED", SENDER_WAITS, "enter a new one"),
    (403, "USER_INACTIVE", SENDER_WAITS, "ask Cast"),
    (403, "IP_NOT_WHITELISTED", SENDER_WAITS, "ask Cast to add it"),
    (403, "CHANNEL_NOT_ALLOWED", SENDER_WAITS, "ask Cast to enable it"),
    (422, "ALREADY_UNSUBSCRIBED", NEVER, "only Cast can lift"),
    (404, "NOT_FOUND", SENDER_WAITS, "check the sender's API address"),
    (405, "METHOD_NOT_ALLOWED", SENDER_WAITS, "check the sender's API address"),
    (429, "RATE_LIMIT_EXCEEDED", SENDER_WAITS, "waits by itself"),
    (500, "INTERNAL_ERROR", SAME_KEY, "asked again by itself"),
    (502, "PROVIDER_ERROR", SAME_KEY, "asked again by itself"),
    (503, "SERVICE_UNAVAILABLE", SAME_KEY, "asked again by itself"),
]


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def refused(server, status, said):
    server.script(answer(status, said))
    with pytest.raises(ChannelError) as caught:
        Cast().send(HttpClient(), CAST.account(server.url), PART)
    return caught.value


def test_the_table_is_whole():
    assert {code for _, code, _, _ in DOCUMENTED} == set(ERRORS)


@pytest.mark.parametrize(("status", "code", "meaning", "remedy"), DOCUMENTED, ids=[row[1] for row in DOCUMENTED])
def test_documented(server, status, code, meaning, remedy):
    error = refused(server, status, {"success": False, "error": "words", "error_code": code})
    assert (error.scope, error.retry, error.unknown) == meaning
    assert error.code == code
    assert remedy in error.message
    assert error.message.endswith(".") and "{" not in error.message
    assert error.opted_out == (code == "ALREADY_UNSUBSCRIBED")
    assert error.stops == (code == "CHANNEL_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(400, NEVER), (401, SENDER_WAITS), (402, SENDER_WAITS), (403, SENDER_WAITS), (422, NEVER), (429, SENDER_WAITS)],
)
def test_a_code_that_is_not_documented_goes_by_its_status(server, status, meaning):
    error = refused(server, status, {"success": False, "error": "words", "error_code": "BRAND_NEW"})
    assert (error.scope, error.retry, error.unknown, error.code) == (*meaning, "BRAND_NEW")
    assert not error.opted_out and not error.stops
    assert "words" not in error.message


def test_what_is_in_doubt_teaches_nothing(server):
    error = refused(server, 500, {"success": False, "error_code": "ALREADY_UNSUBSCRIBED"})
    assert error.unknown and not error.opted_out
