"""Every command with what it cannot use: one sentence and a non-zero exit, never a traceback."""

import json

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from portal.cli import init_app
from portal.cli.admin import admin
from portal.crypto import Vault
from portal.database import Database
from portal.models import Agency, Location, Sender, User
from tests.web.conftest import parts_of, sign_in

BOTH_ENGINES = True

BEYOND = "99999999999999999999999"
BROKEN = b"\xff\xfe".decode("utf-8", "surrogateescape")
CAST = ("sender", "add", "--location", "loc1", "--channel", "cast", "--no-check")
GOOD = ("--set", "api_key=cast_test_0123456789abcdef", "--set", "sender_id=SHOP")
WRONG = [
    ("admin", "create"),
    ("admin", "create", "--email", "nobody"),
    ("admin", "create", "--email", "a@b.c", "--agency", ""),
    ("admin", "create", "--email", "a@b.c", "--agency", "x" * 200),
    ("admin", "create", "--email", "a@b.c", "--agency", "no id"),
    ("admin", "create", "--email", f"{BROKEN}@b.c"),
    ("admin", "create", "--email", "anna@example.com"),
    ("admin", "reset-password"),
    ("admin", "reset-password", "--email", "nobody@example.com"),
    ("admin", "reset-password", "--email", ""),
    ("admin", "reset-password", "--email", BROKEN),
    ("sender", "add"),
    ("sender", "add", "--location", "loc1", "--channel", "pigeon"),
    ("sender", "add", "--location", "", "--channel", "simulator"),
    ("sender", "add", "--location", "two words", "--channel", "simulator"),
    ("sender", "add", "--location", "x" * 300, "--channel", "simulator"),
    ("sender", "add", "--location", "loc1", "--channel", "simulator", "--name", BROKEN),
    ("sender", "add", "--location", "loc1", "--channel", "simulator", "--pace", "fast"),
    ("sender", "add", "--location", "loc1", "--channel", "simulator", "--pace", "nan"),
    ("sender", "add", "--location", "loc1", "--channel", "simulator", "--pace", "-1"),
    ("sender", "add", "--location", "loc1", "--channel", "simulator", "--set", "colour=red"),
    (*CAST,),
    (*CAST, "--set", "api_key"),
    (*CAST, "--set", "=value"),
    (*CAST, *GOOD, "--api-url", "junk"),
    (*CAST, *GOOD, "--api-url", "http://[::1"),
    (*CAST, *GOOD, "--api-url", "http://host:99999"),
    (*CAST, *GOOD, "--api-url", "http://ann:hush@host"),
    (*CAST, *GOOD, "--api-url", "http://two words/"),
    (*CAST, *GOOD, "--api-url", "https://host/" + "a" * 600),
    *(
        (("sender", command, number))
        for command in ("default", "pause", "resume", "remove", "ids")
        for number in ("0", "77", BEYOND, "one")
    ),
    ("sender", "set", "77", "--set", "api_key=x"),
    ("sender", "set", BEYOND, "--set", "api_key=x"),
    ("sender", "set", "77", "--set", "api_key"),
    ("sender", "set", "77"),
    *((("events", "replay", number)) for number in ("0", "77", BEYOND, "one", "-1")),
    ("events", "list", "--state", "nonsense"),
    ("events", "list", "--limit", "0"),
    ("events", "list", "--limit", BEYOND),
    ("send", "--location", "nowhere", "--to", "+639170000042", "--text", "Hello"),
    ("send", "--location", "nowhere", "--to-file", "/nowhere"),
    ("send", "--location", "nowhere", "--text", "Hello", "--at", "soon"),
    ("installation", "check", "--location", "nowhere"),
    ("installation", "disconnect", "--location", "nowhere"),
    ("nonsense",),
]


@pytest.fixture
def flask(app: Flask):
    return lambda *words: app.test_cli_runner().invoke(args=list(words))


