"""Cast's own ways: what it is sent, and what its words mean."""

from datetime import UTC, datetime

import pytest

from portal.channels.base import ChannelError, Outcome, Outgoing, Scope
from portal.channels.cast.client import Cast
from portal.channels.content import File
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.cast import CAST, CAST_KEY
from tests.contract.standin import StandIn, answer

BALANCE = {"success": True, "credits": -12, "currency": "PHP"}
SENDER_IDS = {
    "success": True,
    "sender_ids": [{"sender_id": "MYAPP", "channel": "sms"}, {"sender_id": "SIM1", "channel": "sim"}],
}


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def send(server, part=PART):
    return Cast().send(HttpClient(), CAST.account(server.url), part)


def status(server, **said):
    server.script(answer(200, {"success": True, **said}))
    return Cast().status(HttpClient(), CAST.account(server.url), "CASTabc123")


def probe(server, sender_id="MYAPP"):
    account = CAST.account(server.url)
    chosen = type(account)(1, {"api_key": CAST_KEY, "sender_id": sender_id}, account.api_url, True)
    return Cast().probe(HttpClient(), chosen)


class TestSend:
    def test_what_cast_is_sent(self, server):
        server.script(CAST.accepts)
        accepted = send(server)
        call = server.calls[0]
        assert (call.method, call.target) == ("POST", "/api/v1/sms/send")
        assert call.headers["x-api-key"] == CAST_KEY
        assert call.headers["x-idempotency-key"] == "41:1"
        assert call.json() == {"to": "+639171234567", "message": "Kumusta", "sender_id": "MYAPP"}
        assert accepted.segments == 2

    def test_without_a_sender_id_cast_chooses(self, server):
        server.script(CAST.accepts)
        account = CAST.account(server.url)
        Cast().send(HttpClient(), type(account)(1, {"api_key": CAST_KEY}, account.api_url, True), PART)
        assert "sender_id" not in server.calls[0].json()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("Look", "Look\nhttps://a.test/1.png\nhttps://a.test/2.png"),
            ("", "https://a.test/1.png\nhttps://a.test/2.png"),
        ],
    )
    def test_attachments_are_lines_of_the_text(self, server, text, message):
        server.script(CAST.accepts)
        attachments = ("https://a.test/1.png", "https://a.test/2.png")
        send(server, Outgoing("+639171234567", text, "1:1", [File(each) for each in attachments]))
        assert server.calls[0].json()["message"] == message

    def test_a_replayed_success_is_a_success(self, server):
        body = {"success": True, "message_id": "CASTabc123", "parts": 1}
        server.script(answer(200, body, headers=("X-Idempotent-Replay: true",)))
        assert send(server).external_id == "CASTabc123"

    def test_a_sandbox_key_says_so(self, server):
        server.script(answer(200, {"success": True, "message_id": "SANDBOX_1", "parts": 1, "sandbox": True}))
        assert send(server).code == "sandbox"

    @pytest.mark.parametrize("parts", [None, "2", -1, {}])
    def test_odd_parts_are_no_parts(self, server, parts):
        server.script(answer(200, {"success": True, "message_id": "CAST1", "parts": parts}))
        assert send(server).segments == 0

    def test_the_code_is_casts_own(self, server):
        server.script(answer(402, {"success": False, "error_code": "CREDIT_LIMIT_REACHED"}))
        with pytest.raises(ChannelError) as caught:
            send(server)
        assert (caught.value.code, caught.value.message[-5:]) == ("CREDIT_LIMIT_REACHED", "Cast.")


