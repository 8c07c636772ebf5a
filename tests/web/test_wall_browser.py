"""The wall and the pages of alerts in a browser: charts are drawn under the content security policy, nothing sticks
out, every field has its label, and an incident is followed live from its page to its end."""

import os
from datetime import timedelta

import pytest

from portal import clock
from portal.alarms import recipients
from portal.alerts.notices import CREDITS_LOW, LINE_DOWN, MEDIA_STORE, PARKED, close_alert, raise_alert
from portal.figures import standing
from portal.models import (
    Alert,
    AlertNotice,
    AlertRecipient,
    InstallState,
    Location,
    MessageDay,
    MessageHour,
    PlaceStanding,
    Sender,
    Way,
)
from portal.models.base import new_uuid
from tests.web.test_browser import chromium as chromium  # fixtures
from tests.web.test_browser import visit as visit
from tests.web.test_credit_pages_browser import ODD, WIDER

pytestmark = pytest.mark.browser
# Where pictures of every page go, for whoever wants to look at them.
PICTURES = os.environ.get("WALL_PICTURES")
PAGES = {
    "wall": "/admin",
    "wall-days": "/admin?span=30d",
    "wall-none": "/admin?q=nobody",
    "alerts": "/admin/alerts",
    "alerts-over": "/admin/alerts?state=over",
    "alert": "/admin/alerts/1",
    "alert-over": "/admin/alerts/4",
    "recipients": "/admin/alerts/recipients",
}


@pytest.fixture
def filled(parts, database, acme, rival, queue) -> None:
    """Acme's day: a line that is down, a wallet that is low, messages of two days and a month."""
    queue(acme, "Your appointment is tomorrow at nine.")
    with database.write() as session:
        for number in range(28):
            place = Location(
                ghl_id=f"place-{number:02}",
                agency_id=acme.agency,
                name=f"Branch {number:02} of a dentist with quite a long name",
                install_state=InstallState.INSTALLED if number % 9 else InstallState.UNINSTALLED,
                created_at=clock.now(),
            )
            session.add(place)
        raise_alert(
            session, LINE_DOWN, f"sender:{acme.sender}", "Acme line has no phone linked: link it.", acme.location
        )
        raise_alert(session, CREDITS_LOW, f"wallet:{acme.ghl_id}", "Acme dentists: 12 credits are left.", acme.location)
        raise_alert(session, PARKED, "ghl", "Events of ghl were set aside. The last: no contact.")
        raise_alert(session, MEDIA_STORE, "media", "Files that customers sent wait.")
        close_alert(session, MEDIA_STORE, "media", "Files are kept again.")
        session.get_one(Alert, 4).outcome = "Over at 10:42 UTC, after 12 minutes."
        now = int(clock.now().timestamp())
        for back in range(48):
            out = (back * 37) % 90
            some = {"written": out, "delivered": out * 9 // 10, "failed": out // 15, "received": out // 3}
            session.add(MessageHour(location_id=acme.location, hour=now // 3600 - back, **some))
        for back in range(30):
            out = 400 + (back * 137) % 900
            some = {"written": out, "delivered": out * 9 // 10, "failed": out // 15, "received": out // 3}
            session.add(MessageDay(location_id=acme.location, day=now // 86400 - back, **some))
        for number, address in enumerate(("https://hooks.example/x", "https://other.example/y")):
            whose = acme.agency if number else None
            topics = ["sender", "credits"] if number else []
            recipients.add(session, parts.vault, Way.WEBHOOK, address, topics, "anna", agency_id=whose)
        session.get_one(AlertRecipient, 1).quiet_until = clock.now() + timedelta(hours=8)
        said = {"kind": "began", "text": "x", "state": "given_up", "attempts": 8, "note": "It answered 500."}
        moment = {"next_at": clock.now(), "created_at": clock.now()}
        session.add(AlertNotice(uuid=new_uuid(), alert_id=1, recipient_id=2, **said, **moment))
        session.get_one(Location, acme.location).timezone = "Asia/Manila"
    standing.look(database)
    with database.write() as session:
        row = session.get_one(PlaceStanding, acme.location)
        row.credits, row.credits_low, row.ghl_at, row.troubled = 12, 1, clock.now(), 1


def picture(visit, name: str) -> None:
    if PICTURES:
        visit.page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_every_page_fits_and_complains_of_nothing(visit, filled, width, scheme) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.emulate_media(color_scheme=scheme)
    for name, path in PAGES.items():
        visit.open(path)
        visit.page.wait_for_load_state("networkidle")
        picture(visit, f"{name}-{width}-{scheme}")
        assert visit.page.evaluate(WIDER) <= 0, path
        assert visit.page.evaluate(ODD) == [], path
        assert visit.page.locator("h1").count() == 1, path
    assert visit.complaints == []


def test_empty_pages(visit) -> None:
    for name in ("wall", "alerts", "recipients"):
        visit.open(PAGES[name])
        picture(visit, f"{name}-empty")
        assert visit.page.evaluate(WIDER) <= 0
    assert visit.complaints == []


def test_the_chart_is_drawn_and_says_the_same_as_its_table(visit, filled) -> None:
    visit.open("/admin")
    canvas = visit.page.locator("#volume canvas")
    canvas.wait_for(state="visible")
    drawn = visit.page.evaluate(
        "[...document.querySelectorAll('canvas')].map(c => Chart.getChart(c).data.datasets.map(d => d.data))"
    )
    visit.page.locator("#volume summary").click()
    rows = visit.page.locator("#volume tbody tr")
    assert rows.count() == 48 and len(drawn) == 1
    table = [[int(cell) for cell in rows.nth(place).locator("td").all_inner_texts()] for place in (0, 1, 47)]
    assert table == [[values[47 - place] for values in drawn[0]] for place in (0, 1, 47)]
    assert visit.complaints == []


def test_an_incident_is_followed_from_the_wall_to_its_end(visit, database, acme) -> None:
    visit.open("/admin")
    with database.write() as session:
        raise_alert(session, LINE_DOWN, f"sender:{acme.sender}", "Acme line has no phone linked.", acme.location)
    visit.page.evaluate("document.querySelectorAll('[hx-trigger^=every]').forEach(e => htmx.trigger(e, 'wake'))")
    visit.page.locator("#alert-1").click()
    visit.page.wait_for_url("**/admin/alerts/1")
    visit.page.get_by_role("button", name="I am at it").click()
    visit.page.get_by_text("is at it since").wait_for()
    visit.page.locator("#repair").click()
    visit.page.wait_for_url(f"**/admin/senders/{acme.sender}")
    with database.write() as session:
        assert session.get_one(Sender, acme.sender) is not None
        close_alert(session, LINE_DOWN, f"sender:{acme.sender}", "Acme line works again.")
    visit.open("/admin/alerts")
    visit.page.get_by_text("Nothing needs you.").wait_for()
    visit.page.get_by_role("link", name="Over", exact=True).click()
    visit.page.get_by_text("Acme line works again.").wait_for()
    assert visit.complaints == []
