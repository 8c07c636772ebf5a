"""The pages in a real browser: what only a browser does, with its content security policy in force."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.serving import make_server

from portal.alerts.notices import CHOOSE_DEFAULT, raise_alert
from portal.messaging import optouts
from portal.models import User
from tests.web.conftest import PASSWORD, reload

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("Chromium is not installed.")
        pytest.skip("Chromium is not installed.")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page of somebody who is signed in, and what went wrong on it."""

    page: object
    base: str
    complaints: list[str] = field(default_factory=list)
    polls: list[int] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)


@pytest.fixture
def visit(app: Flask, chromium, person) -> Iterator[Visit]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    person("anna@example.com")
    context = chromium.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark")
    visit = Visit(context.new_page(), f"http://127.0.0.1:{server.port}")
    visit.page.on("console", lambda said: visit.complaints.append(said.text) if said.type == "error" else None)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("response", lambda got: visit.polls.append(got.status) if "/live/" in got.url else None)
    visit.open("/login")
    visit.page.get_by_label("E-mail address").fill("anna@example.com")
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.page.get_by_role("button", name="Sign in").click()
    visit.page.wait_for_url("**/admin")
    yield visit
    context.close()
    server.shutdown()


def poll(visit: Visit) -> None:
    """Has every block ask now, as it does when a hidden tab is shown again, and waits for the two answers."""
    heard = len(visit.polls)
    visit.page.evaluate("document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))")
    deadline = time.monotonic() + 10
    while len(visit.polls) < heard + 2 and time.monotonic() < deadline:
        visit.page.wait_for_timeout(20)


def test_blocks_follow_and_unchanged_ones_are_not_sent(visit: Visit, database, acme) -> None:
    visit.open("/admin")
    visit.page.wait_for_load_state("networkidle")
    poll(visit)
    poll(visit)
    assert visit.polls[-2:] == [204] * 2
    assert "Nothing needs you." in visit.page.inner_text("#alerts")
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme must choose.", acme.location)
    poll(visit)
    visit.page.get_by_text("Acme must choose.").wait_for()
    visit.page.get_by_role("button", name="Done").click()
    visit.page.get_by_text("Nothing needs you.").wait_for()
    assert visit.complaints == []


def test_a_filter_is_in_the_address_and_back_leads_back(visit: Visit, acme, queue) -> None:
    queue(acme, "Hello there")
    visit.open("/admin/messages")
    visit.page.get_by_label("Status").select_option("failed")
    visit.page.get_by_text("No messages.").wait_for()
    assert "status=failed" in visit.page.url
    visit.page.go_back()
    visit.page.get_by_text("Hello there").wait_for()
    assert visit.page.get_by_label("Status").input_value() == ""
    visit.page.locator("time[title]").first.wait_for()
    assert visit.complaints == []


def test_cancelling_asks_first(visit: Visit, database, acme, queue) -> None:
    message = queue(acme)
    visit.open(f"/admin/messages/{message.uuid}")
    visit.page.once("dialog", lambda dialog: dialog.dismiss())
    visit.page.get_by_role("button", name="Cancel this message").click()
    assert reload(database, message).status == "queued"
    visit.page.once("dialog", lambda dialog: dialog.accept())
    visit.page.get_by_role("button", name="Cancel this message").click()
    visit.page.get_by_text("The message is cancelled").wait_for()
    assert visit.complaints == []


def test_disconnecting_by_keyboard_says_first_what_happens(visit: Visit, database, acme) -> None:
    visit.open("/admin/installations")
    visit.page.get_by_role("link", name="Acme dentists", exact=True).focus()
    visit.page.keyboard.press("Enter")
    link = visit.page.get_by_role("link", name="Disconnect this sub-account…")
    link.wait_for()
    visit.page.wait_for_load_state("load")  # a key that is pressed before the scripts are there is the browser's own
    link.focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("From this moment on nothing is sent").wait_for()
    assert visit.page.url.endswith(f"/admin/installations/{acme.location}"), "it opened in its place"
    visit.page.get_by_role("link", name="Leave it connected").wait_for()
    button = visit.page.get_by_role("button", name="Disconnect it")
    button.focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("HighLevel is being told.").wait_for()
    assert "disconnected" in visit.page.inner_text("#standing")
    assert visit.page.get_by_role("link", name="Disconnect this sub-account…").count() == 0
    assert visit.complaints == []


def test_the_filter_of_installations_is_in_the_address(visit: Visit, acme) -> None:
    visit.open("/admin/installations")
    visit.page.get_by_label("State").select_option("uninstalled")
    visit.page.get_by_text("No sub-account of this kind").wait_for()
    assert "state=uninstalled" in visit.page.url
    visit.page.go_back()
    visit.page.get_by_role("link", name="Acme dentists", exact=True).wait_for()
    assert visit.complaints == []


def test_a_poll_of_an_ended_session_leads_to_the_sign_in_page(visit: Visit, database) -> None:
    visit.open("/admin")
    with database.write() as session:
        session.execute(update(User).values(session_version=User.session_version + 1))
    visit.page.evaluate("htmx.trigger('#live-wall', 'wake')")
    visit.page.wait_for_url("**/login?next=/admin")
    assert visit.page.get_by_role("heading", name="Sign in").is_visible()


def test_an_opt_out_is_added_and_lifted_by_keyboard(visit: Visit, acme) -> None:
    visit.open(f"/admin/opt-outs/locations/{acme.location}")
    visit.page.get_by_label("Number").fill("12")
    visit.page.get_by_label("Why").fill("Asked in the shop")
    visit.page.keyboard.press("Enter")
    visit.page.locator("#add-fault").wait_for()
    assert visit.page.get_by_label("Why").input_value() == "Asked in the shop"
    visit.page.get_by_label("Number").fill("0917 000 0042")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("nothing is sent to this number any more").wait_for()
    visit.open("/admin/opt-outs")
    visit.page.get_by_label("Number").fill("0917 000 0042")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**q=0917*")
    visit.page.get_by_role("link", name="+639170000042 · SMS").focus()
    visit.page.keyboard.press("Enter")
    visit.page.get_by_label("Why").fill("They called")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("messages go out again").wait_for()
    assert "They called" in visit.page.inner_text("main")
    assert [each for each in visit.complaints if "422" not in each] == []


def test_the_pages_fit_a_phone_and_follow_the_system(visit: Visit, database, acme, queue) -> None:
    message = queue(acme, "W" * 400, attachments=["https://a.example/" + "x" * 300])
    place = f"/admin/installations/{acme.location}"
    with database.write() as session:
        silent = optouts.add(session, acme.location, "sms", "+639170000042", "w" * 200)
        assert silent is not None
    quiet = ("/admin/opt-outs", f"/admin/opt-outs/{silent.id}", f"/admin/opt-outs/locations/{acme.location}")
    pages = ("/admin", "/admin/messages", f"/admin/messages/{message.uuid}", "/admin/events", "/password")
    for path in (*pages, *quiet, "/admin/installations", place, f"{place}/disconnect"):
        visit.open(path)
        wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
        assert visit.page.locator("h1").count() == 1
        assert visit.page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
        ids = visit.page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
        assert len(ids) == len(set(ids)), path
        fields = "document.querySelectorAll('input:not([type=hidden]), select, textarea')"
        assert visit.page.evaluate(f"[...{fields}].filter(e => !e.labels.length && !e.ariaLabel).length") == 0
    assert visit.complaints == []
