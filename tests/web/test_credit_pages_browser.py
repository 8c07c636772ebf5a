"""The pages about credits, keys and webhooks out in a browser: on a phone and wide, nothing sticks out, nothing is
refused by the content security policy, every field has its label."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import clock
from portal.accounts import api_keys
from portal.accounts.api_keys import NewKey
from portal.callbacks import subscriptions
from portal.credits import agencies, grants, ledger, tariffs
from portal.credits.pricing import Rule
from portal.messaging import funding
from portal.models import AgencyKind, CreditPlan, Delivery, DeliveryAttempt, DeliveryState, Location, Source, Wallet
from tests.web.test_browser import chromium as chromium  # fixtures
from tests.web.test_browser import visit as visit

pytestmark = pytest.mark.browser

# A form's fields without a label, ids that are there twice, and how many h1 there are.
ODD = """() => [
  ...[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter((field) => !field.labels.length).map((field) => field.name),
  ...[...document.querySelectorAll('[id]')].map((each) => each.id)
    .filter((id, place, all) => all.indexOf(id) !== place),
]"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def filled(parts, database, acme, rival, queue) -> dict[str, str]:
    """Acme's credits after a fortnight of use; the addresses of all pages by a short name."""
    with database.write() as session:
        agencies.add(session, acme.agency, AgencyKind.TOP_UP, 5000, key="1", who="anna", reason="Invoice 2031")
        agencies.set_limit(session, acme.agency, False, "anna")
        place = session.get_one(Location, acme.location)
        place.timezone = "Asia/Manila"
        grants.set_limit(session, place, False, "anna")
        credit = grants.Credit(400, Source.TOP_UP, "pay", "anna", "Invoice 7", clock.now() + timedelta(days=50))
        funding.give(session, place, credit)
        funding.give(session, place, grants.Credit(50, Source.GIFT, "gift", "anna", "Sorry for the outage"))
        plan = CreditPlan(name="Gold", monthly_credits=500, credit_micros=20_000, created_at=clock.now())
        session.add(plan)
        session.flush()
        rules = [Rule(3, "sms", "out", "", "PH"), Rule(0, "whatsapp", "in"), Rule(2, kind="image", per_segment=False)]
        tariffs.add(session, plan.id, rules, clock.now() + timedelta(minutes=2), "anna", "From January on")
        funding.set_policies(session, place, plan_id=plan.id, day_cap=900)
    for back in range(14):
        with time_machine.travel(clock.now() - timedelta(days=back), tick=True):
            for number in range(back * 5 % 7):
                message = queue(acme, f"Reminder {number}", phone=f"+6391700{back:02}{number:03}")
                with database.write() as session:
                    purse = ledger.known_wallet(session, acme.location)
                    if number % 3 == 2:
                        entry = ledger.give_back(purse, message.id, 1, 1, "The number is not in use.")
                    else:
                        entry = ledger.settle(purse, message.id, 1, 1)
                    ledger.write(session, [entry])
    with database.write() as session:
        funding.correct(session, session.get_one(Location, acme.location), -3, key="c", who="anna", reason="Twice")
        for name, more in (("The shop", {}), ("Nightly report", {"test": True, "lasts": timedelta(days=30)})):
            api_keys.create(session, "x" * 32, NewKey(name, ["read", "send"], acme.company, **more), "anna")
        where = {"location_id": acme.location, "agency_id": acme.agency}
        hook = subscriptions.subscribe(session, parts.vault, "https://shop.example/", [], "anna", **where)
        told, *_ = (subscriptions.ping(session, hook, acme.ghl_id) for _ in range(3))
        told.state, told.attempts, told.last_code, told.note = DeliveryState.GIVEN_UP, 9, 500, "It answers 500."
        said = {"at": clock.now(), "milliseconds": 130, "code": 500, "detail": "Internal Server Error"}
        session.add_all(DeliveryAttempt(delivery_id=told.id, number=number + 1, **said) for number in range(9))
    base = f"/admin/locations/{acme.location}/credits"
    return {
        "balance": base,
        "ledger": f"{base}/ledger",
        "why": f"{base}/ledger?message={message.uuid}",
        "statement": f"{base}/statement",
        "prices": f"{base}/prices",
        "margin": f"{base}/margin",
        "deeds": f"{base}/deeds",
        "wallets": "/admin/wallets",
        "agency": f"/admin/wallets/{acme.agency}",
        "keys": "/admin/api-keys",
        "key": f"/admin/api-keys/new?agency={acme.agency}",
        "hooks": "/admin/callbacks",
        "hook": f"/admin/callbacks/{hook.id}",
        "new-hook": f"/admin/callbacks/new?agency={acme.agency}",
        "delivery": f"/admin/callbacks/deliveries/{told.id}",
    }


def test_no_page_sticks_out_or_breaks_a_rule(visit, filled) -> None:
    for name, address in filled.items():
        visit.open(address)
        assert visit.page.locator("h1").count() == 1, name
        assert visit.page.evaluate(ODD) == [], name
        assert visit.page.evaluate(WIDER) <= 0, name
    assert visit.complaints == []


def test_credits_are_given_from_a_phone(visit, filled, database) -> None:
    visit.open(filled["deeds"])
    give = visit.page.locator("#give")
    give.get_by_label("How many").fill("12")
    give.get_by_label("As", exact=True).select_option("gift")
    give.get_by_label("Reason, on the statement").fill("A birthday")
    give.get_by_role("button", name="Give").click()
    visit.page.get_by_text("12 credits are given").wait_for()
    visit.page.get_by_role("link", name="Ledger").click()
    visit.page.get_by_label("What", exact=True).select_option("grant")
    visit.page.wait_for_url("**kind=grant**")
    visit.page.get_by_text("A birthday").wait_for()
    visit.page.get_by_role("link", name="Balance and use").click()
    visit.page.get_by_text("The days as a table").click()
    assert visit.page.locator("#days").is_visible() and visit.page.locator("svg.chart rect").count() == 30
    with database.read() as session:
        assert session.scalars(select(Wallet).order_by(Wallet.id)).first().available > 400
    assert visit.complaints == []


def test_a_statement_prints_as_one_sheet(visit, filled) -> None:
    visit.open(filled["statement"])
    visit.page.emulate_media(media="print")
    for hidden in (".top", ".filters", "main nav"):
        assert not visit.page.locator(hidden).first.is_visible(), hidden
    paper = visit.page.evaluate("getComputedStyle(document.querySelector('#statement')).backgroundColor")
    ink = visit.page.evaluate("getComputedStyle(document.querySelector('#statement td')).color")
    assert (paper, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")


def test_a_delivery_is_told_again_from_its_page(visit, filled, database) -> None:
    visit.open(filled["hook"])
    visit.page.get_by_role("link", name="ping").last.click()
    visit.page.get_by_role("button", name="Tell it again").click()
    visit.page.get_by_text("It is told once more").wait_for()
    with database.read() as session:
        assert {row.state for row in session.scalars(select(Delivery))} == {DeliveryState.WAITING}
