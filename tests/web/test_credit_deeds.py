"""What the agency's people do with credits: give, correct, bound, choose a plan, prove; and what they may not."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import clock
from portal.credits import agencies, ledger, margins
from portal.models import (
    AgencyEntry,
    AgencyKind,
    AgencyWallet,
    AuditEntry,
    Bucket,
    CreditPlan,
    LedgerEntry,
    Location,
    Message,
    Part,
    Status,
    Wallet,
)
from tests.web.conftest import Tenant, post, release, reload

BOTH_ENGINES = True


def deeds(tenant: Tenant) -> str:
    return f"/admin/locations/{tenant.location}/credits/deeds"


def do(client, tenant: Tenant, deed: str, **form: str):
    return post(client, f"/admin/locations/{tenant.location}/credits/{deed}", deeds(tenant), **form)


def wallet(database) -> Wallet:
    with database.read() as session:
        return session.scalars(select(Wallet)).one()


def key_on(page) -> str:
    return re.search(r'name="key" value="([^"]+)"', page.text)[1]


LIMITS = {"counts": "yes", "overdraft": "0", "day_cap": "", "bulk_cap": "", "when_empty": "hold", "settles": "accepted"}


def audited(database) -> list[tuple[str, dict]]:
    with database.read() as session:
        return [(row.action, row.after) for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_what_waits_goes_out_after_credits_are_given(parts, database, acme, queue, signed_in) -> None:
    client = signed_in(acme.agency)
    assert do(client, acme, "limits", **LIMITS).status_code == 303
    held = queue(acme, "Waiting")
    assert held.status == Status.HELD
    key = key_on(client.get(deeds(acme)))
    day = f"{clock.now() + timedelta(days=40):%Y-%m-%d}"
    form = {"amount": "20", "source": "top_up", "reason": "Invoice 7", "expires": day, "key": key}
    assert do(client, acme, "give", **form).status_code == 303
    release(parts)
    assert reload(database, held).status == Status.QUEUED
    assert do(client, acme, "give", **form).status_code == 303  # the same form, sent twice
    assert "nothing was done again" in client.get(deeds(acme)).text
    assert (wallet(database).available, wallet(database).held) == (19, 1)
    with database.read() as session:
        bucket = session.scalars(select(Bucket)).one()
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "grant")).one()
    assert (bucket.source, bucket.amount) == ("top_up", 20) and f"{bucket.expires_at:%Y-%m-%d}" > day
    assert (entry.who, entry.note) == (f"user{acme.agency}@example.com", "Invoice 7")
    gave = [after for action, after in audited(database) if action == "gave credits to"]
    assert len(gave) == 1 and (gave[0]["credits"], gave[0]["reason"]) == (20, "Invoice 7")
    first = {"amount": "5", "source": "gift", "reference": "PAY-1"}
    for _ in range(2):
        do(client, acme, "give", **first)  # another form each time, the same payment
    assert wallet(database).available == 24


@pytest.mark.parametrize(
    "form, words",
    [
        ({"amount": "0", "source": "gift"}, "from 1 to"),
        ({"amount": "-5", "source": "gift"}, "from 1 to"),
        ({"amount": "1.5", "source": "gift"}, "whole number"),
        ({"amount": "٣", "source": "gift"}, "whole number"),
        ({"amount": "9" * 13, "source": "gift"}, "whole number"),
        ({"amount": "5", "source": "plan"}, "what kind"),
        ({"amount": "5", "source": "gift", "expires": "2026-02-30"}, "A day is written"),
        ({"amount": "5", "source": "gift", "expires": "2020-01-01"}, "expired already"),
        ({"amount": "5", "source": "gift", "reason": "x" * 201}, "at most 200"),
        ({"amount": "5", "source": "gift", "reference": "x" * 41}, "at most 40"),
    ],
)
def test_what_is_wrong_stands_beside_what_was_typed(database, acme, signed_in, form, words) -> None:
    answer = do(signed_in(acme.agency), acme, "give", **form)
    assert answer.status_code == 422 and words in answer.text and 'role="alert"' in answer.text
    assert f'value="{form["amount"]}"' in answer.text
    with database.read() as session:
        assert session.scalars(select(LedgerEntry)).all() == []
    assert [action for action, _ in audited(database) if "credits" in action] == []


def test_a_correction_is_a_new_entry_with_a_reason(database, acme, rival, signed_in) -> None:
    client = signed_in(acme.agency)
    do(client, acme, "give", amount="20", source="grant")
    with database.read() as session:
        wrong = session.scalars(select(LedgerEntry)).one()
    assert do(client, acme, "correct", amount="-3", reason=" ").status_code == 422
    assert do(client, acme, "correct", amount="-3", reason="Twice", entry=str(wrong.id + 99)).status_code == 422
    assert do(client, acme, "correct", amount="-3", reason="Twice", entry=str(wrong.id)).status_code == 303
    assert wallet(database).available == 17
    with database.read() as session:
        last = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id.desc())).first()
    assert (last.kind, last.corrects_id, last.note) == ("correction", wrong.id, "Twice")
    assert f"corrects no. {wrong.id}" in client.get(f"/admin/locations/{acme.location}/credits/ledger").text


def test_limits_are_kept_and_count(database, acme, queue, signed_in) -> None:
    client = signed_in(acme.agency)
    form = LIMITS | {"overdraft": "4", "day_cap": "2", "bulk_cap": "9", "when_empty": "fail", "settles": "delivered"}
    assert do(client, acme, "limits", **form).status_code == 303
    row = wallet(database)
    assert (row.unlimited, row.overdraft, row.day_cap, row.bulk_cap) == (False, 4, 2, 9)
    assert row.fails_when_empty and row.settles_on_delivery
    statuses = [queue(acme, phone=f"+63917000005{number}").status for number in range(3)]
    assert statuses == [Status.QUEUED, Status.QUEUED, Status.FAILED]
    wrong = do(client, acme, "limits", **form | {"day_cap": "many"})
    assert wrong.status_code == 422 and 'value="many"' in wrong.text
    assert do(client, acme, "limits", **LIMITS | {"counts": "no"}).status_code == 303
    row = wallet(database)
    assert (row.unlimited, row.day_cap, row.fails_when_empty) == (True, None, False)
    assert [action for action, _ in audited(database)].count("set the limits of") == 2


def test_a_plan_gives_its_first_month_at_once(database, acme, rival, signed_in) -> None:
    with database.write() as session:
        for name, agency in (("Gold", None), ("Theirs", rival.agency)):
            session.add(CreditPlan(name=name, agency_id=agency, monthly_credits=500, created_at=clock.now()))
    with database.read() as session:
        plans = {row.name: str(row.id) for row in session.scalars(select(CreditPlan))}
    client = signed_in(acme.agency)
    do(client, acme, "limits", **LIMITS)
    assert "Theirs" not in client.get(deeds(acme)).text
    assert do(client, acme, "plan", plan=plans["Theirs"]).status_code == 422
    for _ in range(2):
        assert do(client, acme, "plan", plan=plans["Gold"]).status_code == 303
        assert wallet(database).available == 500
    assert do(client, acme, "plan", plan="").status_code == 303
    assert wallet(database).plan_id is None
    chosen = [after for action, after in audited(database) if action == "chose the plan of"]
    assert chosen[0] == {"plan": "Gold"} and chosen[-1] == {"plan": ""}


def test_where_the_agencys_credits_count_nobody_of_it_makes_any(database, acme, signed_in) -> None:
    with database.write() as session:
        agencies.set_limit(session, acme.agency, False, "the operator")
        agencies.add(session, acme.agency, AgencyKind.TOP_UP, 30, key="1", who="the operator")
    client, operator = signed_in(acme.agency), signed_in()
    assert do(client, acme, "limits", **LIMITS).status_code == 303  # less is always allowed
    for deed, form in (
        ("limits", LIMITS | {"counts": "no"}),
        ("limits", LIMITS | {"overdraft": "1000"}),
        ("correct", {"amount": "5", "reason": "More"}),
    ):
        refused = do(client, acme, deed, **form)
        assert refused.status_code == 422 and "Only the operator adds" in refused.text, deed
    assert do(client, acme, "give", amount="31", source="gift").status_code == 422
    assert do(client, acme, "give", amount="30", source="gift").status_code == 303
    assert do(client, acme, "correct", amount="-5", reason="Too much").status_code == 303
    assert wallet(database).available == 25
    assert do(operator, acme, "correct", amount="5", reason="Back").status_code == 303
    assert do(operator, acme, "limits", **LIMITS | {"counts": "no"}).status_code == 303


def test_the_agencys_wallet_is_filled_by_the_operator_alone(database, acme, signed_in) -> None:
    client, operator, page = signed_in(acme.agency), signed_in(), f"/admin/wallets/{acme.agency}"
    assert 'id="add"' not in client.get(page).text and 'id="add"' in operator.get(page).text
    form = {"amount": "100", "kind": "top_up", "reason": "Invoice 9", "reference": "PAY-9"}
    assert post(client, f"{page}/add", page, **form).status_code == 403
    for _ in range(2):
        assert post(operator, f"{page}/add", page, **form).status_code == 303
    assert post(operator, f"{page}/add", page, amount="-5", kind="gift").status_code == 422
    assert post(operator, f"{page}/add", page, amount="-5", kind="correction").status_code == 422  # no reason
    assert post(operator, f"{page}/add", page, amount="5", kind="give").status_code == 422
    assert post(client, f"{page}/settings", page, timezone="Asia/Manila", counts="yes").status_code == 303
    with database.read() as session:
        row = session.scalars(select(AgencyWallet)).one()
    assert (row.available, row.timezone, row.unlimited) == (100, "Asia/Manila", True)
    assert post(client, f"{page}/settings", page, timezone="Mars/Olympus").status_code == 422
    assert post(operator, f"{page}/settings", page, timezone="UTC", counts="yes").status_code == 303
    do(client, acme, "give", amount="40", source="gift")
    shown = client.get(page).text
    assert "Invoice 9" in shown and "given to a sub-account" in shown and "-40" in shown
    with database.read() as session:
        assert session.scalars(select(AgencyWallet)).one().unlimited is False
        assert len(session.scalars(select(AgencyEntry)).all()) == 2
    listed = client.get("/admin/wallets").text
    assert "Acme dentists" in listed and "40 given to sub-accounts" in listed


def test_the_proof_says_what_is_wrong(database, acme, rival, signed_in) -> None:
    client, operator = signed_in(acme.agency), signed_in()
    do(client, acme, "give", amount="20", source="gift")
    assert do(client, acme, "prove").status_code == 303
    assert "Proven: every entry" in client.get(deeds(acme)).text
    assert post(client, "/admin/wallets/prove").status_code == 403
    assert "All of it is right" in post(operator, "/admin/wallets/prove").text
    with database.write() as session:
        session.scalars(select(Wallet)).one().available = 21
    do(client, acme, "prove")
    assert "do not add up" in client.get(deeds(acme)).text
    told = post(operator, "/admin/wallets/prove").text
    assert "1 wrong" in told and acme.ghl_id in told and "stands 21, 0, 0; the entries say 20, 0, 0" in told


def test_the_margin_is_by_sender_and_leaves_nothing_out(database, acme, queue, signed_in) -> None:
    messages = [queue(acme, phone=f"+63917000005{number}") for number in range(3)]
    with database.write() as session:
        plan = CreditPlan(name="Gold", credit_micros=20_000, currency="USD", created_at=clock.now())
        session.add(plan)
        session.flush()
        session.scalars(select(Wallet)).one().plan_id = plan.id
        purse = ledger.known_wallet(session, acme.location)
        for message, price in zip(messages, ("-0.0075", "-0.0075", None), strict=True):
            ledger.write(session, [ledger.settle(purse, message.id, 1, 1)])
            part = session.scalars(select(Part).where(Part.message_id == message.id)).one()
            part.accepted_at, part.sender_id = clock.now(), acme.sender
            part.billing = {"price": price, "currency": "USD"} if price else {}
    page = f"/admin/locations/{acme.location}/credits/margin"
    shown = " ".join(signed_in(acme.agency).get(page).text.split())
    for words in ("0.06 USD", "0.01 USD", "1 not known", "Of 1 parts nobody told the cost"):
        assert words in shown, words
    assert "Nothing went out" in signed_in(acme.agency, "admin").get(f"{page}?month=2020-01").text
    with database.read() as session:
        assert margins.of(session, session.get_one(Location, acme.location), messages[0].created_at, clock.now())
        assert len(session.scalars(select(Message)).all()) == 3


def test_who_has_chosen_sub_accounts_sees_no_agency(acme, signed_in) -> None:
    client = signed_in(acme.agency, "admin", [acme.location])
    assert client.get(f"/admin/wallets/{acme.agency}").status_code == 404
    assert 'id="agencies"' not in client.get("/admin/wallets").text
    assert "The agency" not in client.get(deeds(acme)).text
