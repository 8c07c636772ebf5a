"""Wallet charges at the stand-in: what HighLevel's specification and its developers say of them."""

import json

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.world import APP_ID, DEMO_COMPANY, METER_ID
from tests.ghl_spec import check_request
from tests.sandbox.conftest import LOCATION, OTHER, Caller

PATH = "/marketplace/billing/charges"
BODY = {
    "appId": APP_ID,
    "meterId": METER_ID,
    "eventId": "settle-1",
    "locationId": LOCATION,
    "companyId": DEMO_COMPANY.id,
    "description": "Message sent: 2 credits",
    "units": 2,
    "price": 0.01,
}


@pytest.fixture
def token(call: Caller) -> str:
    return call.grant()["access_token"]


def test_a_charge_is_made_found_and_given_back_once(call: Caller, sandbox: Sandbox, token: str) -> None:
    made = call.ghl("POST", PATH, token, json=BODY)
    assert made.status_code == 201 and made.json()["success"] is True
    charge_id = made.json()["chargeId"]
    [listed] = call.ghl("GET", f"{PATH}?eventId=settle-1", token).json()["charges"]
    assert (listed["chargeId"], listed["amountCharged"], listed["refunded"]) == (charge_id, 0.02, False)
    assert call.ghl("GET", f"{PATH}?eventId=another", token).json()["charges"] == []
    assert call.ghl("DELETE", f"{PATH}/{charge_id}", token).json() == {"success": True}
    assert call.ghl("GET", f"{PATH}/{charge_id}", token).json()["refunded"] is True
    assert call.ghl("DELETE", f"{PATH}/{charge_id}", token).status_code == 400
    assert call.ghl("DELETE", f"{PATH}/none", token).status_code == 404
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    check_request("POST", PATH, headers, "", json.dumps(BODY).encode())


@pytest.mark.parametrize("change", [{"units": "2"}, {"userId": ""}, {"eventId": ""}, {"more": 1}, {"price": "0.01"}])
def test_bodies_are_validated(call: Caller, sandbox: Sandbox, token: str, change: dict) -> None:
    assert call.ghl("POST", PATH, token, json=BODY | change).status_code == 422
    assert sandbox.ghl.till.all() == []


def test_a_fixed_meter_takes_no_price(call: Caller, sandbox: Sandbox, token: str) -> None:
    sandbox.ghl.till.fixed_price = 0.05
    refused = call.ghl("POST", PATH, token, json=BODY)
    assert refused.json()["message"] == "Custom price is not allowed for fixed price meters"
    plain = {name: value for name, value in BODY.items() if name != "price"}
    assert call.ghl("POST", PATH, token, json=plain).status_code == 201
    assert [one.amount for one in sandbox.ghl.till.all()] == [0.1]


def test_a_wallet_runs_out_and_another_locations_is_not_to_be_had(call: Caller, sandbox: Sandbox, token: str) -> None:
    call.request("PATCH", f"/control/locations/{LOCATION}/funds", json={"dollars": 0.02})
    assert call.ghl("POST", PATH, token, json=BODY).status_code == 201
    assert call.ghl("GET", f"{PATH}/has-funds", token).json() == {"hasFunds": False}
    assert call.ghl("POST", PATH, token, json=BODY).status_code == 400
    assert call.ghl("POST", PATH, token, json=BODY | {"locationId": OTHER}).status_code == 403
    call.request("PATCH", f"/control/locations/{LOCATION}/funds", json={"dollars": None})
    assert call.ghl("GET", f"{PATH}/has-funds", token).json() == {"hasFunds": True}
    assert [one["amount"] for one in call.request("GET", f"/control/charges?location={LOCATION}").json()] == [0.02]
