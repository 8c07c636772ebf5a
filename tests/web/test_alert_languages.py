"""Alerts, those told of them, plans and webhooks in another language, in the states that a new portal has none of."""

from datetime import timedelta

from sqlalchemy import select, update

from portal import clock
from portal.alarms import recipients
from portal.alerts.notices import raise_alert
from portal.models import (
    Alert,
    AlertLetter,
    AlertNotice,
    CreditPlan,
    Event,
    EventState,
    NoticeKind,
    NoticeState,
    PriceList,
    Way,
)
from portal.web.pages.words import ALERT
from tests.web.conftest import token
from tests.web.test_languages import SPEAKS, folder, ids, in_english, pretending

__all__ = ["folder", "ids", "pretending"]


def english(client, address: str) -> list[str]:
    answer = client.get(address, headers=SPEAKS)
    assert answer.status_code == 200, address
    return in_english(answer.text)


def test_every_kind_of_alert_is_told_in_the_readers_language(pretending, database, acme, signed_in) -> None:
    with database.write() as session:
        raise_alert(session, next(iter(ALERT)), f"sender:{acme.sender}", "1", acme.location)
        for kind in ALERT:
            raise_alert(session, kind, acme.ghl_id, "1", acme.location)
        alerts = session.scalars(select(Alert.id)).all()
    assert len(alerts) == len(ALERT) + 1
    client = signed_in()
    left = {each: said for each in alerts if (said := english(client, f"/admin/alerts/{each}"))}
    assert left == {}
    assert english(client, "/admin/alerts") == []


def test_incidents_that_were_told_and_are_over(pretending, database, parts, acme, signed_in) -> None:
    now = clock.now()
    said = "3 held, 2 lost, back at 10:42 UTC, after 12 minutes."
    begun = {"opened_at": now - timedelta(hours=5), "last_at": now, "count": 3, "returns": 2, "began_text": "2"}
    with database.write() as session:
        added = []
        for way, address, topics, place in (
            (Way.EMAIL, "ops@acme.example", [], None),
            (Way.EMAIL, "desk@acme.example", ["sender", "credits"], acme.location),
        ):
            more = {"agency_id": acme.agency, "location_id": place}
            added.append(recipients.add(session, parts.vault, way, address, topics, "1", **more))
        for kind in tuple(ALERT)[:4]:
            raise_alert(session, kind, acme.ghl_id, "1", acme.location)
        session.execute(update(Alert).values(**begun))
        taken, over, closed, muted = session.scalars(select(Alert).order_by(Alert.id))
        taken.acknowledged_at, taken.acknowledged_by = now, "1"
        over.closed_at, over.outcome, over.told_at = now, said, now
        closed.closed_at, closed.closed_by, closed.outcome = now, "1", f"1 closed it at {said.partition(' at ')[2]}"
        muted.muted_until = now + timedelta(hours=1)
        states = zip(NoticeState, (*NoticeKind, *NoticeKind), strict=False)
        for number, (state, kind) in enumerate(states):
            about = None if kind == NoticeKind.TEST else (taken, over, closed, muted)[number % 4].id
            row = AlertNotice(alert_id=about, recipient_id=added[number % 2].id, kind=kind, text="1", state=state)
            row.attempts, row.next_at, row.created_at, row.note = number, now, now, "The recipient was removed."
            session.add(row)
        added[1].quiet_until = now + timedelta(hours=1)
        fault = AlertLetter(recipient_id=added[0].id, at=now, milliseconds=1, fault=recipients.NO_MAIL)
        session.add(fault)
        pages = [f"/admin/alerts/{each.id}" for each in (taken, over, closed, muted)]
    client = signed_in()
    for page in (*pages, "/admin/alerts", "/admin/alerts?state=over", "/admin/alerts/recipients"):
        assert english(client, page) == [], page
    assert english(client, f"/admin/alerts/recipients?agency={acme.agency}") == []


def test_webhooks_set_aside_and_plans_with_prices(pretending, ids, database, acme, signed_in) -> None:
    now = clock.now()
    with database.write() as session:
        events = session.scalars(select(Event)).all()
        for row, state in zip(events, (EventState.PARKED, EventState.REFUSED), strict=False):
            row.state, row.note, row.headers = state, "There is no such webhook, or it is not yours to see.", {}
        plan = session.scalars(select(CreditPlan)).one()
        plan.name, plan.agency_id = "1", acme.agency
        for number, (whose, who) in enumerate(((plan.id, "1"), (plan.id, ""), (None, "1"))):
            starts = now + timedelta(days=number - 1)
            session.add(PriceList(plan_id=whose, starts_at=starts, who=who, note="", created_at=now))
        address = f"/admin/wallets/{acme.agency}/plans"
        pages = [f"{address}/{plan.id}", address, f"/admin/events/{events[0].id}", f"/admin/find?q={acme.ghl_id}"]
    client = signed_in()
    for page in (*pages, "/admin/find?q=nothing"):
        assert english(client, page) == [], page
    tried = client.post(
        f"{pages[0]}/prices",
        data={"prices": "sms/out/*/*=4", "do": "preview", "csrf_token": token(client.get(pages[0]))},
        headers=SPEAKS,
    )
    assert 'id="preview"' in tried.text and in_english(tried.text) == []
