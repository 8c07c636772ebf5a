"""What SMS providers hardly ever say, and what nobody may make of it: a delivery, a repetition, a standstill."""

import json

import pytest

from portal.channels import registry
from portal.channels.base import ChannelError, Outcome, Unread
from portal.channels.generic_http.documents import MOST_ITEMS
from portal.http import HttpClient
from portal.journal.entry import without_secrets
from tests.contract.cases import PART, posted
from tests.contract.cases.twilio import TWILIO
from tests.contract.cases.vonage import VONAGE
from tests.contract.standin import StandIn, answer


def told(kind: str, said: object, action: str = "status"):
    return registry.get(kind).parse(posted(action, json.dumps(said)))


@pytest.mark.parametrize("codes", [("1", "5"), ("5", "1"), ("1", ""), ("9", "13")])
def test_an_sms_of_a_text_that_may_have_gone_out_keeps_the_text_from_being_repeated(codes):
    with StandIn() as server:
        server.script(answer(200, {"messages": [{"status": each} for each in codes]}))
        with pytest.raises(ChannelError) as caught:
            registry.get("vonage").send(HttpClient(), VONAGE.account(server.url), PART)
    assert (caught.value.unknown, caught.value.retry) == (True, False)


def test_a_flat_request_with_a_word_of_the_other_table_is_no_delivery():
    [found] = told("clickatell", {"messageId": "m", "status": "SENT_TO_SUPPLIER", "statusCode": 4})
    assert (found.outcome, found.code) == (Outcome.SENT, "SENT_TO_SUPPLIER")
    [found] = told("clickatell", {"messageId": "m", "status": "RECEIVED_BY_RECIPIENT", "statusCode": 4})
    assert (found.outcome, found.code) == (Outcome.DELIVERED, "4")


@pytest.mark.parametrize("group", [0, 1, 2, 4, 5])
def test_a_status_outside_of_its_group_is_no_delivery(group):
    [found] = told("infobip", {"results": [{"messageId": "m", "status": {"groupId": group, "id": 5}}]})
    assert found.outcome is not Outcome.DELIVERED


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00.000+1400", "9999-12-31T23:59:59.000-1400"])
def test_a_day_that_no_calendar_has_is_none(moment):
    text = {"from": "639171234567", "text": "Hi", "messageId": "m", "receivedAt": moment}
    [found] = told("infobip", {"results": [text]}, "receive")
    assert (found.text, found.at) == ("Hi", None)
    [found] = told("africastalking", {"from": "+254711000001", "text": "Hi", "id": "m", "date": moment}, "receive")
    assert (found.text, found.at) == ("Hi", None)


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "utf-7", "hex"])
def test_a_charset_that_is_none_of_a_phone_is_not_believed(charset):
    request = posted("receive", f"from=%2B639171234567&charset={charset}&text=aa-aa%5Cu0041")
    assert registry.get("kannel").parse(request)[0].text == "aa-aa\\u0041"


def test_what_a_gateway_reports_beyond_what_is_read_of_one_request_is_told():
    reports = [{"id": str(each), "status": "delivered"} for each in range(MOST_ITEMS + 5)]
    *found, rest = told("generic_http", reports)
    assert len(found) == MOST_ITEMS
    assert isinstance(rest, Unread) and "5 items" in rest.detail


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.twilio.com/a.jpg", True),
        ("http://api.twilio.com/a.jpg", False),
        ("https://eviltwilio.com/a.jpg", False),
        ("https://twilio.com.evil.test/a.jpg", False),
        ("https:///a.jpg", False),
        ("http://gateway.test/a.jpg", True),
        ("https://gateway.test@evil.test/a.jpg", False),
    ],
)
def test_the_token_is_shown_to_twilio_alone_and_never_in_the_clear(url, shown):
    known = TWILIO.account("http://gateway.test")
    assert bool(registry.get("twilio").media_request(HttpClient(), known, url)[1]) is shown


@pytest.mark.parametrize(
    "name",
    ["token", "access_token", "auth_token", "api_secret", "app_secret", "secret", "api_key", "pass", "passphrase"],
)
def test_what_proves_a_caller_is_not_kept_in_the_clear(name):
    assert without_secrets(f"a=1&{name}=s3cret;b=2&subscriber_number=9") == (
        f"a=1&{name}=[redacted];b=2&subscriber_number=9"
    )
