"""The page by plain forms and by htmx, its security headers, and the controls behind it."""

import re

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.switches import SWITCHES
from tests.sandbox.conftest import LOCATION, OTHER, Caller

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nobody_listens(sandbox: Sandbox) -> None:
    sandbox.portal_url = "http://127.0.0.1:9"


def digest(name: str, html: str) -> str:
    found = re.search(rf'name="{name}_seen" value="(\w+)"', html)
    assert found is not None
    return found[1]


def test_the_page_is_whole_and_its_policy_strict(call: Caller) -> None:
    page = call.request("GET", f"/?location={OTHER}&phone=%2B639285550202")
    assert "Liza Mercado" in page.text
    assert all(switch.does in page.text.replace("&#39;", "'") for switch in SWITCHES.values())
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=", page.text)
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["agent", "phone", "travel", "faults", "status"])
def test_a_block_that_did_not_change_answers_204(call: Caller, name: str) -> None:
    first = call.request("GET", f"/live/{name}")
    again = call.request("GET", f"/live/{name}", params={f"{name}_seen": digest(name, first.text)})
    assert (first.status_code, again.status_code, again.text) == (200, 204, "")
    assert call.request("GET", "/live/nothing").status_code == 404


def test_an_agent_sends_by_plain_form_and_by_htmx(call: Caller, sandbox: Sandbox) -> None:
    form = {"location": LOCATION, "phone": "+639175550101", "text": "<b>Hi</b>"}
    plain = call.request("POST", "/agent", data=form, allow_redirects=False)
    assert (plain.status_code, plain.headers["Location"].startswith("/?location=")) == (303, True)
    partial = call.request("POST", "/agent", data=form, headers=HTMX)
    assert partial.status_code == 200
    assert sandbox.records.wait(lambda: len(sandbox.ghl.mailbox.messages()) == 2)
    thread = call.request("GET", "/live/agent").text
    assert "&lt;b&gt;Hi&lt;/b&gt;" in thread
    assert "<b>Hi</b>" not in thread
    assert sandbox.records.wait(lambda: "nobody listens there" in call.request("GET", "/live/travel").text)


def test_what_cannot_be_sent_is_said(call: Caller) -> None:
    empty = call.request("POST", "/agent", data={"location": LOCATION, "text": " "}, headers=HTMX)
    assert (empty.status_code, empty.text) == (422, "Type a text first.")
    stranger = {"location": LOCATION, "phone": "+639665550199", "text": "Hi"}
    assert "write from the phone first" in call.request("POST", "/agent", data=stranger).text
    assert call.request("POST", "/phone", data=stranger).status_code == 422


def test_switches_turn_on_once_and_off(call: Caller, sandbox: Sandbox) -> None:
    def turn(name: str, how: str) -> int:
        return call.request("POST", f"/faults/{name}", data={"turn": how}, headers=HTMX).status_code

    assert turn("provider_429", "on") == 200
    assert [(rule.name, rule.times) for rule in sandbox.faults.armed()] == [("provider_429", None)]
    turn("provider_429", "once")
    assert [(rule.name, rule.times) for rule in sandbox.faults.armed()] == [("provider_429", 1)]
    turn("provider_429", "off")
    assert sandbox.faults.armed() == []
    for name, switch in SWITCHES.items():
        turn(name, "on")
        assert switch.momentary or switch.is_on(sandbox)
        turn(name, "off")
        assert not switch.is_on(sandbox)
    assert (turn("nothing", "on"), turn("provider_429", "sideways")) == (404, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "rebound.test"},
    ],
)
def test_other_sites_are_turned_away(call: Caller, sandbox: Sandbox, headers: dict) -> None:
    form = {"location": LOCATION, "phone": "+639175550101", "text": "Hi"}
    assert call.request("POST", "/agent", data=form, headers=headers).status_code == 403
    assert call.request("POST", "/control/reset", json={}, headers=headers).status_code == 403
    assert sandbox.ghl.mailbox.messages() == []


def test_consent_sends_the_browser_back_with_code_and_state(call: Caller, sandbox: Sandbox) -> None:
    back = sandbox.portal_url + "/oauth/callback"
    asked = {"client_id": call.request("GET", "/control/state").json()["client_id"], "redirect_uri": back}
    page = call.request("GET", "/v2/oauth/chooselocation", params={**asked, "state": "s1", "scope": "a b"})
    assert "Cebu Dental Care" in page.text
    chosen = {**asked, "state": "s1", "location": LOCATION}
    answer = call.request("POST", "/v2/oauth/chooselocation", data=chosen, allow_redirects=False)
    assert answer.status_code == 303
    found = re.fullmatch(re.escape(back) + r"\?code=(\w{40})&state=s1", answer.headers["Location"])
    assert found is not None
    assert call.token(grant_type="authorization_code", code=found[1]).json()["locationId"] == LOCATION
    asked["redirect_uri"] = "http://evil.test/oauth/callback"
    assert call.request("GET", "/v2/oauth/chooselocation", params=asked).status_code == 400


def test_the_controls_script_the_sandbox(call: Caller, sandbox: Sandbox) -> None:
    state = call.request("GET", "/control/state").json()
    assert (state["public_key"], len(state["locations"])) == (sandbox.public_key, 2)
    assert call.request("PATCH", "/control/settings", json={"expires_in": 5, "outcome": "stuck"}).ok
    assert (sandbox.ghl.grants.expires_in, sandbox.cast.progress.outcome) == (5, "stuck")
    assert call.request("PATCH", "/control/settings", json={"nothing": 5}).status_code == 400
    rule = {"where": "cast.send", "effect": "silence", "seconds": 1}
    assert call.request("POST", "/control/faults", json=rule).json()["effect"] == "silence"
    assert call.request("POST", "/control/faults", json={"where": "x", "effect": "y"}).status_code == 400
    assert call.request("DELETE", "/control/faults").json()["armed"] == []
    assert call.request("POST", "/control/switches/ghl_early_403", json={"on": True}).json()["on"]
    call.cast("Hi", key="m1:1")
    assert call.request("GET", "/control/cast").json() == {
        "accepted": 1,
        "calls_by_key": {"m1:1": 1},
        "mismatches": [],
        "repeats": [],
    }
    [seen] = call.request("GET", "/control/calls?route=cast.send").json()
    assert (seen["status"], seen["body"]["message"], seen["answer"]["parts"]) == (200, "Hi", 1)
    call.request("POST", "/control/reset", json={})
    assert (sandbox.records.calls(), sandbox.cast.accepted(), sandbox.ghl.early_403_seconds) == ([], [], 0)
