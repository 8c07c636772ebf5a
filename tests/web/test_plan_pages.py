"""Plans and price lists on pages: made, drafted, tried on what was sent, published; and by whom they may not be."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.credits import agencies, tariffs, terms
from portal.credits.pricing import Rule
from portal.messaging import funding
from portal.models import AuditEntry, CreditPlan, Location, Message, PriceList, PriceRule, Status
from tests.web.conftest import Tenant, post

BOTH_ENGINES = True


def plans_of(tenant: Tenant) -> str:
    return f"/admin/wallets/{tenant.agency}/plans"


@pytest.fixture
def plan(database, acme: Tenant) -> int:
    """A plan of Acme's agency, which its sub-account has."""
    with database.write() as session:
        row = CreditPlan(name="Small", agency_id=acme.agency, monthly_credits=100, created_at=clock.now())
        row.inbound_free, row.credit_micros, row.currency = False, 0, "USD"
        session.add(row)
        session.flush()
        funding.set_policies(session, session.get_one(Location, acme.location), plan_id=row.id)
        return row.id


def draft(client, tenant: Tenant, plan: int, prices: str, do: str = "preview", **more: str):
    page = f"{plans_of(tenant)}/{plan}"
    return post(client, f"{page}/prices", page, prices=prices, do=do, **more)


