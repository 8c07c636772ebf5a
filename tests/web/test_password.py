"""Users and their passwords: made once, changed at the first sign-in, and then again whenever they like."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.users import create_user, set_one_time_password
from portal.database import Database
from portal.errors import InvalidInput
from portal.models import User
from tests.web.conftest import BEFORE, PASSWORD, sign_in, token


@pytest.fixture
def newcomer(database: Database) -> User:
    with database.write() as session:
        return create_user(session, "New@Example.com", BEFORE, None)


def change(client: FlaskClient, current: str, new: str, again: str | None = None):
    form = {"current": current, "new": new, "again": new if again is None else again}
    return client.post("/password", data={"csrf_token": token(client.get("/password")), **form})


def test_the_first_sign_in_leads_to_the_password(client: FlaskClient, newcomer: User) -> None:
    assert sign_in(client, "new@example.com", BEFORE).headers["Location"] == "/password"
    assert client.get("/admin").headers["Location"] == "/password"
    polled = client.get("/admin/live/health", headers={"HX-Request": "true"})
    assert (polled.status_code, polled.headers["HX-Redirect"]) == (403, "/password")
    assert "one-time password" in client.get("/password").text
    assert change(client, BEFORE, PASSWORD).headers["Location"] == "/admin"
    assert client.get("/admin").status_code == 200
    assert sign_in(client.application.test_client(), "new@example.com", BEFORE).status_code == 422


def test_every_other_session_ends(app: Flask, person) -> None:
    person("anna@example.com")
    here, there = app.test_client(), app.test_client()
    sign_in(here, "anna@example.com")
    sign_in(there, "anna@example.com")
    assert change(here, PASSWORD, "another password entirely").status_code == 303
    assert here.get("/admin").status_code == 200
    assert there.get("/admin").status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "again", "sentence"),
    [
        ("not my password", "another password entirely", None, "The current password is not right."),
        (PASSWORD, PASSWORD, None, "The new password is the old one"),
        (PASSWORD, "elevenchars", None, "At least 12 characters."),
        (PASSWORD, "another password entirely", "another one", "This is not the same as above."),
        (PASSWORD, "x" * 1025, None, "At most 1024 characters."),
        (PASSWORD, "ANNA.LONG.NAME@example.com", None, "your e-mail address"),
    ],
)
def test_a_password_is_refused_with_a_sentence(client, person, current, new, again, sentence) -> None:
    person("anna.long.name@example.com")
    sign_in(client, "anna.long.name@example.com")
    refused = change(client, current, new, again)
    assert refused.status_code == 422
    assert sentence in refused.text
    assert client.get("/admin").status_code == 200


def test_guessing_the_current_password_is_throttled(client: FlaskClient, person) -> None:
    person("anna@example.com")
    sign_in(client, "anna@example.com")
    answers = [change(client, "not my password", "another password entirely").status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]


def test_addresses_are_checked_and_taken_once(database: Database, newcomer: User) -> None:
    assert newcomer.email == "new@example.com"
    assert newcomer.must_change_password
    for wrong in ("new@example.com", " NEW@example.com", "nobody", "a@b", "a b@example.com", "a@@example.com", ""):
        with pytest.raises(InvalidInput), database.write() as session:
            create_user(session, wrong, BEFORE, None)
    with pytest.raises(InvalidInput), database.write() as session:
        create_user(session, "short@example.com", "short", None)


def test_a_new_one_time_password_ends_every_session(client: FlaskClient, database: Database, person) -> None:
    anna = person("anna@example.com")
    sign_in(client, "anna@example.com")
    with database.write() as session:
        set_one_time_password(session, session.get_one(User, anna.id), BEFORE)
    assert client.get("/admin").status_code == 303
    assert sign_in(client, "anna@example.com", BEFORE).headers["Location"] == "/password"


def test_the_command_line_makes_users(app: Flask, client: FlaskClient) -> None:
    made = app.test_cli_runner().invoke(args=["admin", "create", "--email", "op@example.com"])
    assert made.exit_code == 0, made.output
    again = app.test_cli_runner().invoke(args=["admin", "create", "--email", "op@example.com"])
    assert again.exit_code == 1
    password = made.output.split('"one_time_password": "')[1].split('"')[0]
    assert sign_in(client, "op@example.com", password).headers["Location"] == "/password"
