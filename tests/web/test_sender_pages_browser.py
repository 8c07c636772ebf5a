"""Managing senders in a browser: one is added after a wrong token, renamed, made the default, moved and removed."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.models import Sender
from portal.sandbox.sms.dialects import DIALECTS
from tests.web.test_browser import Visit, chromium, visit  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def shoot(visit: Visit, name: str) -> None:  # noqa: F811
    """A picture for whoever wants to look: SHOTS names a folder."""
    if folder := os.environ.get("SHOTS"):
        visit.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def names(visit: Visit) -> list[str]:  # noqa: F811
    return visit.page.locator("a.row-title").all_inner_texts()


def test_a_sender_from_its_first_form_to_its_removal(visit: Visit, database, acme, sandbox) -> None:  # noqa: F811
    page, known = visit.page, DIALECTS["twilio"].credentials
    visit.open("/admin/senders")
    page.get_by_role("link", name="Add a sender").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Twilio SMS").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Account SID").fill(known["account_sid"])
    page.get_by_label("Auth token").fill("a-token-of-somebody-else")
    page.get_by_label("From", exact=False).first.fill(known["from"])
    page.get_by_text("More settings").focus()
    page.keyboard.press("Enter")
    page.get_by_label("API address").fill(f"{sandbox.url}/twilio")
    page.get_by_label("Name", exact=False).last.fill("Acme texts")
    shoot(visit, "add")
    page.keyboard.press("Enter")
    page.locator("#field-auth_token-fault").wait_for()
    shoot(visit, "add-wrong")
    assert "does not know the Account SID" in page.locator("#field-auth_token-fault").inner_text()
    assert page.get_by_label("Account SID").input_value() == known["account_sid"]
    assert page.get_by_label("Auth token").input_value() == "" and "a-token-of-somebody-else" not in page.content()
    page.get_by_label("Auth token").fill(known["auth_token"])
    page.get_by_role("button", name="Check and add").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Acme texts is added.").wait_for()
    page.get_by_text("nothing came on it yet").wait_for()
    shoot(visit, "sender")
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    shoot(visit, "settings")
    page.get_by_label("What you call it").fill("")
    page.keyboard.press("Enter")
    page.locator("#name-fault").wait_for()
    page.get_by_label("What you call it").fill("Front desk texts")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Settings of Front desk texts").wait_for()
    page.get_by_role("button", name="Make it the default").focus()
    page.keyboard.press("Enter")
    page.get_by_text("It is the default now").wait_for()
    visit.open(f"/admin/senders?location={acme.ghl_id}")
    assert names(visit) == ["Acme line", "Front desk texts"]
    page.get_by_role("button", name="Move Front desk texts higher").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Front desk texts stands one place higher.").wait_for()
    assert names(visit) == ["Front desk texts", "Acme line"]
    page.get_by_text("Today 0 sent, 0 delivered, 0 failed").first.wait_for()
    shoot(visit, "list")
    page.get_by_role("link", name="Front desk texts").click()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Remove this sender…").focus()
    page.keyboard.press("Enter")
    shoot(visit, "remove")
    assert page.get_by_label("The default from then on").input_value() == str(acme.sender)
    page.get_by_role("button", name="Remove it").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Front desk texts is removed.").wait_for()
    assert names(visit) == ["Acme line"]
    with database.read() as session:
        rows = {row.name: (row.state, row.is_default) for row in session.scalars(select(Sender))}
    assert rows == {"Acme line": ("active", True), "Front desk texts": ("removed", False)}
    assert [each for each in visit.complaints if "422" not in each] == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_forms_fit_a_phone(visit: Visit, acme, rival, theme: str) -> None:  # noqa: F811
    visit.page.emulate_media(color_scheme=theme)
    new = f"/admin/senders/new?location={acme.ghl_id}"
    forms = [f"{new}&channel={kind}" for kind in ("generic_http", "whatsapp_cloud", "kannel")]
    own = [f"/admin/senders/{acme.sender}{rest}" for rest in ("", "/settings", "/remove", "/figures")]
    for wide in (360, 1280):
        visit.page.set_viewport_size({"width": wide, "height": 800})
        for path in ("/admin/senders/new", new, *forms, *own, f"/admin/senders?location={acme.ghl_id}"):
            visit.open(path)
            over = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, path
            shoot(visit, f"{theme}-{wide}-" + path.strip("/").replace("/", "-").replace("?", "-")[:60])
            assert visit.page.locator("h1").count() == 1
            ids = visit.page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
            assert len(ids) == len(set(ids)), path
            fields = "document.querySelectorAll('input:not([type=hidden]), select, textarea')"
            assert visit.page.evaluate(f"[...{fields}].filter(e => !e.labels.length).length") == 0
    assert visit.complaints == []


def test_a_sender_is_added_without_a_script(visit: Visit, database, acme, sandbox) -> None:  # noqa: F811
    plain = visit.page.context.browser.new_context(java_script_enabled=False)
    plain.add_cookies(visit.page.context.cookies())
    page = plain.new_page()
    page.goto(f"{visit.base}/admin/senders/new?channel=semaphore")
    page.get_by_label("API key").fill(DIALECTS["semaphore"].credentials["api_key"])
    page.get_by_text("More settings").click()
    page.get_by_label("API address").fill(f"{sandbox.url}/semaphore")
    page.get_by_role("button", name="Check and add").click()
    page.get_by_text("Semaphore knows the key.").wait_for()
    plain.close()
