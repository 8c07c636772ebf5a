"""WhatsApp Cloud through the whole portal: Meta's own payloads in, calls over real HTTP out, answers that get lost."""

import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from sqlalchemy import update

from portal.alerts import notices
from portal.channels.base import Line, LineState
from portal.messaging import lines, senders
from portal.messaging.sweeping import settle_lost_calls
from portal.models import (
    Address,
    Alert,
    Contact,
    ContactMerge,
    Event,
    LedgerEntry,
    Message,
    OptOut,
    Part,
    ReceiptRow,
    Sender,
)
from portal.sandbox import world
from portal.worker.tasks import handlers
from tests import cloudy
from tests.cloudy import APP_SECRET, signature
from tests.contract.whatsapp_cloud import payloads
from tests.contract.whatsapp_cloud.payloads import ACCOUNT, ANA_ID, NUMBER, OTHER_NUMBER, card, change, message, value
from tests.hand import work
from tests.portal import Portal

ANA = "+639175550101"
TOKEN = "EAAG-a-token-of-the-tests"


class Graph:
    """Takes sends. `lose`: so many answers that are never given, though the message was taken; `refuse`: codes."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.uploads: list[bytes] = []
        self.refuse: list[int] = []
        self.read: list[str] = []
        self.lose = 0

    def take(self, said: dict) -> dict | None:
        if said.get("status") == "read":
            self.read.append(said["message_id"])
            return {"success": True}
        if self.refuse:
            return {"error": {"code": self.refuse.pop(0), "message": "(#1) No", "type": "OAuthException"}}
        self.sent.append(said)
        if self.lose:
            self.lose -= 1
            return None
        number = len(self.sent)
        return {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.OUT{number}"}]}

    def upload(self, form: bytes) -> dict:
        self.uploads.append(form)
        return {"id": f"47{len(self.uploads)}"}


@contextmanager
def serving(graph: Graph):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            answer = graph.upload(raw) if self.path.endswith("/media") else graph.take(json.loads(raw))
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            body = json.dumps(answer).encode()
            self.send_response(400 if "error" in answer else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silence."""

        def finish(self) -> None:
            with suppress(OSError, ValueError):  # the answer that got lost
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v26.0"
    server.shutdown()
    server.server_close()


class Cloud(cloudy.Line):
    """A portal whose Graph API is on loopback, with a sender in each of two tenants."""

    def __init__(self, portal, time, graph) -> None:
        self.portal, self.time, self.graph = portal, time, graph
        self.sender = self.add(NUMBER, ACCOUNT, world.DEMO_LOCATIONS[0])
        portal.install(world.DEMO_LOCATIONS[1])
        self.other = self.add(OTHER_NUMBER, "2" + ACCOUNT, world.DEMO_LOCATIONS[1])

    def add(self, number, account, place) -> int:
        credentials = {"phone_number_id": number, "access_token": TOKEN, "waba_id": account}
        added = self.portal.add_sender("whatsapp_cloud", place=place, name=number, credentials=credentials)
        with self.portal.database.write() as session:
            # How the number is has been asked, and the sandbox's Meta is not the one that is spoken to.
            ready = {"line_state": "ready", "next_line_check_at": None, "api_url": ""}
            session.execute(update(Sender).where(Sender.id == added).values(**ready))
            session.execute(cloudy.delete_jobs("check_line"))
            session.execute(cloudy.delete_jobs("sync_webhook"))
            session.execute(cloudy.delete_jobs("sync_templates"))
        return added

    def post(self, *changes, account=ACCOUNT, raw=None) -> None:
        body = json.dumps(payloads.payload(*changes, account=account)).encode() if raw is None else raw
        headers = {"X-Hub-Signature-256": signature(body, APP_SECRET), "Content-Type": "application/json"}
        answer = requests.post(f"{self.portal.url}/webhooks/whatsapp", data=body, headers=headers, timeout=60)
        assert answer.status_code == 200
        self.apply()

    def say(self, *items, number=NUMBER, **more) -> None:
        contacts = [card()] if any("from" in each for each in items) else []
        self.post(change("messages", value(number, contacts=contacts, messages=list(items), **more)))

    def status(self, word, external_id, key="", **more) -> None:
        told = {"biz_opaque_callback_data": key} if key else {}
        said = payloads.status(word, external_id, **told, **more) | {"timestamp": str(int(self.time.now().timestamp()))}
        self.post(change("messages", value(NUMBER, contacts=[card()], statuses=[said])))

    def text(self, body, external_id, **more) -> dict:
        stamp = str(int(self.time.now().timestamp()))
        return message(external_id=external_id, text={"body": body}, **more) | {"timestamp": stamp}