def test_a_plan_is_made_and_changed(database, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    said = post(client, plans_of(acme), plans_of(acme), name=" Small  plan ", monthly="500", inbound="free")
    assert said.status_code == 303
    page = client.get(said.location)
    assert "Small plan" in page.text and 'value="500"' in page.text
    same = post(client, plans_of(acme), plans_of(acme), name="Small plan", monthly="5")
    assert same.status_code == 422 and "already" in same.text
    for name, monthly in (("", "5"), ("x" * 81, "5"), ("Big", "-1"), ("Big", "many"), ("Big", "9" * 14)):
        assert post(client, plans_of(acme), plans_of(acme), name=name, monthly=monthly).status_code == 422
    assert post(client, said.location, said.location, monthly="700").status_code == 303
    with database.read() as session:
        row = session.scalars(select(CreditPlan)).one()
        told = [(each.action, each.before, each.after) for each in session.scalars(select(AuditEntry))]
    assert (row.agency_id, row.monthly_credits, row.inbound_free) == (acme.agency, 700, False)
    assert [action for action, _, _ in told if "plan" in action] == ["made a plan of", "changed a plan of"]
    assert told[-1][1]["credits a month"] == 500 and told[-1][2]["credits a month"] == 700


def test_a_draft_is_tried_on_what_was_sent_and_then_published(database, acme, plan, queue, signed_in) -> None:
    client = signed_in(acme.agency)
    queue(acme, "One")
    queue(acme, "x" * 200)  # two SMS
    failed, old = queue(acme, "Failed"), queue(acme, "Long ago", phone="+639170000043")
    with database.write() as session:
        session.execute(update(Message).where(Message.id == failed.id).values(status=Status.FAILED))
        month = clock.now() - timedelta(days=31)
        session.execute(update(Message).where(Message.id == old.id).values(created_at=month, position=0))
    tried = draft(client, acme, plan, "sms/out/*/PH=4\nwhatsapp/*/image/*=3!")
    assert tried.status_code == 200, tried.text
    cells = [cell.strip() for cell in tried.text.split("<tfoot>")[1].split("</tfoot>")[0].split('text-end">')[1:]]
    assert [cell.split("<")[0] for cell in cells] == ["3", "12"], "one and two SMS: 3 credits now, 4 each by the draft"
    assert "sms/out/*/PH=4" in tried.text and not_published(database)
    soon = clock.now() + timedelta(days=2)
    done = draft(client, acme, plan, "sms/out/*/PH=4", "publish", starts=f"{soon:%Y-%m-%dT%H:%M}", note="dearer")
    assert done.status_code == 303
    with database.read() as session:
        row = session.scalars(select(PriceList)).one()
        rule = session.scalars(select(PriceRule)).one()
        note = session.scalars(select(AuditEntry).where(AuditEntry.action == "published prices of")).one()
    assert (row.plan_id, row.note, row.who) == (plan, "dearer", f"user{acme.agency}@example.com")
    assert f"{row.starts_at:%Y-%m-%dT%H:%M}" == f"{soon:%Y-%m-%dT%H:%M}"
    assert (rule.credits, rule.country) == (4, "PH") and note.after["sms/out/*/PH"] == 4
    page = client.get(f"{plans_of(acme)}/{plan}").text
    assert "Prices from" in page and "dearer" in page
    now = draft(client, acme, plan, "sms/out/*/PH=7", "publish")
    assert now.status_code == 303
    with database.read() as session:
        assert len(session.scalars(select(PriceList)).all()) == 2


def not_published(database) -> bool:
    with database.read() as session:
        return session.scalars(select(PriceList)).all() == []


@pytest.mark.parametrize(
    "prices",
    [
        "",
        "nonsense",
        "pigeon/out/*/FR=4",
        "sms/up/*/*=4",
        "sms/out/*/France=4",
        "sms/out/*/FR=x",
        "sms/out/*/FR=999999999",
        "sms/out/*/FR=4 sms/out/*/FR=5",
        f"sms/out/{'x' * 25}/*=4 sms/out/{'x' * 24}y/*=5",
        "x" * 20_001,
        " ".join(f"sms/out/k{number}/*=1" for number in range(501)),
    ],
)
@pytest.mark.parametrize("do", ["preview", "publish"])
def test_a_list_that_cannot_be_is_refused_in_words(database, acme, plan, signed_in, prices, do) -> None:
    said = draft(signed_in(acme.agency), acme, plan, prices, do)
    assert said.status_code == 422 and "notice-error" in said.text and not_published(database)


def test_what_was_sent_keeps_its_price(database, acme, plan, signed_in) -> None:
    client = signed_in(acme.agency)
    for starts in ("2020-01-01T08:00", "soon", "9999-01-01T08:00"):
        assert draft(client, acme, plan, "sms/out/*/*=4", "publish", starts=starts).status_code == 422
    assert not_published(database)


def test_an_agency_whose_credits_are_counted_sets_no_prices(database, acme, plan, signed_in) -> None:
    client, operator = signed_in(acme.agency), signed_in()
    with database.write() as session:
        agencies.set_limit(session, acme.agency, False, "the operator")
    assert draft(operator, acme, plan, "sms/*/*/*=0").status_code == 200
    page = client.get(f"{plans_of(acme)}/{plan}")
    assert page.status_code == 200 and "Publish" not in page.text
    forms = ((f"{plans_of(acme)}/{plan}/prices", {"prices": "sms/*/*/*=0", "do": "publish"}),)
    forms += ((plans_of(acme), {"name": "Free", "monthly": "5"}), (f"{plans_of(acme)}/{plan}", {"monthly": "9"}))
    for path, form in forms:
        assert post(client, path, plans_of(acme), **form).status_code == 403, path
    assert not_published(database)
    with database.read() as session:
        assert session.scalars(select(CreditPlan.monthly_credits)).all() == [100]


def test_nobody_sees_or_sets_anothers(database, acme, rival, plan, signed_in) -> None:
    stranger, agent = signed_in(rival.agency), signed_in(acme.agency, "agent")
    chosen = signed_in(acme.agency, "admin", [acme.location])
    page = f"{plans_of(acme)}/{plan}"
    for client, status in ((stranger, 404), (agent, 403), (chosen, 404)):
        for path in (plans_of(acme), page):
            assert client.get(path).status_code == status, (path, status)
        for path in (plans_of(acme), page, f"{page}/prices"):
            form = {"name": "X", "monthly": "1", "prices": "sms/*/*/*=0", "do": "publish"}
            assert post(client, path, **form).status_code == status, (path, status)
    # Another agency's plan is not there below one's own agency either.
    assert stranger.get(f"{plans_of(rival)}/{plan}").status_code == 404
    assert not_published(database)


def test_everybodys_plan_is_looked_at_alone(database, acme, signed_in) -> None:
    with database.write() as session:
        row = CreditPlan(name="For all", agency_id=None, monthly_credits=5, created_at=clock.now())
        row.inbound_free, row.credit_micros, row.currency = True, 0, "USD"
        session.add(row)
        session.flush()
        plan = row.id
        tariffs.add(session, None, [Rule(2)], clock.now() + timedelta(hours=1), "the operator")
        terms.forget(session)
    client = signed_in(acme.agency)
    page = client.get(f"{plans_of(acme)}/{plan}")
    assert page.status_code == 200 and "What customers write is free." in page.text and "Prices from" in page.text
    assert draft(client, acme, plan, "sms/*/*/*=0", "publish").status_code == 403
    assert "For all" in client.get(plans_of(acme)).text
