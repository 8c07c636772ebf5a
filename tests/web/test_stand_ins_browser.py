"""The page on a sender's speed and stand-ins in a browser: by keyboard, on a phone, light, dark, without a script."""

import pytest

from tests.web.test_browser import Visit, chromium, visit  # noqa: F401 - fixtures
from tests.web.test_stand_ins import measured, other  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def test_switching_and_the_policy_by_keyboard(visit: Visit, acme, other: int) -> None:  # noqa: F811
    page = visit.page
    visit.open(f"/admin/senders/{acme.sender}")
    page.get_by_role("link", name="Speed and stand-ins").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Send through").select_option(str(other))
    page.get_by_label("Why").fill("Carrier trouble")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Switch back").focus()
    assert "go through Spare line" in page.content()
    page.keyboard.press("Enter")
    page.get_by_text("It is switched back").wait_for()
    page.get_by_label("another sender of the same provider stands in").focus()
    page.keyboard.press("Space")
    page.get_by_label("Switch by itself").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Keep").focus()
    page.keyboard.press("Enter")
    page.get_by_text("The policy is kept").wait_for()
    assert page.get_by_label("Switch by itself").is_checked() and visit.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_without_a_script(visit: Visit, acme, other: int, measured, theme: str) -> None:  # noqa: F811
    browser = visit.page.context.browser
    state = visit.page.context.storage_state()
    options = {"viewport": {"width": 360, "height": 800}, "color_scheme": theme, "java_script_enabled": False}
    page = browser.new_context(storage_state=state, **options).new_page()
    page.goto(f"{visit.base}/admin/senders/{acme.sender}/stand-ins")
    page.get_by_label("Why").fill("Carrier trouble " * 18)
    page.get_by_role("button", name="Switch", exact=True).click()
    page.get_by_role("button", name="Switch back").wait_for()
    visit.page.set_viewport_size({"width": 360, "height": 800})
    visit.page.emulate_media(color_scheme=theme)
    for path in (f"/admin/senders/{acme.sender}/stand-ins", f"/admin/senders/{acme.sender}", "/admin"):
        visit.open(path)
        assert "12 of 40 messages slow" in visit.page.content()
        wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path
