"""Keys to the API and webhooks out on the pages: made and shown once, revoked, told, tried, replayed."""

import json
import re

import pytest
from sqlalchemy import select

from portal import clock
from portal.accounts import api_keys
from portal.accounts.api_keys import NewKey
from portal.callbacks import subscriptions
from portal.models import (
    ApiKey,
    AuditEntry,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    InstallState,
    Job,
    Location,
    Subscription,
)
from tests.web.conftest import Tenant, token

BOTH_ENGINES = True
NEW, HOOK = "/admin/api-keys/new", "/admin/callbacks/new"


@pytest.fixture
def beside(database, acme: Tenant) -> Location:
    """Another sub-account of Acme's."""
    with database.write() as session:
        installed = {"install_state": InstallState.INSTALLED, "created_at": clock.now()}
        place = Location(ghl_id="location-Beside", agency_id=acme.agency, name="Beside dentists", **installed)
        session.add(place)
        session.flush()
        return place


def submit(client, path: str, page: str = "", **form):
    return client.post(path, data={"csrf_token": token(client.get(page or path)), **form})


def audited(database) -> list[str]:
    with database.read() as session:
        return [f"{row.action} {row.kind}" for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def keys(database) -> list[ApiKey]:
    with database.read() as session:
        return list(session.scalars(select(ApiKey).order_by(ApiKey.id)))


def test_a_key_is_shown_once_and_works_until_it_is_revoked(app, database, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    form = {"name": "The shop", "scope": ["read", "send"], "reach": "all", "test": "", "days": "30", "per_minute": "90"}
    made = submit(client, NEW, **form)
    key = re.search(r"sk_live_[\w-]{43}", made.text)[0]
    assert "no-store" in made.headers["Cache-Control"]
    (row,) = keys(database)
    assert (row.name, row.scopes, row.whole_agency, row.per_minute) == ("The shop", ["read", "send"], True, 90)
    assert (row.agency_id, row.created_by) == (acme.agency, f"user{acme.agency}@example.com")
    assert (row.expires_at - row.created_at).days in (29, 30)
    page = client.get("/admin/api-keys").text
    assert "never used" in page and "The shop" in page and key not in page and row.prefix in page
    ask = {"Authorization": f"Bearer {key}"}
    assert app.test_client().get("/api/v1/senders", headers=ask).status_code == 200
    assert "never used" not in client.get("/admin/api-keys").text
    for _ in range(2):
        assert submit(client, f"/admin/api-keys/{row.id}/revoke", "/admin/api-keys").status_code == 303
    assert app.test_client().get("/api/v1/senders", headers=ask).status_code == 401
    shown = client.get("/admin/api-keys").text
    assert ">revoked<" in shown and "Revoke<" not in shown
    assert [each for each in audited(database) if "API key" in each] == ["made API key", "revoked API key"]
    with database.read() as session:
        assert key not in str([row.after for row in session.scalars(select(AuditEntry))])


@pytest.mark.parametrize(
    "form, words",
    [
        ({"name": " "}, "needs a name"),
        ({"scope": []}, "at least one scope"),
        ({"scope": ["everything"]}, "at least one scope"),
        ({"reach": ""}, "Choose all sub-accounts"),
        ({"reach": "chosen"}, "Choose all sub-accounts"),
        ({"reach": "chosen", "place": ["999"]}, "Choose all sub-accounts"),
        ({"days": "0"}, "whole number from 1"),
        ({"per_minute": "lots"}, "whole number from 1"),
    ],
)
def test_what_is_wrong_makes_no_key(database, acme, signed_in, form, words) -> None:
    answer = submit(signed_in(acme.agency), NEW, **{"name": "The shop", "scope": ["read"], "reach": "all"} | form)
    assert answer.status_code == 422 and words in answer.text and "sk_" not in answer.text
    assert keys(database) == []


def test_a_key_reaches_no_more_than_who_makes_it(database, acme, beside, rival, signed_in) -> None:
    some = signed_in(acme.agency, "admin", [beside.id])
    form = {"name": "Mine", "scope": ["read"], "reach": "chosen", "test": "1"}
    assert 'id="reach-all"' not in some.get(NEW).text and "Acme dentists" not in some.get(NEW).text
    assert submit(some, NEW, **form | {"reach": "all"}).status_code == 422
    for theirs in (acme.location, rival.location):
        assert submit(some, NEW, **form | {"place": [str(beside.id), str(theirs)]}).status_code == 422
    made = submit(some, NEW, **form | {"place": [str(beside.id)]})
    assert "sk_test_" in made.text
    owner, operator = signed_in(acme.agency), signed_in()
    submit(owner, NEW, name="The agency's", scope=["read"], reach="all")
    submit(
        operator,
        NEW,
        f"{NEW}?agency={rival.agency}",
        name="Theirs",
        scope="read",
        reach="all",
        agency=str(rival.agency),
    )
    mine, agencys, theirs = keys(database)
    assert (mine.whole_agency, mine.test, theirs.agency_id) == (False, True, rival.agency)
    assert "The agency&#39;s" not in some.get("/admin/api-keys").text and "Mine" in some.get("/admin/api-keys").text
    assert "Theirs" not in owner.get("/admin/api-keys").text and "Theirs" in operator.get("/admin/api-keys").text
    for client, key in ((some, agencys), (owner, theirs)):
        assert submit(client, f"/admin/api-keys/{key.id}/revoke", "/admin/api-keys").status_code == 404
    assert submit(owner, NEW, name="x", scope="read", reach="all", agency=str(rival.agency)).status_code == 200
    assert keys(database)[-1].agency_id == acme.agency  # what the form says of others is not heard


def test_a_webhook_is_added_paused_tested_and_removed(database, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    added = submit(client, HOOK, url="https://shop.example/hook?token=t0ken", event=["message.failed"], place="")
    assert added.status_code == 303
    page = added.headers["Location"]
    with database.read() as session:
        row = session.scalars(select(Subscription)).one()
    assert (row.agency_id, row.location_id, row.events) == (acme.agency, None, ["message.failed"])
    shown = client.get(page).text
    assert "https://shop.example" in shown and "t0ken" not in shown and "whsec_" not in shown
    secret = submit(client, f"{page}/secret", page).text
    assert re.search(r'<code id="secret">\S{20,}</code>', secret)
    assert submit(client, f"{page}/ping", page).status_code == 303
    submit(client, f"{page}/pause", page)
    assert "paused it." in client.get(page).text and ">paused<" in client.get("/admin/callbacks").text
    submit(client, f"{page}/resume", page)
    assert "waiting" in client.get(page).text
    submit(client, f"{page}/remove", page)
    removed = client.get(page).text
    assert "given up" in removed and "Remove<" not in removed
    assert "shop.example" not in client.get("/admin/callbacks").text
    assert submit(client, f"{page}/ping", "/admin/callbacks/new").status_code == 303
    assert "It was removed." in client.get(page).text
    with database.read() as session:
        assert len(session.scalars(select(Delivery)).all()) == 1
    done = [each.removesuffix(" webhook out") for each in audited(database) if "webhook out" in each]
    assert done == ["added", "saw the secret of", "pinged", "paused", "resumed", "removed"]


@pytest.mark.parametrize(
    "form, words",
    [
        ({"url": "http://shop.example/"}, "starts with https"),
        ({"url": "https://127.0.0.1/"}, "private or reserved"),
        ({"event": ["message.eaten"]}, "There is no event"),
        ({"place": "999"}, "Choose the sub-account"),
    ],
)
def test_what_is_wrong_adds_no_webhook(database, acme, signed_in, form, words) -> None:
    answer = submit(signed_in(acme.agency), HOOK, **{"url": "https://shop.example/", "place": ""} | form)
    assert answer.status_code == 422 and words in answer.text
    with database.read() as session:
        assert session.scalars(select(Subscription)).all() == []


def test_what_was_given_up_is_told_again_under_its_id(parts, database, acme, beside, signed_in) -> None:
    with database.write() as session:
        where = {"location_id": acme.location, "agency_id": acme.agency}
        hook = subscriptions.subscribe(session, parts.vault, "https://shop.example/", [], "anna", **where)
        row = subscriptions.ping(session, hook, acme.ghl_id)
        row.state, row.attempts, row.last_code, row.note = DeliveryState.GIVEN_UP, 1, 500, "It answers 500."
        said = {"number": 1, "at": clock.now(), "milliseconds": 12, "code": 500, "detail": "<b>Oh no"}
        session.add(DeliveryAttempt(delivery_id=row.id, **said))
        session.execute(Job.__table__.delete())
    client = signed_in(acme.agency)
    page = f"/admin/callbacks/deliveries/{row.id}"
    shown = client.get(page).text
    assert "It answers 500." in shown and "&lt;b&gt;Oh no" in shown and "12 ms" in shown and row.uuid in shown
    assert submit(client, f"{page}/replay", page).status_code == 303
    with database.read() as session:
        again = session.scalars(select(Delivery)).one()
        assert (again.uuid, again.state, again.round) == (row.uuid, DeliveryState.WAITING, 0)
        assert [job.subject for job in session.scalars(select(Job))] == [row.id]
    assert "replayed to webhook out" in audited(database)
    assert json.loads(again.body)["id"] == row.uuid
    some = signed_in(acme.agency, "admin", [beside.id])
    assert some.get(page).status_code == 404 and "shop.example" not in some.get("/admin/callbacks").text


def test_callback_addresses_of_requests_are_their_keys(parts, database, acme, rival, signed_in) -> None:
    with database.write() as session:
        key, _ = api_keys.create(session, "x" * 32, NewKey("The shop", ["send"], acme.company), "anna")
        found = subscriptions.for_requests(session, parts.vault, key.id, "https://shop.example/1", "s", test=False)
    client, page = signed_in(acme.agency), f"/admin/callbacks/{found}"
    assert "requests of the key The shop" in client.get("/admin/callbacks").text
    for deed in ("remove", "secret", "pause"):
        assert submit(client, f"{page}/{deed}", "/admin/callbacks/new").status_code == 303
        assert "its key decides" in client.get(page).text
    with database.read() as session:
        assert session.scalars(select(Subscription)).one().removed_at is None
    assert signed_in(rival.agency).get(page).status_code == 404
