"""Our webhooks out: told of what happens, signed, tried by the schedule, shown, replayed, never into a network."""

import hashlib
import hmac
import json

import pytest
import requests
from sqlalchemy import delete, select, update

from portal import clock
from portal.callbacks import sending, subscriptions
from portal.errors import InvalidInput
from portal.messaging import opt_out_decisions
from portal.models import Agency, Alert, Delivery, Job, Location, Subscription
from portal.queue.jobs import HOOK
from portal.worker.tasks import handlers
from tests.hand import settle, work
from tests.portal import Portal
from tests.spine.api import Client, Receiver, new_key

NUMBER = "09171234567"


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time):
    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, tmp_path, allow_private_hosts=True)
    running.install()
    running.add_sender("simulator")
    running.handlers = handlers(running.parts)
    yield running
    running.close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def api(portal):
    return Client(portal, new_key(portal))


def delivered(portal, time):
    """Lets the portal work, with the provider reporting the newest message as sent, then as delivered."""
    settle(portal, time)
    external_id = portal.parts_of(portal.messages()[-1])[0].external_id
    address = f"{portal.url}/webhooks/sms/simulator/{portal.sender_key(1)}/status"
    for status in ("sent", "delivered"):
        said = {"id": external_id, "status": status, "to": "+639171234567"}
        requests.post(address, json=said, timeout=60).raise_for_status()
        settle(portal, time)


def told(receiver):
    return [json.loads(body) for _, _, body in receiver.posts]