@pytest.fixture
def cloud(database_url, sandbox, tmp_path, time):
    sandbox.ghl.limit.enforced = False
    graph = Graph()
    with serving(graph) as url:
        secrets = {"whatsapp_app_secret": APP_SECRET, "whatsapp_graph_url": url}
        running = Portal(database_url, sandbox, tmp_path, **secrets)
        running.handlers = handlers(running.parts)
        running.install()
        yield Cloud(running, time, graph)
        running.close()


def send(cloud, body="Hello") -> Message:
    message = cloudy.send(cloud, body, phone=ANA)
    work(cloud.portal, "send")
    return message


def now(cloud, sent) -> tuple[str, str | None]:
    (row,) = cloud.rows(Message.id == sent.id)
    return row.status, cloud.portal.parts_of(row)[0].external_id


def test_a_batch_for_two_tenants_with_a_spoilt_item_between(cloud):
    spoilt = {"from": 5, "id": ["x"], "type": {}, "timestamp": "soon"}
    first = value(NUMBER, contacts=[card()], messages=[cloud.text("one", "m1"), spoilt, cloud.text("two", "m2")])
    second = value(OTHER_NUMBER, contacts=[card()], messages=[cloud.text("theirs", "m1")])
    cloud.post(change("messages", first), change("messages", second))
    rows = cloud.rows(Message.direction == "in")
    assert [(row.sender_id, row.body) for row in rows] == [
        (cloud.sender, "one"),
        (cloud.sender, "two"),
        (cloud.other, "theirs"),
    ]
    kept = [event for event in cloud.everything(Event) if event.source == "whatsapp_cloud"]
    assert len(kept) == 2 and b"theirs" not in kept[0].body and b"two" not in kept[1].body
    assert {event.state for event in kept} == {"applied"} and "could not be read" in kept[0].note
    assert {row.location_id for row in cloud.everything(Contact)} == {1, 2}
    cloud.post(change("messages", first), change("messages", second))
    assert len(cloud.rows(Message.direction == "in")) == 3


def test_the_vector_of_a_signature_is_read(cloud):
    body = (
        rb'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":'
        rb'{"messages":[{"text":{"body":"caf\u00e9 \ud83d\udc4b"}}]}}]}]}'
    )
    cloud.post(raw=body)
    last = cloud.everything(Event)[-1]
    assert last.body == body and last.state in ("ignored", "applied")


def test_an_answer_goes_out_and_its_statuses_come_in_any_order(cloud):
    cloud.say(cloud.text("Hello", "m1"))
    sent = send(cloud, "Hello Ana")
    (call,) = cloud.graph.sent
    assert call["to"] == ANA.removeprefix("+") and call["text"]["body"] == "Hello Ana"
    assert call["biz_opaque_callback_data"] == f"{sent.uuid}:1"
    price = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
    for word in ("read", "sent", "delivered", "sent", "read"):
        cloud.status(word, "wamid.OUT1", f"{sent.uuid}:1", pricing=price)
    assert now(cloud, sent) == ("read", "wamid.OUT1")
    assert cloud.everything(Part)[0].billing["category"] == "service"


def test_an_answer_that_got_lost_is_settled_by_the_status(cloud):
    cloud.graph.lose = 1
    sent = send(cloud)
    assert now(cloud, sent) == ("unknown", None)
    cloud.status("delivered", "wamid.LOST", f"{sent.uuid}:1")
    assert now(cloud, sent) == ("delivered", "wamid.LOST")
    cloud.settle()
    assert len(cloud.graph.sent) == 1
    assert [entry.kind for entry in cloud.everything(LedgerEntry)] == ["hold", "settle"]


def test_a_kill_in_the_call_is_settled_by_the_status(cloud, monkeypatch):
    class Killed(BaseException):
        """What a kill is to the thread."""

    def take(said):
        cloud.graph.sent.append(said)
        return {"messages": [{"id": "wamid.KILLED"}]}

    cloud.graph.take = take
    outbox = type(cloud.portal.parts.outbox)
    whole = outbox._write

    def dies(*_):
        raise Killed

    monkeypatch.setattr(outbox, "_write", dies)
    sent = cloudy.send(cloud, phone=ANA)
    with pytest.raises(Killed):
        work(cloud.portal, "send")
    monkeypatch.setattr(outbox, "_write", whole)
    cloud.status("sent", "wamid.KILLED", f"{sent.uuid}:1")
    assert now(cloud, sent)[0] == "sending"
    cloud.time.forward(minutes=5)
    with cloud.portal.database.write() as session:
        session.execute(cloudy.delete_jobs("send"))
    assert settle_lost_calls(cloud.portal.database) == 1
    assert now(cloud, sent) == ("sent", "wamid.KILLED") and len(cloud.graph.sent) == 1


