"""Addresses and forms as nobody's browser makes them: each is answered with a sentence, none is our fault."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from portal.database import Database
from tests.web.conftest import PASSWORD, post, sign_in, token

BOTH_ENGINES = True

BEYOND = ("9223372036854775808", "9" * 40)
ODD_PAGES = [
    *(f"/admin/events/{number}" for number in BEYOND),
    *(f"/admin/messages?before={number}" for number in ("999999999999999999", *BEYOND)),
    *(f"/admin/events?before={number}" for number in ("999999999999999999", *BEYOND)),
    "/admin/events/٣",
    "/admin/messages?location=%00",
    "/admin/messages?location=a%00b",
    "/admin/messages?location=%ff%fe",
    "/admin/messages?location=%ED%A0%80",
    f"/admin/messages?location={'x' * 5000}",
    "/admin/messages?status=%00",
    "/admin/messages?direction=sideways",
    "/admin/messages/not-a-uuid",
    "/admin/messages/00000000-0000-0000-0000-000000000000",
    "/admin/live/%00",
    "/admin/live/..%2f..%2fapp.py",
    "/login?next=%00",
    "/login?next=%ff",
    *(f"/admin/opt-outs?{name}=%00" for name in ("location", "state", "origin")),
    *(f"/admin/opt-outs{place}/{number}" for number in BEYOND for place in ("", "/locations")),
]
# A search for what is nowhere is no error.
ODD_SEARCHES = [f"/admin/opt-outs{place}?q={text}" for place in ("", "/export.csv") for text in ("%00", "%ED%A0%80")]
ODD_FILES = [
    "/media/%00/x",
    "/media/a%00b/x.jpg",
    "/media/%ff/x",
    "/media/view/%00",
    "/media/view/%ff.x.y",
    "/media/x/%00",
]
ODD_POSTS = [
    *(f"/admin/events/{number}/replay" for number in BEYOND),
    *(f"/admin/alerts/{number}/close" for number in BEYOND),
    *(f"/admin/locations/{number}/release" for number in BEYOND),
    *(f"/admin/opt-outs/{number}/lift" for number in BEYOND),
    *(f"/admin/opt-outs/locations/{number}/{form}" for number in BEYOND for form in ("add", "words")),
    "/admin/messages/00000000-0000-0000-0000-000000000000/cancel",
    "/admin/messages/00000000-0000-0000-0000-000000000000/again",
    "/admin/messages/00000000-0000-0000-0000-000000000000/give-up",
]


@pytest.mark.parametrize("fragment", [False, True], ids=["page", "fragment"])
def test_odd_addresses(signed_in, acme, fragment: bool) -> None:
    client = signed_in(acme.agency)
    headers = {"HX-Request": "true"} if fragment else {}
    answers = {path: client.get(path, headers=headers).status_code for path in ODD_PAGES}
    assert {path: status for path, status in answers.items() if status >= 500} == {}
    assert {status for path, status in answers.items() if "before=9999999999999999" not in path} <= {303, 400, 404}


def test_odd_files(client: FlaskClient) -> None:
    answers = {path: client.get(path).status_code for path in ODD_FILES}
    assert set(answers.values()) <= {400, 404}, answers


def test_odd_searches(signed_in, acme) -> None:
    client = signed_in(acme.agency)
    answers = {path: client.get(path).status_code for path in ODD_SEARCHES}
    assert set(answers.values()) == {200}, answers


def test_odd_forms(signed_in, acme) -> None:
    client = signed_in(acme.agency)
    answers = {path: post(client, path).status_code for path in ODD_POSTS}
    assert set(answers.values()) == {404}, answers


@pytest.mark.parametrize(
    "email", ["a\0b@example.com", "\0", "\ud800@example.com".encode("utf-8", "surrogatepass"), "ß" * 254]
)
def test_odd_names_at_the_sign_in(client: FlaskClient, email: str | bytes) -> None:
    page = client.get("/login")
    answer = client.post("/login", data={"email": email, "password": "x\0y", "csrf_token": token(page)})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "key",
    ["", ":", "1", "1:", ":1", "9" * 18 + ":1", "9" * 40 + ":1", "1:\0", "-1:1", "1:1:1", "٣:1"],
)
def test_odd_sessions(app: Flask, client: FlaskClient, person, key: object) -> None:
    person("ann@example.com")
    with client.session_transaction() as session:
        session["_user_id"] = key
    assert client.get("/admin").status_code == 303


def away(*_asked: object, **_more: object) -> None:
    raise OperationalError("SELECT", {"email": "ann@example.com"}, Exception("server closed the connection"))


def test_a_database_that_goes_away_gets_a_sentence_everywhere(
    app: Flask, client: FlaskClient, database: Database, person, acme, queue, monkeypatch
) -> None:
    """Also when it goes after the session was looked up, and in the middle of a sign-in."""
    message = queue(acme)
    person("ann@example.com")
    page = client.get("/login")
    form = {"email": "ann@example.com", "password": PASSWORD, "csrf_token": token(page)}
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        assert client.post("/login", data=form).status_code == 503
    sign_in(client, "ann@example.com")
    fresh = token(client.get("/admin"))
    monkeypatch.setattr(Database, "write", away)
    paths = (
        f"/admin/messages/{message.uuid}/cancel",
        f"/admin/locations/{acme.location}/release",
        "/admin/alerts/1/close",
    )
    for path in paths:
        answer = client.post(path, data={"csrf_token": fresh})
        assert answer.status_code == 503 and "database does not answer" in answer.text
