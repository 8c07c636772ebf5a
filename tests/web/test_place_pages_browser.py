"""A test message that is followed until it is on the phone, and a dry run, in a browser with the sandbox around it."""

import pytest
from sqlalchemy import select

from portal.accounts.users import create_user
from portal.models import Location
from tests.portal import PLACE
from tests.web.conftest import PASSWORD
from tests.web.test_browser import chromium  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser


@pytest.fixture
def page(portal, chromium):  # noqa: F811
    """A phone's browser of somebody who has signed in to the running portal."""
    with portal.database.write() as session:
        create_user(session, "anna@example.com", PASSWORD, None).must_change_password = False
    context = chromium.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark")
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"{portal.url}/login")
    page.get_by_label("E-mail address").fill("anna@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin")
    yield page
    context.close()


def wide(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_a_test_message_is_followed_until_it_is_delivered(portal, page) -> None:
    page.goto(f"{portal.url}/admin/test")
    page.get_by_role("link", name=PLACE.name).click()
    page.get_by_label("Your number").fill("12")
    page.get_by_label("Text").fill("Am I getting this?")
    page.get_by_role("button", name="Send it").click()
    page.locator("#number-fault").wait_for()
    assert page.get_by_label("Text").input_value() == "Am I getting this?"
    page.get_by_label("Your number").fill("0917 000 0066")
    page.complaints.clear()  # the browser tells of every 422
    page.get_by_role("button", name="Send it").click()
    page.locator("#path .state-line .status-delivered").wait_for(timeout=30_000)
    assert "the only sender" in page.inner_text("#path")
    assert wide(page) <= 0
    (message,) = portal.messages()
    assert (message.body, message.address) == ("Am I getting this?", "+639170000066")

    page.goto(f"{portal.url}/admin/routing")
    page.get_by_role("link", name=PLACE.name).click()
    page.get_by_role("link", name="Dry run: who would a contact get?").click()
    page.get_by_label("Number, name or contact id").fill("+63 917 000 0066")
    page.keyboard.press("Enter")
    page.get_by_text("It would go out through cast.").wait_for()
    assert "the conversation's own sender" in page.inner_text("#why")
    assert wide(page) <= 0 and len(portal.messages()) == 1
    assert page.complaints == []


def test_the_settings_check_asks_each_by_itself(portal, page) -> None:
    with portal.session() as session:
        place = session.scalars(select(Location).where(Location.ghl_id == PLACE.id)).one()
    page.goto(f"{portal.url}/admin/locations/{place.id}/checks")
    page.locator("li.check", has_text="HighLevel now").get_by_text("answers", exact=True).wait_for()
    page.locator("li.check", has_text="Provider now").get_by_text("answers", exact=True).wait_for()
    page.locator("li.check", has_text="The portal's address").get_by_text("no answer").wait_for()
    assert wide(page) <= 0 and page.complaints == []


def test_highlevel_hands_a_message_back(portal, sandbox, page) -> None:
    with portal.session() as session:
        place = session.scalars(select(Location).where(Location.ghl_id == PLACE.id)).one()
    page.goto(f"{portal.url}/admin/locations/{place.id}/test")
    page.get_by_label("Your number").fill("0917 000 0067")
    page.get_by_label("The whole way round").check()
    page.get_by_role("button", name="Send it").click()
    page.get_by_text("came back").wait_for(timeout=30_000)
    page.locator("#path .state-line .status-delivered").wait_for(timeout=30_000)
    (message,) = portal.messages()
    assert message.ghl_message_id and message.author == "" and message.address == "+639170000067"
    page.goto(f"{portal.url}/admin/locations/{place.id}/checks")
    page.get_by_text("reached, signed").wait_for()
    assert page.complaints == []
