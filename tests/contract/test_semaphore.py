"""Semaphore's own ways: what it is sent and what it never is, its statuses, its credits, its names."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from portal.channels.base import ChannelError, Loss, Outcome
from portal.channels.content import File
from portal.channels.semaphore.client import Semaphore
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.semaphore import MESSAGE, SEMAPHORE, SEMAPHORE_KEY, entry, taken
from tests.contract.standin import StandIn, answer

PICTURE = File("https://pictures.test/a.png", "a.png", "image/png", 10)


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = SEMAPHORE.account(server.url)
    return replace(known, credentials={**known.credentials, **credentials})


def sent(server, part=PART, **credentials):
    server.script(taken(status="Queued"))
    accepted = Semaphore().send(HttpClient(), account(server, **credentials), part)
    assert (accepted.external_id, accepted.code) == (MESSAGE, "queued")
    return server.calls[-1]


def test_the_form(server):
    call = sent(server, replace(PART, text="Kumusta ñ 👋", files=(PICTURE,)))
    assert (call.method, call.target) == ("POST", "/api/v4/messages")
    assert dict(parse_qsl(call.body.decode())) == {
        "apikey": SEMAPHORE_KEY,
        "number": "639171234567",
        "message": f"Kumusta ñ 👋\n{PICTURE.url}",
        "sendername": "SENDERO",
    }


def test_the_priority_queue_and_the_default_name(server):
    call = sent(server, queue="priority", sender_name="")
    assert call.target == "/api/v4/priority" and b"sendername" not in call.body


@pytest.mark.parametrize("text", ["TEST", "test", "Test: one two", "  \nTest message", "TEST, please"])
def test_a_text_that_would_be_dropped_is_refused_before_it_is_sent(server, text):
    server.script(taken())
    with pytest.raises(ChannelError) as caught:
        Semaphore().send(HttpClient(), account(server), replace(PART, text=text))
    assert (caught.value.retry, caught.value.unknown, server.calls) == (False, False, [])


@pytest.mark.parametrize("text", ["Testing is over", "Testimonials", "A test", "Latest news"])
def test_other_texts_are_not(server, text):
    sent(server, replace(PART, text=text))


def test_numbers_abroad_are_refused_before_anything_is_sent(server):
    server.script(taken())
    with pytest.raises(ChannelError) as caught:
        Semaphore().send(HttpClient(), account(server), replace(PART, to="+27831234567"))
    assert not caught.value.retry and server.calls == []


@pytest.mark.parametrize("written", ["09171234567", "639171234567", "+639171234567", "9171234567"])
def test_however_the_number_is_written_in_the_answer(server, written):
    server.script(taken(recipient=written))
    assert Semaphore().send(HttpClient(), account(server), PART).external_id == MESSAGE


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("word", "outcome", "loss"),
    [
        ("Queued", Outcome.ACCEPTED, Loss.NONE),
        ("Pending", Outcome.ACCEPTED, Loss.NONE),
        ("Sent", Outcome.SENT, Loss.NONE),
        ("Failed", Outcome.FAILED, Loss.REJECTED),
        ("Refunded", Outcome.FAILED, Loss.REJECTED),
    ],
)
def test_status(server, word, outcome, loss, listed):
    server.script(answer(200, [entry(status=word)] if listed else entry(status=word)))
    found = Semaphore().status(HttpClient(), account(server), MESSAGE)
    assert (found.outcome, found.loss, found.code) == (outcome, loss, word.lower())
    assert bool(found.detail) == (outcome is Outcome.FAILED)
    assert server.calls[0].target == f"/api/v4/messages/{MESSAGE}?apikey={SEMAPHORE_KEY}"


def test_a_word_that_nobody_knows_says_nothing(server):
    server.script(taken(status="Teleported"))
    assert Semaphore().status(HttpClient(), account(server), MESSAGE) is None


@pytest.mark.parametrize(("step", "code"), [(answer(200, []), "not_found"), (answer(404, []), "not_found")])
def test_a_message_that_it_does_not_know(server, step, code):
    server.script(step)
    with pytest.raises(ChannelError) as caught:
        Semaphore().status(HttpClient(), account(server), MESSAGE)
    assert (caught.value.code, caught.value.retry) == (code, False)


@pytest.mark.parametrize(
    "step",
    [
        answer(200, [entry(message_id=1)]),
        answer(200, {"apikey": ["The selected apikey is invalid."]}),
        answer(429, {"message": "Too Many Attempts."}),
        answer(500, {}),
    ],
)
def test_other_answers_to_a_question_are_asked_again(server, step):
    server.script(step)
    with pytest.raises(ChannelError) as caught:
        Semaphore().status(HttpClient(), account(server), MESSAGE)
    assert caught.value.retry and not caught.value.unknown


KNOWN = {"account_id": 1, "account_name": "Ours", "status": "Active", "credit_balance": 999}
NAMES = [{"name": "SENDERO", "status": "Active"}, {"name": "NEWNAME", "status": "Pending"}]


@pytest.mark.parametrize(
    ("steps", "more", "ok"),
    [
        ((answer(200, KNOWN), answer(200, NAMES)), {}, True),
        ((answer(200, KNOWN), answer(200, NAMES)), {"sender_name": "sendero"}, True),
        ((answer(200, KNOWN), answer(200, NAMES)), {"sender_name": "NEWNAME"}, False),
        ((answer(200, KNOWN), answer(200, [])), {}, False),
        ((answer(200, KNOWN), answer(200, [])), {"sender_name": "Semaphore"}, True),
        ((answer(200, KNOWN), answer(200, [])), {"sender_name": ""}, True),
        ((answer(200, KNOWN), answer(429, {})), {}, True),
        ((answer(200, KNOWN | {"status": "Pending"}),), {}, False),
        ((answer(200, {"apikey": ["The selected apikey is invalid."]}),), {}, False),
        ((answer(401, {"message": "Unauthenticated."}),), {}, False),
    ],
)
def test_probe(server, steps, more, ok):
    server.script(*steps)
    found = Semaphore().probe(HttpClient(), account(server, **more))
    assert found.ok is ok and found.detail.endswith(".")
    assert SEMAPHORE_KEY not in repr(found)


def test_names_and_credits(server):
    server.script(answer(200, NAMES))
    found = Semaphore().sender_ids(HttpClient(), account(server))
    assert [(each.name, each.approved) for each in found] == [("SENDERO", True), ("NEWNAME", False)]
    server.script(answer(200, KNOWN))
    assert Semaphore().balance(HttpClient(), account(server)).credits == 999


def test_an_account_without_names_is_told_what_to_do(server):
    server.script(answer(200, []))
    with pytest.raises(ChannelError, match="apply for one"):
        Semaphore().sender_ids(HttpClient(), account(server))
