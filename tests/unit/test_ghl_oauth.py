from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from portal import clock
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import SCOPES, OAuthClient, install_url
from portal.http import HttpClient
from tests.ghl_stand_in import running

HTTP = HttpClient()
CLIENT_ID = "0123456789abcdef01234567-abcd1234"
SECRET = "the-client-secret"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRANT = {
    "access_token": "access-1",
    "token_type": "Bearer",
    "expires_in": 86399,
    "refresh_token": "refresh-1",
    "scope": "contacts.readonly",
    "userType": "Company",
    "companyId": "k1",
    "approvedLocations": ["l1", "l2"],
    "userId": "u1",
    "planId": "p1",
    "isBulkInstallation": True,
    "installToFutureLocations": True,
    "traceId": "t",
}


@pytest.fixture
def ghl(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOON)
    with running() as stand_in:
        yield stand_in


@pytest.fixture
def oauth(ghl):
    return OAuthClient(HTTP, ghl.url, CLIENT_ID, SECRET)


def refused(call, *args):
    with pytest.raises(GhlError) as caught:
        call(*args)
    for secret in (SECRET, "refresh-1", "the-code", "company-token"):
        assert secret not in repr(caught.value)
    return caught.value


def test_a_code_becomes_a_grant(ghl, oauth):
    ghl.answer(200, GRANT)
    grant = oauth.exchange_code("the-code", "https://sms.example/oauth/callback")
    assert (grant.access_token, grant.refresh_token) == ("access-1", "refresh-1")
    assert grant.expires_at == NOON + timedelta(seconds=86399)
    assert (grant.user_type, grant.company_id, grant.location_id, grant.user_id) == ("Company", "k1", "", "u1")
    assert (grant.plan_id, grant.approved_locations, grant.scope) == ("p1", ("l1", "l2"), "contacts.readonly")
    assert grant.is_bulk and grant.install_to_future
    assert ghl.seen[0].form == {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": "https://sms.example/oauth/callback",
        "user_type": "Location",
    }
    assert "authorization" not in ghl.seen[0].headers


def test_a_grant_does_not_show_its_tokens(ghl, oauth):
    ghl.answer(200, GRANT)
    grant = oauth.refresh("refresh-0", "Company")
    assert "access-1" not in repr(grant) and "refresh-1" not in repr(grant)
    assert SECRET not in repr(vars(oauth).keys()) + repr(oauth)


def test_a_refresh_is_a_form(ghl, oauth):
    ghl.answer(200, {"access_token": "a", "refresh_token": "r", "expires_in": "60", "locationId": "l1"})
    grant = oauth.refresh("refresh-1", "Location")
    assert (grant.user_type, grant.location_id, grant.expires_at) == ("Location", "l1", NOON + timedelta(seconds=60))
    assert ghl.seen[0].form["refresh_token"] == "refresh-1"
    assert ghl.seen[0].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "This refresh token is invalid"}, Kind.GRANT_DEAD),
        (400, {"message": "Location is not active"}, Kind.LOCATION_INACTIVE),
        (401, {"error": "UnAuthorized!", "error_description": "Authorization code not found"}, Kind.GRANT_DEAD),
        (401, {"message": "Unauthorized refresh-1"}, Kind.NO_ACCESS),
        (400, {"message": f"Missing parameter for {SECRET}"}, Kind.INVALID),
        (503, {}, Kind.SERVER),
        (200, {}, Kind.UNKNOWN),
        (200, b"", Kind.UNKNOWN),
        (0, None, Kind.UNKNOWN),
    ],
)
def test_only_a_dead_grant_is_called_dead(ghl, oauth, status, body, kind):
    ghl.answer(status, body)
    assert refused(oauth.refresh, "refresh-1", "Location").kind is kind


