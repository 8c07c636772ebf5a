"""A sub-account's credits on its pages: balance, use, ledger, statement, prices; for the agency, inside HighLevel."""

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import select

from portal import clock
from portal.credits import grants, ledger, tariffs
from portal.credits.pricing import Rule
from portal.messaging import funding
from portal.models import CreditPlan, LedgerEntry, Location, Message, Source, Wallet, WalletDay
from portal.web.pages.credit_chart import HEIGHT, bars
from portal.web.pages.queries import credits as queries
from tests.web.conftest import Tenant
from tests.web.framed import framed

BOTH_ENGINES = True


def page_of(tenant: Tenant, name: str = "") -> str:
    return f"/admin/locations/{tenant.location}/credits{name}"


def give(database, tenant: Tenant, amount: int = 20, source: Source = Source.TOP_UP, reason: str = "") -> None:
    with database.write() as session:
        place = session.get_one(Location, tenant.location)
        grants.set_limit(session, place, False, "the test")
        funding.give(session, place, grants.Credit(amount, source, f"{source}:{reason or amount}", "the test", reason))


def settle(database, tenant: Tenant, message: Message, amount: int = 1) -> None:
    with database.write() as session:
        wallet = ledger.known_wallet(session, tenant.location)
        ledger.write(session, [ledger.settle(wallet, message.id, 1, amount)])


def release(database, tenant: Tenant, message: Message, reason: str) -> None:
    with database.write() as session:
        wallet = ledger.known_wallet(session, tenant.location)
        ledger.write(session, [ledger.give_back(wallet, message.id, 1, 1, reason)])


def cells(page: str, id_: str) -> str:
    return " ".join(
        page.split(f'id="{id_}"')[1].split("</tr>" if id_ in ("opening", "closing") else "</table>")[0].split()
    )


def test_use_is_drawn_and_stands_in_tables(database, acme, queue, signed_in) -> None:
    give(database, acme)
    settle(database, acme, queue(acme, "One"))
    settle(database, acme, queue(acme, "Two"))
    client = signed_in(acme.agency)
    shown = client.get(page_of(acme)).text
    today = f"{clock.now():%Y-%m-%d}"
    assert f"<title>{today}: 2</title>" in shown and 'style="' not in shown
    assert f'<td>{today}</td> <td class="text-end">2</td>' in cells(shown, "days")
    assert shown.count("<rect") == 30 + 3  # a bar for each day, and one for each share
    for about in ("channels", "senders", "kinds"):
        assert '<td class="text-end">2</td> <td class="text-end">2</td>' in cells(shown, about)
    assert "Acme line" in cells(shown, "senders") and "Simulator" in cells(shown, "channels")
    assert client.get(page_of(acme, "?days=7")).text.count("<rect") == 7 + 3
    assert client.get(page_of(acme, "?days=8")).status_code == 404


def test_the_balance_says_for_how_long_it_will_do(database, acme, queue, signed_in) -> None:
    give(database, acme, 20)
    settle(database, acme, queue(acme, "One"))
    with database.write() as session:
        wallet = session.scalars(select(Wallet)).one().id
        for back, used in ((3, 0), (1, 20)):
            day = f"{clock.now() - timedelta(days=back):%Y-%m-%d}"
            session.add(WalletDay(wallet_id=wallet, day=day, available=20, used=used))
    client = signed_in(acme.agency)
    shown = client.get(page_of(acme)).text
    assert "1 day left" in shown and "At 10.0 credits a day" in shown
    assert "top-up" in shown and "20 of 20 left" not in shown and "19 of 20 left" in shown
    with database.write() as session:
        session.scalars(select(Wallet)).one().day_cap = 0
    assert "held back" in client.get(page_of(acme)).text


def test_a_long_span_is_not_read_to_its_end(database, acme, queue, signed_in, monkeypatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 2)
    for number in range(3):
        settle(database, acme, queue(acme, phone=f"+63917000005{number}"))
    with database.write() as session:
        wallet = session.scalars(select(Wallet)).one().id
        for back, used in ((2, 0), (1, 40)):
            day = f"{clock.now() - timedelta(days=back):%Y-%m-%d}"
            session.add(WalletDay(wallet_id=wallet, day=day, available=0, used=used))
        session.add(WalletDay(wallet_id=wallet, day=f"{clock.now():%Y-%m-%d}", available=0, used=100))
        session.execute(Wallet.__table__.update().values(spent=103))
    shown = signed_in(acme.agency).get(page_of(acme)).text
    assert "these figures begin at" in shown
    days = cells(shown, "days")
    assert [f'<td class="text-end">{amount}</td>' in days for amount in (3, 60, 40)] == [True] * 3


