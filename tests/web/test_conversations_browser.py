"""Conversations in a real browser: from a filter to a thread, an answer, and its tick, without losing the place."""

import os

import pytest

from portal.models import Message, Status
from tests.talks import ANNA, BEN, Talks
from tests.web.conftest import carry_out
from tests.web.test_browser import Visit, chromium, visit  # noqa: F401 - fixtures
from tests.web.test_conversation import ours
from tests.web.test_templates import apply

pytestmark = pytest.mark.browser

WAKE = "document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))"
AT_END = (
    "() => { const log = document.getElementById('log'); return log.scrollHeight - log.scrollTop - log.clientHeight }"
)


@pytest.fixture
def talks(database, acme) -> Talks:
    return Talks(database, acme.location, acme.sender)


def at_end(visit: Visit) -> None:  # noqa: F811
    """Waits until the conversation stands at its end. The page's own policy lets no test put code into it."""
    for _ in range(100):
        if visit.page.evaluate(AT_END) < 60:
            return
        visit.page.wait_for_timeout(50)
    raise AssertionError(visit.page.evaluate(AT_END))


def shot(visit: Visit, name: str) -> None:  # noqa: F811
    """For whoever wants to look: `SCREENSHOTS` names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        visit.page.screenshot(path=f"{folder}/{name}.png")


def test_filter_thread_reply_delivered(visit: Visit, database, parts, talks) -> None:  # noqa: F811
    page = visit.page
    page.set_viewport_size({"width": 1280, "height": 900})
    for each in range(40):
        talks.say(f"Question {each}", ANNA, name="Anna")
    talks.say("", BEN, name="Ben", kind="image")
    visit.open("/admin/conversations")
    shot(visit, "list-1280-dark")
    page.get_by_label("Unread only").check()
    page.get_by_text("More filters").click()
    page.get_by_label("Type").select_option("text")
    page.get_by_role("link", name="Ben", exact=True).wait_for(state="detached")
    assert "type=text" in page.url and "unread=1" in page.url
    page.get_by_role("link", name="Anna", exact=True).click()
    page.get_by_role("heading", name="Anna").wait_for()
    page.get_by_text("Question 39").last.wait_for()
    assert "/conversations/1?" in page.url and "type=text" in page.url
    assert page.get_by_role("link", name="Anna", exact=True).is_visible(), "the list stays beside it"
    at_end(visit)
    box = page.get_by_label("Your message")
    box.fill("Half an answer")
    page.locator("#cost").get_by_text("14 characters, 1 SMS part").wait_for()
    talks.say("One more question", ANNA)
    page.evaluate(WAKE)
    page.get_by_text("One more question").last.wait_for()
    assert box.input_value() == "Half an answer", "what is typed stays"
    at_end(visit)
    page.evaluate("document.getElementById('log').scrollTop = 100")
    page.wait_for_timeout(100)
    talks.say("While she reads above", ANNA)
    page.evaluate(WAKE)
    page.locator("#log").get_by_text("While she reads above").wait_for()
    assert abs(page.evaluate("document.getElementById('log').scrollTop") - 100) < 5, "the place is kept"
    box.fill("The whole answer")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Your message is on its way.").wait_for()
    apply(parts)
    page.evaluate(WAKE)
    page.locator("#log").get_by_text("The whole answer").wait_for()
    carry_out(parts)
    (sent,) = ours(database)
    with database.write() as session:
        session.get_one(Message, sent.id).status = Status.DELIVERED
    page.evaluate(WAKE)
    bubble = page.locator(f"#m-{sent.id}")
    bubble.get_by_text("delivered").wait_for()
    assert "✓✓" in bubble.inner_text()
    shot(visit, "thread-1280-dark")
    assert visit.complaints == []


def test_on_a_phone_the_thread_takes_the_lists_place(visit: Visit, database, talks) -> None:  # noqa: F811
    page = visit.page
    for each in range(130):
        talks.say(f"A longer sentence that has number {each} in it", ANNA, name="Anna")
    talks.answer(
        "No", ANNA, status=Status.FAILED, reason="The number does not exist.", sender_reason="The only sender."
    )
    talks.say("x" * 300, BEN, name="N" * 90)
    visit.open("/admin/conversations")
    width = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(width)
    shot(visit, "list-360-dark")
    page.get_by_role("link", name="Anna", exact=True).click()
    page.get_by_role("heading", name="Anna").wait_for()
    assert not page.locator("#results").is_visible() and page.evaluate(width)
    at_end(visit)
    page.locator("#log").get_by_text("number 129 in").wait_for()
    shot(visit, "thread-360-dark")
    page.get_by_role("link", name="Older messages").click()
    page.locator("#log").get_by_text("number 40 in").wait_for(state="attached")
    assert page.evaluate("document.getElementById('log').scrollTop") > 500, "what comes above does not push it away"
    page.get_by_role("link", name="All conversations").click()
    page.get_by_role("link", name="Anna", exact=True).wait_for()
    page.emulate_media(color_scheme="light")
    shot(visit, "list-360-light")
    page.get_by_role("link", name="N" * 90).click()
    page.get_by_role("heading", name="N" * 90).wait_for()
    assert page.evaluate(width)
    shot(visit, "thread-360-light")
    page.set_viewport_size({"width": 1280, "height": 900})
    shot(visit, "thread-1280-light")
    visit.open("/admin/conversations?q=nothing")
    shot(visit, "empty-1280-light")
    assert visit.complaints == []