def verified(post, secret) -> bool:
    """As docs/api.md tells a receiver to do it."""
    _, headers, body = post
    said = dict(pair.split("=", 1) for pair in headers["Sendero-Signature"].split(","))
    made = hmac.new(secret.encode(), said["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made, said["v1"])


def test_every_status_is_told_once_in_order_and_signed(portal, api, receiver, time):
    hook = api.post("/webhooks", {"url": f"{receiver.url}/hook?token=t0ken"}, 201)
    sent = api.post("/messages", {"to": NUMBER, "text": "x", "callback_url": f"{receiver.url}/mine"})
    delivered(portal, time)
    for path in ("/hook?token=t0ken", "/mine"):
        said = [json.loads(body) for where, _, body in receiver.posts if where == path]
        assert [each["type"] for each in said] == ["message.accepted", "message.sent", "message.delivered"]
        assert {each["data"]["id"] for each in said} == {sent["id"]}
        assert len({each["id"] for each in said}) == 3
    secret = api.get(f"/webhooks/{hook['id']}/secret")["secret"]
    own = api.get("/key")["callback_secret"]
    assert all(verified(post, secret if post[0].startswith("/hook") else own) for post in receiver.posts)
    assert not any(verified((post[0], post[1], post[2] + b" "), secret) for post in receiver.posts)
    assert hook["host"] == receiver.url and "t0ken" not in json.dumps(hook)
    with portal.session() as session:
        for row in session.scalars(select(Subscription)):
            assert "t0ken" not in row.address and secret not in row.address and receiver.url not in row.address
    assert len(api.get("/callbacks")["data"]) == 3


def test_a_customers_message_and_opt_outs_are_told(portal, api, receiver, time):
    api.post("/webhooks", {"url": receiver.url, "events": ["message.received", "opt_out.added", "opt_out.lifted"]}, 201)
    address = f"{portal.url}/webhooks/sms/simulator/{portal.sender_key(1)}/receive"
    for text in ("Good morning", "STOP", "START"):
        requests.post(address, json={"from": "+639171234567", "text": text, "id": text}, timeout=60)
        settle(portal, time)
    said = {each["type"]: each for each in told(receiver)}
    assert list(said) == ["message.received", "opt_out.added", "opt_out.lifted"]
    texts = [each["data"]["text"] for each in told(receiver) if each["type"] == "message.received"]
    assert texts == ["Good morning", "STOP", "START"]
    assert said["opt_out.added"]["data"]["address"] == "+639171234567"


def test_what_is_not_answered_well_is_tried_by_the_schedule_then_given_up_and_replayed(portal, api, receiver, time):
    receiver.status = 500
    hook = api.post("/webhooks", {"url": receiver.url, "events": ["message.held"]}, 201)
    made = api.post(f"/webhooks/{hook['id']}/ping", None)
    work(portal, HOOK)
    for count, wait in enumerate(sending.SCHEDULE, start=1):
        assert len(receiver.posts) == count
        time.forward(seconds=wait.total_seconds() - 5)
        work(portal, HOOK)
        assert len(receiver.posts) == count  # not before its time
        time.forward(seconds=10)
        work(portal, HOOK)
    shown = api.get(f"/deliveries/{made['id']}")
    assert (shown["state"], shown["attempts"], shown["last_code"]) == ("given_up", 9, 500)
    assert [(each["number"], each["code"], each["detail"]) for each in shown["tries"]] == [
        (number, 500, "well") for number in range(1, 10)
    ]
    with portal.session() as session:
        assert session.scalars(select(Alert.kind).where(Alert.closed_at.is_(None))).all() == ["callback_given_up"]
    receiver.status = 204
    assert api.post(f"/deliveries/{made['id']}/replay", None)["state"] == "waiting"
    settle(portal, time, HOOK)
    assert {json.loads(body)["id"] for _, _, body in receiver.posts} == {made["id"]}
    assert [headers["Sendero-Attempt"] for _, headers, _ in receiver.posts] == [str(n) for n in range(1, 11)]
    assert api.get(f"/webhooks/{hook['id']}/deliveries?state=delivered")["data"][0]["id"] == made["id"]
    with portal.session() as session:
        assert session.scalars(select(Alert.kind).where(Alert.closed_at.is_(None))).all() == []


def test_a_receiver_may_ask_to_wait_and_to_end_it(portal, api, receiver, time):
    hook = api.post("/webhooks", {"url": receiver.url}, 201)
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    api.post(f"/webhooks/{hook['id']}/ping", None)
    work(portal, HOOK)
    time.forward(seconds=300)
    assert work(portal, HOOK) == 0
    receiver.status, receiver.headers = 410, {}
    time.forward(seconds=310)
    work(portal, HOOK)
    shown = api.get(f"/webhooks/{hook['id']}")
    assert shown["paused_at"] and "410" in shown["pause_reason"]
    api.post("/messages", {"to": NUMBER, "text": "x"})
    settle(portal, time)
    assert len(receiver.posts) == 2
    receiver.status = 200
    assert api("PATCH", f"/webhooks/{hook['id']}", {"paused": False}).json()["paused_at"] is None
    api.post("/messages", {"to": NUMBER, "text": "x"})
    delivered(portal, time)
    assert len(receiver.posts) == 5


def test_a_callback_address_that_ended_it_is_told_of_what_names_it_anew(portal, api, receiver, time):
    draft = {"to": NUMBER, "text": "Hello", "callback_url": f"{receiver.url}/jobs"}
    receiver.status = 410
    api.post("/messages", draft)
    settle(portal, time)
    assert [each["type"] for each in told(receiver)] == ["message.accepted"]
    receiver.status = 200
    second = api.post("/messages", draft)
    settle(portal, time)
    assert ("message.accepted", second["id"]) in [(each["type"], each["data"]["id"]) for each in told(receiver)]


def test_a_removed_webhook_is_told_nothing_more(portal, api, receiver, time):
    hook = api.post("/webhooks", {"url": receiver.url}, 201)
    made = api.post(f"/webhooks/{hook['id']}/ping", None)
    assert api("DELETE", f"/webhooks/{hook['id']}").status_code == 204
    assert api("GET", f"/webhooks/{hook['id']}").status_code == 404
    api.post("/messages", {"to": NUMBER, "text": "x"})
    settle(portal, time)
    assert receiver.posts == []
    assert api("POST", f"/deliveries/{made['id']}/replay").status_code == 422


def test_the_row_is_the_truth_and_a_lost_job_comes_again(portal, api, receiver, time):
    hook = api.post("/webhooks", {"url": receiver.url}, 201)
    api.post(f"/webhooks/{hook['id']}/ping", None)
    with portal.database.write() as session:
        session.execute(delete(Job).where(Job.pool == HOOK))
    time.forward(minutes=6)
    with portal.database.write() as session:
        assert sending.enqueue_forgotten(session) == 1
    settle(portal, time, HOOK)
    assert len(receiver.posts) == 1
    time.forward(days=31)
    with portal.database.write() as session:
        assert sending.forget(session) == 1
        assert session.scalar(select(Delivery.id)) is None


def test_nothing_is_told_of_what_is_rolled_back(portal, api, receiver, time):
    api.post("/webhooks", {"url": receiver.url}, 201)
    with pytest.raises(RuntimeError), portal.database.write() as session:
        location = session.scalars(select(Location)).one()
        opt_out_decisions.add(session, location, "sms", NUMBER, "a test", "x")
        raise RuntimeError
    settle(portal, time)
    assert receiver.posts == []


def test_an_agencys_webhook_hears_of_its_places_and_not_of_one_that_has_moved(portal, receiver, time):
    from tests.spine.api import PLACE

    whole = Client(portal, new_key(portal, places=(), company=PLACE.company_id))
    one = Client(portal, new_key(portal))
    refused = one("POST", "/webhooks", {"url": receiver.url, "all_locations": True})
    assert refused.status_code == 403
    whole.post("/webhooks", {"url": f"{receiver.url}/all", "all_locations": True}, 201)
    one.post("/webhooks", {"url": f"{receiver.url}/one"}, 201)
    one.post("/messages", {"to": NUMBER, "text": "x"})
    delivered(portal, time)
    assert sorted(path for path, _, _ in receiver.posts) == ["/all"] * 3 + ["/one"] * 3
    with portal.database.write() as session:
        agency = Agency(company_id="another company", created_at=clock.now())
        session.add(agency)
        session.flush()
        session.execute(update(Location).values(agency_id=agency.id))
    new = Client(portal, new_key(portal))
    new.post("/messages", {"to": NUMBER, "text": "x"})
    delivered(portal, time)
    assert len(receiver.posts) == 6


def test_nothing_is_posted_into_a_network(database_url, sandbox, tmp_path, time, receiver):
    running = Portal(database_url, sandbox, tmp_path)
    running.install()
    running.handlers = handlers(running.parts)
    api = Client(running, new_key(running))
    for url in (
        receiver.url,
        "http://example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/",
        "https://localhost/",
        "https://user:word@example.com/",
        "https://example.com/a b",
        "file:///etc/passwd",
        "https://",
    ):
        said = api("POST", "/webhooks", {"url": url})
        assert (said.status_code, said.json()["errors"][0]["field"]) == (422, "url"), url
        with pytest.raises(InvalidInput):
            subscriptions.check_url(url, private_hosts=False)
    # A name whose address is inside is known by its look-up alone, which the guard of every call does.
    with running.database.write() as session:
        location = session.scalars(select(Location)).one()
        row = subscriptions.subscribe(session, running.parts.vault, receiver.url, [], "x", location_id=location.id)
        subscriptions.ping(session, row, location.ghl_id)
    work(running, HOOK)
    with running.session() as session:
        waiting = session.scalars(select(Delivery)).one()
        assert (waiting.state, waiting.last_code, "private" in waiting.note) == ("waiting", None, True)
    assert receiver.posts == []
    running.close()


def test_keys_can_be_rotated_under_it(portal, api, receiver, time):
    hook = api.post("/webhooks", {"url": receiver.url}, 201)
    before = api.get(f"/webhooks/{hook['id']}/secret")
    assert portal.app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
    assert api.get(f"/webhooks/{hook['id']}/secret") == before
