"""The simulator: what the magic numbers do, what time does, and what may be posted to it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine

from portal.channels.base import Account, ChannelError, Inbound, Outcome, Outgoing, Receipt, Scope, WebhookRequest
from portal.channels.simulator.client import Simulator
from portal.http import HttpClient

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ACCOUNT = Account(sender_id=1, credentials={})
HTTP = HttpClient()


def send(to, key="41:1"):
    return Simulator().send(HTTP, ACCOUNT, Outgoing(to, "Hello", key))


def refused(to, key="41:1"):
    with pytest.raises(ChannelError) as caught:
        send(to, key)
    return caught.value


def outcome_after(external_id, seconds):
    with time_machine.travel(START + timedelta(seconds=seconds), tick=False):
        receipt = Simulator().status(HTTP, ACCOUNT, external_id)
    return receipt and receipt.outcome


def parse(action, body=b"", query=""):
    return Simulator().parse(WebhookRequest(action, body, query=query))


class TestSending:
    @pytest.mark.parametrize(("to", "end"), [("+639171234567", Outcome.DELIVERED), ("+639171230001", Outcome.FAILED)])
    def test_what_time_does(self, to, end):
        with time_machine.travel(START, tick=False):
            external_id = send(to).external_id
        assert [outcome_after(external_id, seconds) for seconds in (0, 0.9, 1, 1.9, 2, 3600)] == [
            None,
            None,
            Outcome.SENT,
            Outcome.SENT,
            end,
            end,
        ]

    def test_the_same_question_gets_the_same_answer(self):
        with time_machine.travel(START, tick=False):
            external_id = send("+639171230001").external_id
        with time_machine.travel(START + timedelta(minutes=5), tick=False):
            first, second = (Simulator().status(HTTP, ACCOUNT, external_id) for _ in range(2))
        assert first == second
        assert first.at == START + timedelta(seconds=2)
        assert first.detail

    def test_every_send_has_an_id_of_its_own(self):
        assert len({send("+639171234567").external_id for _ in range(200)}) == 200

    def test_refused_for_good(self):
        error = refused("+639171230002")
        assert (error.retry, error.unknown, error.scope) == (False, False, Scope.MESSAGE)

    @pytest.mark.parametrize("key", ["41:1", "41:0", "41", "", "41:x"])
    def test_throttled_at_first(self, key):
        error = refused("+639171230003", key)
        assert (error.retry, error.retry_after, error.unknown, error.scope) == (True, 2.0, False, Scope.SENDER)

    def test_accepted_at_the_next_attempt(self):
        assert send("+639171230003", "41:2").external_id

    def test_unknown(self):
        error = refused("+639171230004")
        assert (error.unknown, error.retry) == (True, False)

    @pytest.mark.parametrize(
        "external_id", ["", "CASTabc", "sim-1-0001-00", "sim-x-0001-ab", "sim-99999999999999-1-" + "0" * 16]
    )
    def test_ids_of_others(self, external_id):
        with pytest.raises(ChannelError):
            Simulator().status(HTTP, ACCOUNT, external_id)

    def test_always_ready(self):
        assert Simulator().probe(HTTP, ACCOUNT).ok


class TestReceive:
    @pytest.mark.parametrize("sender", ["from", "sender", "msisdn"])
    @pytest.mark.parametrize("text", ["text", "message", "body", "content"])
    def test_form_query_and_json_under_every_name(self, sender, text):
        fields = {sender: "+639171234567", text: "Magandang umaga ☀ & more"}
        form = urlencode(fields)
        expected = [Inbound("+639171234567", "Magandang umaga ☀ & more")]
        assert parse("receive", form.encode()) == expected
        assert parse("receive", query=form) == expected
        json = f'{{"{sender}": "+639171234567", "{text}": "Magandang umaga ☀ & more"}}'
        assert parse("receive", json.encode()) == expected

    @pytest.mark.parametrize("name", ["id", "message_id", "messageId", "external_id"])
    def test_ids_and_recipients(self, name):
        body = f'{{"from": 639171234567, "text": "x", "{name}": 17, "recipient": "MYAPP"}}'.encode()
        assert parse("receive", body) == [Inbound("639171234567", "x", external_id="17", recipient="MYAPP")]

    def test_a_list_and_the_body_over_the_query(self):
        events = parse("receive", b'[{"from": "1", "text": "a"}, {"text": "b"}]', "from=2&to=3")
        assert [(event.sender, event.text, event.recipient) for event in events] == [("1", "a", "3"), ("2", "b", "3")]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"from=1",
            b"text=1",
            b'{"from": true, "text": "x"}',
            b"{",
            b"[1]",
            b'{"from": ["1"], "text": "x"}',
        ],
    )
    def test_what_cannot_be_read(self, body):
        with pytest.raises(ChannelError):
            parse("receive", body)

    @pytest.mark.parametrize(
        ("action", "body", "lane"),
        [
            ("receive", b"from=%2B63917&text=x", "+63917"),
            ("receive", b'{"msisdn": "+63917"}', "+63917"),
            ("status", b"id=1&status=sent&to=%2B63917", "+63917"),
            ("status", b"id=1&status=sent", ""),
            ("receive", b"{", ""),
            ("receive", b"[]", ""),
        ],
    )
    def test_lane(self, action, body, lane):
        assert Simulator().lane(WebhookRequest(action, body)) == lane


class TestReceipts:
    @pytest.mark.parametrize(
        ("word", "outcome"),
        [
            ("queued", Outcome.ACCEPTED),
            ("sent", Outcome.SENT),
            ("delivered", Outcome.DELIVERED),
            ("DELIVRD", Outcome.DELIVERED),
            ("Read", Outcome.READ),
            ("played", Outcome.PLAYED),
            ("EXPIRED", Outcome.EXPIRED),
            ("failed", Outcome.FAILED),
            ("REJECTD", Outcome.FAILED),
        ],
    )
    @pytest.mark.parametrize("name", ["status", "state"])
    def test_words(self, name, word, outcome):
        body = urlencode({"id": "sim-1", name: word, "to": "+63917"}).encode()
        assert parse("status", body) == [Receipt("sim-1", outcome, code=word, recipient="+63917")]

    def test_a_code_of_its_own(self):
        body = b'{"message_id": "a", "status": "failed", "code": 500, "detail": "No route."}'
        assert parse("status", body) == [Receipt("a", Outcome.FAILED, code="500", detail="No route.")]

    @pytest.mark.parametrize("body", [b"id=1&status=newword", b"status=sent", b"id=1", b""])
    def test_what_cannot_be_read(self, body):
        with pytest.raises(ChannelError):
            parse("status", body)

    def test_another_action(self):
        with pytest.raises(ChannelError):
            parse("upload", b"id=1")
