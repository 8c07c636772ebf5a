"""Codes, single-use refresh tokens with their window of grace, and what a token may reach."""

from pathlib import Path

import pytest

from portal.sandbox import Sandbox, SigningKey
from portal.sandbox.world import APP_ID, DEMO_COMPANY
from tests.sandbox.conftest import LOCATION, OTHER, Caller, Clock

STATUS = {"status": "delivered"}


def test_a_code_is_good_once(call: Caller) -> None:
    code = call.code()
    first = call.token(grant_type="authorization_code", code=code).json()
    assert first["userType"] == "Location"
    assert first["locationId"] == LOCATION
    assert first["companyId"] == DEMO_COMPANY.id
    assert first["expires_in"] == 86_399
    again = call.token(grant_type="authorization_code", code=code)
    assert again.status_code == 401
    assert again.json() == {"error": "UnAuthorized!", "error_description": "Authorization code not found"}


def test_the_code_is_looked_at_before_the_credentials(call: Caller) -> None:
    bogus = call.token(grant_type="authorization_code", code="bogus", client_secret="wrong")
    assert bogus.json()["error_description"] == "Authorization code not found"
    good = call.code()
    assert call.token(grant_type="authorization_code", code=good, client_secret="wrong").status_code == 401
    assert call.token(grant_type="authorization_code", code=good).status_code == 200


