"""The stand-in Cast beyond one SMS: its other products, bulk, scheduling, limits, test keys and the account."""

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.cast.accounts import Account
from portal.sandbox.world import CAST_API_KEY
from tests.sandbox.conftest import Caller, Clock

PHONES = ["+639175550101", "+639185550102", "+639205550103"]


def ask(call: Caller, path: str, body: dict | None = None, key: str = "", api_key: str = CAST_API_KEY):
    headers = {"X-API-Key": api_key} | ({"X-Idempotency-Key": key} if key else {})
    return call.request("POST" if body is not None else "GET", f"/api/v1{path}", json=body, headers=headers)


def text(**more: object) -> dict:
    return {"to": PHONES[0], "message": "Hi", "sender_id": "CEBUDENTAL", **more}


@pytest.fixture
def account(sandbox: Sandbox) -> Account:
    found = sandbox.cast.accounts[CAST_API_KEY]
    found.channels, found.sim_ids = (*found.channels, "sim", "viber"), ("SIM1",)
    return found


@pytest.mark.parametrize(("path", "status"), [("/otp", "/sms"), ("/sim", "/sim")])
def test_other_pools_answer_like_sms(
    call: Caller, sandbox: Sandbox, account: Account, clock: Clock, path: str, status: str
) -> None:
    told = text(sender_id="SIM1" if path == "/sim" else "CEBUDENTAL")
    sent = ask(call, f"{path}/send", told, key="m1:1").json()
    assert (sent["success"], sent["parts"], sent["message_id"][:4]) == (True, 1, "CAST")
    again = ask(call, f"{path}/send", told, key="m1:1")
    assert (again.json(), again.headers["X-Idempotent-Replay"]) == (sent, "true")
    clock.forward(60)
    assert ask(call, f"{status}/status/{sent['message_id']}").json()["dlr_status"] == "DELIVRD"
    assert len(sandbox.cast.accepted()) == 1


@pytest.mark.parametrize(("path", "body"), [("/sim/send", text()), ("/sim/bulk", text(to=PHONES)), ("/viber/send", {})])
def test_a_channel_that_is_not_enabled(call: Caller, path: str, body: dict) -> None:
    refused = ask(call, path, body)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "CHANNEL_NOT_ALLOWED")


def test_viber(call: Caller, sandbox: Sandbox, account: Account, clock: Clock) -> None:
    body = {"recipient": PHONES[0], "content": [{"type": "text", "text": "Hi"}], "options": {"ttl": 60}}
    sent = ask(call, "/viber/send", body, key="v1").json()
    assert sent == {"success": True, "message_id": sent["message_id"], "recipient": PHONES[0], "credits_used": 1}
    assert sent["message_id"].startswith("cstvbr_")
    first = ask(call, f"/viber/status/{sent['message_id']}").json()
    assert (first["status"], "delivery_status" in first) == ("sent", False)
    sandbox.cast.decide(PHONES[1], "undelivered")
    other = ask(call, "/viber/send", body | {"recipient": PHONES[1]}).json()
    clock.forward(60)
    assert ask(call, f"/viber/status/{sent['message_id']}").json()["delivery_status"] == 70
    assert ask(call, f"/viber/status/{other['message_id']}").json()["delivery_status"] == 91
    for wrong in ({}, {"recipient": "0917"}, body | {"content": []}, body | {"options": {"ttl": 59}}):
        assert ask(call, "/viber/send", wrong).json()["error_code"] == "VALIDATION_ERROR"


def test_bulk_has_a_result_for_each_and_refunds_what_failed(call: Caller, sandbox: Sandbox, account: Account) -> None:
    account.credits = 10
    sandbox.cast.decide(PHONES[1], "failed")
    sandbox.cast.unsubscribe(PHONES[2], "CEBUDENTAL")
    said = ask(call, "/sms/bulk", text(to=PHONES, message="a" * 161), key="b1")
    answer = said.json()
    assert (said.status_code, answer["success"]) == (200, False)
    assert (answer["total"], answer["sent"], answer["failed"]) == (3, 1, 2)
    assert [one["to"] for one in answer["results"]] == PHONES
    assert [one["success"] for one in answer["results"]] == [True, False, False]
    assert answer["results"][0]["parts"] == 2
    assert answer["results"][1]["error"] == "failed to send message"
    assert account.credits == 8
    again = ask(call, "/sms/bulk", text(to=PHONES, message="a" * 161), key="b1")
    assert (again.json(), again.headers["X-Idempotent-Replay"], account.credits) == (answer, "true", 8)


def test_bulk_reserves_the_whole_batch(call: Caller, account: Account) -> None:
    account.credits = 2
    refused = ask(call, "/sms/bulk", text(to=PHONES))
    assert (refused.status_code, refused.json()["error_code"], account.credits) == (402, "INSUFFICIENT_CREDITS", 2)
    assert "results" not in refused.json()


@pytest.mark.parametrize("to", [[], ["1"], [PHONES[0]] * 1001, PHONES[0], [7]])
def test_bulk_takes_1_to_1000_numbers(call: Caller, to: object) -> None:
    assert ask(call, "/sms/bulk", text(to=to)).json()["error_code"] == "VALIDATION_ERROR"


def test_scheduled_messages_get_no_id(call: Caller, sandbox: Sandbox) -> None:
    at = "2027-01-15T08:00:31Z"  # the clock of these tests stands at 08:00:00
    later = ask(call, "/sms/send", text(scheduled_at=at))
    assert (later.status_code, later.json()) == (202, {"success": True, "scheduled_at": at})
    many = ask(call, "/sms/bulk", text(to=PHONES, scheduled_at=at))
    assert (many.status_code, many.json()) == (202, {"success": True, "scheduled": 3, "scheduled_at": at})
    for path, moment in (("/sms/send", "2027-01-15T08:00:29Z"), ("/sms/send", "soon"), ("/otp/send", at)):
        assert ask(call, path, text(scheduled_at=moment)).json()["error_code"] == "VALIDATION_ERROR"
    assert sandbox.cast.accepted() == []


