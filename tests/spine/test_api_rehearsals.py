"""Test keys: what they send is judged, never sent, and comes to the statuses that its number asks for."""

import json

import pytest
from sqlalchemy import func, select

from portal.messaging import rehearsal
from portal.models import Event, Job, LedgerEntry, Message
from portal.worker.tasks import handlers
from tests.hand import settle
from tests.portal import Portal
from tests.spine.api import PLACE, Client, Receiver, new_key


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time):
    running = Portal(database_url, sandbox, tmp_path, allow_private_hosts=True)
    running.install()
    running.add_sender("cast")
    running.handlers = handlers(running.parts)
    yield running
    running.close()


@pytest.fixture
def api(portal):
    return Client(portal, new_key(portal, test=True))


NUMBERS = (
    ("4567", ["queued", "accepted", "sent", "delivered"], ""),
    ("0001", ["queued", "accepted", "sent", "failed"], "undelivered"),
    ("0002", ["queued", "failed"], "refused"),
    ("0003", ["queued", "accepted", "sent", "delivered"], ""),
    ("0004", ["queued", "unknown"], ""),
    ("0005", ["queued", "failed"], "opted_out"),
    ("0006", ["queued", "held"], ""),
    ("0007", ["queued", "accepted", "sent", "delivered", "read"], ""),
    ("0008", ["queued", "accepted", "sent"], ""),
)


def test_the_number_says_what_becomes_of_it(api, time):
    for tail, statuses, code in NUMBERS:
        sent = api.post("/messages", {"to": f"0917123{tail}", "text": "x"})
        assert sent["test"] and sent["id"]
        time.forward(seconds=10)
        now = api.get(f"/messages/{sent['id']}")
        assert (now["status"], now["code"]) == (statuses[-1], code)
        way = api.get(f"/messages/{sent['id']}/history")["changes"]
        assert [change["after"] for change in way] == statuses
    assert set(rehearsal.SCRIPTS) == {f"000{n}" for n in range(1, 9)}


def test_nothing_goes_out_and_nothing_is_charged(portal, api, time):
    api.post("/messages", {"to": "09171234567", "text": "x"})
    api.post("/bulk", {"to": ["09171234567", "09171230001", "x"], "text": "x"})
    time.forward(seconds=5)
    settle(portal, time)
    with portal.session() as session:
        for model in (Message, LedgerEntry, Event):
            assert session.scalar(select(func.count()).select_from(model)) == 0, model
        assert session.scalar(select(Job.id)) is None


def test_it_is_judged_like_any_message(api):
    for body in (
        {"to": "12", "text": "x"},
        {"to": "09171234567", "text": ""},
        {"to": "09171234567", "text": "x", "sender": 99},
        {"to": "09171234567", "text": "x", "interactive": {"kind": "poll", "question": "?", "options": ["a", "b"]}},
    ):
        assert api("POST", "/messages", body).status_code == 422


def test_test_and_live_messages_do_not_see_each_other(portal, api):
    live = Client(portal, new_key(portal))
    tried = api.post("/messages", {"to": "09171234567", "text": "x"})
    real = live.post("/messages", {"to": "09171234567", "text": "x"})
    assert [each["id"] for each in api.get("/messages")["data"]] == [tried["id"]]
    assert [each["id"] for each in live.get("/messages")["data"]] == [real["id"]]
    for client, other in ((api, real), (live, tried)):
        for path in ("", "/history"):
            assert client("GET", f"/messages/{other['id']}{path}").status_code == 404
        assert client("POST", f"/messages/{other['id']}/cancel").status_code == 404


def test_a_bulk_stands_as_its_numbers_say(api, time):
    said = api.post("/bulk", {"to": ["09171234567", "09171230001", "x"], "text": "x"})
    time.forward(seconds=5)
    bulk = api.get(f"/bulk/{said['id']}")
    assert (bulk["statuses"], bulk["pending"], bulk["taken"]) == ({"delivered": 1, "failed": 1}, 0, 2)
    assert len(api.get(f"/bulk/{said['id']}/messages")["data"]) == 2


def test_it_changes_nothing_that_is_real(api):
    for path, body in (
        ("/opt-outs", {"address": "09171234567", "reason": "x"}),
        ("/opt-outs/1/lift", {"reason": "x"}),
        ("/events/1/replay", None),
    ):
        said = api("POST", path, body)
        assert (said.status_code, "test key" in said.json()["detail"]) == (403, True)


def test_its_webhooks_and_callbacks_are_told_at_their_time(portal, api, time):
    receiver, live = Receiver(), Client(portal, new_key(portal))
    live.post("/webhooks", {"url": f"{receiver.url}/live"}, 201)
    api.post("/webhooks", {"url": f"{receiver.url}/test", "events": ["message.failed"]}, 201)
    sent = api.post("/messages", {"to": "09171230001", "text": "x", "callback_url": f"{receiver.url}/callback"})
    assert receiver.posts == []
    time.forward(seconds=5)
    settle(portal, time)
    told = [(path, json.loads(body)) for path, _, body in receiver.posts]
    assert [body["data"]["status"] for path, body in told if path == "/callback"] == ["accepted", "sent", "failed"]
    assert [body["data"]["status"] for path, body in told if path == "/test"] == ["failed"]
    assert {(body["data"]["id"], body["test"], body["location"]) for _, body in told} == {(sent["id"], True, PLACE.id)}
    assert [path for path, _ in told if path == "/live"] == []
    receiver.close()


def test_what_is_taken_back_is_told_so_alone(portal, api, time):
    receiver = Receiver()
    body = {"to": "09171234567", "text": "x", "callback_url": receiver.url, "send_at": "2026-12-31T00:00:00Z"}
    time.at = time.at.replace(year=2026, month=12, day=30)
    sent = api.post("/messages", body)
    assert api.post(f"/messages/{sent['id']}/cancel", None, 200)["status"] == "cancelled"
    assert api("POST", f"/messages/{sent['id']}/cancel").status_code == 422
    time.forward(days=2)
    settle(portal, time)
    assert [json.loads(body)["type"] for _, _, body in receiver.posts] == ["message.cancelled"]
    receiver.close()
