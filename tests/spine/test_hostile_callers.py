"""Callers with a key or a token of one sub-account, and bad intent: odd letters, odd sizes, others' ids, races."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import func, select

from portal.models import ApiBulk, Location, Message, OptOut, TestMessage, User
from tests.portal import Portal
from tests.spine.api import OTHER, PLACE, new_key
from tests.spine.test_replaced_instances import context
from tests.spine.test_replaced_whatapp_go import PASSWORD, cloud, person

TOKEN = "a-workflow-token-of-forty-characters-yes"
ADMIN = "an operator's key of more than 32 characters"
# As JSON: half of an emoji, NUL, what turns texts around, a long one, other types, numbers past every column.
ODD = [
    '"\\ud83d"',
    '"a\\u0000b"',
    '"\\u202e\\u0301\\ufeff"',
    f'"{"x" * 5000}"',
    '"' + "\\u0660" * 12 + '"',
    "9" * 40,
    "1e400",
    "-1",
    "true",
    "null",
    "[]",
    '[{"a": 1}]',
    '{"a": {"b": []}}',
]
ODD_PATHS = ["%00", "%ED%A0%80", "9" * 30, "..%2f..", "%F0%9F%92%A5", "x" * 3000, "%2B"]


@pytest.fixture
def place(database_url, sandbox, tmp_path):
    portal = Portal(
        database_url,
        sandbox,
        tmp_path,
        ghl_workflow_token=TOKEN,
        cast_admin_key=ADMIN,
        whatsapp_graph_url=f"{sandbox.url}/v26.0",
    )
    try:
        portal.install()
        portal.install(OTHER)
        portal.add_sender("simulator")
        cloud(portal)
        person(portal, "boss@example.com")
        yield portal
    finally:
        portal.close()


def raw(portal, method, path, body, **headers):
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, portal.url + path, data=body.encode(), headers=named, timeout=60)


def with_each_odd(shape):
    """The JSON of the shape with each of its values (one inside too) in turn replaced by each odd one."""
    for name in shape:
        for odd in ODD:
            told = {key: json.dumps(value) for key, value in shape.items()} | {name: odd}
            yield "{" + ", ".join(f'"{key}": {value}' for key, value in told.items()) + "}"
            if isinstance(shape[name], dict):
                for inner in shape[name]:
                    within = {key: json.dumps(value) for key, value in shape[name].items()} | {inner: odd}
                    told[name] = "{" + ", ".join(f'"{key}": {value}' for key, value in within.items()) + "}"
                    yield "{" + ", ".join(f'"{key}": {value}' for key, value in told.items()) + "}"


def test_odd_bodies_are_refused_or_taken_and_never_our_fault(place):
    key = f"Bearer {new_key(place)}"
    login = {"email": "boss@example.com", "password": PASSWORD}
    token = requests.post(f"{place.url}/api/login", json=login, timeout=30).json()["token"]
    user = f"Bearer {token}"
    text = {"to": "+639171234567", "type": "text", "text": {"body": "Hi"}, "context": {"message_id": "x"}}
    made = {"email": "a@example.com", "password": "x", "sso_id": PLACE.id, "role": "CLIENT", "monthly_credits": 5}
    step = {"data": {"message": "Hi", "instanceId": "1"}, "extras": {"locationId": PLACE.id}, "meta": {"stepId": "1"}}
    flow = {"Authorization": f"Bearer {TOKEN}", "locationid": PLACE.id, "contactphone": "+639171234567"}
    instance = {"locationId": PLACE.id, "instanceId": "1", "apiToken": "x", "name": "n", "apiUrl": "http://127.0.0.1:1"}
    calls = [
        ("POST", "/api/login", {"email": "x@example.com", "password": "wrong"}, {}),
        ("POST", "/api/logout", {"token": "1:1.abc"}, {}),
        ("POST", "/api/message/send", text | {"token": token, "location": PLACE.id}, {}),
        (
            "POST",
            "/api/message/send2",
            {"to": "+33612345678", "template_name": "t", "language": "en"},
            {"Authorization": user},
        ),
        ("POST", "/api/user/create", made, {"Authorization": user}),
        (
            "PUT",
            "/api/user/update/1",
            {"password": "x", "role": "ADMIN", "location": PLACE.id},
            {"Authorization": user},
        ),
        ("POST", "/normalize", {"msisdns": ["0830000000"]}, {"Authorization": key}),
        ("POST", "/webhooks/workflow-action", step, flow),
        ("POST", "/api/instances", instance, {"X-GHL-Context": context()}),
        ("PATCH", "/api/instances/1", {"name": "n"}, {"X-GHL-Context": context()}),
        ("POST", "/app/decrypt-user-data", {"encryptedData": "x"}, {}),
        ("PUT", f"/api/admin/locations/{PLACE.id}/sender-id", {"sender_id": "A"}, {"Authorization": f"Bearer {ADMIN}"}),
        (
            "POST",
            "/api/v1/messages",
            {"to": "+639171234567", "text": "Hi", "location": PLACE.id},
            {"Authorization": key},
        ),
        ("POST", "/api/v1/opt-outs", {"address": "+639171234567", "location": PLACE.id}, {"Authorization": key}),
    ]
    seen = set()
    for method, path, shape, headers in calls:
        for body in with_each_odd(shape):
            said = raw(place, method, path, body, **headers)
            if said.status_code == 429:
                continue
            seen.add((path, said.status_code))
            assert said.status_code < 500, (path, body[:200], said.status_code, said.text[:300])
            assert "Traceback" not in said.text and "psycopg" not in said.text, (path, body[:200])
    assert len({path for path, _ in seen}) == len(calls)


def test_odd_addresses_and_headers_are_never_our_fault(place):
    key = new_key(place)
    paths = [f"/messagestatus/{odd}" for odd in ODD_PATHS]
    paths += [f"/messagestatus/0830000000?location={odd}" for odd in ODD_PATHS]
    paths += [f"/api/v1/{thing}/{odd}" for odd in ODD_PATHS for thing in ("messages", "bulk", "senders", "contacts")]
    paths += [
        f"/api/v1/{thing}?cursor={odd}&limit=5" for odd in ODD_PATHS for thing in ("messages", "opt-outs", "events")
    ]
    paths += [f"/api/v1/messages?location={odd}" for odd in ODD_PATHS]
    paths += [f"/api/instances/{odd}" for odd in ODD_PATHS]
    paths += [f"/c/{odd}/{odd}/receive" for odd in ODD_PATHS]
    paths += [f"/c/ex/{odd}/{odd}?from={odd}" for odd in ODD_PATHS]
    for path in paths:
        said = raw(place, "GET", path, "", Authorization=f"Bearer {key}", X_GHL_Context=context())
        assert said.status_code < 500, (path[:100], said.status_code, said.text[:300])
    for odd in ("\xff\xfe", "é" * 50, "x" * 6000, "a\tb"):
        value = odd.encode("latin-1")
        for name in ("Authorization", "Idempotency-Key", "X-GHL-Context", "locationid", "contactphone", "Cookie"):
            for path, body in (("/sendsms", "{}"), ("/api/v1/messages", "{}"), ("/webhooks/workflow-action", "{}")):
                given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", name: value}
                said = requests.post(place.url + path, data=body, headers=given, timeout=60)
                assert said.status_code < 500, (path, name, odd[:20], said.text[:300])


def test_lists_are_bounded(place):
    key = f"Bearer {new_key(place)}"
    many = [f"0917{number:07}" for number in range(10_001)]
    for path, numbers in (("/sendsms", many), ("/sendsms", ["x"] * 50_001), ("/normalize", ["x"] * 50_001)):
        body = json.dumps({"message": "Hi", "msisdns": numbers})
        said = raw(place, "POST", path, body, Authorization=key)
        assert said.status_code == 406 and ("10000" in said.text or "50,000" in said.text), (path, said.text)
        said = raw(place, "POST", path, " " * (5 * 1024 * 1024), Authorization=key)
        assert said.status_code in (406, 413), said.status_code


def test_a_test_key_sends_nothing_by_any_route(place):
    key = f"Bearer {new_key(place, test=True)}"
    phone = {"contactphone": "+639171234567", "locationid": PLACE.id}
    said = [
        raw(place, "POST", "/sendsms", json.dumps({"message": "Hi", "msisdns": ["+639171234567"]}), Authorization=key),
        raw(place, "POST", "/webhooks/workflow-action", '{"data": {"message": "Hi"}}', Authorization=key, **phone),
        raw(place, "POST", "/api/v1/messages", '{"to": "+639171234567", "text": "Hi"}', Authorization=key),
        raw(place, "POST", "/api/v1/bulk", '{"to": ["+639171234567"], "text": "Hi"}', Authorization=key),
        raw(place, "POST", "/api/v1/opt-outs", '{"address": "+639171234567"}', Authorization=key),
        raw(place, "PUT", f"/api/admin/locations/{PLACE.id}/sender-id", '{"sender_id": "A"}', Authorization=key),
    ]
    assert all(each.status_code < 500 for each in said)
    with place.session() as session:
        assert session.scalar(select(func.count()).select_from(Message)) == 0
        assert session.scalar(select(func.count()).select_from(OptOut)) == 0
        assert session.scalar(select(func.count()).select_from(TestMessage)) >= 2


def test_nothing_of_another_tenant_s_is_reached(place):
    with place.database.write() as session:
        theirs = session.scalars(select(Location).where(Location.ghl_id == OTHER.id)).one()
        theirs_id = theirs.id
    other_line = place.add_sender("simulator", place=OTHER)
    theirs_key, mine = f"Bearer {new_key(place, places=(OTHER.id,))}", f"Bearer {new_key(place)}"
    message = '{"to": "+639179999999", "text": "Theirs"}'
    sent = raw(place, "POST", "/api/v1/messages", message, Authorization=theirs_key, Idempotency_Key="one").json()
    bulk = raw(place, "POST", "/sendsms", '{"message": "Hi", "msisdns": ["+639179999998"]}', Authorization=theirs_key)
    assert bulk.json()["validNumbers"] == 1
    tries = [
        raw(
            place,
            "POST",
            "/sendsms?location=" + OTHER.id,
            '{"message": "x", "msisdns": ["+639171"]}',
            Authorization=mine,
        ),
        raw(
            place,
            "POST",
            "/api/v1/messages",
            json.dumps({"to": "+639171234567", "text": "x", "sender": other_line}),
            Authorization=mine,
        ),
        raw(place, "POST", "/api/v1/messages", json.dumps({"reply_to": sent["id"], "text": "x"}), Authorization=mine),
        raw(place, "GET", f"/api/v1/messages/{sent['id']}", "", Authorization=mine),
        raw(place, "GET", f"/api/v1/messages/{sent['id']}/history", "", Authorization=mine),
        raw(place, "POST", f"/api/v1/messages/{sent['id']}/cancel", "{}", Authorization=mine),
        raw(place, "GET", f"/api/v1/senders/{other_line}", "", Authorization=mine),
        raw(place, "GET", f"/messagestatus/639179999999?location={OTHER.id}", "", Authorization=mine),
    ]
    assert {each.status_code for each in tries} <= {401, 404, 406, 422}, [
        (each.status_code, each.text) for each in tries
    ]
    quiet = raw(place, "GET", "/messagestatus/639179999999", "", Authorization=mine)
    assert quiet.text == "Error: no data available"
    # The same Idempotency-Key under another key is another request.
    again = raw(place, "POST", "/api/v1/messages", message, Authorization=mine, Idempotency_Key="one")
    assert again.status_code == 202 and again.json()["id"] != sent["id"]
    with place.session() as session:
        counts = dict(session.execute(select(Message.location_id, func.count()).group_by(Message.location_id)).all())
    assert counts.get(theirs_id) == 1


@pytest.mark.parametrize("path", ["/api/v1/messages", "/api/v1/bulk"])
def test_a_raced_idempotency_key_is_one_request(place, path):
    key = f"Bearer {new_key(place)}"
    same = {"to": "+639171234567" if path.endswith("messages") else ["+639171234567"], "text": "Hi"}
    other = same | {"text": "Other"}

    def post(said):
        return raw(place, "POST", path, json.dumps(said), Authorization=key, Idempotency_Key="raced")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, [same, other] * 6))
    taken = [each for each in answers if each.status_code == 202]
    assert {each.status_code for each in answers} == {202, 409} and len({each.text for each in taken}) == 1
    with place.session() as session:
        bulks = session.scalar(select(func.count()).select_from(ApiBulk))
        messages = session.scalar(select(func.count()).select_from(Message))
    assert (messages if path.endswith("messages") else bulks) == 1


def test_a_replayed_run_of_a_workflow_is_one_message(place):
    head = {"Authorization": f"Bearer {TOKEN}", "locationid": PLACE.id, "contactphone": "+639171234567"}
    step = json.dumps(
        {"data": {"message": "Hi"}, "extras": {"locationId": PLACE.id, "executionId": "e", "stepId": "s"}}
    )

    def act(_):
        return raw(place, "POST", "/webhooks/workflow-action", step, **head)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(act, range(12)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["messageId"] for each in answers}) == 1


def test_users_cannot_be_made_beyond_one_s_own(place):
    with place.session() as session:
        before = session.scalar(select(func.count()).select_from(User))
    login = {"email": "boss@example.com", "password": PASSWORD}
    user = "Bearer " + requests.post(f"{place.url}/api/login", json=login, timeout=30).json()["token"]
    wanted = {"email": "a@example.com", "password": "a password of somebody", "sso_id": "location-nowhere"}
    for more in ({}, {"role": "OWNER"}, {"role": "operator"}, {"sso_id": PLACE.id, "agency_id": 1, "role": "owner"}):
        said = raw(place, "POST", "/api/user/create", json.dumps(wanted | more), Authorization=user)
        assert said.status_code in (403, 404, 422), (more, said.text)
    with place.session() as session:
        assert session.scalar(select(func.count()).select_from(User)) == before