def test_another_tenants_number_says_nothing_of_our_message(cloud):
    cloud.graph.lose = 1
    sent = send(cloud)
    told = payloads.status("read", "wamid.X", biz_opaque_callback_data=f"{sent.uuid}:1")
    cloud.post(change("messages", value(OTHER_NUMBER, contacts=[card()], statuses=[told])))
    assert now(cloud, sent) == ("unknown", None)


def test_a_customer_without_a_number_is_answered_by_their_id(cloud):
    nameless = cloud.text("Hello", "m1")
    del nameless["from"]
    cloud.post(change("messages", value(NUMBER, contacts=[card(number="")], messages=[nameless])))
    cloud.settle()
    person = cloud.portal.sandbox.ghl.directory.of_location(world.DEMO_LOCATIONS[0].id)[-1]
    cloud.portal.sandbox.deliveries.send("Hello you", contact=person)
    cloud.settle()
    assert cloud.graph.sent[-1].get("recipient") == ANA_ID and "to" not in cloud.graph.sent[-1]
    assert cloud.graph.read == ["m1"]
    cloud.say(cloud.text("With my number", "m2"))
    assert len({row.contact_id for row in cloud.everything(Address)}) == 1 and len(cloud.everything(ContactMerge)) == 1


def test_a_changed_number_is_where_the_next_answer_goes(cloud):
    cloud.say(cloud.text("Hello", "m1"))
    system = {"type": "user_changed_number", "wa_id": "639180000000", "body": "Ana changed from … to …"}
    changed = {"from": "639175550101", "id": "m2", "timestamp": cloud.text("", "")["timestamp"], "type": "system"}
    cloud.say(changed | {"system": system})
    cloud.settle()
    assert "has changed their number to +639180000000" in cloud.shown("inbound")[-1]
    send(cloud, "To your new number")
    assert cloud.graph.sent[-1]["to"] == "639180000000"


def test_after_a_day_of_silence_nothing_but_templates(cloud):
    cloud.say(cloud.text("Hello", "m1"))
    cloud.time.forward(hours=25)
    sent = send(cloud)
    (row,) = cloud.rows(Message.id == sent.id)
    assert (row.status, row.error_code) == ("failed", "window_closed") and cloud.graph.sent == []


def test_who_stops_marketing_is_on_record(cloud):
    said = {"wa_id": "639175550101", "user_id": ANA_ID, "detail": "x", "category": "marketing_messages"}
    preference = said | {"value": "stop", "timestamp": 1795000000}
    cloud.post(change("user_preferences", value(NUMBER, contacts=[card()], user_preferences=[preference])))
    assert [(row.family, row.origin) for row in cloud.everything(OptOut)] == [("wa:marketing", "provider")]


def test_what_was_said_before_the_number_was_ours_is_history_and_nothing_else_is(cloud):
    """A number that may not send for a while hears its customers all the same."""

    def line(state):
        with cloud.portal.database.write() as session:
            lines.take_line(session, session.get_one(Sender, cloud.sender), Line(state))

    line(LineState.READY)
    cloud.time.forward(hours=1)
    for state in (LineState.BLOCKED, LineState.READY, LineState.GONE):
        line(state)
        cloud.time.forward(minutes=10)
    late = cloud.text("written while it was blocked", "m1")
    late["timestamp"] = str(int(late["timestamp"]) - 900)
    old = cloud.text("written last week", "m2") | {"timestamp": str(int(late["timestamp"]) - 7 * 86400)}
    cloud.say(late, old)
    assert [(row.external_id, row.backfilled) for row in cloud.rows()] == [("m1", False), ("m2", True)]


def test_a_number_that_could_not_be_asked_yet_has_a_history_too(cloud):
    """Meta tells of 180 days as soon as it may: none of that is news, costs anything, or is anybody's STOP."""
    old = cloud.text("STOP", "m1") | {"timestamp": str(int(cloud.time.now().timestamp()) - 90 * 86400)}
    thread = {"id": ANA.removeprefix("+"), "messages": [old | {"history_context": {"status": "READ"}}]}
    cloud.post(change("history", value(NUMBER, history=[{"metadata": {"phase": 0}, "threads": [thread]}])))
    (row,) = cloud.rows()
    assert (row.body, row.backfilled, row.credits) == ("STOP", True, 0) and cloud.everything(OptOut) == []


