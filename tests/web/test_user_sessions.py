"""Sessions: shown with their devices, ended one by one or all at once, and over by themselves."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import clock
from portal.accounts.sessions import IDLE, LIFETIME
from portal.models import UserSession
from tests.web.conftest import post, sign_in

BOTH_ENGINES = True
POLL = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin"}
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def anna(app: Flask, person) -> FlaskClient:
    person("anna@example.com")
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = FIREFOX
    sign_in(client, "anna@example.com")
    return client


def later(**time: float):
    return time_machine.travel(clock.now() + timedelta(**time))


def test_they_are_listed_and_one_can_be_ended(app, database, anna, person) -> None:
    phone = app.test_client()
    phone.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Safari/604.1"
    sign_in(phone, "anna@example.com")
    page = anna.get("/account").text
    assert "Firefox on Windows" in page and "Safari on iPhone" in page and page.count("this one") == 1
    assert "From 127.0.0.1" in page
    with database.read() as session:
        rows = session.scalars(select(UserSession).order_by(UserSession.id)).all()
    with anna.session_transaction() as cookie:
        assert cookie["name"] not in {row.name for row in rows}, "a name that is read in the database opens nothing"
    person("mallory@example.com")
    mallory = app.test_client()
    sign_in(mallory, "mallory@example.com")
    assert post(mallory, f"/account/sessions/{rows[1].id}/end", page="/account").status_code == 404
    assert phone.get("/admin").status_code == 200
    assert post(anna, f"/account/sessions/{rows[1].id}/end", page="/account").status_code == 303
    assert phone.get("/admin").status_code == 303
    assert anna.get("/admin").status_code == 200


def test_out_everywhere_is_everywhere(app, anna) -> None:
    other = app.test_client()
    sign_in(other, "anna@example.com")
    assert post(anna, "/account/sign-out-everywhere", page="/account").headers["Location"] == "/login"
    assert anna.get("/admin").status_code == other.get("/admin").status_code == 303


def test_an_idle_session_ends_and_a_poll_is_no_use_of_it(anna) -> None:
    with later(hours=1):
        anna.get("/admin/live/health", headers=POLL)
        anna.get("/admin/messages", headers=POLL)
    with later(seconds=IDLE.total_seconds() + 1):
        assert anna.get("/admin/live/health", headers=POLL).status_code == 401
        assert anna.get("/admin").status_code == 303


@pytest.mark.parametrize("headers", [{}, {**POLL, "X-By-Hand": "1"}], ids=["a page", "a filter"])
def test_whoever_does_something_stays(anna, headers) -> None:
    with later(hours=1.5):
        assert anna.get("/admin/messages", headers=headers).status_code == 200
    with later(hours=3):
        assert anna.get("/admin").status_code == 200


def test_no_session_outlives_its_day_however_busy(anna) -> None:
    for hour in range(1, 12):
        with later(hours=hour):
            assert anna.get("/admin").status_code == 200
    with later(seconds=LIFETIME.total_seconds() - 5):
        assert anna.get("/admin").status_code == 200
    with later(seconds=LIFETIME.total_seconds() + 1):
        assert anna.get("/admin").status_code == 303


def test_a_use_is_noted_once_a_minute(database, anna) -> None:
    def used():
        with database.read() as session:
            return session.scalars(select(UserSession.used_at)).one()

    first = used()
    anna.get("/admin")
    assert used() == first
    with later(seconds=90):
        anna.get("/admin")
    assert used() > first
