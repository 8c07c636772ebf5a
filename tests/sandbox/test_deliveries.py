"""The webhooks that leave the sandbox: payload, signature, copies, repetitions, events, and the customer's texts."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from portal.sandbox import Sandbox
from portal.sandbox.webhooks import Signature
from portal.sandbox.world import APP_ID
from tests.sandbox.conftest import LOCATION, Caller


class Ear:
    """Listens where the portal would, remembers every request and answers what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict, bytes]] = []
        self.answers: list[int] = []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ear.heard.append((self.path, dict(self.headers), body))
                self.send_response(ear.answers.pop(0) if ear.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def ear(sandbox: Sandbox) -> Iterator[Ear]:
    ear = Ear()
    sandbox.portal_url = f"http://127.0.0.1:{ear.server.server_port}"
    yield ear
    ear.server.shutdown()
    ear.server.server_close()


def signed(sandbox: Sandbox, headers: dict, body: bytes) -> bool:
    key = load_der_public_key(base64.b64decode(sandbox.public_key))
    try:
        key.verify(base64.b64decode(headers.get("X-GHL-Signature", "")), body)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_a_delivery_is_signed_over_its_bytes_and_has_the_documented_fields(sandbox: Sandbox, ear: Ear) -> None:
    delivery = sandbox.deliveries.send("Héllo 👋")
    [(path, headers, body)] = ear.heard
    assert (path, delivery.taken) == ("/webhooks/ghl", True)
    assert signed(sandbox, headers, body)
    assert "👋".encode() in body
    payload = json.loads(body)
    assert sorted(payload) == sorted(
        ["contactId", "locationId", "messageId", "type", "phone", "message", "attachments", "userId"]
    )
    assert (payload["locationId"], payload["type"], payload["phone"]) == (LOCATION, "SMS", "+639175550101")
    assert sandbox.ghl.mailbox.get(payload["messageId"]) is delivery.message
    assert delivery.message.status == "pending"


@pytest.mark.parametrize("how", [Signature.BAD, Signature.MISSING, Signature.NOT_AVAILABLE, Signature.RESERIALISED])
def test_bad_signatures(sandbox: Sandbox, ear: Ear, how: Signature) -> None:
    sandbox.deliveries.send("Hi", signature=how)
    [(_, headers, body)] = ear.heard
    assert not signed(sandbox, headers, body)
    assert json.loads(body)["message"] == "Hi"


def test_fields_may_be_laid_over_and_taken_out(sandbox: Sandbox, ear: Ear) -> None:
    sandbox.deliveries.send("Hi", fields={"messageId": None, "type": "Email", "conversationProviderId": "x"})
    payload = json.loads(ear.heard[0][2])
    assert ("messageId" in payload, payload["type"], payload["conversationProviderId"]) == (False, "Email", "x")


def test_copies_are_posted_with_one_id(sandbox: Sandbox, ear: Ear) -> None:
    delivery = sandbox.deliveries.send("Hi", copies=4)
    assert [answer.status for answer in delivery.answers] == [200] * 4
    assert len({body for _, _, body in ear.heard}) == 1


def test_what_is_not_taken_is_posted_again(sandbox: Sandbox, ear: Ear) -> None:
    ear.answers = [503, 500]
    delivery = sandbox.deliveries.send("Hi", retries=5, backoff=0.01)
    assert [answer.status for answer in delivery.answers] == [503, 500, 200]
    ear.server.shutdown()
    ear.server.server_close()
    lost = sandbox.deliveries.send("Hi", retries=1, backoff=0.01)
    assert [(answer.status, answer.error) for answer in lost.answers] == [(0, "nobody listens there")] * 2


def test_many_over_many_connections(sandbox: Sandbox, ear: Ear) -> None:
    sent = sandbox.deliveries.send_many(60, connections=8, text="Number {n}")
    assert all(one.taken for one in sent)
    texts = {json.loads(body)["message"] for _, _, body in ear.heard}
    assert texts == {f"Number {n}" for n in range(1, 61)}


def test_app_events_come_in_their_envelope(sandbox: Sandbox, ear: Ear) -> None:
    sandbox.deliveries.install(location_id=LOCATION)
    sandbox.deliveries.uninstall(LOCATION)
    install, uninstall = (json.loads(body) for _, _, body in ear.heard)
    assert (install["type"], install["appId"], install["installType"]) == ("INSTALL", APP_ID, "Location")
    assert (uninstall["type"], uninstall["locationId"]) == ("UNINSTALL", LOCATION)
    assert install["webhookId"] != uninstall["webhookId"]
    assert not sandbox.world.locations[LOCATION].installed


def test_an_outbound_event_carries_the_deliverys_id(sandbox: Sandbox, ear: Ear) -> None:
    delivery = sandbox.deliveries.send("Hi")
    sandbox.deliveries.outbound_event(delivery.message)
    event = json.loads(ear.heard[1][2])
    assert (event["type"], event["messageId"]) == ("OutboundMessage", delivery.message.id)


def test_a_customers_text(sandbox: Sandbox, ear: Ear, call: Caller) -> None:
    url = sandbox.portal_url + "/webhooks/sms/simulator/secret/receive"
    sender = {"location": LOCATION, "channel": "simulator", "sender_name": "Desk", "webhook_url": url, "number": "+63"}
    assert call.request("POST", "/control/senders", json=[sender]).json() == [sender]
    body = {"text": "Yes", "from_number": "+639175550101", "webhook_url": url, "copies": 2}
    assert call.request("POST", "/control/inbound", json=body).json()["taken"]
    assert [path for path, _, _ in ear.heard] == ["/webhooks/sms/simulator/secret/receive"] * 2
    posted = json.loads(ear.heard[0][2])
    assert sorted(posted) == ["from", "id", "text", "to"]
    assert (posted["from"], posted["to"], posted["text"]) == ("+639175550101", "+63", "Yes")


def test_senders_elsewhere_are_refused(call: Caller) -> None:
    sender = {"location": LOCATION, "channel": "simulator", "sender_name": "Desk", "webhook_url": "http://10.0.0.1/x"}
    refused = call.request("POST", "/control/senders", json=[sender])
    assert (refused.status_code, "not on loopback" in refused.json()["error"]) == (400, True)


def test_ids_differ_between_runs_and_repeat_with_a_seed() -> None:
    one, two, three = Sandbox(seed="a"), Sandbox(seed="a"), Sandbox()
    assert one.ids.new("message") == two.ids.new("message") != three.ids.new("message")
    assert len(three.ids.new("message")) == 20
