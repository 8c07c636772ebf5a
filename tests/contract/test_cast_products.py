"""Cast's other products, bulk, test keys, local numbers, and what it tells of an account."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from portal.channels.base import Accepted, BulkResult, ChannelError, Family, Loss, Outcome, Outgoing, Scope
from portal.channels.capabilities import Balance, ListedOptOut, SenderId
from portal.channels.cast.client import Cast
from portal.channels.content import File
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.cast import CAST, CAST_KEY
from tests.contract.standin import StandIn, answer, raw, reset_after

TAKEN = answer(200, {"success": True, "message_id": "CAST1", "parts": 2})
VIBER_TAKEN = answer(200, {"success": True, "message_id": "cstvbr_1", "recipient": "+639171234567", "credits_used": 3})
TO = ["+639171234567", "+639181234567", "+639191234567"]
cast = Cast()


@pytest.fixture
def server():
    with StandIn() as standin:
        yield standin


def account(server, **credentials):
    known = {"api_key": CAST_KEY, "sender_id": "MYAPP", **credentials}
    return replace(CAST.account(server.url), credentials=known)


def send(server, part=PART, **credentials):
    return cast.send(HttpClient(), account(server, **credentials), part)


def status(server, external_id, said, **credentials):
    server.script(answer(200, {"success": True, **said}))
    return cast.status(HttpClient(), account(server, **credentials), external_id)


class TestProducts:
    @pytest.mark.parametrize("product", ["sms", "otp", "sim"])
    def test_each_has_its_own_address(self, server, product):
        server.script(TAKEN)
        assert send(server, product=product) == Accepted("CAST1", 2)
        call = server.calls[0]
        assert call.target == f"/api/v1/{product}/send"
        assert call.headers["x-idempotency-key"] == PART.idempotency_key
        assert call.json() == {"to": PART.to, "message": PART.text, "sender_id": "MYAPP"}

    @pytest.mark.parametrize(
        ("product", "external_id", "target"),
        [
            ("sms", "CAST1", "/api/v1/sms/status/CAST1"),
            ("otp", "CAST1", "/api/v1/sms/status/CAST1"),
            ("sim", "CAST1", "/api/v1/sim/status/CAST1"),
            ("viber", "cstvbr_1", "/api/v1/viber/status/cstvbr_1"),
            ("sms", "cstvbr_1", "/api/v1/viber/status/cstvbr_1"),
        ],
    )
    def test_each_is_asked_where_it_was_sent(self, server, product, external_id, target):
        status(server, external_id, {"status": "sent"}, product=product)
        assert server.calls[0].target == target

    def test_viber_is_sent_as_content(self, server):
        server.script(VIBER_TAKEN)
        part = Outgoing(PART.to, "Look", "41:1", [File("https://a.test/1.png")])
        sent = send(server, part, product="viber", sender_code="CODE", label="Shop", ttl="600", number_format="local")
        assert sent == Accepted("cstvbr_1", 3)
        call = server.calls[0]
        assert (call.target, call.headers["x-idempotency-key"]) == ("/api/v1/viber/send", "41:1")
        assert call.json() == {
            "recipient": "+639171234567",
            "sender_code": "CODE",
            "label": "Shop",
            "content": [{"type": "text", "text": "Look\nhttps://a.test/1.png"}],
            "options": {"external_id": "41:1", "ttl": 600},
        }

    def test_viber_without_options_leaves_them_to_the_account(self, server):
        server.script(VIBER_TAKEN)
        send(server, product="viber")
        assert set(server.calls[0].json()) == {"recipient", "content", "options"}
        assert server.calls[0].json()["options"] == {"external_id": PART.idempotency_key}

    @pytest.mark.parametrize(
        ("said", "outcome", "loss"),
        [
            ({"status": "sent"}, Outcome.SENT, Loss.NONE),
            ({"status": "sent", "delivery_status": 70}, Outcome.DELIVERED, Loss.NONE),
            ({"status": "sent", "delivery_status": 91}, Outcome.FAILED, Loss.UNREACHABLE),
            ({"status": "sent", "delivery_status": 12}, Outcome.SENT, Loss.NONE),
            ({"status": "failed"}, Outcome.FAILED, Loss.REJECTED),
        ],
    )
    def test_what_viber_says(self, server, said, outcome, loss):
        receipt = status(server, "cstvbr_1", said, product="viber")
        assert (receipt.outcome, receipt.loss) == (outcome, loss)
        assert bool(receipt.detail) == (outcome is Outcome.FAILED)
        assert receipt.code == str(said.get("delivery_status", said["status"]))

    def test_not_on_viber_is_said_in_words(self, server):
        receipt = status(server, "cstvbr_1", {"delivery_status": 91}, product="viber")
        assert receipt.detail == "The recipient is not on Viber: write to them by SMS."

    def test_the_moment_viber_delivered(self, server):
        said = {"delivery_status": 70, "delivered_at": "2026-05-20T08:30:45Z"}
        assert status(server, "cstvbr_1", said, product="viber").at == datetime(2026, 5, 20, 8, 30, 45, tzinfo=UTC)

    @pytest.mark.parametrize("said", [{}, {"status": "queued"}, {"delivery_status": "70", "status": None}])
    def test_no_news_of_viber(self, server, said):
        assert status(server, "cstvbr_1", said, product="viber") is None

    @pytest.mark.parametrize(("product", "word"), [("viber", "Viber"), ("sim", "over SIM cards"), ("sms", "SMS")])
    def test_a_product_that_is_not_enabled_stops_the_sender(self, server, product, word):
        server.script(answer(403, {"success": False, "error_code": "CHANNEL_NOT_ALLOWED"}))
        with pytest.raises(ChannelError) as caught:
            send(server, product=product)
        assert (caught.value.stops, caught.value.scope, word in caught.value.message) == (True, Scope.SENDER, True)

    def test_families(self):
        assert {cast.family_of({"product": name}) for name in ("sms", "otp", "sim", "")} == {Family.SMS}
        assert cast.family_of({"product": "viber"}) is Family.VIBER

    @pytest.mark.parametrize(
        ("word", "loss"),
        [("REJECTD", Loss.REJECTED), ("UNDELIV", Loss.UNREACHABLE), ("EXPIRED", Loss.NONE), ("ODD", Loss.NONE)],
    )
    def test_why_an_sms_was_lost(self, server, word, loss):
        assert status(server, "CAST1", {"status": "undelivered", "dlr_status": word}).loss is loss


class TestNumbers:
    @pytest.mark.parametrize(
        ("number", "local"),
        [("+639171234567", "09171234567"), ("+638951234567", "08951234567"), ("+27831234567", "+27831234567")],
    )
    def test_an_account_pinned_to_local_numbers(self, server, number, local):
        server.script(TAKEN)
        send(server, Outgoing(number, "Hi", "1:1"), number_format="local")
        send(server, Outgoing(number, "Hi", "1:2"), number_format="e164")
        assert [call.json()["to"] for call in server.calls] == [local, number]


class TestSandboxKeys:
    def test_what_they_send_is_marked(self, server):
        server.script(answer(200, {"success": True, "message_id": "SANDBOX_1", "parts": 1, "sandbox": True}))
        assert send(server) == Accepted("SANDBOX_1", 1, "sandbox", sandbox=True)

    def test_their_messages_are_not_asked_after(self, server):
        assert cast.status(HttpClient(), account(server), "SANDBOX_1") is None
        assert not server.calls

    def test_they_are_known_by_their_first_letters(self, server):
        assert cast.is_sandbox({"api_key": "cast_test_1"})
        assert not cast.is_sandbox({"api_key": "cast_1"}) and not cast.is_sandbox({})
        server.script(
            answer(200, {"success": True, "credits": 0}),
            answer(200, {"success": True, "sender_ids": [{"sender_id": "MYAPP", "channel": "sms"}]}),
        )
        found = cast.probe(HttpClient(), account(server, api_key="cast_test_1"))
        assert found.ok and "sends nothing and costs nothing" in found.detail


class TestBulk:
    def bulk(self, server, to=TO, **credentials):
        return cast.send_bulk(HttpClient(), account(server, **credentials), to, "Hi", "b:1")

    def test_a_result_for_each(self, server):
        results = [
            {"to": TO[1], "success": False, "error": "failed to send message"},
            {"to": TO[0], "success": True, "message_id": "CAST1", "parts": 2},
        ]
        said = {"success": False, "total": 3, "sent": 1, "failed": 1, "results": results}
        server.script(answer(200, said))
        first, second, third = self.bulk(server)
        call = server.calls[0]
        assert (call.target, call.headers["x-idempotency-key"]) == ("/api/v1/sms/bulk", "b:1")
        assert call.json() == {"to": TO, "message": "Hi", "sender_id": "MYAPP"}
        assert first == BulkResult(TO[0], Accepted("CAST1", 2))
        assert (second.to, second.outcome.code, second.outcome.unknown) == (TO[1], "BULK_FAILED", False)
        assert (third.to, third.outcome.unknown) == (TO[2], True), "what Cast does not speak of may have gone out"
        assert second.outcome.message.endswith(".") and third.outcome.message.endswith(".")

    def test_local_numbers_come_back_as_they_were_asked_for(self, server):
        results = [{"to": "09171234567", "success": True, "message_id": "CAST1", "parts": 1}]
        server.script(answer(200, {"success": True, "results": results}))
        assert self.bulk(server, TO[:1], number_format="local") == [BulkResult(TO[0], Accepted("CAST1", 1))]

    def test_one_number_twice_gets_two_results(self, server):
        results = [{"to": TO[0], "success": True, "message_id": f"CAST{n}", "parts": 1} for n in range(2)]
        server.script(answer(200, {"success": True, "results": results}))
        assert [each.outcome.external_id for each in self.bulk(server, [TO[0]] * 2)] == ["CAST0", "CAST1"]

    def test_a_code_of_one_number_means_what_it_means_alone(self, server):
        results = [{"to": TO[0], "success": False, "error_code": "ALREADY_UNSUBSCRIBED"}]
        server.script(answer(200, {"success": False, "results": results}))
        [one] = self.bulk(server, TO[:1])
        assert (one.outcome.opted_out, one.outcome.retry, one.outcome.scope) == (True, False, Scope.MESSAGE)

    def test_test_keys(self, server):
        results = [{"to": TO[0], "success": True, "message_id": "SANDBOX_1", "parts": 1}]
        server.script(answer(200, {"success": True, "sandbox": True, "results": results}))
        assert self.bulk(server, TO[:1])[0].outcome == Accepted("SANDBOX_1", 1, "sandbox", sandbox=True)

    @pytest.mark.parametrize("entry", [None, 7, {}, {"to": TO[0]}, {"to": TO[0], "success": True}])
    def test_an_entry_that_says_nothing_leaves_its_number_in_doubt(self, server, entry):
        server.script(answer(200, {"success": True, "results": [entry]}))
        assert self.bulk(server, TO[:1])[0].outcome.unknown

    @pytest.mark.parametrize(
        ("step", "unknown"),
        [
            (answer(402, {"success": False, "error_code": "INSUFFICIENT_CREDITS"}), False),
            (answer(400, {"success": False, "error_code": "VALIDATION_ERROR"}), False),
            (answer(429, {"success": False, "error_code": "RATE_LIMIT_EXCEEDED"}), False),
            (answer(200, {"success": False, "error_code": "VALIDATION_ERROR"}), False),
            (answer(200, {"success": False, "total": 3, "sent": 2}), True),
            (answer(200, {"success": True}), True),
            (answer(202, {"success": True, "scheduled": 3}), True),
            (answer(500, {}), True),
            (raw(b"HTTP/1.1 2"), True),
            (reset_after, True),
        ],
    )
    def test_the_call_as_a_whole(self, server, step, unknown):
        server.script(step)
        with pytest.raises(ChannelError) as caught:
            self.bulk(server)
        assert caught.value.unknown is unknown
        assert len(server.calls) == 1

    @pytest.mark.parametrize("count", [0, 1001])
    def test_1_to_1000_numbers(self, server, count):
        with pytest.raises(ValueError, match="1 to 1000"):
            self.bulk(server, ["+639171234567"] * count)

    @pytest.mark.parametrize(("product", "most"), [("sms", 1000), ("sim", 1000), ("otp", 0), ("viber", 0)])
    def test_products(self, server, product, most):
        assert cast.bulk_limit({"product": product}) == most
        server.script(answer(200, {"success": True, "results": []}))
        if most:
            self.bulk(server, TO[:1], product=product)
            assert server.calls[0].target == f"/api/v1/{product}/bulk"
        else:
            with pytest.raises(ChannelError):
                self.bulk(server, product=product)
            assert not server.calls


class TestAccount:
    @pytest.mark.parametrize(
        ("credits", "profile", "postpaid"),
        [
            (4750, {"billing_type": "topup"}, False),
            (0, {"billing_type": "postpaid"}, True),
            (0, {"error_code": "INTERNAL_ERROR", "success": False}, False),
            (-12, {}, True),
        ],
    )
    def test_balance(self, server, credits, profile, postpaid):
        said = {"success": True, "credits": credits, "currency": "PHP"}
        server.script(answer(200, said), answer(200, {"success": True, **profile}))
        assert cast.balance(HttpClient(), account(server)) == Balance(credits, "PHP", postpaid)

    @pytest.mark.parametrize("said", [{}, {"credits": "many"}, {"credits": True}, {"credits": 1, "success": False}, []])
    def test_a_balance_that_cannot_be_read(self, server, said):
        server.script(answer(200, said))
        with pytest.raises(ChannelError):
            cast.balance(HttpClient(), account(server))

    def test_who_has_unsubscribed(self, server):
        data = [
            {"phone": "+639171234567", "sender_id": "MYAPP", "unsubscribed_at": "2026-05-15T10:22:00Z", "ip": None},
            {"phone": "09181234567"},
            {"sender_id": "MYAPP"},
            "odd",
        ]
        server.script(answer(200, {"success": True, "data": data}))
        assert cast.opt_outs(HttpClient(), account(server)) == [
            ListedOptOut("+639171234567", "MYAPP", datetime(2026, 5, 15, 10, 22, tzinfo=UTC)),
            ListedOptOut("09181234567"),
        ]

    def test_sender_ids_of_the_product(self, server):
        listed = [
            {"sender_id": "MYAPP", "label": "Main", "channel": "sms"},
            {"sender_id": "LATER", "channel": "sms", "status": "pending_review"},
            {"sender_id": "ESIM1", "channel": "sim"},
            {"channel": "sms"},
        ]
        server.script(answer(200, {"success": True, "sender_ids": listed}))
        sms = [SenderId("MYAPP", "sms", "Main"), SenderId("LATER", "sms", approved=False)]
        assert cast.sender_ids(HttpClient(), account(server)) == sms
        assert cast.sender_ids(HttpClient(), account(server, product="otp")) == sms
        assert cast.sender_ids(HttpClient(), account(server, product="sim")) == [SenderId("ESIM1", "sim")]

    @pytest.mark.parametrize("product", ["otp", "sim", "viber"])
    def test_a_probe_asks_whether_the_product_is_enabled(self, server, product):
        profile = answer(200, {"success": True, "allowed_channels": ["sms", "bulk"]})
        server.script(answer(200, {"success": True, "credits": 1}), profile)
        found = cast.probe(HttpClient(), account(server, product=product))
        assert (found.ok, "ask Cast to enable it" in found.detail) == (False, True)

    def test_a_probe_of_a_sender_id_that_waits_for_approval(self, server):
        listed = [{"sender_id": "MYAPP", "channel": "sms", "status": "pending_review"}]
        server.script(answer(200, {"success": True, "credits": 1}), answer(200, {"sender_ids": listed}))
        assert not cast.probe(HttpClient(), account(server)).ok
