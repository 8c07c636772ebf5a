"""Signing in and out: who gets in, what a stranger learns, and where the way leads."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from portal import clock
from portal.accounts import passwords
from portal.accounts.throttle import count_attempt
from portal.accounts.users import authenticate
from portal.database import Database
from portal.models import EndedSession, User
from portal.web.auth.guard import local_path
from tests.web.conftest import PASSWORD, post, sign_in, token


def test_a_stranger_is_sent_to_the_sign_in_page_and_back(client: FlaskClient, person) -> None:
    person("anna@example.com")
    turned_away = client.get("/admin/messages?status=held")
    assert turned_away.status_code == 303
    assert turned_away.headers["Location"] == "/login?next=/admin/messages?status%3Dheld"
    let_in = sign_in(client, " Anna@Example.com ", query="?next=/admin/messages?status%3Dheld")
    assert let_in.headers["Location"] == "/admin/messages?status=held"
    assert client.get("/admin").status_code == 200


@pytest.mark.parametrize("path", ["/admin", "/admin/live/health", "/admin/messages", "/admin/events", "/password"])
def test_no_page_opens_without_a_session(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 303
    by_htmx = client.get(path, headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/admin?x=1"})
    assert by_htmx.status_code == 401
    assert by_htmx.headers["HX-Redirect"] == "/login?next=/admin?x%3D1"
    assert by_htmx.text == ""


def test_the_wrong_password_and_nobody_look_the_same(client: FlaskClient, person) -> None:
    person("anna@example.com")
    wrong = sign_in(client, "anna@example.com", "not her password")
    nobody = sign_in(client, "nobody@example.com", "not her password")
    assert wrong.status_code == nobody.status_code == 422
    assert "The e-mail address or the password is not right." in wrong.text
    assert wrong.text.replace("anna@", "nobody@").count("not right") == nobody.text.count("not right")


def test_an_unknown_account_costs_the_same_work(database: Database, person, monkeypatch) -> None:
    person("anna@example.com")
    verified = []
    real = passwords._hasher

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored)
            return real.verify(stored, password)

        hash = staticmethod(real.hash)
        check_needs_rehash = staticmethod(real.check_needs_rehash)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    assert authenticate(database, "anna@example.com", "not her password", "192.0.2.1") is None
    assert authenticate(database, "nobody@example.com", "not her password", "192.0.2.1") is None
    assert authenticate(database, "nobody@example.com", "a password that nobody has", "192.0.2.1") is None
    assert len(verified) == 3


def test_who_is_not_active_does_not_get_in_and_does_not_stay(client: FlaskClient, database: Database, person) -> None:
    person("anna@example.com")
    sign_in(client, "anna@example.com")
    with database.write() as session:
        session.execute(update(User).values(active=False))
    assert client.get("/admin").status_code == 303
    assert sign_in(client, "anna@example.com").status_code == 422


def test_signing_out(client: FlaskClient, person) -> None:
    person("anna@example.com")
    sign_in(client, "anna@example.com")
    assert client.get("/logout").status_code == 405
    assert post(client, "/logout").headers["Location"] == "/login"
    assert client.get("/admin").status_code == 303


def test_a_session_begins_empty(client: FlaskClient, person) -> None:
    """What somebody planted in the cookie before is gone, the form token with it."""
    person("anna@example.com")
    with client.session_transaction() as session:
        session["planted"] = "by a stranger"
    before = token(client.get("/login"))
    sign_in(client, "anna@example.com")
    with client.session_transaction() as session:
        assert "planted" not in session
    assert client.post("/logout", data={"csrf_token": before}).status_code == 400


def test_a_poll_does_not_lengthen_the_session(client: FlaskClient, person) -> None:
    person("anna@example.com")
    sign_in(client, "anna@example.com")
    client.get("/admin")
    assert "Set-Cookie" not in client.get("/admin/live/health", headers={"HX-Request": "true"}).headers


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_without_its_token_does_nothing(client: FlaskClient, person, path: str) -> None:
    person("anna@example.com")
    form = {"email": "anna@example.com", "password": PASSWORD}
    assert client.post("/login", data=form).headers["Location"] == "/login"
    assert client.get("/admin").status_code == 303
    sign_in(client, "anna@example.com")
    assert client.post("/logout").status_code == 400
    assert "This form is too old" in client.post("/admin/events/1/replay").text
    assert client.get("/admin").status_code == 200


def test_pages_are_not_kept(client: FlaskClient, person) -> None:
    person("anna@example.com")
    sign_in(client, "anna@example.com")
    for path in ("/login", "/admin", "/admin/messages", "/admin/live/recent"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


def test_forms_work_over_tls(app: Flask, person) -> None:
    """Flask-WTF wants a Referer over TLS: the pages must let the browser send one, to us alone."""
    person("anna@example.com")
    client = app.test_client()
    page = client.get("/login", base_url="https://localhost")
    assert page.headers["Referrer-Policy"] == "same-origin"
    form = {"email": "anna@example.com", "password": PASSWORD, "csrf_token": token(page)}
    there = {"base_url": "https://localhost", "headers": {"Referer": "https://localhost/login"}}
    assert client.post("/login", data=form, **there).headers["Location"] == "/admin"


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "admin",
        "/" + "a" * 3000,
        "/ evil",
        "///evil.example",
    ],
)
def test_the_way_back_never_leads_away(target: str | None) -> None:
    assert local_path(target) == "/admin"


@pytest.mark.parametrize("target", ["/admin", "/admin/messages?status=held&before=12", "/admin/events/7"])
def test_the_way_back(target: str) -> None:
    assert local_path(target) == target


def test_a_database_that_is_away_gets_a_page(client: FlaskClient, parts, person, monkeypatch) -> None:
    person("anna@example.com")
    sign_in(client, "anna@example.com")

    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr("portal.web.auth.guard.find_session", away)
    page = client.get("/admin")
    assert page.status_code == 503
    assert "The database does not answer" in page.text


def test_a_copy_of_the_cookie_is_signed_out_too(app: Flask, client: FlaskClient, database: Database, person) -> None:
    person("anna@example.com")
    elsewhere, thief = app.test_client(), app.test_client()
    sign_in(elsewhere, "anna@example.com")
    sign_in(client, "anna@example.com")
    thief.set_cookie("session", client.get_cookie("session").value)
    assert thief.get("/admin").status_code == 200
    post(client, "/logout")
    assert thief.get("/admin").status_code == 303, "signed out, and a copy of the cookie is still signed in"
    assert elsewhere.get("/admin").status_code == 200, "the same person at another desk goes on"
    thief.get("/login")
    with thief.session_transaction() as session:
        assert "_user_id" not in session, "signed anew by a page, it would outlive what is remembered of its end"
    with database.write() as session:
        session.execute(update(EndedSession).values(until=clock.now() - timedelta(days=1)))
    post(elsewhere, "/logout")
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(EndedSession)) == 1, "what is over is forgotten"


def test_callers_over_ipv4_are_told_apart_where_the_server_listens_on_both(database: Database) -> None:
    for number in range(40):
        count_attempt(database, f"::ffff:192.0.2.{number}", f"nobody{number}@example.com")
