"""Deliveries and the black box in a real browser, by keyboard on a phone: sent again, let be, and replayed."""

import pytest
from sqlalchemy import select

from portal.models import Event, EventState, Message, Status
from tests.web.conftest import carry_out, record, reload
from tests.web.test_browser import Visit, chromium, visit  # noqa: F401 - fixtures
from tests.web.test_deeds import numbered, work  # noqa: F401 - fixtures
from tests.web.test_resending import failed

pytestmark = pytest.mark.browser

WAKE = "document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))"


def press(visit: Visit, selector: str) -> None:  # noqa: F811
    """As somebody without a mouse does."""
    visit.page.locator(selector).focus()
    visit.page.keyboard.press("Enter")


def fits(visit: Visit) -> bool:  # noqa: F811
    return visit.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_failed_message_is_sent_again_and_its_tries_stand_together(visit: Visit, parts, database, acme, queue):  # noqa: F811
    message = queue(acme, "Hello Ana")
    failed(database, message)
    visit.open("/admin/messages?status=failed")
    visit.page.get_by_role("link", name="Hello Ana").click()
    visit.page.locator("#resend").wait_for()
    press(visit, "#resend")
    visit.page.locator("#family").wait_for()
    assert visit.page.locator("#family li").count() == 2 and fits(visit)
    carry_out(parts)
    visit.page.reload()
    assert visit.page.locator("#family .status-accepted").count() == 1
    assert visit.complaints == []


def test_several_are_judged_first_and_then_sent_again(visit: Visit, database, acme, queue, work):  # noqa: F811
    gone, doubtful, waiting = numbered(queue, acme, 3)
    failed(database, gone)
    failed(database, doubtful)
    with database.write() as session:
        for part in session.get_one(Message, doubtful.id).parts:
            part.in_doubt = True
    visit.open("/admin/messages")
    visit.page.get_by_text("Do something to several").press("Enter")
    for each in (gone, doubtful, waiting):
        visit.page.locator(f"#choose-{each.id}").press("Space")
    press(visit, "#many-resend")
    visit.page.locator("#free-count").wait_for()
    facts = [visit.page.locator(f"#{name}-count").inner_text().split()[0] for name in ("free", "doubtful", "refused")]
    assert facts == ["1", "1", "1"] and fits(visit)
    assert reload(database, gone).status == Status.FAILED, "nothing is done yet"
    press(visit, "#confirm")
    visit.page.locator("#result-title").wait_for()
    work()
    visit.page.evaluate(WAKE)
    visit.page.locator("#done-count", has_text="1").wait_for()
    assert fits(visit) and visit.complaints == []
    with database.read() as session:
        made = session.scalars(select(Message).where(Message.resend_of_id.is_not(None))).all()
    assert [each.resend_of_id for each in made] == [gone.id], "nobody took the doubt upon them"
    assert reload(database, waiting).status == Status.QUEUED


def test_what_was_set_aside_is_replayed(visit: Visit, database, acme) -> None:  # noqa: F811
    lane = f"ghl:{acme.ghl_id}:contact"
    rows = [record(database, lane, state=EventState.PARKED, note="No such contact yet.") for _ in range(3)]
    visit.open(f"/admin/events/{rows[0].id}")
    visit.page.get_by_text("No such contact yet.").first.wait_for()
    visit.page.get_by_role("button", name="Replay").press("Enter")
    visit.page.locator("#notices .notice").wait_for()
    visit.open("/admin/events?state=parked")
    visit.page.get_by_text("Replay several").press("Enter")
    visit.page.get_by_label(f"Choose webhook {rows[1].id}").press("Space")
    press(visit, "#replay-many")
    visit.page.locator("#notices .notice").wait_for()
    assert fits(visit) and visit.complaints == []
    with database.read() as session:
        states = session.scalars(select(Event.state).order_by(Event.id)).all()
    assert list(states) == [EventState.PENDING, EventState.PENDING, EventState.PARKED]
