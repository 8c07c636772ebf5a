"""Every address behind the sign-in, found by itself: a stranger's ids are 404 on all of them, and nothing moves."""

import hashlib
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.routing import Rule

from portal import clock
from portal.accounts import api_keys
from portal.accounts.api_keys import NewKey
from portal.accounts.audit import Person
from portal.accounts.permissions import Permission
from portal.alarms import recipients
from portal.alerts.notices import CHOOSE_DEFAULT, raise_alert
from portal.callbacks import subscriptions
from portal.channels.base import Inbound
from portal.channels.content import File
from portal.credits import plans
from portal.database import Database
from portal.media.stores import stored_name
from portal.messaging import composing, conversation_marks, deeds, optouts
from portal.messaging.inbound import take_inbound
from portal.models import (
    Agency,
    Alert,
    Base,
    ConversationNote,
    DeedKind,
    Location,
    MediaFile,
    MediaState,
    Message,
    Sender,
    StatusChange,
    Way,
)
from tests.web.conftest import Tenant, record, token
from tests.web.framed import HEADER, framed

BEHIND = ("admin.",)
FRAMED = ("app.",)
# They have no one's thing in them: beginning a session, a link made anew, what does not exist.
ASIDE = ("app.begin", "app.once", "app.anything")
# What only an agency's admin who is in no sub-account may ask for.
CHOOSING = ("app.places", "app.choose")
LIVE = ("health", "alerts", "places", "recent", "wall")
COMMAND_LINE = Person("anna", "1")
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin"}


@pytest.fixture
def ids(parts, database: Database, acme: Tenant, queue, person) -> dict[str, list[object]]:
    """Acme's own thing for each name in an address. A new name here: a new line, and the proof is made for it."""
    message = queue(acme, "For Acme's eyes")
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme has to choose.", acme.location)
        alert = session.scalars(select(Alert.id)).one()
        added = optouts.add(session, acme.location, "sms", "+639170000042", "Acme's contact wrote STOP")
        opt_out = added.id if added else 0
        place = session.get_one(Location, acme.location)
        talk = session.get_one(Message, message.id).conversation_id
        conversation_marks.add_note(session, talk, "Acme's Anna", "1", "For Acme's eyes", "a key")
        note = session.scalars(select(ConversationNote.id)).one()
        key, _ = api_keys.create(session, "x" * 32, NewKey("Acme's key", ["read"], acme.company, [acme.ghl_id]), "anna")
        hook = subscriptions.subscribe(
            session, parts.vault, "https://acme.example/", [], "anna", location_id=acme.location, agency_id=acme.agency
        )
        told = subscriptions.ping(session, hook, acme.ghl_id)
        plan = plans.monthly(session, session.get_one(Agency, acme.agency), 5)
        told_of = recipients.add(
            session, parts.vault, Way.WEBHOOK, "https://acme.example/alerts", [], "anna", agency_id=acme.agency
        )
        deed = deeds.choose(session, DeedKind.CANCEL, [message.id], COMMAND_LINE)
    test_key = uuid4()
    draft = composing.Draft(["+639170000043"], "For Acme's phone", "anna", key=str(test_key))
    composing.compose(database, parts.journal, place, draft)
    return {
        "message_id": [message.uuid],
        "event_id": [event.id],
        "alert_id": [alert],
        "location_id": [acme.location],
        "agency_id": [acme.agency],
        "sender_id": [acme.sender],
        "opt_out_id": [opt_out],
        "file_id": [kept_file(parts, acme)],
        "test_key": [test_key],
        "user_id": [person("agent@example.com", acme.agency, "agent").id],
        "conversation_id": [talk],
        "note_id": [note],
        "key_id": [key.id],
        "webhook_id": [hook.id],
        "delivery_id": [told.id],
        "plan_id": [plan.id],
        "recipient_id": [told_of.id],
        "deed_id": [deed.uuid],
        "block": list(LIVE),
    }


def kept_file(parts, tenant: Tenant) -> int:
    """A file that a customer of the tenant's sent."""
    event = record(parts.database, "simulator:x", source="simulator", sender_key=tenant.sender_key)
    with parts.database.write() as session:
        said = Inbound("+639170000042", "See", "x-1", files=[File("https://a.example/1", "Acme.txt")])
        take_inbound(session, session.get_one(Sender, tenant.sender), said, event, parts.vault)
        row = session.scalars(select(MediaFile)).one()
        with parts.stores.incoming.place(1) as path:
            path.write_bytes(b"For Acme's eyes")
            parts.stores.first.put(stored_name(row.key), path, hashlib.sha256(b"For Acme's eyes").hexdigest())
        row.state, row.type, row.size = MediaState.KEPT, "text/plain", 15
        row.sha256, row.kept_at = hashlib.sha256(b"For Acme's eyes").hexdigest(), clock.now()
        row.store, row.stored = parts.stores.first.name, stored_name(row.key)
        return row.id


