"""`PUT /api/admin/locations/<locationId>/sender-id`, the Cast plugin's route, over real HTTP."""

import logging
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update

from portal import clock
from portal.accounts import throttle
from portal.messaging import senders
from portal.models import Gate, Sender
from portal.models.people import LoginCount
from portal.sandbox import world
from tests.portal import PLACE, Portal
from tests.spine.api import new_key

KEY = "an operator's key of more than 32 characters"
OTHER = world.DEMO_LOCATIONS[1]


@pytest.fixture
def portal(database_url, sandbox, tmp_path):
    running = Portal(database_url, sandbox, tmp_path, cast_admin_key=KEY)
    running.install()
    yield running
    running.close()


def put(portal, body, location=PLACE.id, key=KEY, **more):
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    url = f"{portal.url}/api/admin/locations/{location}/sender-id"
    given = {"data": body} if isinstance(body, str | bytes) else {"json": body}
    return requests.put(url, headers=headers | more.pop("headers", {}), timeout=10, **given, **more)


def address(portal, sender=1):
    with portal.session() as session:
        return session.get_one(Sender, sender).address


@pytest.mark.parametrize("name", ["sender_id", "senderId"])
def test_it_sets_the_sender_id_and_opens_the_gates(portal, name, caplog):
    portal.add_sender("cast")
    with portal.database.write() as session:
        session.execute(update(Gate).values(failures=4, blocked_until=clock.now() + timedelta(minutes=5)))
    caplog.set_level(logging.INFO)
    said = put(portal, {name: f" {OTHER.sender_name} "})
    assert (said.status_code, said.json()) == (
        200,
        {"success": True, "location_id": PLACE.id, "sender_id": OTHER.sender_name, "sender": 1, "checked": True},
    )
    assert address(portal) == OTHER.sender_name
    with portal.session() as session:
        opened = [gate for gate in session.scalars(select(Gate)) if gate.key.startswith(("account:", "polls:"))]
        assert [gate.failures for gate in opened] == [0, 0]
        assert portal.parts.vault.open_fields(session.get_one(Sender, 1).credentials)["api_key"] == world.CAST_API_KEY
    audited = [record for record in caplog.records if "sender id set" in record.message]
    assert [(one.location, one.before, one.after) for one in audited] == [
        (PLACE.id, PLACE.sender_name, OTHER.sender_name)
    ]
    assert KEY not in caplog.text


def test_off_without_the_setting(database_url, sandbox, tmp_path):
    running = Portal(database_url, sandbox, tmp_path)
    said = put(running, {"sender_id": "X"}, key="")
    assert (said.status_code, "CAST_ADMIN_KEY" in said.json()["error"]) == (404, True)
    running.close()


@pytest.mark.parametrize("headers", [{}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}])
def test_without_the_key(portal, headers):
    portal.add_sender("cast")
    said = put(portal, {"sender_id": OTHER.sender_name}, key=None, headers=headers)
    assert (said.status_code, "Bearer" in said.json()["error"]) == (401, True)
    assert put(portal, {"sender_id": OTHER.sender_name}, key=KEY + "x").status_code == 401
    assert address(portal) == PLACE.sender_name


def test_guessing_is_slowed_down_and_success_forgiven(portal, monkeypatch):
    monkeypatch.setattr(throttle, "PER_ADDRESS", 3)
    portal.add_sender("cast")
    assert [put(portal, {}, key="wrong").status_code for _ in range(2)] == [401, 401]
    assert put(portal, {"sender_id": OTHER.sender_name}).status_code == 200
    assert [put(portal, {}, key="wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    slowed = put(portal, {"sender_id": OTHER.sender_name})
    assert slowed.status_code == 429 and int(slowed.headers["Retry-After"]) > 0
    with portal.session() as session:
        assert [row.key for row in session.scalars(select(LoginCount))] == ["operator:127.0.0.1"]


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        [],
        {},
        {"sender_id": 7},
        {"sender_id": " "},
        {"sender_id": "A" * 21},
        {"sender_id": "Ünïcode"},
        {"sender_id": "A\nB"},
        {"sender_id": "A", "senderId": "B"},
        {"sender_id": "A", "filler": "x" * 5000},
        b"[" * 4000,
    ],
)
def test_bodies_that_make_no_sense(portal, body):
    portal.add_sender("cast")
    said = put(portal, body)
    assert (said.status_code, said.json()["error"][-1]) == (422, ".")
    assert address(portal) == PLACE.sender_name