def test_a_location_token_is_made_of_the_agencys(ghl, oauth):
    ghl.answer(
        201, {"access_token": "a", "refresh_token": "r", "expires_in": 86399, "locationId": "l1", "companyId": None}
    )
    grant = oauth.location_token("company-token", "k1", "l1")
    assert (grant.user_type, grant.company_id, grant.location_id, grant.refresh_token) == ("Location", "k1", "l1", "r")
    assert ghl.seen[0].headers["authorization"] == "Bearer company-token"
    assert ghl.seen[0].form == {"companyId": "k1", "locationId": "l1"}
    ghl.answer(401, {"message": "Invalid JWT company-token"})
    assert refused(oauth.location_token, "company-token", "k1", "l1").kind is Kind.TOKEN_REJECTED


@pytest.mark.parametrize(
    "other",
    [{"locationId": "l2"}, {"companyId": "k2"}, {"userType": "Company"}, {"locationId": "l2", "companyId": "k2"}],
)
def test_a_token_for_somebody_else_than_was_asked_for_is_refused(ghl, oauth, other):
    ghl.answer(201, {"access_token": "a", "refresh_token": "r", "locationId": "l1", "companyId": "k1", **other})
    assert refused(oauth.location_token, "company-token", "k1", "l1").kind is Kind.INVALID


def test_the_app_is_taken_out_of_one_location_with_its_own_token(ghl, oauth):
    ghl.answer(200, {"success": True})
    oauth.uninstall("location-token", "app1", "l1", "Disconnected.")
    seen = ghl.seen[0]
    assert (seen.method, seen.path) == ("DELETE", "/marketplace/app/app1/installations")
    assert seen.headers["authorization"] == "Bearer location-token"
    assert seen.json == {"locationId": "l1", "reason": "Disconnected."}
    ghl.answer(401, {"message": "The token is not authorized for this scope."})
    assert refused(oauth.uninstall, "location-token", "app1", "l1", "x").kind is Kind.NO_SCOPE


def test_a_long_list_is_read_on_when_the_caller_waits(ghl, oauth):
    for status, answer in ((200, page(1)), (429, {}), (200, page(2)), (200, {})):
        ghl.answer(status, answer, {"Retry-After": "3"} if status == 429 else None)
    waited = []
    found = oauth.installed_locations("t", "k1", "a", lambda error: waited.append(error.retry_after) or True)
    assert [place.id for place in found] == ["l1", "l2"] and waited == [3.0]
    ghl.answer(429, {})
    assert refused(lambda: list(oauth.installed_locations("t", "k1", "a", lambda _: False))).kind is Kind.RATE_LIMITED


def page(*numbers, **more):
    return {"locations": [{"_id": f"l{number}", "name": f"Place {number}", **more} for number in numbers], "count": 250}


def test_installed_locations_are_paged_to_the_end(ghl, oauth):
    for answer in (page(*range(100)), page(*range(100, 150)), page(150, isInstalled=False), page(151), {}):
        ghl.answer(200, answer)
    found = [place.id for place in oauth.installed_locations("company-token", "k1", "app1")]
    assert found == [f"l{number}" for number in (*range(150), 151)]
    assert [seen.query["skip"] for seen in ghl.seen] == ["0", "100", "150", "151", "152"]
    assert {seen.query["limit"] for seen in ghl.seen} == {"100"}


def test_a_server_that_ignores_skip_does_not_page_for_ever(ghl, oauth):
    ghl.answer(200, page(1, 2))
    ghl.answer(200, page(1, 2))
    assert [place.name for place in oauth.installed_locations("company-token", "k1", "a")] == ["Place 1", "Place 2"]


def test_the_consent_page():
    url = install_url(CLIENT_ID, "https://sms.example/oauth/callback", "st&te")
    parts = urlsplit(url)
    assert (
        f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
    )
    assert parse_qs(parts.query) == {
        "response_type": ["code"],
        "client_id": [CLIENT_ID],
        "redirect_uri": ["https://sms.example/oauth/callback"],
        "scope": [" ".join(SCOPES)],
        "state": ["st&te"],
        "version_id": ["0123456789abcdef01234567"],
    }
    assert "+" not in parts.query
    other = install_url(CLIENT_ID, "https://x", "s", scopes=["a"], app_id="app", white_label=True)
    assert other.startswith("https://marketplace.leadconnectorhq.com/") and "version_id=app" in other
