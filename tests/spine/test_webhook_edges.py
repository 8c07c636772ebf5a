"""Webhooks at their edges: half a body, a long query, a secret that has just changed, proof kept for later."""

import socket
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from portal.channels import registry
from portal.channels.base import CredentialField
from portal.channels.simulator.client import Simulator
from portal.installations.lifecycle import ensure_location
from portal.journal.entry import without_secrets
from portal.journal.replay import drain
from portal.messaging import pieces, senders
from portal.models import Alert, Job
from portal.queue.claim import Limits, claim
from portal.queue.jobs import APPLY
from portal.web.webhooks import known
from portal.worker.tasks import OWN_FAULT_TRIES, batch_handlers


class Bearer(Simulator):
    """A provider that proves itself by a header, as several do."""

    kind = "bearer"
    fields = (CredentialField("secret", "Secret", secret=True),)

    def verify(self, account, request):
        return request.headers.get("authorization") == f"Bearer {account.credentials['secret']}"


@pytest.fixture
def bearer(idle, monkeypatch):
    """Such a sender, and what posts to it; returns the status of the answer."""
    monkeypatch.setitem(registry._BY_KIND, "bearer", Bearer())
    with idle.database.write() as session:
        wanted = senders.NewSender("bearer", "bearer", {"secret": "the first secret"})
        sender = senders.add(session, idle.parts.vault, ensure_location(session, "a place"), wanted)

    def post(secret="the first secret", text="Hello"):
        url = f"{idle.url}/webhooks/sms/bearer/{sender.key}/receive"
        headers = {"Authorization": f"Bearer {secret}"}
        said = {"from": "+639175550101", "text": text}
        return requests.post(url, json=said, headers=headers, timeout=60).status_code

    post.sender = sender
    return post


def apply(portal):
    while lanes := claim(portal.database, APPLY, "a test", Limits(100, 100, 100), {}).lanes:
        batch_handlers(portal.parts)[APPLY]([due for lane in lanes for due in lane])


def raw(portal, request):
    """The status line of the answer to these bytes, after which the caller says nothing more."""
    where = urlsplit(portal.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").readline()


def test_half_a_body_is_no_message(idle):
    """Waitress, granian and others hand over what came before the connection broke."""
    path = f"/webhooks/sms/simulator/{idle.sender_key(idle.add_sender('simulator'))}/receive"
    body = b"from=%2B639175550101&text=Transfer+100"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 20}\r\n\r\n".encode()
    with idle.app.test_client() as client:
        environ = {"CONTENT_LENGTH": str(len(body) + 20), "wsgi.input_terminated": True}
        assert client.post(path, data=body, environ_overrides=environ).status_code == 400
    assert b" 400 " in raw(idle, head + body)
    assert idle.events() == []


def test_a_long_message_in_a_query_is_kept_whole(idle):
    """Providers that use GET put ten segments of Thai into an address of 6000 characters."""
    key = idle.sender_key(idle.add_sender("simulator"))
    text = "ส" * 670
    query = urlencode({"from": "+639175550101", "text": text})
    assert len(query) > 6000
    answer = requests.get(f"{idle.url}/webhooks/sms/simulator/{key}/receive?{query}", timeout=60)
    assert answer.status_code == 200
    apply(idle)
    assert [message.body for message in idle.messages("in")] == [text]


def test_a_secret_that_has_changed_is_known_at_once(idle, bearer, monkeypatch):
    monkeypatch.setattr(known, "ASK_AGAIN_SECONDS", 0.0)
    assert bearer() == 200
    with idle.database.write() as session:
        changed = senders.NewSender("bearer", "bearer", {"secret": "the second secret"})
        senders.repair(session, idle.parts.vault, bearer.sender.id, changed)
    assert bearer("the second secret") == 200, "what the provider signs with its new secret is lost for half a minute"
    assert bearer("the first secret") == 401