def test_what_befalls_one_number_is_told_to_no_other_of_its_account(cloud):
    """An agency's account has the numbers of many tenants."""
    neighbour = cloud.add("109000000000001", ACCOUNT, world.DEMO_LOCATIONS[1])
    with cloud.portal.database.write() as session:
        for sender, number in ((cloud.sender, "+15550001111"), (neighbour, "+15550002222")):
            session.execute(update(Sender).where(Sender.id == sender).values(line_address=number))
    for field, more in (
        ("phone_number_quality_update", {"event": "FLAGGED"}),
        ("phone_number_name_update", {"decision": "REJECTED", "requested_verified_name": "Clinic"}),
        ("security", {"event": "PIN_CHANGED", "requester": "boss@clinic.test"}),
    ):
        cloud.post(change(field, {"display_phone_number": "15550001111"} | more))
    told = [each for each in cloud.everything(Alert) if each.kind == notices.SENDER_NOTICE]
    assert len(told) == 3 and {each.location_id for each in told} == {1}
    cloud.post(change("account_update", {"event": "ACCOUNT_VIOLATION"}))
    assert {each.location_id for each in cloud.everything(Alert)[-2:]} == {1, 2}, "the account is everybody's"


def test_a_word_on_the_account_does_not_prove_that_customers_are_heard(cloud):
    """The app may be subscribed to that and not to messages: nobody is silent then, we only do not hear them."""
    cloud.post(change("account_update", {"event": "ACCOUNT_VIOLATION"}))
    assert {each.window_known_from for each in cloud.everything(Sender)} == {None}
    cloud.say(cloud.text("Hello", "m1"))
    assert [each.window_known_from is not None for each in cloud.everything(Sender)] == [True, False]


def test_secrets_are_in_no_log(cloud, caplog):
    cloud.graph.lose = 1
    sent = send(cloud)
    cloud.status("failed", "wamid.1", f"{sent.uuid}:1", errors=[{"code": 131047, "title": "Re-engagement message"}])
    assert now(cloud, sent)[0] == "failed"
    assert TOKEN not in caplog.text and APP_SECRET not in caplog.text
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)


def lose(cloud, sent, code, external_id="wamid.OUT1", turn=1) -> None:
    error = {"code": code, "title": "T", "message": "T"}
    cloud.status("failed", external_id, f"{sent.uuid}:{turn}", errors=[error])


@pytest.mark.parametrize("code", [131042, 131031, 368, 131045, 131064])
def test_a_code_of_the_account_stops_the_sender_however_it_comes(cloud, code):
    sent = send(cloud)
    lose(cloud, sent, code)
    with cloud.portal.session() as session:
        stopped, other = session.get_one(Sender, cloud.sender), session.get_one(Sender, cloud.other)
    assert (stopped.state, other.state) == ("paused", "active")
    assert [each.subject for each in cloud.portal.jobs() if each.kind == "check_line"] == [cloud.sender]
    assert [each.kind for each in cloud.everything(Alert)] == [notices.SENDER_FAULT]
    work(cloud.portal, "send")
    assert now(cloud, sent)[0] == "held" and len(cloud.graph.sent) == 1


@pytest.mark.parametrize("code", [131000, 131053, 131056, 131016, 130429])
def test_what_is_only_lost_for_now_is_tried_again(cloud, code):
    sent = send(cloud)
    lose(cloud, sent, code)
    assert now(cloud, sent) == ("queued", None)
    cloud.time.forward(seconds=30)
    work(cloud.portal, "send")
    assert [call["biz_opaque_callback_data"] for call in cloud.graph.sent] == [f"{sent.uuid}:1", f"{sent.uuid}:2"]
    lose(cloud, sent, code)
    cloud.status("delivered", "wamid.OUT2", f"{sent.uuid}:2")
    assert now(cloud, sent) == ("delivered", "wamid.OUT2")
    assert len(cloud.graph.sent) == 2


@pytest.mark.parametrize("code", [131026, 131047, 132001, 1, 424242])
def test_what_is_lost_for_good_is_not(cloud, code):
    sent = send(cloud)
    lose(cloud, sent, code)
    cloud.settle()
    assert now(cloud, sent)[0] == "failed" and len(cloud.graph.sent) == 1


def test_read_and_played_are_both_kept(cloud):
    sent = send(cloud)
    for word in ("played", "read", "played", "delivered"):
        cloud.status(word, "wamid.OUT1", f"{sent.uuid}:1")
    assert sorted(row.outcome for row in cloud.everything(ReceiptRow)) == ["delivered", "played", "read"]
    assert now(cloud, sent)[0] == "read"
