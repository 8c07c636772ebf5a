"""The stand-in Cast: acceptance, real idempotency, what it does when its answers get lost, receipts by polling."""

import threading

import pytest
import requests

from portal.sandbox import Effect, Sandbox
from portal.sandbox.segments import parts
from portal.sandbox.world import CAST_API_KEY
from tests.sandbox.conftest import Caller, Clock

LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, ValueError)


def test_a_message_is_taken_billed_and_recorded(call: Caller, sandbox: Sandbox) -> None:
    answer = call.cast("Hi", key="m1:1").json()
    assert (answer["success"], answer["parts"]) == (True, 1)
    assert answer["message_id"].startswith("CAST")
    [taken] = sandbox.cast.accepted(to="09175550101", text="Hi")
    assert (taken.key, taken.sender_id, taken.message_id) == ("m1:1", "CEBUDENTAL", answer["message_id"])
    [seen] = sandbox.records.calls("cast.send")
    assert (seen.key, seen.status, seen.body["message"]) == ("m1:1", 200, "Hi")


def test_the_same_key_gets_the_stored_answer(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    first = call.cast("Hi", key="m1:1")
    again = call.cast("Hi", key="m1:1")
    assert again.json() == first.json()
    assert again.headers["X-Idempotent-Replay"] == "true"
    assert "X-Idempotent-Replay" not in first.headers
    assert sandbox.cast.repeats() == {}
    call.cast("Other", key="m1:1")
    assert sandbox.cast.mismatches == ["m1:1"]
    clock.forward(24 * 3600)
    call.cast("Hi", key="m1:1")
    assert sandbox.cast.repeats() == {("+639175550101", "Hi"): 2}


def test_without_a_key_a_repetition_is_a_second_message(call: Caller, sandbox: Sandbox) -> None:
    call.cast("Hi")
    call.cast("Hi")
    assert sandbox.cast.repeats() == {("+639175550101", "Hi"): 2}


def test_a_key_in_progress_answers_409(call: Caller, sandbox: Sandbox) -> None:
    sandbox.faults.arm("cast.send", Effect.SLOW, seconds=0.5)
    slow = threading.Thread(target=Caller(sandbox).cast, args=("Hi", "m1:1"))
    slow.start()
    assert sandbox.records.wait(lambda: sandbox.cast.calls_by_key["m1:1"] == 1)
    busy = call.cast("Hi", key="m1:1")
    slow.join()
    assert busy.status_code == 409
    assert call.cast("Hi", key="m1:1").headers["X-Idempotent-Replay"] == "true"
    assert len(sandbox.cast.accepted()) == 1


@pytest.mark.parametrize(
    ("effect", "taken"),
    [
        (Effect.STATUS_AFTER, 1),
        (Effect.HALF_ANSWER, 1),
        (Effect.SILENCE, 1),
        (Effect.RESET_AFTER, 1),
        (Effect.STATUS, 0),
        (Effect.SILENCE_BEFORE, 0),
        (Effect.RESET_BEFORE, 0),
    ],
)
def test_faults_strike_once_and_the_key_tells_the_truth(
    call: Caller, sandbox: Sandbox, effect: Effect, taken: int
) -> None:
    rule = sandbox.faults.arm("cast.send", effect, seconds=0.2)
    try:
        answered = call.cast("Hi", key="m1:1").status_code
    except LOST:
        answered = 0
    assert answered == (500 if effect in (Effect.STATUS, Effect.STATUS_AFTER) else 0)
    assert len(sandbox.cast.accepted()) == taken
    [seen] = sandbox.records.calls("cast.send")
    assert (seen.fault, seen.applied, seen.status) == (rule.label, bool(taken), answered)
    again = call.cast("Hi", key="m1:1")
    assert again.status_code == 200
    assert ("X-Idempotent-Replay" in again.headers) == bool(taken)
    assert (len(sandbox.cast.accepted()), sandbox.faults.armed()) == (1, [])


def test_429_names_its_pause_and_only_strikes_whom_it_should(call: Caller, sandbox: Sandbox) -> None:
    sandbox.faults.arm("cast.send", "status", status=429, retry_after=7, times=None, only="+639175550101")
    refused = call.cast("Hi")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
    assert refused.json()["error_code"] == "RATE_LIMIT_EXCEEDED"
    assert call.cast("Hi", to="+639185550102").status_code == 200
    sandbox.faults.clear()
    assert call.cast("Hi").status_code == 200


def test_a_rule_may_let_calls_pass_first(call: Caller, sandbox: Sandbox) -> None:
    sandbox.faults.arm("cast.*", "status", status=503, skip=1, times=2)
    assert [call.cast().status_code for _ in range(4)] == [200, 503, 503, 200]


@pytest.mark.parametrize(
    ("outcome", "last", "raw"),
    [("delivered", "delivered", "DELIVRD"), ("rejected", "undelivered", "REJECTD"), ("stuck", "sent", None)],
)
def test_progress_by_polling(
    call: Caller, sandbox: Sandbox, clock: Clock, outcome: str, last: str, raw: str | None
) -> None:
    sandbox.cast.decide("+639175550101", outcome)
    message_id = call.cast().json()["message_id"]
    assert call.cast_status(message_id)["status"] == "sent"
    clock.forward(1.5)
    on_its_way = call.cast_status(message_id)
    assert on_its_way["status"] == ("sent" if outcome == "stuck" else "pending")
    assert on_its_way.get("dlr_status") == (None if outcome == "stuck" else "ACCEPTD")
    clock.forward(3600)
    final = call.cast_status(message_id)
    assert (final["status"], final.get("dlr_status")) == (last, raw)
    assert ("delivered_at" in final) == (outcome == "delivered")


def test_keys_credits_and_refusals(call: Caller, sandbox: Sandbox) -> None:
    unknown = call.request("POST", "/api/v1/sms/send", json={}, headers={"X-API-Key": "cast_0"})
    assert (unknown.status_code, unknown.json()["error_code"]) == (401, "INVALID_API_KEY")
    assert call.cast("").json()["error_code"] == "VALIDATION_ERROR"
    assert call.cast("Hi", to="1").status_code == 400
    sandbox.cast.accounts[CAST_API_KEY].credits = 1
    sandbox.cast.remember_refusals = True
    broke = call.cast("a" * 161, key="m1:1")
    assert (broke.status_code, broke.json()["error_code"]) == (402, "INSUFFICIENT_CREDITS")
    sandbox.cast.accounts[CAST_API_KEY].credits = 10
    assert call.cast("a" * 161, key="m1:1").status_code == 402
    assert call.cast("a" * 161, key="m1:2").json()["parts"] == 2
    balance = call.request("GET", "/api/v1/account/balance", headers={"X-API-Key": CAST_API_KEY}).json()
    assert balance == {"success": True, "credits": 8, "currency": "PHP"}


def test_the_old_address_is_the_same(call: Caller) -> None:
    old = call.request("GET", "/api/account/sender-ids", headers={"X-API-Key": CAST_API_KEY})
    first = {"sender_id": "CEBUDENTAL", "label": "CEBUDENTAL sender", "channel": "sms"}
    assert old.json()["sender_ids"][0] == first


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("’" * 70, 1),
        ("’" * 71, 2),
        ("🎉" * 67, 3),
    ],
)
def test_parts(text: str, count: int) -> None:
    assert parts(text) == count
