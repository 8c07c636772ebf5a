"""Every address behind the sign-in, found by itself: a stranger's ids are 404 on all of them, and nothing moves."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.routing import Rule

from portal.alerts.notices import CHOOSE_DEFAULT, raise_alert
from portal.database import Database
from portal.messaging import conversation_marks, optouts
from portal.models import Alert, Base, ConversationNote, Message, StatusChange
from tests.web.conftest import Tenant, record, token

BEHIND = ("admin.",)
LIVE = ("health", "alerts", "places", "recent")
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin"}


@pytest.fixture
def ids(database: Database, acme: Tenant, queue, person) -> dict[str, list[object]]:
    """Acme's own thing for each name in an address. A new name here: a new line, and the proof is made for it."""
    message = queue(acme, "For Acme's eyes")
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme has to choose.", acme.location)
        alert = session.scalars(select(Alert.id)).one()
        added = optouts.add(session, acme.location, "sms", "+639170000042", "Acme's contact wrote STOP")
        opt_out = added.id if added else 0
        talk = session.get_one(Message, message.id).conversation_id
        conversation_marks.add_note(session, talk, "Acme's Anna", "1", "For Acme's eyes", "a key")
        note = session.scalars(select(ConversationNote.id)).one()
    user = person("acme@example.com", acme.agency)
    return {
        "message_id": [message.uuid],
        "event_id": [event.id],
        "alert_id": [alert],
        "location_id": [acme.location],
        "agency_id": [acme.agency],
        "sender_id": [acme.sender],
        "opt_out_id": [opt_out],
        "conversation_id": [talk],
        "note_id": [note],
        "user_id": [user.id],
        "block": list(LIVE),
    }


def rules(app: Flask) -> list[tuple[Rule, str]]:
    found = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(BEHIND)]
    return [(rule, method) for rule in found for method in sorted(rule.methods - {"HEAD", "OPTIONS"})]


def addresses(app: Flask, ids: dict[str, list[object]]) -> list[tuple[str, str, bool]]:
    """Method, address, and whether it names something of Acme's."""
    made = []
    with app.test_request_context():
        for rule, method in rules(app):
            choices: list[dict[str, object]] = [{}]
            for name in rule.arguments:
                choices = [{**choice, name: value} for choice in choices for value in ids[name]]
            for values in choices:
                address = app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
                made.append((method, address, bool(rule.arguments - {"block"})))
    return made


def counts(database: Database) -> dict[str, int]:
    """How many rows every table has; those of signing in left out."""
    aside = {"login_count", "ended_session", "portal_user"}
    tables = [table for table in Base.metadata.sorted_tables if table.name not in aside]
    with database.read() as session:
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def ask(client: FlaskClient, method: str, address: str, **more: object):
    if method == "GET":
        return client.get(address, **more)
    form = {"csrf_token": token(client.get("/admin"))}
    return client.open(address, method=method, data=form, **more)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_a_stranger_finds_nothing_and_moves_nothing(app, database, ids, rival, signed_in, headers) -> None:
    client = signed_in(rival.agency)
    before = counts(database)
    made = addresses(app, ids)
    assert len(made) >= 15
    for method, address, theirs in made:
        answer = ask(client, method, address, headers=headers)
        assert "Acme" not in answer.text and "location-Acme" not in answer.text, (method, address)
        assert answer.status_code == 404 if theirs else answer.status_code < 400, (method, address, answer.status_code)
    assert counts(database) == before
    with database.read() as session:
        assert session.scalars(select(Alert)).one().closed_at is None
        assert session.scalar(select(func.count()).select_from(StatusChange).where(StatusChange.who != "portal")) == 0


def test_their_owner_and_the_operator_are_let_in(app, ids, acme, signed_in) -> None:
    for client in (signed_in(acme.agency), signed_in()):
        for method, address, _ in addresses(app, ids):
            if method == "GET":
                assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_nobody_gets_in_without_signing_in(app, client, database, ids, headers) -> None:
    before = counts(database)
    with app.app_context():
        app.config["WTF_CSRF_ENABLED"] = False  # the sign-in must hold by itself
    for method, address, _ in addresses(app, ids):
        answer = client.open(address, method=method, headers=headers)
        if headers:
            assert (answer.status_code, answer.text) == (401, ""), (method, address)
            assert answer.headers["HX-Redirect"].startswith("/login")
        else:
            assert answer.status_code == 303 and answer.headers["Location"].startswith("/login"), (method, address)
    assert counts(database) == before


def test_nothing_is_done_by_a_form_of_another_site(app, database, ids, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    before = counts(database)
    for method, address, _ in addresses(app, ids):
        if method != "GET":
            assert client.open(address, method=method).status_code == 400, address
            assert client.open(address, method=method, data={"csrf_token": "guess"}, headers=HTMX).status_code == 400
    assert counts(database) == before
