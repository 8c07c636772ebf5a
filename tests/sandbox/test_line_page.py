"""The WhatsApp line on the sandbox's page and in its controls."""

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.world import GREEN_INSTANCE, GREEN_NUMBER
from tests.sandbox.conftest import LOCATION, OTHER, Caller

HTMX = {"HX-Request": "true"}
MARIA = "+639175550101"
FORM = {"location": LOCATION, "phone": MARIA}
LINE = {"sender": f"line:{GREEN_INSTANCE}"}


@pytest.fixture(autouse=True)
def nobody_listens(sandbox: Sandbox) -> None:
    sandbox.portal_url = "http://127.0.0.1:9"


def post(call: Caller, path: str, **form: str):
    return call.request("POST", path, data=FORM | form, headers=HTMX)


def test_the_page_shows_the_line_of_its_location(call: Caller) -> None:
    page = call.request("GET", f"/?location={LOCATION}").text
    assert GREEN_NUMBER in page and "Sign out on this phone" in page and 'name="kind"' in page
    other = call.request("GET", f"/?location={OTHER}").text
    assert "Sign out on this phone" not in other and f"line:{GREEN_INSTANCE}" not in other
    assert "has no WhatsApp line" in call.request("GET", f"/live/line?location={OTHER}").text


@pytest.mark.parametrize("kind", ["text", "image", "location", "contact", "reply", "reaction", "edit", "delete"])
def test_a_customer_writes_by_whatsapp(call: Caller, sandbox: Sandbox, kind: str) -> None:
    assert post(call, "/phone", **LINE, text="<b>first</b>").status_code == 200
    assert post(call, "/phone", **LINE, kind=kind, text="Yes").status_code == 200
    received = sandbox.green.instances[GREEN_INSTANCE].received
    assert [one.chat for one in received] == ["639175550101@c.us"] * 2
    thread = call.request("GET", "/live/phone", params=FORM).text
    assert "&lt;b&gt;first" in thread and "<b>first" not in thread
    assert "brings it to the line" in call.request("GET", "/live/travel", params=FORM).text


def test_what_makes_no_sense_is_said(call: Caller) -> None:
    assert "no message in this chat" in post(call, "/phone", **LINE, kind="reply", text="Yes").text
    assert post(call, "/phone", **LINE, kind="text", text="").text == "Type a text first."
    assert "kind must be one of" in post(call, "/phone", **LINE, kind="dance", text="x").text
    assert post(call, "/line/type", location=OTHER, text="x").text == "This location has no WhatsApp line."
    assert post(call, "/line/dance").status_code == 404


def test_the_owner_types_signs_out_and_scans(call: Caller, sandbox: Sandbox) -> None:
    line = sandbox.green.instances[GREEN_INSTANCE]
    plain = call.request("POST", "/line/type", data=FORM | {"text": "Hi"}, allow_redirects=False)
    assert plain.status_code == 303
    assert [(one.by, one.text) for one in line.sent.values()] == [("phone", "Hi")]
    assert "Scan the code" in post(call, "/line/sign-out").text
    assert line.state == "notAuthorized"
    assert "No phone is linked" in post(call, "/line/type", text="x").text
    assert "Sign out" in post(call, "/line/scan").text
    assert "Sign out" in post(call, "/line/scan").text
    assert line.state == "authorized"


def test_a_message_of_the_portal_on_its_way(call: Caller, sandbox: Sandbox) -> None:
    contact = sandbox.ghl.directory.find(LOCATION, MARIA)
    sandbox.deliveries.send("Kumusta", contact=contact)
    line = sandbox.green.instances[GREEN_INSTANCE]
    body = {"chatId": "639175550101@c.us", "message": "Kumusta"}
    call.request("POST", f"/waInstance{line.id}/sendMessage/{line.token}", json=body)
    travel = call.request("GET", "/live/travel", params=FORM).text
    assert "GREEN-API took it into its queue" in travel and ">GREEN-API</span>" in travel
    assert "Kumusta" in call.request("GET", "/live/phone", params=FORM).text


class TestControls:
    def post(self, call: Caller, path: str, **body: object):
        return call.request("POST", f"/control/{path}", json=body)

    def test_settings(self, call: Caller, sandbox: Sandbox) -> None:
        wanted = {"green_deaf": True, "green_delay": 1.5, "green_again_after": 2, "green_outcome": "read"}
        assert call.request("PATCH", "/control/settings", json=wanted).status_code == 200
        green = sandbox.green
        assert (green.deaf, green.delay, green.again_after, green.progress.outcome) == (True, 1.5, 2, "read")

    def test_lines(self, call: Caller) -> None:
        made = self.post(call, "green", id="7103000002", token="t" * 20, number="+639171110002", location_id=OTHER)
        assert made.json()["state"] == "notAuthorized"
        assert [one["id"] for one in call.request("GET", "/control/green").json()] == [GREEN_INSTANCE, "7103000002"]
        assert self.post(call, "green/scan", instance="7103000002").status_code == 200
        state = call.request("GET", f"/waInstance7103000002/getStateInstance/{'t' * 20}").json()
        assert state == {"stateInstance": "authorized"}

    def test_people(self, call: Caller) -> None:
        written = self.post(call, "green/write", chat=MARIA, text="Hi").json()["id"]
        reply = self.post(call, "green/write", chat=MARIA, kind="reply", text="Yes", about=written, by="phone")
        assert reply.status_code == 200
        assert self.post(call, "green/call", chat="639175550101@c.us").json()["id"]
        assert self.post(call, "green/write", chat=MARIA, kind="dance").status_code == 400
        assert self.post(call, "green/write", chat=MARIA, instance="1").status_code == 400
        sent = call.request("GET", "/control/green/sent").json()
        assert [one["by"] for one in sent["sent"]] == ["phone"] and sent["repeats"] == []
        assert call.request("GET", "/control/green/posted").json() == {"waiting": 0, "posted": []}

    def test_states_and_ends(self, call: Caller, sandbox: Sandbox) -> None:
        assert self.post(call, "green/state", state="yellowCard").status_code == 200
        assert self.post(call, "green/state", state="dreaming").status_code == 400
        assert self.post(call, "green/outcomes", phone=MARIA, outcome="noAccount").status_code == 200
        assert sandbox.green.instances[GREEN_INSTANCE].state == "yellowCard"
        assert call.request("GET", "/control/state").json()["green"][0]["id"] == GREEN_INSTANCE
