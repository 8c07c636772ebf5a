"""The WhatsApp Cloud number on the sandbox's page: the customer's chat, the window, templates, the phone app."""

import re

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.whatsapp_cloud.numbers import Progress
from portal.sandbox.whatsapp_cloud.shown import KINDS
from portal.sandbox.world import CLOUD_NUMBER, CLOUD_NUMBER_ID
from tests.sandbox.cloud import RAMON, Meta
from tests.sandbox.conftest import LOCATION, OTHER, Caller

HTMX = {"HX-Request": "true"}
FORM = {"location": OTHER, "phone": f"+{RAMON}"}
NUMBER = {"sender": f"cloud:{CLOUD_NUMBER_ID}"}


@pytest.fixture(autouse=True)
def quick(sandbox: Sandbox) -> None:
    sandbox.portal_url = "http://127.0.0.1:9"
    sandbox.cloud.progress = Progress(0, 0, 0)


@pytest.fixture
def meta(call: Caller) -> Meta:
    return Meta(call)


def post(call: Caller, path: str, **form: str):
    return call.request("POST", path, data=FORM | form, headers=HTMX)


def live(call: Caller, name: str) -> str:
    return call.request("GET", f"/live/{name}", params=FORM).text


def test_the_page_shows_the_number_of_its_location(call: Caller) -> None:
    page = call.request("GET", "/", params=FORM).text
    assert CLOUD_NUMBER in page and "templates only" in page and "visit_reminder" in page
    assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=", page)
    assert "cloud-title" not in call.request("GET", f"/?location={LOCATION}").text
    refused = post(call, "/cloud/type", location=LOCATION, phone="+639175550101", text="x")
    assert (refused.status_code, refused.text) == (422, "This location has no WhatsApp Cloud number.")


@pytest.mark.parametrize("kind", KINDS)
def test_a_customer_writes(call: Caller, sandbox: Sandbox, kind: str) -> None:
    assert post(call, "/phone", **NUMBER, text="<b>first</b>").status_code == 200
    assert post(call, "/phone", **NUMBER, kind=kind, text="Yes").status_code == 200
    received = sandbox.cloud.numbers[CLOUD_NUMBER_ID].received
    assert [one.person.name for one in received] == ["Ramon Bautista"] * 2
    assert "<b>first" not in live(call, "phone") and "brings it to the number" in live(call, "travel")


def test_what_makes_no_sense_is_said(call: Caller) -> None:
    assert "no message in this chat" in post(call, "/phone", **NUMBER, kind="reply", text="Yes").text
    assert post(call, "/phone", **NUMBER, kind="text", text="").text == "Type a text first."
    assert "kind must be one of" in post(call, "/phone", **NUMBER, kind="dance", text="x").text
    for path in ("/cloud/person/dance", "/cloud/template/1", "/cloud/template/900000000000001"):
        assert post(call, path, event="LOVED").status_code == 404


def test_a_message_of_the_portal_on_its_way(call: Caller, meta: Meta, sandbox: Sandbox) -> None:
    post(call, "/phone", **NUMBER, text="Hi")
    sandbox.deliveries.send("Kumusta", contact=sandbox.ghl.directory.find(OTHER, f"+{RAMON}"))
    sent = meta.send("Kumusta", biz_opaque_callback_data="k.1:1").json()["messages"][0]["id"]
    assert sandbox.records.wait(lambda: "The phone has it" in live(call, "travel"))
    assert "Meta took it" in live(call, "travel") and ">Meta</span>" in live(call, "travel")
    assert "Kumusta" in live(call, "phone") and "arrived" in live(call, "phone")
    message = sandbox.cloud.numbers[CLOUD_NUMBER_ID].received[0]
    meta.order({"type": "reaction", "reaction": {"message_id": message.id, "emoji": "🙏"}})
    meta(
        "POST",
        f"{CLOUD_NUMBER_ID}/messages",
        json={"messaging_product": "whatsapp", "status": "read", "message_id": message.id},
    )
    post(call, "/phone", **NUMBER, kind="reaction", text="❤️")
    thread = live(call, "phone")
    assert "🙏" in thread and "❤️" in thread and "read by the business" in thread
    assert sandbox.cloud.find(sent).reaction == "❤️"
    sandbox.deliveries.send("Again", contact=sandbox.ghl.directory.find(OTHER, f"+{RAMON}"))
    sandbox.cloud.refuse(131016)
    meta.send("Again", biz_opaque_callback_data="k.2:1")
    assert "Meta refused: 503" in live(call, "travel")
    sandbox.cloud.decide(f"+{RAMON}", "failed:131026")
    meta.send("Again", biz_opaque_callback_data="k.2:1")
    assert sandbox.records.wait(lambda: "131026" in live(call, "travel") and "never arrived" in live(call, "phone"))