def test_bars_are_as_high_as_they_should_be() -> None:
    drawn = bars([("a", 0), ("b", 50), ("c", 100), ("d", -3), ("e", 1)])
    assert [bar.height for bar in drawn] == [0, HEIGHT / 2, HEIGHT, 0, 2]
    assert all(bar.y + bar.height == HEIGHT for bar in drawn) and drawn[4].x + drawn[4].width <= 720
    assert bars([]) == []


def test_the_ledger_is_filtered_and_paged(database, acme, queue, signed_in, monkeypatch) -> None:
    give(database, acme, 20, reason="March's payment")
    first = queue(acme, "One")
    settle(database, acme, first)
    queue(acme, "Two")
    client = signed_in(acme.agency)
    shown = client.get(page_of(acme, "/ledger")).text
    assert "March&#39;s payment" in shown and ", by the test" in shown and shown.count("<tr>") == 1 + 4
    only = client.get(page_of(acme, "/ledger?kind=settle")).text
    assert cells(only, "entries").count("<tr>") == 2 and "+1" in cells(only, "entries")
    of_one = client.get(page_of(acme, f"/ledger?message={first.uuid}")).text
    assert cells(of_one, "entries").count("<tr>") == 3 and "Why it cost that" in of_one
    assert "By the default prices" in of_one and "1 SMS long" in of_one
    monkeypatch.setattr(queries, "PAGE", 3)
    page = client.get(page_of(acme, "/ledger")).text
    older = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert cells(client.get(older).text, "entries").count("<tr>") == 2
    monkeypatch.setattr(queries, "LOOKED_AT", 2)
    rare = client.get(page_of(acme, "/ledger?kind=grant")).text
    assert "Keep looking" in rare and "No movements" in rare
    on = rare.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    assert "March&#39;s payment" in client.get(on).text
    for wrong in ("kind=x", "day=2026-13-01", "message=x", "before=x", f"message={uuid4()}"):
        assert client.get(page_of(acme, f"/ledger?{wrong}")).status_code == 404, wrong


def test_the_ledger_goes_back_to_a_day(database, acme, queue, signed_in) -> None:
    with time_machine.travel(clock.now() - timedelta(days=9), tick=True):
        give(database, acme, 30, reason="long ago")
        queue(acme, "Then")
        day = f"{clock.now():%Y-%m-%d}"
        before = f"{clock.now() - timedelta(days=1):%Y-%m-%d}"
    settle(database, acme, queue(acme, "Now"))
    client = signed_in(acme.agency)
    then = cells(client.get(page_of(acme, f"/ledger?day={day}")).text, "entries")
    assert "long ago" in then and then.count("<tr>") == 1 + 2
    assert "No movements of this kind" in client.get(page_of(acme, f"/ledger?day={before}")).text
    now = client.get(page_of(acme, f"/ledger?day={clock.now():%Y-%m-%d}")).text
    assert cells(now, "entries").count("<tr>") == 1 + 4


def test_another_sub_accounts_message_is_not_explained(database, acme, rival, queue, signed_in) -> None:
    theirs = queue(rival, "Theirs")
    for client in (signed_in(acme.agency), signed_in()):
        assert client.get(page_of(acme, f"/ledger?message={theirs.uuid}")).status_code == 404


