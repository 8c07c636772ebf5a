"""The JSON API over HTTP: sending, bulks, what a repeated request does, and that nobody reaches another's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal import clock
from portal.accounts import idempotency
from portal.models import Agency, ApiAnswer, Event, Location, Message, TestMessage
from portal.web.api.operations import OPERATIONS
from tests.portal import Portal, eventually
from tests.spine.api import OTHER, PLACE, Client, new_key

NUMBER = "0917 123 4567"


@pytest.fixture
def api(idle):
    idle.add_sender("simulator")
    return Client(idle, new_key(idle))


def rows(portal, model) -> int:
    with portal.session() as session:
        return session.scalar(select(func.count()).select_from(model))


def test_a_message_goes_out_and_tells_its_way(portal):
    api = Client(portal, new_key(portal))
    sent = api.post("/messages", {"to": NUMBER, "text": "Hello", "ttl": 3600})
    assert (sent["status"], sent["address"], sent["sender"]) == ("queued", "+639171234567", 1)
    done = eventually(lambda: (m := api.get(f"/messages/{sent['id']}"))["status"] == "delivered" and m)
    assert done["parts"][0]["external_id"] and done["credits"] == 1
    way = api.get(f"/messages/{sent['id']}/history")
    assert [change["after"] for change in way["changes"]][:3] == ["queued", "sending", "accepted"]
    assert way["attempts"][0]["outcome"] == "accepted" and way["receipts"][-1]["outcome"] == "delivered"
    thread = api.get(f"/conversations/{done['conversation']}/messages")["data"]
    assert [each["id"] for each in thread] == [sent["id"]]
    lifetime = portal.messages()[0].expires_at - portal.messages()[0].created_at
    assert abs(lifetime.total_seconds() - 3600) < 1


def test_what_is_sent_takes_its_shape(api):
    for body, kind in (
        ({"text": "See", "media": ["https://example.com/a.jpg"]}, "text"),
        ({"text": "Later", "send_at": "2099-01-01T00:00:00Z"}, None),
        ({"text": "Choose", "interactive": {"kind": "buttons", "buttons": [{"text": "Yes"}]}}, None),
        ({"template": {"name": "hello"}}, None),
        ({"text": ""}, None),
        ({"text": "x", "sender": 999}, None),
        ({"text": "x", "template": {"name": "hello"}}, None),
        ({"text": "x", "media": ["ftp://example.com/a"]}, None),
        ({"text": "x", "callback_url": "https://10.0.0.1/"}, None),
        ({"text": "x", "callback_url": "http://example.com/"}, None),
    ):
        said = api("POST", "/messages", {"to": NUMBER, **body})
        assert said.status_code == (202 if kind else 422), (body, said.text)
        assert not kind or said.json()["kind"] == kind
    for recipients in ({}, {"to": NUMBER, "contact": 1}, {"to": "12"}, {"contact": 1, "reply_to": "x"}):
        said = api("POST", "/messages", {"text": "x", **recipients})
        assert (said.status_code, said.json()["errors"][0]["field"]) == (422, "to")
    assert api("POST", "/messages", {"text": "x", "contact": 999}).status_code == 404
    assert api("POST", "/messages", {"text": "x", "reply_to": "nothing"}).status_code == 404


def test_a_contact_and_a_message_can_be_answered(api):
    first = api.post("/messages", {"to": NUMBER, "text": "one"})
    contact = api.get("/contacts?address=%2B639171234567")["data"][0]
    second = api.post("/messages", {"contact": contact["id"], "text": "two"})
    third = api.post("/messages", {"reply_to": first["id"], "text": "three"})
    assert {each["conversation"] for each in (first, second, third)} == {contact["conversation"]}
    assert len(api.get(f"/conversations/{contact['conversation']}/messages")["data"]) == 3


def test_a_scheduled_message_can_be_taken_back(api):
    later = (clock.now().replace(microsecond=0) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    sent = api.post("/messages", {"to": NUMBER, "text": "x", "send_at": later})
    assert sent["scheduled_at"] == later
    assert api.post(f"/messages/{sent['id']}/cancel", None, 200)["status"] == "cancelled"
    assert api("POST", f"/messages/{sent['id']}/cancel").status_code == 422
    assert [job.kind for job in api.portal.jobs() if job.kind == "send"] == []


def test_a_location_without_the_app_holds_and_says_why(idle, api):
    with idle.database.write() as session:
        session.execute(update(Location).values(install_state="uninstalled"))
    sent = api.post("/messages", {"to": NUMBER, "text": "x"})
    assert (sent["status"], bool(sent["reason"])) == ("held", True)


def test_the_same_request_is_carried_out_once(api):
    body = {"to": NUMBER, "text": "once"}
    first = api("POST", "/messages", body, Idempotency_Key="a")
    again = api("POST", "/messages", dict(reversed(body.items())), Idempotency_Key="a")
    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    other = api("POST", "/messages", body | {"text": "twice"}, Idempotency_Key="a")
    assert (other.status_code, other.headers["Content-Type"]) == (409, "application/problem+json")
    elsewhere = api("POST", "/bulk", {"to": [NUMBER], "text": "once"}, Idempotency_Key="a")
    assert elsewhere.status_code == 409
    stranger = Client(api.portal, new_key(api.portal))
    assert stranger("POST", "/messages", body, Idempotency_Key="a").json()["id"] != first.json()["id"]
    assert rows(api.portal, Message) == 2
    assert api("POST", "/messages", body, Idempotency_Key="x" * 201).status_code == 422


def test_what_was_answered_is_answered_again_whatever_has_changed_since(api):
    body = {"to": NUMBER, "text": "x", "sender": 1}
    first = api.post("/messages", body, Idempotency_Key="a")
    with api.portal.database.write() as session:
        from portal.models import Sender

        session.execute(update(Sender).values(state="removed"))
    assert api.post("/messages", body, Idempotency_Key="a") == first
    assert api("POST", "/messages", body, Idempotency_Key="b").status_code == 422


def test_parallel_posts_under_one_key_are_one(api):
    bodies = [("POST", "/messages", {"to": NUMBER, "text": "once"})] * 12 + [
        ("POST", "/bulk", {"to": ["09171234568", "09171234569"], "text": "once"})
    ] * 12
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda each: api(*each, Idempotency_Key=each[1]), bodies))
    assert {each.status_code for each in said} == {202}
    assert len({each.content for each in said}) == 2
    assert (rows(api.portal, Message), rows(api.portal, Event)) == (1, 2)


def test_a_death_between_the_claim_and_the_end_leaves_nothing_and_blocks_nothing(api, monkeypatch):
    def die(*_):
        raise RuntimeError("the process dies here")

    asked = (("/messages", {"to": NUMBER, "text": "x"}), ("/bulk", {"to": [NUMBER], "text": "x"}))
    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "keep", die)
        for path, body in asked:
            assert api("POST", path, body, Idempotency_Key=path).status_code == 500
    assert [rows(api.portal, model) for model in (Message, Event, ApiAnswer)] == [0, 0, 0]
    assert {job.kind for job in api.portal.jobs()}.isdisjoint(("send", "apply"))
    for path, body in asked:
        first = api.post(path, body, Idempotency_Key=path)
        assert api.post(path, body, Idempotency_Key=path) == first
    assert rows(api.portal, Event) == 2


def test_answers_are_kept_for_a_day_at_least(by_hand, time):
    by_hand.install()
    by_hand.add_sender("simulator")
    api = Client(by_hand, new_key(by_hand))
    first = api.post("/messages", {"to": NUMBER, "text": "x"}, Idempotency_Key="a")
    for hours, kept in ((25, True), (24, False)):
        time.forward(hours=hours)
        with by_hand.database.write() as session:
            assert idempotency.forget(session) == (0 if kept else 1)
        said = api.post("/messages", {"to": NUMBER, "text": "x"}, Idempotency_Key="a")
        assert (said["id"] == first["id"]) is kept


def test_a_bulk_says_what_became_of_each_and_how_it_stands(portal):
    api = Client(portal, new_key(portal))
    good = [f"0917{n:07}" for n in range(1234000, 1234030)]
    to = [*good, "nobody", good[0], "+4930123456"]
    said = api.post("/bulk", {"to": to, "text": "News"})
    assert (said["recipients"], said["taken"], said["refused"]) == (33, 30, 3)
    assert [each["to"] for each in said["results"]] == to
    assert [each["code"] for each in said["results"][30:]] == ["not_a_number", "duplicate", "not_mobile"]
    assert all(each["reason"] for each in said["results"][30:])

    def over():
        bulk = api.get(f"/bulk/{said['id']}")
        return bulk["statuses"].get("delivered") == 30 and bulk

    bulk = eventually(over)
    assert (bulk["pending"], len(bulk["refused"])) == (0, 3)
    seen, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/bulk/{said['id']}/messages?limit=20&cursor={cursor}")
        seen, cursor = seen + [each["id"] for each in page["data"]], page["next"]
    assert sorted(seen) == sorted(each["message"] for each in said["results"] if each["message"])


def test_ten_thousand_recipients_are_taken_and_more_are_not(api):
    to = [f"0917{n:07}" for n in range(1000000, 1010000)]
    said = api.post("/bulk", {"to": to, "text": "News"}, Idempotency_Key="a")
    assert said["taken"] == 10_000 and rows(api.portal, Event) == 200
    first = said["results"][-1]["message"]
    waits = api("GET", f"/messages/{first}")
    assert (waits.status_code, "not looked at yet" in waits.json()["detail"]) == (404, True)
    first = said["results"][0]["message"]
    assert "not looked at yet" in api("GET", f"/messages/{first}").json()["detail"]
    assert api("POST", "/bulk", {"to": [*to, "09180000000"], "text": "News"}).status_code == 422


def test_pages_give_each_row_once_while_new_ones_come(api):
    sent = [api.post("/messages", {"to": f"0917123{n:04}", "text": "x"})["id"] for n in range(7)]
    for path in ("/messages", "/conversations", "/contacts", "/events", "/credits/entries"):
        seen, cursor = [], ""
        while cursor is not None:
            page = api.get(f"{path}?limit=3&cursor={cursor}")
            assert len(page["data"]) <= 3
            seen, cursor = seen + [each["id"] for each in page["data"]], page["next"]
            api.post("/messages", {"to": "09181234567", "text": "new"})
        assert len(seen) == len(set(seen)) >= 7
        assert path != "/messages" or seen[:7][::-1] == sent
    for cursor in ("x", "-1", "9" * 30, "1-x"):
        assert api("GET", f"/conversations?cursor={cursor}").status_code == 422


def test_an_opt_out_stops_and_its_lifting_lets_go(api):
    added = api.post("/opt-outs", {"address": NUMBER, "reason": "asked by phone"}, 201)
    assert api.post("/messages", {"to": NUMBER, "text": "x"})["status"] == "failed"
    assert api.get("/opt-outs?state=standing")["data"] == [added]
    assert api.post(f"/opt-outs/{added['id']}/lift", {"reason": "asked again"}, 200) == {"lifted": 1}
    assert api.post("/messages", {"to": NUMBER, "text": "x"})["status"] == "queued"
    assert api.get("/opt-outs?state=standing")["data"] == []
    assert api("POST", f"/opt-outs/{added['id']}/lift", {"reason": "again"}).status_code == 422


@pytest.fixture
def strangers(database_url, sandbox, tmp_path):
    """A portal with two agencies; the second has a key to all that is its own."""
    running = Portal(database_url, sandbox, tmp_path, allow_private_hosts=True)
    running.install(PLACE)
    running.install(OTHER)
    running.add_sender("simulator")
    with running.database.write() as session:
        agency = Agency(company_id="another company", created_at=clock.now())
        session.add(agency)
        session.flush()
        session.execute(update(Location).where(Location.ghl_id == OTHER.id).values(agency_id=agency.id))
    yield running
    running.close()


def test_no_operation_reaches_what_is_anothers(strangers):
    """Every operation with an id, and every list of a location, called by a stranger with every scope."""
    own = Client(strangers, new_key(strangers))
    sent = own.post("/messages", {"to": NUMBER, "text": "x", "callback_url": "http://127.0.0.1:9/x"})
    bulk = own.post("/bulk", {"to": [NUMBER], "text": "x"})
    opted = own.post("/opt-outs", {"address": "09180000000", "reason": "x"}, 201)
    hook = own.post("/webhooks", {"url": "http://127.0.0.1:9/x"}, 201)
    told = own.post(f"/webhooks/{hook['id']}/ping", None)
    ids = {
        "message_id": sent["id"],
        "bulk_id": bulk["id"],
        "conversation_id": sent["conversation"],
        "contact_id": own.get("/contacts")["data"][0]["id"],
        "sender_id": 1,
        "opt_out_id": opted["id"],
        "event_id": own.get("/events")["data"][0]["id"],
        "webhook_id": hook["id"],
        "delivery_id": told["id"],
    }
    bodies = {"pause_webhook": {"paused": True}, "lift_opt_out": {"reason": "x"}}
    chosen = Client(strangers, new_key(strangers, places=(OTHER.id,)))
    whole = Client(strangers, new_key(strangers, places=(), company="another company"))
    tested = 0
    for each in OPERATIONS:
        path = each.rule.replace("<int:", "<string:")
        for name, value in ids.items():
            path = path.replace(f"<string:{name}>", str(value))
        if path == each.rule and each.query is not None and "location" in each.query.__struct_fields__:
            path += f"?location={PLACE.id}"
        elif path == each.rule:
            continue
        for stranger in (chosen, whole):
            said = stranger(each.method, path, bodies.get(each.name))
            assert said.status_code == 404, (each.name, said.status_code, said.text)
        tested += 1
    assert tested >= 25
    for stranger in (chosen, whole):
        for path in ("/webhooks", "/callbacks"):
            assert stranger.get(path)["data"] == []
        for path, body in (
            ("/messages", {"location": PLACE.id, "to": NUMBER, "text": "x"}),
            ("/bulk", {"location": PLACE.id, "to": [NUMBER], "text": "x"}),
            ("/opt-outs", {"location": PLACE.id, "address": NUMBER, "reason": "x"}),
            ("/webhooks", {"location": PLACE.id, "url": "http://127.0.0.1:9/x"}),
            ("/messages", {"reply_to": sent["id"], "text": "x"}),
            ("/messages", {"contact": ids["contact_id"], "text": "x"}),
        ):
            assert stranger("POST", path, body).status_code == 404, path
        borrowed = stranger("POST", "/messages", {"to": NUMBER, "text": "x", "sender": 1})
        assert borrowed.status_code == 422
    assert rows(strangers, TestMessage) == 0 and own.get(f"/webhooks/{hook['id']}")["paused_at"] is None