def rules(app: Flask, behind: tuple[str, ...]) -> list[tuple[Rule, str]]:
    aside = (*ASIDE, *CHOOSING)
    found = [r for r in app.url_map.iter_rules() if r.endpoint.startswith(behind) and r.endpoint not in aside]
    return [(rule, method) for rule in found for method in sorted(rule.methods - {"HEAD", "OPTIONS"})]


def addresses(
    app: Flask, ids: dict[str, list[object]], behind: tuple[str, ...] = BEHIND
) -> list[tuple[str, str, bool]]:
    """Method, address, and whether it names something of Acme's."""
    made = []
    with app.test_request_context():
        for rule, method in rules(app, behind):
            choices: list[dict[str, object]] = [{}]
            for name in rule.arguments:
                choices = [{**choice, name: value} for choice in choices for value in ids[name]]
            for values in choices:
                address = app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
                made.append((method, address, bool(rule.arguments - {"block"})))
    return made


def counts(database: Database) -> dict[str, int]:
    """How many rows every table has; those of signing in left out."""
    aside = {"login_count", "ended_session", "portal_user", "page_session", "used_link", "user_session", "audit_entry"}
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
        found = answer.status_code < 400 or (method == "POST" and answer.status_code == 422)  # an empty form
        if asked_of(app, method, address) == Permission.OPERATE:  # no agency's people may
            found = answer.status_code == 403
        assert answer.status_code == 404 if theirs else found, (method, address, answer.status_code)
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


FRAGMENT = {"HX-Request": "true"}


@pytest.mark.parametrize("headers", [{}, FRAGMENT], ids=["page", "fragment"])
@pytest.mark.parametrize(
    "who", [{}, {"role": "user"}, {"type": "agency", "role": "user"}], ids=["admin", "user", "agency"]
)
def test_another_location_finds_nothing_in_the_custom_page(app, database, ids, rival, headers, who) -> None:
    page = framed(app.test_client(), rival, **who)
    before = counts(database)
    made = addresses(app, ids, FRAMED)
    assert len(made) >= 15
    for method, address, theirs in made:
        answer = page.client.open(address, method=method, headers={HEADER: page.token, **headers})
        assert "Acme" not in answer.text and "location-Acme" not in answer.text, (method, address)
        if not may(app, page_role(who), method, address):
            assert answer.status_code == 403, (method, address)
        else:
            # What names nothing is a page of one's own, or a form that says what is missing.
            found = answer.status_code < 400 or (method == "POST" and answer.status_code == 422)
            assert answer.status_code == 404 if theirs else found, (method, address, answer.text)
    assert counts(database) == before


def test_ones_own_are_there(app, ids, acme) -> None:
    for who in ({}, {"role": "user"}, {"type": "agency"}):
        page = framed(app.test_client(), acme, **who)
        for method, address, _ in addresses(app, ids, FRAMED):
            if method == "GET":
                wanted = 200 if may(app, page_role(who), method, address) else 403
                assert page.get(address, follow_redirects=True).status_code == wanted, address


def test_an_agencys_list_opens_its_own_only(app, database, ids, acme, rival) -> None:
    """Whoever has chosen nothing yet sees nothing, and may choose nobody else's."""
    page = framed(app.test_client(), rival, type="agency", activeLocation=None)
    for method, address, theirs in addresses(app, ids, FRAMED):
        answer = page.open(address, method)
        assert "Acme" not in answer.text, address
        assert answer.status_code == (303 if method == "GET" else 403) or not theirs, (method, address)
    assert page.post(f"/app/places/{acme.location}").status_code == 404


def page_role(who: dict[str, str]) -> str:
    """Who they are in the custom page: an agency's people are as its admins."""
    return "user" if who.get("role") == "user" and who.get("type") != "agency" else "admin"


def may(app: Flask, role: str, method: str, address: str) -> bool:
    """Does the address ask for no more than the role has?"""
    return role == "admin" or asked_of(app, method, address) in (Permission.VIEW, Permission.REPLY)


def asked_of(app: Flask, method: str, address: str) -> Permission:
    """The permission that an address asks for."""
    endpoint, _ = app.url_map.bind("localhost").match(address.partition("?")[0], method)
    return getattr(app.view_functions[endpoint], "permission", Permission.VIEW)


@pytest.mark.parametrize("headers", [{}, FRAGMENT, {HEADER: "guess"}], ids=["page", "fragment", "script"])
def test_nobody_gets_into_the_custom_page_without_highlevels_word(app, client, database, ids, headers) -> None:
    before = counts(database)
    for method, address, _ in addresses(app, ids, FRAMED):
        answer = client.open(address, method=method, headers=headers)
        shell = method == "GET" and not headers
        assert answer.status_code == (200 if shell else 401), (method, address)
        assert ('id="handshake"' in answer.text) == shell and "Acme" not in answer.text
    assert counts(database) == before