class TestStatus:
    @pytest.mark.parametrize(
        ("status_word", "carrier_word", "outcome"),
        [
            ("sent", None, Outcome.SENT),
            ("sent", "ACCEPTD", Outcome.SENT),
            ("sent", "DELIVRD", Outcome.DELIVERED),
            ("sent", "REJECTD", Outcome.FAILED),
            ("pending", "ACCEPTD", Outcome.SENT),
            ("pending", None, Outcome.SENT),
            ("delivered", "DELIVRD", Outcome.DELIVERED),
            ("delivered", None, Outcome.DELIVERED),
            ("delivered", "UNDELIV", Outcome.DELIVERED),
            ("undelivered", "UNDELIV", Outcome.FAILED),
            ("undelivered", "REJECTD", Outcome.FAILED),
            ("undelivered", "EXPIRED", Outcome.EXPIRED),
            ("undelivered", "NEWWORD", Outcome.FAILED),
            ("undelivered", None, Outcome.FAILED),
            ("failed", None, Outcome.FAILED),
            ("newword", "DELIVRD", Outcome.DELIVERED),
        ],
    )
    def test_words(self, server, status_word, carrier_word, outcome):
        receipt = status(server, status=status_word, dlr_status=carrier_word)
        assert receipt.outcome is outcome
        assert receipt.code == (carrier_word or status_word)
        assert bool(receipt.detail) == (outcome in (Outcome.FAILED, Outcome.EXPIRED))

    @pytest.mark.parametrize("said", [{}, {"status": "newword"}, {"status": 7}, {"status": None}])
    def test_nothing_new(self, server, said):
        assert status(server, **said) is None

    def test_the_moment_of_delivery(self, server):
        receipt = status(
            server, status="delivered", sent_at="2026-04-05T08:30:11Z", delivered_at="2026-04-05T08:31:02Z"
        )
        assert receipt.at == datetime(2026, 4, 5, 8, 31, 2, tzinfo=UTC)

    @pytest.mark.parametrize("moment", [None, "", "soon", 5, "2026-04-05 08:31:02"])
    def test_a_moment_without_a_zone_is_none(self, server, moment):
        assert status(server, status="delivered", delivered_at=moment).at is None

    def test_an_id_cannot_leave_its_place_in_the_path(self, server):
        server.script(answer(200, {"status": "sent"}))
        Cast().status(HttpClient(), CAST.account(server.url), "../account/balance?x=1")
        assert server.calls[0].target == "/api/v1/sms/status/..%2Faccount%2Fbalance%3Fx%3D1"

    def test_a_message_cast_does_not_know(self, server):
        server.script(answer(404, {"success": False, "error_code": "NOT_FOUND"}))
        with pytest.raises(ChannelError) as caught:
            Cast().status(HttpClient(), CAST.account(server.url), "CASTgone")
        assert (caught.value.scope, caught.value.retry, caught.value.code) == (Scope.MESSAGE, False, "NOT_FOUND")

    def test_a_404_that_is_not_casts_does_not_end_the_polling(self, server):
        server.script(answer(404, body=b"<html>"))
        with pytest.raises(ChannelError) as caught:
            Cast().status(HttpClient(), CAST.account(server.url), "CASTabc123")
        assert (caught.value.scope, caught.value.retry) == (Scope.SENDER, True)


class TestProbe:
    def test_good(self, server):
        server.script(answer(200, BALANCE), answer(200, SENDER_IDS))
        found = probe(server)
        assert found.ok
        assert found.facts == {"credits": "-12", "currency": "PHP"}
        assert [call.target for call in server.calls] == ["/api/v1/account/balance", "/api/v1/account/sender-ids"]

    @pytest.mark.parametrize("sender_id", ["OTHER", "SIM1"])
    def test_a_sender_id_that_is_not_approved_for_sms(self, server, sender_id):
        server.script(answer(200, BALANCE), answer(200, SENDER_IDS))
        found = probe(server, sender_id)
        assert not found.ok
        assert "MYAPP" in found.detail

    @pytest.mark.parametrize(
        "step", [answer(404, {}), answer(500, {}), answer(200, []), answer(200, {"sender_ids": "?"})]
    )
    def test_a_cast_that_does_not_list_sender_ids(self, server, step):
        server.script(answer(200, BALANCE), step)
        assert probe(server).ok

    def test_a_wrong_key_is_an_answer_and_not_an_error(self, server):
        server.script(answer(401, {"success": False, "error_code": "INVALID_API_KEY"}))
        found = probe(server)
        assert (found.ok, found.detail) == (False, "Cast does not know the API key: enter the right one.")

    def test_a_cast_that_cannot_say(self, server):
        server.script(answer(503, {"success": False, "error_code": "SERVICE_UNAVAILABLE"}))
        with pytest.raises(ChannelError):
            probe(server)