def test_a_flood_of_forgeries_does_not_ask_the_database_each_time(idle, bearer, monkeypatch):
    monkeypatch.setattr(known, "ASK_AGAIN_SECONDS", 25.0)
    assert bearer() == 200
    asked, real = [], known.SenderKeys._load
    monkeypatch.setattr(known.SenderKeys, "_load", lambda self, *what: asked.append(1) or real(self, *what))
    assert {bearer("guess") for _ in range(30)} == {401}
    assert asked == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_an_address_that_is_only_tried_troubles_nobody(idle, method):
    """Providers look whether it answers when it is entered, people open it in a browser, monitors ask for its head."""
    key = idle.sender_key(idle.add_sender("simulator"))
    answer = requests.request(method, f"{idle.url}/webhooks/sms/simulator/{key}/receive", timeout=60)
    assert answer.status_code == 200
    apply(idle)
    assert [event.state for event in idle.events()] == ["ignored"]
    with idle.session() as session:
        assert session.scalars(select(Alert)).all() == []


def test_what_strangers_sent_in_an_outage_troubles_nobody(idle, monkeypatch):
    def away(*_asked, **_more):
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(type(idle.database), "read", away)
        patch.setattr(type(idle.database), "write", away)
        url = f"{idle.url}/webhooks/sms/simulator/a-guessed-key/receive"
        assert requests.post(url, data=b"from=1&text=" + b"x" * 9000, timeout=60).status_code == 200
    drain(idle.database, idle.parts.spool)
    apply(idle)
    (event,) = idle.events()
    assert (event.state, len(event.body), event.headers) == ("refused", 4096, {})
    with idle.session() as session:
        assert session.scalars(select(Alert)).all() == []


@pytest.mark.parametrize("secret", ["the first secret", "a guess"])
def test_what_proves_the_caller_waits_sealed_for_the_end_of_an_outage(idle, bearer, monkeypatch, secret):
    def away(*_asked, **_more):
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(type(idle.database), "read", away)
        patch.setattr(type(idle.database), "write", away)
        assert bearer(secret) == 200
    spooled = b"".join(path.read_bytes() for path in idle.parts.spool.files())
    assert secret.encode() not in spooled, "a secret lies on disk as it is"
    drain(idle.database, idle.parts.spool)
    apply(idle)
    event = idle.events()[0]
    if secret == "a guess":
        assert event.state == "parked" and idle.messages("in") == []
    else:
        assert event.state == "applied" and len(idle.messages("in")) == 1
        assert set(event.headers) <= {"content-type", "user-agent"}, "what was a secret is not kept"


def test_what_proves_a_caller_in_the_address_is_not_kept():
    kept = without_secrets("id=7&token=abc;Password=x&api-key=k&text=a+token=b&to=1&broken_token=stays")
    assert kept == "id=7&token=[redacted];Password=[redacted]&api-key=[redacted]&text=a+token=b&to=1&broken_token=stays"
    assert without_secrets("") == ""


def test_an_item_that_the_portal_fails_on_costs_none_of_the_others_of_a_batch(idle, monkeypatch):
    """Infobip, Clickatell, Globe and a gateway of one's own post many texts and reports in one request."""
    whole = pieces.take

    def fails(session, sender, said, event, vault):
        if said.text == "poison":
            raise ValueError(said.text)
        return whole(session, sender, said, event, vault)

    monkeypatch.setattr(pieces, "take", fails)
    credentials = {"api_key": "a key", "from": "21583"}
    key = idle.sender_key(idle.add_sender("infobip", credentials=credentials))
    said = [{"from": "639175550101", "text": text, "messageId": text} for text in ("one", "poison", "three")]
    url = f"{idle.url}/webhooks/sms/infobip/{key}/receive"
    assert requests.post(url, json={"results": said}, timeout=60).status_code == 200
    with idle.database.write() as session:
        session.execute(update(Job).where(Job.kind == APPLY).values(attempts=OWN_FAULT_TRIES))
    apply(idle)
    assert [message.body for message in idle.messages("in")] == ["one", "three"]
    [event] = idle.events()
    assert event.state == "parked" and "the portal failed on one item (ValueError)" in event.note


def test_whoever_only_tries_a_link_writes_no_text(idle):
    """HEAD, as link checkers ask: a GET with a query is how some gateways hand a text on."""
    sender_id = idle.add_sender("simulator")
    path = f"/webhooks/sms/simulator/{idle.sender_key(sender_id)}/receive?from=%2B639171234567&text=Hi"
    with idle.app.test_client() as client:
        assert client.head(path).status_code == 200
        assert client.get(path).status_code == 200
    apply(idle)
    assert [(event.state, bool(event.query)) for event in idle.events()] == [("ignored", False), ("applied", True)]
