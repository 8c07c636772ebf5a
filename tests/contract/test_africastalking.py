"""Africa's Talking's own ways: what it is sent, its sandbox, its balance."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from portal.channels import capabilities
from portal.channels.africastalking.client import AfricasTalking
from portal.channels.africastalking.fields import PUBLIC_URL, SANDBOX_URL, public_url
from portal.channels.base import ChannelError
from portal.channels.content import File
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.africastalking import AFRICASTALKING, AT_KEY, MESSAGE, taken
from tests.contract.standin import StandIn, answer

PICTURE = File("https://pictures.test/a.png", "a.png", "image/png", 10)


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = AFRICASTALKING.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


def test_the_form(server):
    server.script(taken())
    accepted = AfricasTalking().send(HttpClient(), account(server), replace(PART, text="Habari ñ 👋", files=(PICTURE,)))
    [call] = server.calls
    assert (call.method, call.target, call.headers["apikey"]) == ("POST", "/version1/messaging", AT_KEY)
    assert AT_KEY not in call.target and AT_KEY.encode() not in call.body
    assert dict(parse_qsl(call.body.decode())) == {
        "username": "sendero-live",
        "to": PART.to,
        "message": f"Habari ñ 👋\n{PICTURE.url}",
        "bulkSMSMode": "1",
        "enqueue": "1",
        "from": "SENDERO",
    }
    assert (accepted.code, accepted.sandbox) == ("101", False)


def test_no_from_leaves_the_choice_to_them(server):
    server.script(taken(messageParts=3))
    accepted = AfricasTalking().send(HttpClient(), account(server, **{"from": ""}), PART)
    assert b"from=" not in server.calls[0].body and accepted.segments == 3


def test_a_number_without_its_plus_is_the_same_number(server):
    server.script(taken(number=PART.to.removeprefix("+")))
    assert AfricasTalking().send(HttpClient(), account(server), PART).external_id == MESSAGE


def test_what_is_held_for_a_check_is_taken_when_it_has_an_id(server):
    server.script(taken(401, status="RiskHold"))
    accepted = AfricasTalking().send(HttpClient(), account(server), PART)
    assert (accepted.external_id, accepted.code) == (MESSAGE, "401")


def test_a_block_list_is_no_opt_out_of_everything(server):
    """On some networks every number is on it for promotional names: it says nothing of other senders."""
    entry = {"statusCode": 406, "number": PART.to, "status": "UserInBlacklist", "messageId": "None"}
    server.script(answer(201, {"SMSMessageData": {"Message": "Sent to 0/1", "Recipients": [entry]}}))
    with pytest.raises(ChannelError) as caught:
        AfricasTalking().send(HttpClient(), account(server), PART)
    assert (caught.value.code, caught.value.opted_out) == ("406", False)


def test_the_sandbox_has_a_server_of_its_own_and_sends_nothing(server):
    assert public_url({"username": "sandbox"}) == SANDBOX_URL
    assert public_url({"username": "sendero"}) == PUBLIC_URL
    server.script(taken())
    accepted = AfricasTalking().send(HttpClient(), account(server, username="sandbox"), PART)
    assert accepted.sandbox and accepted.code == "sandbox"
    assert capabilities.is_sandbox(AfricasTalking(), {"username": "sandbox"})


def test_two_sandboxes_are_two_accounts():
    keys = {capabilities.account_key(AfricasTalking(), {"username": "sandbox", "api_key": key}, "") for key in "ab"}
    apps = {capabilities.account_key(AfricasTalking(), {"username": "live", "api_key": key}, "") for key in "ab"}
    assert (len(keys), len(apps)) == (2, 1)


@pytest.mark.parametrize(
    ("told", "ok"),
    [
        (answer(200, {"UserData": {"balance": "KES 1785.50"}}), True),
        (answer(401, body=b"The supplied authentication is invalid"), False),
        (answer(404, body=b""), False),
    ],
)
def test_probe(server, told, ok):
    server.script(told)
    found = AfricasTalking().probe(HttpClient(), account(server))
    assert found.ok is ok and found.detail.endswith(".")
    assert server.calls[0].target == "/version1/user?username=sendero-live"


@pytest.mark.parametrize(
    ("said", "credits", "currency"),
    [("KES 1785.50", 1785, "KES"), ("NGN -0.50", -1, "NGN"), ("12", 12, ""), ("KES 1,200.00", 1200, "KES")],
)
def test_balance(server, said, credits, currency):
    server.script(answer(200, {"UserData": {"balance": said}}))
    found = AfricasTalking().balance(HttpClient(), account(server))
    assert (found.credits, found.currency) == (credits, currency)


@pytest.mark.parametrize("said", ["", "much", "KES", None, 10**40])
def test_a_balance_that_is_none(server, said):
    server.script(answer(200, {"UserData": {"balance": said}}))
    with pytest.raises(ChannelError):
        AfricasTalking().balance(HttpClient(), account(server))


def test_only_a_date_with_its_zone_is_believed():
    [heard] = [each for each in AFRICASTALKING.heard if each.name == "a text"]
    [found] = AfricasTalking().parse(heard.request)
    assert found.at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    bare = replace(heard.request, body=heard.request.body.replace(b"T10%3A00%3A00Z", b"+10%3A00%3A00"))
    assert bare.body != heard.request.body and AfricasTalking().parse(bare)[0].at is None