def test_the_agent_writes_several_lines_as_a_template_wants_them(call: Caller, sandbox: Sandbox) -> None:
    page = call.request("GET", "/", params=FORM).text
    assert (
        '<textarea class="form-control" id="agent-text" name="text"' in page and "<code>/template NAME</code>" in page
    )
    assert post(call, "/agent", text="/template visit_reminder\r\n1: Ramon\r\n2: Friday").status_code == 200
    bodies = [each.text for each in sandbox.ghl.mailbox.messages(direction="outbound")]
    assert bodies == ["/template visit_reminder\n1: Ramon\n2: Friday"]


def test_a_template_that_the_agent_asked_for_travels_with_the_command(
    call: Caller, meta: Meta, sandbox: Sandbox
) -> None:
    assert post(call, "/agent", text="/template visit_reminder\n1: Ramon\n2: Friday").status_code == 200
    assert meta.template("visit_reminder", "Ramon", "Friday").status_code == 200
    assert sandbox.records.wait(lambda: "Meta took it" in live(call, "travel"))
    (message,) = sandbox.ghl.mailbox.messages(direction="outbound")
    journey = sandbox.journeys.get(message.id)
    assert journey is not None and any(sandbox.cloud.find(key) for key in journey.keys), "no simulator has it"
    phone = live(call, "phone")
    assert "your visit is on Friday" in phone and "/template" not in phone


def test_buttons_are_tapped(call: Caller, meta: Meta, sandbox: Sandbox) -> None:
    post(call, "/phone", **NUMBER, text="Hi")
    buttons = [{"type": "reply", "reply": {"id": "yes", "title": "Yes, <please>"}}]
    order = {"type": "button", "body": {"text": "Shall we come?"}, "action": {"buttons": buttons}}
    asked = meta.order({"type": "interactive", "interactive": order}).json()["messages"][0]["id"]
    assert "Yes, &lt;please&gt;</button>" in live(call, "phone")
    assert post(call, "/cloud/tap", about=asked, text="Yes, <please>").status_code == 200
    tapped = sandbox.cloud.numbers[CLOUD_NUMBER_ID].received[-1].item
    assert tapped["interactive"]["button_reply"]["id"] == "yes" and tapped["context"]["id"] == asked
    assert "nothing of this name" in post(call, "/cloud/tap", about=asked, text="No").text


def test_a_day_passes_and_a_customer_makes_up_their_mind(call: Caller, sandbox: Sandbox) -> None:
    post(call, "/phone", **NUMBER, text="Hi")
    assert re.search(r"may be answered freely until \d+ [A-Z][a-z]+ \d", live(call, "cloud")), "it is another day"
    post(call, "/cloud/type", text="Hello")
    post(call, "/cloud/person/read")
    assert "read" in live(call, "phone")
    assert "templates only" in post(call, "/cloud/person/wait").text
    assert "wants no marketing" in post(call, "/cloud/person/stop").text
    assert "wants no marketing" not in post(call, "/cloud/person/resume").text
    assert "number hidden" in post(call, "/cloud/person/hide").text
    assert post(call, "/phone", **NUMBER, text="Still me").status_code == 200
    assert sandbox.records.wait(lambda: "nobody listens there" in live(call, "cloud"))
    assert "Still me" in live(call, "phone")


def test_meta_and_the_owner_act(call: Caller, sandbox: Sandbox) -> None:
    assert "approved" in post(call, "/cloud/template/900000000000003", event="APPROVED").text
    plain = call.request("POST", "/cloud/type", data=FORM | {"text": "On my way"}, allow_redirects=False)
    assert plain.status_code == 303
    assert "typed in the phone app" in live(call, "phone")
    assert sandbox.records.wait(lambda: "smb message echoes" in live(call, "cloud"))
    assert "template feedback_request APPROVED" in live(call, "cloud")


def test_a_file_is_shown_without_a_token(call: Caller, sandbox: Sandbox) -> None:
    post(call, "/phone", **NUMBER, kind="image")
    media = next(iter(sandbox.cloud.files.known))
    assert f'<img src="/cloud/picture/{media}"' in live(call, "phone")
    assert call.request("GET", f"/cloud/picture/{media}").content.startswith(b"\x89PNG")
    assert call.request("GET", "/cloud/picture/1").status_code == 404