def test_a_test_key_sends_nothing_and_costs_nothing(call: Caller, sandbox: Sandbox) -> None:
    account = sandbox.cast.add_key("cast_test_1", credits=0)
    one = ask(call, "/sms/send", text(message="a" * 161), api_key="cast_test_1").json()
    assert (one["sandbox"], one["parts"], one["message_id"][:8]) == (True, 2, "SANDBOX_")
    many = ask(call, "/sms/bulk", text(to=PHONES), api_key="cast_test_1").json()
    assert (many["sandbox"], many["sent"]) == (True, 3)
    assert all(each["message_id"].startswith("SANDBOX_") for each in many["results"])
    assert (account.credits, sandbox.cast.accepted()) == (0, [])
    unknown = ask(call, f"/sms/status/{one['message_id']}", api_key="cast_test_1")
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "NOT_FOUND")


def test_each_account_has_its_own_pace(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.cast.rate = 2
    sandbox.cast.add_key("cast_other")
    answers = [ask(call, "/sms/send", text()) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert (answers[2].json()["error_code"], answers[2].headers["Retry-After"]) == ("RATE_LIMIT_EXCEEDED", "1")
    assert ask(call, "/sms/send", text(), api_key="cast_other").status_code == 200
    assert ask(call, "/account/balance").status_code == 200, "the pace is for sends alone"
    clock.forward(1)
    assert ask(call, "/sms/send", text()).status_code == 200


def test_all_requests_of_one_address_share_a_limit(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.cast.address.rate, sandbox.cast.address.burst = 1.0, 2.0
    codes = [ask(call, "/account/balance").status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    clock.forward(1)
    assert [ask(call, "/account/profile").status_code for _ in range(2)] == [200, 429]


def test_who_has_unsubscribed_is_listed_and_blocked_for_that_sender_id(
    call: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    link = ask(call, "/unsubscribe/token", {"phone": PHONES[0], "sender_id": "CEBUDENTAL"}).json()
    assert link["link"].startswith("u.cast.ph/")
    sandbox.cast.unsubscribe(PHONES[0], "CEBUDENTAL")
    assert ask(call, "/account/unsubscribed").json()["data"] == [
        {"phone": PHONES[0], "sender_id": "CEBUDENTAL", "unsubscribed_at": "2027-01-15T08:00:00Z", "ip": "203.0.113.7"}
    ]
    refused = ask(call, "/sms/send", text(to="09175550101"))
    assert (refused.status_code, refused.json()["error_code"]) == (422, "ALREADY_UNSUBSCRIBED")
    assert ask(call, "/sms/send", text(sender_id="MNLREPAIR")).status_code == 200
    twice = ask(call, "/unsubscribe/token", {"phone": PHONES[0], "sender_id": "CEBUDENTAL"})
    assert (twice.status_code, twice.json()["error_code"]) == (422, "ALREADY_UNSUBSCRIBED")


def test_postpaid_accounts_go_below_zero_to_their_limit(call: Caller, account: Account) -> None:
    account.credits, account.postpaid, account.credit_limit = 0, True, 1
    assert ask(call, "/sms/send", text()).status_code == 200
    assert ask(call, "/account/balance").json()["credits"] == -1
    assert ask(call, "/sms/send", text()).json()["error_code"] == "CREDIT_LIMIT_REACHED"
    assert ask(call, "/account/profile").json()["billing_type"] == "postpaid"


def test_a_key_that_is_no_good_any_more(call: Caller, account: Account) -> None:
    account.refused = "API_KEY_REVOKED"
    refused = ask(call, "/account/balance")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "API_KEY_REVOKED")


def test_a_sender_id_that_is_not_approved_is_rejected_by_the_carrier(
    call: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    taken = ask(call, "/sms/send", text(sender_id="STRANGER")).json()
    assert taken["success"]
    clock.forward(60)
    assert call.cast_status(taken["message_id"])["dlr_status"] == "REJECTD"


def test_the_log_tells_of_many_messages_at_once(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    ids = [call.cast(f"Hi {number}").json()["message_id"] for number in range(3)]
    clock.forward(60)
    page = ask(call, "/sms/logs?limit=2").json()
    assert (page["count"], [one["smpp_message_id"] for one in page["logs"]]) == (2, ids[:0:-1])
    assert {one["dlr_status"] for one in page["logs"]} == {"DELIVRD"}
    assert [one["smpp_message_id"] for one in ask(call, "/sms/logs?limit=2&offset=2").json()["logs"]] == ids[:1]
    assert ask(call, f"/sms/logs?search={ids[1]}").json()["count"] == 1


def test_accounts_are_set_over_the_controls(call: Caller, sandbox: Sandbox) -> None:
    made = {"api_key": "cast_test_2", "credits": 5, "channels": ["sms"]}
    assert call.request("POST", "/control/cast/accounts", json=made).json()["credits"] == 5
    left = {"phone": PHONES[0], "sender_id": "MYAPP", "api_key": "cast_test_2"}
    assert call.request("POST", "/control/cast/unsubscribe", json=left).json() == {"ok": True}
    assert sandbox.cast.accounts["cast_test_2"].has_left("09175550101", "MYAPP")
    call.request("PATCH", "/control/settings", json={"rate": 10, "address_rate": 30})
    assert (sandbox.cast.rate, sandbox.cast.address.rate) == (10, 30)
