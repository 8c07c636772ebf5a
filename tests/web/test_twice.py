"""A person who clicks twice, or whose page is old: one effect, and a sentence for the rest."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.alerts.notices import CHOOSE_DEFAULT, raise_alert
from portal.models import Alert, CreditPlan, Event, EventState, Job, LedgerEntry, StatusChange
from tests.web.conftest import carry_out, jobs, record, reload, token

BOTH_ENGINES = True
CLICKS = 5


def click(app: Flask, client: FlaskClient, path: str, **more: str) -> list[int]:
    """The same form, sent by several windows of one person at the same moment."""
    form = {"csrf_token": token(client.get("/admin")), **more}
    cookie = client.get_cookie("session").value
    together = threading.Barrier(CLICKS)

    def send(_number: int) -> int:
        window = app.test_client()
        window.set_cookie("session", cookie)
        together.wait(120)
        return window.post(path, data=form).status_code

    with ThreadPoolExecutor(CLICKS) as pool:
        return list(pool.map(send, range(CLICKS)))


def moves(database, message, after: str) -> int:
    with database.read() as session:
        whole = StatusChange.message_id == message.id, StatusChange.part_id.is_(None), StatusChange.after == after
        return session.scalar(select(func.count()).select_from(StatusChange).where(*whole))


def test_cancelling(app, database, acme, queue, signed_in) -> None:
    message = queue(acme)
    assert click(app, signed_in(acme.agency), f"/admin/messages/{message.uuid}/cancel") == [303] * CLICKS
    assert moves(database, message, "cancelled") == 1
    with database.read() as session:
        assert [entry.kind for entry in session.scalars(select(LedgerEntry))] == ["hold", "release"]
    assert jobs(database) == [("push_status", message.id)]


@pytest.mark.parametrize(("what", "after"), [("again", "queued"), ("give-up", "failed")])
def test_deciding_on_an_unknown_message(app, parts, database, acme, queue, signed_in, what, after) -> None:
    message = queue(acme, phone="+639170000004")
    carry_out(parts)
    assert reload(database, message).status == "unknown"
    before = moves(database, message, after)
    assert click(app, signed_in(acme.agency), f"/admin/messages/{message.uuid}/{what}") == [303] * CLICKS
    assert moves(database, message, after) == before + 1
    part = reload(database, message).parts[0]
    assert (part.status, part.key_round) == (after, 2 if what == "again" else 1)
    assert len([kind for kind, _ in jobs(database) if kind == "send"]) == (what == "again")


def test_replaying(app, database, acme, signed_in) -> None:
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    assert click(app, signed_in(acme.agency), f"/admin/events/{event.id}/replay") == [303] * CLICKS
    assert jobs(database) == [("apply", event.id)]
    with database.read() as session:
        assert session.get_one(Event, event.id).state == EventState.PENDING


def test_closing_an_alert(app, database, acme, signed_in) -> None:
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Choose.", acme.location)
    client = signed_in(acme.agency)
    assert click(app, client, "/admin/alerts/1/close?returns=0") == [303] * CLICKS
    with database.write() as session:
        assert session.get_one(Alert, 1).closed_at is not None
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Choose.", acme.location)
    click(app, client, "/admin/alerts/1/close?returns=0")
    with database.read() as session:
        assert session.get_one(Alert, 1).closed_at is None, "an old page closed what nobody has seen"


def test_making_a_plan(app, database, acme, signed_in) -> None:
    answers = click(app, signed_in(acme.agency), f"/admin/wallets/{acme.agency}/plans", name="Small", monthly="5")
    assert sorted(answers) == [303, *[422] * (CLICKS - 1)]
    with database.read() as session:
        assert session.scalars(select(CreditPlan.name)).all() == ["Small"]


def test_releasing(app, database, acme, queue, signed_in) -> None:
    message = queue(acme)
    assert click(app, signed_in(acme.agency), f"/admin/locations/{acme.location}/release") == [303] * CLICKS
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Job).where(Job.kind == "send")) == 1
    assert reload(database, message).status == "queued"


def test_signing_out(app, client, person) -> None:
    from tests.web.conftest import sign_in

    person("anna@example.com")
    sign_in(client, "anna@example.com")
    assert set(click(app, client, "/logout")) <= {303, 400}
    assert client.get("/admin").status_code == 303