def refused(result) -> str:
    """The one sentence of a command that did nothing."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (1, 2), result.output
    return result.output.strip().splitlines()[-1]


def test_wrong_input_is_a_sentence(flask, database: Database, person) -> None:
    person("anna@example.com")
    for words in WRONG:
        sentence = refused(flask(*words))
        assert sentence.startswith("Error: ") and "hush" not in sentence, words
        with database.read() as session:
            tables = (Agency, Location, Sender, User)
            counts = [session.scalar(select(func.count()).select_from(model)) for model in tables]
        assert counts == [0, 0, 0, 1], f"{words} left something behind"


def test_a_database_without_tables_or_without_an_answer(flask, database: Database, monkeypatch) -> None:
    commands = [("messages",), ("sender", "list"), ("events", "list"), ("credits", "prove"), ("keys", "rotate")]
    commands += [("admin", "reset-password", "--email", "a@b.c"), ("sender", "pause", "1"), ("installation", "list")]
    with monkeypatch.context() as patch:

        def away(*_asked: object, **_more: object) -> None:
            raise OperationalError("SELECT", {}, Exception("server closed the connection"))

        patch.setattr(Database, "read", away)
        patch.setattr(Database, "write", away)
        assert {refused(flask(*words)) for words in commands} == {
            "Error: The database cannot be used (server closed the connection): check DATABASE_URL and the server."
        }
    with database.write() as session:
        for table in ("message", "sender", "event", "wallet", "portal_user", "location"):
            session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_gone"))
    assert {refused(flask(*words)) for words in commands} == {
        "Error: The database has no tables yet: start the portal once, with python app.py."
    }


def test_a_key_that_is_gone_is_named(app: Flask, flask, acme, monkeypatch) -> None:
    other = Vault([Fernet.generate_key().decode()])
    monkeypatch.setattr(parts_of(app).vault, "_fernet", other._fernet)
    assert "put the key it was sealed with back" in refused(flask("keys", "rotate"))
    assert "put the key it was sealed with back" in refused(flask("sender", "set", str(acme.sender), "--set", "a=b"))


def test_a_forgotten_password(app: Flask, flask, client: FlaskClient, person, acme) -> None:
    anna = person("anna@example.com", acme.agency)
    sign_in(client, "anna@example.com")
    told = json.loads(flask("admin", "reset-password", "--email", " Anna@Example.com ").output)
    assert told == {
        "id": anna.id,
        "email": "anna@example.com",
        "agency": acme.company,
        "one_time_password": told["one_time_password"],
    }
    assert client.get("/admin").status_code == 303, "the old session goes on"
    assert sign_in(client, "anna@example.com").status_code == 422, "the old password is still good"
    let_in = sign_in(client, "anna@example.com", told["one_time_password"])
    assert let_in.headers["Location"] == "/password"
    assert client.get("/admin").headers["Location"] == "/password", "it is for one time"
    operator = json.loads(flask("admin", "create", "--email", "op@example.com").output)
    assert json.loads(flask("admin", "reset-password", "--email", "op@example.com").output)["agency"] is None
    assert sign_in(app.test_client(), "op@example.com", operator["one_time_password"]).status_code == 422


def test_a_sender_that_never_calls_back_has_no_webhook_address(flask) -> None:
    added = json.loads(flask(*CAST, *GOOD).output)
    assert added["webhook_url"] is None and added["id"]
    simulated = json.loads(flask("sender", "add", "--location", "loc1", "--channel", "simulator").output)
    assert simulated["webhook_url"].startswith("http://localhost/webhooks/sms/simulator/")
    listed = [json.loads(line) for line in flask("sender", "list").output.splitlines()]
    assert [each["webhook_url"] for each in listed] == [None, simulated["webhook_url"]]


def test_an_app_leaves_the_commands_of_the_next_one_as_they_were() -> None:
    """Wrapped once more by every app, they ended beyond Python's depth in a process that made many."""
    create = admin.commands["create"]
    told = [Flask(name) for name in ("one", "two")]
    for each in told:
        init_app(each)
    depths = [_depth(each.cli.commands["admin"].commands["create"].callback) for each in told]
    assert depths[0] == depths[1] == _depth(create.callback) + 1


def _depth(function: object) -> int:
    inner = getattr(function, "__wrapped__", None)
    return 1 + _depth(inner) if inner else 0