def test_the_token_route_takes_a_form_only(call: Caller) -> None:
    answer = call.request("POST", "/oauth/token", json={"grant_type": "refresh_token"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Missing parameter: clientId")
    assert call.token(grant_type="password").json()["message"] == "Invalid parameter: grantType"


def test_rotation_with_grace(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    first = call.grant()
    second = call.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    clock.forward(29)
    within = call.refresh(first["refresh_token"]).json()
    assert within["refresh_token"] == second["refresh_token"]
    clock.forward(2)
    late = call.refresh(first["refresh_token"])
    assert (late.status_code, late.json()["message"]) == (400, "Invalid grant: refresh token is invalid")
    assert [one.outcome for one in sandbox.ghl.grants.refreshes] == ["rotated", "grace", "reused"]
    assert call.refresh(second["refresh_token"]).status_code == 200


def test_without_grace_a_second_use_fails_at_once(call: Caller, sandbox: Sandbox) -> None:
    sandbox.ghl.grants.grace_seconds = 0
    token = call.grant()["refresh_token"]
    assert call.refresh(token).status_code == 200
    assert call.refresh(token).status_code == 400


def test_an_inactive_location_keeps_its_refresh_token(call: Caller, sandbox: Sandbox) -> None:
    token = call.grant()["refresh_token"]
    call.request("PATCH", f"/control/locations/{LOCATION}", json={"active": False})
    refused = call.refresh(token)
    assert (refused.status_code, refused.json()["message"]) == (400, "Location is not active")
    sandbox.world.locations[LOCATION].active = True
    assert call.refresh(token).status_code == 200


@pytest.mark.parametrize("how", ["time", "switch"])
def test_access_tokens_expire(call: Caller, sandbox: Sandbox, clock: Clock, how: str) -> None:
    sandbox.ghl.grants.expires_in = 60
    tokens = call.grant()
    message = "/conversations/search?locationId=" + LOCATION
    assert call.ghl("GET", message, tokens["access_token"]).status_code == 200
    if how == "time":
        clock.forward(60)
    else:
        call.request("POST", "/control/tokens/expire", json={})
    refused = call.ghl("GET", message, tokens["access_token"])
    assert (refused.status_code, refused.json()["message"]) == (401, "The token has expired.")
    fresh = call.refresh(tokens["refresh_token"]).json()
    assert call.ghl("GET", message, fresh["access_token"]).status_code == 200


def test_the_version_header_is_asked_for_before_the_token(call: Caller) -> None:
    token = call.grant()["access_token"]
    path = f"/conversations/search?locationId={LOCATION}"
    missing = call.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    assert (missing.status_code, missing.json()["message"]) == (401, "version header was not found.")
    assert call.ghl("GET", path, token, version="2020-01-01").status_code == 400
    assert call.ghl("GET", path, "unknown").json()["message"] == "Invalid JWT"


def test_a_token_reaches_its_own_location_only(call: Caller) -> None:
    token = call.grant(OTHER)["access_token"]
    refused = call.ghl("GET", f"/conversations/search?locationId={LOCATION}", token)
    assert (refused.status_code, refused.json()["message"]) == (
        403,
        "The token does not have access to this location.",
    )
    assert call.ghl("GET", f"/locations/{LOCATION}", token).status_code == 403
    assert call.ghl("GET", f"/locations/{OTHER}", token).json()["location"]["name"] == "Manila Home Repair"


def test_an_agency_exchanges_for_each_installed_location(call: Caller, sandbox: Sandbox) -> None:
    company = call.grant(location="")
    assert (company["userType"], "locationId" in company) == ("Company", False)
    sandbox.world.locations[OTHER].installed = False
    query = f"/oauth/installedLocations?companyId={DEMO_COMPANY.id}&appId={APP_ID}&limit=1&isInstalled="
    page = call.ghl("GET", query + "true", company["access_token"], "2021-07-28").json()
    assert ([one["_id"] for one in page["locations"]], page["count"]) == ([LOCATION], 1)
    asked = {"companyId": DEMO_COMPANY.id, "locationId": LOCATION}
    minted = call.ghl("POST", "/oauth/locationToken", company["access_token"], "2021-07-28", data=asked)
    assert (minted.status_code, minted.json()["locationId"]) == (201, LOCATION)
    assert call.refresh(minted.json()["refresh_token"]).json()["userType"] == "Location"
    asked["locationId"] = OTHER
    refused = call.ghl("POST", "/oauth/locationToken", company["access_token"], "2021-07-28", json=asked)
    assert refused.status_code == 400
    assert call.ghl("GET", query + "true", company["access_token"], "v3").status_code == 400
    location_only = call.ghl("GET", f"/conversations/search?locationId={LOCATION}", company["access_token"])
    assert "authClass type" in location_only.json()["message"]


def test_uninstalling_kills_the_tokens_and_reinstalling_gives_new_ones(call: Caller, sandbox: Sandbox) -> None:
    old, path = call.grant(), f"/conversations/search?locationId={LOCATION}"
    sandbox.ghl.uninstall(LOCATION)
    assert call.ghl("GET", path, old["access_token"]).status_code == 401
    assert call.refresh(old["refresh_token"]).status_code == 400
    assert call.ghl("GET", path, call.grant()["access_token"]).status_code == 200


def test_tokens_outlive_a_restart_of_the_sandbox(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys" / "sandbox.pem"
    first = Sandbox(key=SigningKey.load(path), clock=clock)
    server = first.serve()
    tokens = Caller(first).grant()
    server.stop()
    second = Sandbox(key=SigningKey.load(path), clock=clock)
    server = second.serve()
    call = Caller(second)
    assert second.public_key == first.public_key
    assert call.ghl("GET", f"/locations/{LOCATION}", tokens["access_token"]).status_code == 200
    assert call.refresh(tokens["refresh_token"]).status_code == 200
    server.stop()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_rate_limit_and_its_headers(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.ghl.limit.most = 2
    token, path = call.grant()["access_token"], f"/locations/{LOCATION}"
    remaining = [call.ghl("GET", path, token).headers["X-RateLimit-Remaining"] for _ in range(2)]
    assert remaining == ["1", "0"]
    assert call.ghl("GET", path, token).status_code == 429
    clock.forward(10)
    answer = call.ghl("GET", path, token)
    assert answer.status_code == 200
    assert answer.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert answer.headers["X-RateLimit-Limit-Daily"] == "200000"


def test_a_token_may_do_what_its_scope_says(call: Caller, sandbox: Sandbox) -> None:
    sandbox.ghl.grants.scope = "conversations.readonly"
    narrow = call.grant()
    assert narrow["scope"] == "conversations.readonly"
    path = f"/conversations/search?locationId={LOCATION}"
    assert call.ghl("GET", path, narrow["access_token"]).status_code == 200
    refused = call.ghl("GET", f"/locations/{LOCATION}", narrow["access_token"])
    assert (refused.status_code, refused.json()["message"]) == (401, "The token is not authorized for this scope.")
    sandbox.ghl.grants.scope = "conversations.readonly locations.readonly"
    renewed = call.refresh(narrow["refresh_token"]).json()
    assert renewed["scope"] == "conversations.readonly", "a renewal gives the old scope again"
    fresh = call.grant()["access_token"]
    assert call.ghl("GET", f"/locations/{LOCATION}", fresh).status_code == 200


def test_uninstalling_by_the_api(call: Caller, sandbox: Sandbox) -> None:
    token, path = call.grant()["access_token"], f"/marketplace/app/{APP_ID}/installations"
    asked = {"locationId": LOCATION, "reason": "Enough"}
    assert call.ghl("DELETE", path, token, "2021-07-28", json={"locationId": OTHER, "reason": "x"}).status_code == 422
    assert call.ghl("DELETE", path, token, "2021-07-28", json={"locationId": LOCATION}).status_code == 422
    assert call.ghl("DELETE", path, token, "2021-07-28", json=asked).json() == {"success": True}
    assert not sandbox.world.locations[LOCATION].installed and sandbox.world.locations[OTHER].installed
    assert call.ghl("DELETE", path, token, "2021-07-28", json=asked).status_code == 401, "its tokens are dead"


def test_an_agencys_token_uninstalls_all_of_its_locations(call: Caller, sandbox: Sandbox) -> None:
    company, location = call.grant(location=""), call.grant()
    asked = {"companyId": DEMO_COMPANY.id, "locationId": LOCATION, "reason": "Enough"}
    path = f"/marketplace/app/{APP_ID}/installations"
    assert call.ghl("DELETE", path, company["access_token"], "2021-07-28", json=asked).status_code == 200
    assert not any(place.installed for place in sandbox.world.of_company(DEMO_COMPANY.id))
    assert call.refresh(location["refresh_token"]).status_code == 400


def test_a_paused_location_is_given_no_token(call: Caller, sandbox: Sandbox) -> None:
    company = call.grant(location="")["access_token"]
    sandbox.world.locations[LOCATION].active = False
    asked = {"companyId": DEMO_COMPANY.id, "locationId": LOCATION}
    refused = call.ghl("POST", "/oauth/locationToken", company, "2021-07-28", data=asked)
    assert (refused.status_code, refused.json()["message"]) == (400, "Location is not active")


def test_a_deleted_location(call: Caller) -> None:
    token = call.grant()["access_token"]
    assert call.request("DELETE", f"/control/locations/{LOCATION}").status_code == 200
    refused = call.ghl("GET", f"/locations/{LOCATION}", token)
    assert refused.status_code == 400 and "not found" in refused.json()["message"]