def test_a_statement_adds_up_on_paper_and_in_the_file(database, acme, queue, signed_in) -> None:
    give(database, acme, 20, reason="payment 7")
    settle(database, acme, queue(acme, "Paid"))
    lost = queue(acme, "Lost")
    release(database, acme, lost, "=The number is not in use.")
    with database.write() as session:
        place = session.get_one(Location, acme.location)
        funding.correct(session, place, -4, key="k", who="the test", reason="counted twice")
    client = signed_in(acme.agency)
    month = f"{clock.now():%Y-%m}"
    shown = client.get(page_of(acme, f"/statement?month={month}")).text
    assert ">0<" in cells(shown, "opening") and "<strong>15</strong>" in cells(shown, "closing")
    for words in ("Given:", "top-up", "Used:", "Corrected:", "counted twice", "it is not over", "+20", "-1", "-4"):
        assert words in shown, words
    assert "=The number is not in use." in cells(shown, "freed") and "do not add up" not in shown
    for address in (page_of(acme, f"/statement.csv?month={month}"), page_of(acme, f"/entries.csv?month={month}")):
        assert address in shown
        answer = client.get(address)
        assert (
            answer.headers["Content-Type"] == "text/csv; charset=utf-8"
            and month in answer.headers["Content-Disposition"]
        )
        assert "'=The number" in answer.text  # no formula for a spreadsheet
    lines = list(csv.reader(io.StringIO(client.get(page_of(acme, "/statement.csv")).text)))
    assert lines[1] == ["opening", "", "", "0"] and lines[-1] == ["closing", "", "", "15"]
    entries = list(csv.reader(io.StringIO(client.get(page_of(acme, "/entries.csv")).text)))
    with database.read() as session:
        assert len(entries) - 1 == len(session.scalars(select(LedgerEntry)).all())
    past = client.get(page_of(acme, "/statement?month=2020-02")).text
    assert "February 2020" in past and "<strong>0</strong>" in cells(past, "closing")
    for wrong in ("2020-13", "x", "9999-12"):
        assert client.get(page_of(acme, f"/statement?month={wrong}")).status_code == 404
        assert client.get(page_of(acme, f"/statement.csv?month={wrong}")).status_code == 404


def test_where_nothing_was_used_the_pages_say_so(acme, signed_in) -> None:
    client = signed_in(acme.agency)
    assert "Nothing was used" in client.get(page_of(acme)).text
    assert "No movements." in client.get(page_of(acme, "/ledger")).text
    assert "Nothing has ever cost anything" in client.get(page_of(acme, "/statement")).text
    assert client.get(page_of(acme, "/entries.csv")).text == ""


def test_prices_that_hold_and_prices_to_come(database, acme, queue, signed_in) -> None:
    client = signed_in(acme.agency)
    assert "Where the list says nothing" not in client.get(page_of(acme, "/prices")).text
    with time_machine.travel(clock.now() - timedelta(days=2), tick=True), database.write() as session:
        plan = CreditPlan(name="Gold", monthly_credits=500, inbound_free=True, created_at=clock.now())
        session.add(plan)
        session.flush()
        rules = [Rule(7, "sms", "out", "text", "PH", per_segment=False)]
        tariffs.add(session, plan.id, rules, clock.now() + timedelta(minutes=5), "the test", "a dear one")
        tariffs.add(session, None, [Rule(3)], clock.now() + timedelta(days=5), "the test")
        place = session.get_one(Location, acme.location)
        funding.set_policies(session, place, plan_id=plan.id)
    message = queue(acme, "Hello")
    shown = " ".join(client.get(page_of(acme, "/prices")).text.split())
    for words in ("Gold: 500 credits", "What customers write is free", "a dear one", "for all of it", "Prices from"):
        assert words in shown, words
    why = " ".join(client.get(page_of(acme, f"/ledger?message={message.uuid}")).text.split())
    assert "<strong>7</strong> credits for text to the customer over Simulator, 1 SMS long." in why
    assert "By the price list: 7 to PH." in why


@pytest.mark.parametrize("name", ["", "/ledger", "/statement", "/prices"])
def test_a_sub_account_sees_its_own_inside_highlevel(app, database, acme, rival, queue, name) -> None:
    give(database, acme)
    settle(database, acme, queue(acme, "One"))
    page = framed(app.test_client(), acme, role="user")
    shown = page.get(f"/app/locations/{acme.location}/credits{name}")
    assert shown.status_code == 200 and "/admin/" not in shown.text and "Give and set" not in shown.text
    assert page.get(f"/app/locations/{rival.location}/credits{name}").status_code == 404


def test_files_inside_highlevel_come_by_links_that_work_once(app, database, acme, queue) -> None:
    give(database, acme)
    page = framed(app.test_client(), acme)
    shown = page.get(f"/app/locations/{acme.location}/credits/statement").text
    link = shown.split('id="statement-file"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    plain = app.test_client()
    assert plain.get(link).text.startswith("section,what")
    assert not plain.get(link).text.startswith("section,what")