def test_a_name_that_cast_has_not_approved(portal):
    portal.add_sender("cast")
    said = put(portal, {"sender_id": "STRANGER"})
    assert said.status_code == 422
    assert said.json()["error"].endswith("Approved: CEBUDENTAL, MNLREPAIR.")
    assert address(portal) == PLACE.sender_name


def test_a_cast_that_cannot_be_asked_does_not_stop_it(portal):
    portal.add_sender("cast")
    portal.sandbox.faults.arm("cast.sender_ids", "status", status=503)
    said = put(portal, {"sender_id": "STRANGER"})
    assert (said.status_code, said.json()["checked"]) == (200, False)
    assert "stored unchecked" in said.json()["note"]
    assert address(portal) == "STRANGER"


def test_locations_and_their_senders(portal):
    unknown = put(portal, {"sender_id": OTHER.sender_name}, location="nowhere")
    assert (unknown.status_code, unknown.json()["error"][-1]) == (404, ".")
    none = put(portal, {"sender_id": OTHER.sender_name})
    assert (none.status_code, "flask sender add" in none.json()["error"]) == (409, True)
    portal.add_sender("simulator")
    assert put(portal, {"sender_id": OTHER.sender_name}).status_code == 409
    first, second = portal.add_sender("cast", name="one"), portal.add_sender("cast", name="two")
    several = put(portal, {"sender_id": OTHER.sender_name})
    assert (several.status_code, "choose one first" in several.json()["error"]) == (409, True)
    with portal.database.write() as session:
        senders.make_default(session, second)
    assert put(portal, {"sender_id": OTHER.sender_name}).json()["sender"] == second
    assert (address(portal, first), address(portal, second)) == (PLACE.sender_name, OTHER.sender_name)
    with portal.database.write() as session:
        senders.remove(session, second)
    assert put(portal, {"sender_id": OTHER.sender_name}).json()["sender"] == first


def test_other_tenants_are_left_alone(portal):
    portal.install(OTHER)
    portal.add_sender("cast")
    theirs = portal.add_sender("cast", place=OTHER)
    assert put(portal, {"sender_id": OTHER.sender_name}).status_code == 200
    assert put(portal, {"sender_id": PLACE.sender_name}, location=OTHER.id).json()["sender"] == theirs


def test_it_takes_nothing_but_put(portal):
    url = f"{portal.url}/api/admin/locations/{PLACE.id}/sender-id"
    for method in ("GET", "POST", "DELETE"):
        assert requests.request(method, url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60).status_code == 405


@pytest.fixture
def account(database_url, sandbox, tmp_path):
    """A portal with the Cast plugin's own account in its settings, and no sender yet."""
    own = {"cast_first": {"api_key": world.CAST_API_KEY}, "cast_api_url": sandbox.url}
    running = Portal(database_url, sandbox, tmp_path, cast_admin_key=KEY, **own)
    running.install()
    yield running
    running.close()


def test_with_the_plugin_s_account_a_sub_account_gets_its_first_sender(account):
    refused = put(account, {"sender_id": "STRANGER"})
    assert refused.status_code == 422 and address_of_all(account) == []
    said = put(account, {"sender_id": PLACE.sender_name})
    assert (said.status_code, said.json()["checked"]) == (200, True), said.text
    assert address_of_all(account) == [PLACE.sender_name]
    changed = put(account, {"sender_id": OTHER.sender_name})
    assert changed.json()["sender"] == said.json()["sender"] and address_of_all(account) == [OTHER.sender_name]
    taken = put(account, {"sender_id": "NOBODY"}, location="nowhere")
    assert taken.status_code == 404


def test_a_cast_that_cannot_be_asked_stops_no_first_sender(account):
    account.sandbox.faults.arm("cast.balance", "status", status=503)
    said = put(account, {"sender_id": PLACE.sender_name})
    assert (said.status_code, said.json()["checked"]) == (200, False), said.text


def test_a_tenant_s_key_spends_nothing_of_the_operator_s_account(account):
    said = put(account, {"sender_id": PLACE.sender_name}, key=new_key(account, "admin"))
    assert (said.status_code, address_of_all(account)) == (409, [])


def address_of_all(portal):
    with portal.session() as session:
        return list(session.scalars(select(Sender.address).order_by(Sender.id)))
