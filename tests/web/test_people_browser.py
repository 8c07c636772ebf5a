"""People in a real browser: signing in with a code, and inviting an agent for one sub-account."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from pyotp import TOTP
from werkzeug.serving import make_server

from portal import clock
from portal.models import Location
from tests.web.conftest import PASSWORD, Tenant
from tests.web.test_browser import chromium as chromium  # a fixture

pytestmark = pytest.mark.browser


@dataclass
class Desk:
    """A server, and browsers that know nothing of each other. `complaints` is what went wrong on any page."""

    browser: object
    base: str
    complaints: list[str] = field(default_factory=list)

    def sit_down(self) -> object:
        page = self.browser.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark").new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def sign_in(self, page: object, email: str) -> None:
        page.goto(f"{self.base}/login")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def desk(app: Flask, chromium) -> Iterator[Desk]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Desk(chromium, f"http://127.0.0.1:{server.port}")
    server.shutdown()


def code(secret: str, steps: int = 0) -> str:
    return TOTP(secret).at(int(clock.now().timestamp()) + 30 * steps)


def test_setting_up_a_second_factor_and_signing_in_with_it(desk: Desk, acme: Tenant, person) -> None:
    person("owner@example.com", acme.agency)
    page = desk.sit_down()
    desk.sign_in(page, "owner@example.com")
    page.wait_for_url("**/admin")
    page.get_by_role("link", name="owner@example.com").click()
    page.get_by_role("link", name="Set it up").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Show the code to scan").click()
    assert page.locator("img.qr").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    secret = page.locator(".totp-secret").inner_text()
    page.get_by_label("The six digits that the app shows").fill(code(secret, -1))
    page.get_by_role("button", name="Turn it on").click()
    page.get_by_role("heading", name="The second factor is on").wait_for()
    recovery = page.locator(".codes code").first.inner_text()
    assert re.fullmatch(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}", recovery)

    other = desk.sit_down()
    desk.sign_in(other, "owner@example.com")
    other.wait_for_url("**/login/code")
    other.get_by_label("Code").fill("12 34")
    other.get_by_role("button", name="Go on").click()
    other.get_by_text("This code is not right").wait_for()
    other.get_by_label("Code").fill(code(secret))
    other.get_by_role("button", name="Go on").click()
    other.wait_for_url("**/admin")

    page.goto(f"{desk.base}/account")
    rows = page.locator("section[aria-label='Where you are signed in'] li")
    assert rows.count() == 2
    rows.filter(has_not_text="this one").get_by_role("button", name="Sign out").click()
    page.get_by_text("That session is signed out.").wait_for()
    other.goto(f"{desk.base}/admin")
    other.wait_for_url("**/login**")
    assert [each for each in desk.complaints if "422" not in each] == []


def test_inviting_an_agent_for_one_sub_account(desk: Desk, database, acme: Tenant, person) -> None:
    person("owner@example.com", acme.agency)
    with database.write() as session:
        place = Location(ghl_id="beside", agency_id=acme.agency, name="Beside dentists", created_at=clock.now())
        session.add(place)
    owner = desk.sit_down()
    desk.sign_in(owner, "owner@example.com")
    owner.get_by_role("link", name="Users").click()
    owner.get_by_role("link", name="Invite somebody").click()
    owner.get_by_label("E-mail address").fill("agent@example.com")
    owner.get_by_label("Agent: sees everything").check()
    owner.get_by_label("Only these").check()
    owner.get_by_label("Acme dentists").check()
    owner.get_by_role("button", name="Invite").click()
    link = owner.get_by_label("It is shown this once").input_value()

    agent = desk.sit_down()
    agent.goto(link.replace("http://localhost", desk.base))
    agent.get_by_label("New password", exact=True).fill(PASSWORD)
    agent.get_by_label("New password again").fill(PASSWORD)
    agent.get_by_role("button", name="Keep this password").click()
    agent.wait_for_url("**/admin")
    text = agent.locator("main").inner_text()
    assert "Acme dentists" in text and "Beside dentists" not in text
    assert agent.get_by_role("link", name="Users").count() == 0

    owner.get_by_role("link", name="I have it").click()
    owner.on("dialog", lambda dialog: dialog.accept())
    owner.get_by_role("button", name="Turn off").click()
    owner.get_by_text("cannot sign in.", exact=False).first.wait_for()
    agent.goto(f"{desk.base}/admin")
    agent.wait_for_url("**/login**")
    owner.get_by_role("link", name="Audit log").click()
    entries = owner.locator("#results").inner_text()
    assert "turned off user agent@example.com" in entries and "active: yes → no" in entries
    assert "invited user agent@example.com" in entries and "sub-accounts: Acme dentists" in entries
    assert desk.complaints == []
