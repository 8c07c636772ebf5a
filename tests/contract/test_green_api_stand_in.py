"""Channel and stand-in speak as channel and GREEN-API would, and the stand-in looks like the official samples."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portal.channels.base import (
    Account,
    ChannelError,
    Inbound,
    Line,
    LineState,
    Outcome,
    Outgoing,
    Receipt,
    WebhookRequest,
)
from portal.channels.content import CallState, Content, File, Kind, Relation
from portal.channels.green_api import settings
from portal.channels.green_api.client import GreenApi
from portal.http import HttpClient
from portal.sandbox import Sandbox
from portal.sandbox.green_api import people
from portal.sandbox.green_api.instances import Progress
from portal.sandbox.world import GREEN_INSTANCE, GREEN_NUMBER, GREEN_TOKEN
from tests.contract.test_green_api_samples import SAMPLES

MARIA = "+639175550101"
QUICK = Progress(0.0, 0.0, 0.0)


@pytest.fixture
def green(sandbox: Sandbox, monkeypatch):
    monkeypatch.setattr(settings, "PAUSE_SECONDS", 0.0)
    sandbox.green.enforced = False
    sandbox.green.settings_after = sandbox.green.restart_seconds = 0.0
    sandbox.green.progress = QUICK
    return sandbox.green


@pytest.fixture
def account(sandbox: Sandbox, green):
    return Account(1, {"id_instance": GREEN_INSTANCE, "api_token": GREEN_TOKEN}, sandbox.url, private_hosts=True)


@pytest.fixture
def http():
    return HttpClient()


@pytest.fixture
def line(green):
    return green.instances[GREEN_INSTANCE]


class Webhook:
    """Our address: every notification verified and read, as the portal would."""

    def __init__(self, account):
        self.events, self.refused, self.kinds = [], 0, []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = WebhookRequest("receive", body, headers["content-type"], headers)
                webhook.refused += not GreenApi().verify(account, request)
                webhook.kinds.append(json.loads(body))
                webhook.events += GreenApi().parse(request)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/green-api"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def webhook(http, account):
    webhook = Webhook(account)
    GreenApi().connect(http, account, webhook.url)
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


def test_connect_takes_does_nothing_twice_and_disconnects(sandbox, http, account, line, webhook):
    calls = sandbox.records.count("green.setSettings")
    assert line.settings_at(sandbox.clock())["webhookUrl"] == webhook.url
    GreenApi().connect(http, account, webhook.url)
    assert sandbox.records.count("green.setSettings") == calls == 1
    GreenApi().disconnect(http, account, "https://another.test/hook")
    assert sandbox.records.count("green.setSettings") == 1
    GreenApi().disconnect(http, account, webhook.url)
    assert line.settings_at(sandbox.clock())["webhookUrl"] == ""


def test_settings_that_take_five_minutes_are_waited_for(sandbox, http, account, line, green):
    green.settings_after = 300.0
    with pytest.raises(ChannelError) as caught:
        GreenApi().connect(http, account, "https://portal.test/webhooks/green-api")
    assert caught.value.retry and caught.value.retry_after == 300.0


def test_a_message_and_what_the_webhook_says_of_it(sandbox, http, account, green, webhook):
    green.decide(MARIA, "read")
    sent = GreenApi().send(http, account, Outgoing(MARIA, "Kumusta", "1:1")).external_id
    assert sandbox.records.wait(lambda: len(webhook.events) == 4)
    echo, *receipts = webhook.events
    assert isinstance(echo, Inbound) and (echo.from_us, echo.by_api, echo.external_id) == (True, True, sent)
    assert (echo.sender, echo.text, echo.recipient) == (MARIA, "Kumusta", GREEN_NUMBER)
    assert [each.outcome for each in receipts] == [Outcome.SENT, Outcome.DELIVERED, Outcome.READ]
    assert {each.external_id for each in receipts} == {sent} and webhook.refused == 0
    assert GreenApi().status(http, account, sent).outcome is Outcome.READ


@pytest.mark.parametrize("outcome", ["noAccount", "failed", "notInGroup"])
def test_what_is_lost(sandbox, http, account, green, webhook, outcome):
    green.decide(MARIA, outcome)
    sent = GreenApi().send(http, account, Outgoing(MARIA, "Kumusta", "1:1")).external_id
    assert sandbox.records.wait(lambda: len(webhook.events) == 1)
    receipt = webhook.events[0]
    assert isinstance(receipt, Receipt) and receipt.outcome is Outcome.FAILED and receipt.detail
    assert GreenApi().status(http, account, sent) is not None


@pytest.mark.parametrize(
    "content",
    [
        Content(Kind.LOCATION, {"latitude": 10.3, "longitude": 123.9, "name": "Clinic"}),
        Content(Kind.CONTACT, {"contacts": [{"name": "Jose Reyes", "phones": ["+639185550102"]}]}),
        Content(Kind.POLL, {"question": "When?", "options": ["Ten", "Two"]}),
        Content(Kind.BUTTONS, {"buttons": [{"id": "y", "text": "Yes"}, {"text": "No"}], "footer": "Clinic"}),
        Content(Kind.BUTTONS, {"buttons": [{"text": "Map", "type": "url", "value": "https://a.test"}]}),
    ],
)
def test_every_kind_is_taken(http, account, line, content):
    sent = GreenApi().send(http, account, Outgoing(MARIA, "Come?", "1:1", content=content, quotes="3EB0OLD"))
    assert ("quotedMessageId" in line.sent[sent.external_id].body) == (content.kind is not Kind.BUTTONS)


@pytest.mark.parametrize("url", ["https://a.test/my cat.png", "https://a.test/9f2"])
def test_a_file_is_taken_with_a_name_that_has_an_ending(http, account, line, url):
    sent = GreenApi().send(http, account, Outgoing(MARIA, "Look", "1:1", files=[File(url)]))
    assert line.sent[sent.external_id].method == "sendFileByUrl"


def test_a_file_of_the_inside_is_uploaded(sandbox, http, account, line):
    file = File(f"{sandbox.url}/green-media/cat.png")
    sent = GreenApi().send(http, account, Outgoing(MARIA, "Look", "1:1", files=[file]))
    body = line.sent[sent.external_id].body
    assert (line.sent[sent.external_id].method, body["fileName"], body["caption"]) == (
        "sendFileByUpload",
        "cat.png",
        "Look",
    )
    assert body["file"] > 100


@pytest.mark.parametrize(
    ("kind", "found", "relation"),
    [
        ("text", Kind.TEXT, None),
        ("reply", Kind.TEXT, Relation.REPLY),
        ("reaction", Kind.REACTION, Relation.REACTION),
        ("edit", Kind.EDIT, Relation.EDIT),
        ("delete", Kind.DELETION, Relation.DELETION),
        ("tap", Kind.TAP, Relation.ANSWER),
        ("image", Kind.IMAGE, None),
        ("video", Kind.VIDEO, None),
        ("audio", Kind.AUDIO, None),
        ("document", Kind.DOCUMENT, None),
        ("sticker", Kind.STICKER, None),
        ("location", Kind.LOCATION, None),
        ("contact", Kind.CONTACT, None),
    ],
)
def test_what_people_write(sandbox, line, webhook, kind, found, relation):
    first = people.write(sandbox, line, MARIA, text="first", name="Maria")
    people.write(sandbox, line, MARIA, kind=kind, text="x", name="Maria")
    assert sandbox.records.wait(lambda: len(webhook.events) == 2)
    said = webhook.events[1]
    assert (said.kind, said.name, said.sender) == (found, "Maria", MARIA)
    if relation is not None:
        assert (said.about.relation, said.about.external_id) == (relation, first)


def test_typed_on_the_phone(sandbox, line, webhook):
    people.write(sandbox, line, "120363043968066561@g.us", text="Hi all", by="phone", name="Patients")
    assert sandbox.records.wait(lambda: len(webhook.events) >= 1)
    said = webhook.events[0]
    assert (said.from_us, said.by_api, said.sender) == (True, False, "120363043968066561@g.us")


def test_a_call_is_two_events_of_one_id(sandbox, green, line, webhook):
    green.ring(line, "639175550101@c.us", "offer", "declined")
    assert sandbox.records.wait(lambda: len(webhook.events) == 2)
    assert [each.details["state"] for each in webhook.events] == [CallState.RINGING, CallState.MISSED]
    assert len({each.external_id for each in webhook.events}) == 1


def test_linking_the_phone(sandbox, http, account, line, webhook):
    channel = GreenApi()
    assert channel.line(http, account) == Line(LineState.READY, "authorized", "", GREEN_NUMBER)
    assert channel.link_code(http, account).linked
    channel.sign_out(http, account)
    assert channel.line(http, account).state is LineState.SIGNED_OUT
    assert channel.link_code(http, account).image
    assert len(channel.pairing_code(http, account, GREEN_NUMBER)) == 8
    people.scan(sandbox, line)
    assert channel.line(http, account).state is LineState.READY
    channel.restart(http, account)
    assert sandbox.records.wait(lambda: len(webhook.events) == 2)
    assert [each.state for each in webhook.events] == [LineState.SIGNED_OUT, LineState.READY]


def test_probe(http, account, green):
    assert GreenApi().probe(http, account).facts["number"] == GREEN_NUMBER
    wrong = Account(1, account.credentials | {"api_token": "wrongwrong"}, account.api_url, True)
    assert not GreenApi().probe(http, wrong).ok


@pytest.mark.parametrize(
    ("fault", "scope_retry_unknown"),
    [
        ({"effect": "status", "status": 429, "retry_after": 2}, ("sender", True, False)),
        ({"effect": "status", "status": 466}, ("sender", True, False)),
        ({"effect": "status_after", "status": 502}, ("sender", False, True)),
        ({"effect": "half_answer"}, ("sender", False, True)),
        ({"effect": "reset_after"}, ("sender", False, True)),
        ({"effect": "reset_before"}, ("sender", False, True)),
    ],
)
def test_faults(sandbox, http, account, line, fault, scope_retry_unknown):
    sandbox.faults.arm("green.send*", **fault)
    with pytest.raises(ChannelError) as caught:
        GreenApi().send(http, account, Outgoing(MARIA, "Hi", "1:1"))
    error = caught.value
    assert (error.scope, error.retry, error.unknown) == scope_retry_unknown
    assert len(line.sent) == (fault["effect"] in ("status_after", "half_answer", "reset_after"))
    GreenApi().send(http, account, Outgoing(MARIA, "Hi", "1:2"))


@pytest.mark.skipif(SAMPLES is None, reason="the collection of samples is not here")
class TestAgainstTheSamples:
    """What the stand-in answers and posts has the fields of the official samples, and of their types."""

    ANSWERS = (
        ("getSettings.json", lambda channel, http, account: _asked(http, account, "getSettings")),
        ("getStateInstance.json", lambda channel, http, account: _asked(http, account, "getStateInstance")),
        ("getWaSettings.json", lambda channel, http, account: _asked(http, account, "getWaSettings")),
        ("send.response.json", lambda channel, http, account: _sent(http, account)),
        ("setSettings.response.json", lambda channel, http, account: _set(http, account)),
    )
    # Not told any more, or by old instances only.
    GONE = frozenset(("statusInstanceWebhook", "sendFromUTC", "sendToUTC"))

    @pytest.mark.parametrize(("name", "ask"), ANSWERS, ids=[name for name, _ in ANSWERS])
    def test_answers(self, http, account, name, ask):
        sample = json.loads((SAMPLES / "api" / name).read_text())
        _same_shape(ask(GreenApi(), http, account), sample, self.GONE)

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("text", "incomingMessageReceived.textMessage.json"),
            ("image", "derived/incomingMessageReceived.imageMessage.json"),
            ("location", "incomingMessageReceived.locationMessage.json"),
            ("contact", "incomingMessageReceived.contactMessage.json"),
            ("reaction", "incomingMessageReceived.reactionMessage.json"),
            ("edit", "incomingMessageReceived.editedMessage.json"),
            ("delete", "incomingMessageReceived.deletedMessage.json"),
            ("tap", "derived/incomingMessageReceived.templateButtonsReplyMessage.json"),
            ("reply", "quoting/incomingMessageReceived.quotedMessage.quoting-textMessage.json"),
        ],
    )
    def test_messages(self, sandbox, line, webhook, kind, name):
        people.write(sandbox, line, MARIA, text="first", name="Maria")
        people.write(sandbox, line, MARIA, kind=kind, text="x", name="Maria")
        assert sandbox.records.wait(lambda: len(webhook.kinds) == 2)
        _same_shape(webhook.kinds[1], json.loads((SAMPLES / name).read_text()))

    def test_statuses_states_and_calls(self, sandbox, http, account, green, line, webhook):
        green.decide(MARIA, "noAccount")
        GreenApi().send(http, account, Outgoing(MARIA, "Hi", "1:1"))
        assert sandbox.records.wait(lambda: len(webhook.kinds) == 1)
        green.ring(line, "639175550101@c.us", "declined")
        GreenApi().sign_out(http, account)
        assert sandbox.records.wait(lambda: len(webhook.kinds) == 3)
        names = (
            "outgoingMessageStatus.noAccount.json",
            "derived/incomingCall.declined.json",
            "stateInstanceChanged.json",
        )
        for body, name in zip(webhook.kinds, names, strict=True):
            _same_shape(body, json.loads((SAMPLES / name).read_text()))


def _asked(http, account, method):
    url = f"{account.api_url}/waInstance{GREEN_INSTANCE}/{method}/{GREEN_TOKEN}"
    return http.request("GET", url, private_hosts=True).json()


def _set(http, account):
    url = f"{account.api_url}/waInstance{GREEN_INSTANCE}/setSettings/{GREEN_TOKEN}"
    return http.request("POST", url, json={"incomingWebhook": "yes"}, private_hosts=True).json()


def _sent(http, account):
    url = f"{account.api_url}/waInstance{GREEN_INSTANCE}/sendMessage/{GREEN_TOKEN}"
    body = {"chatId": "639175550101@c.us", "message": "Hi"}
    return http.request("POST", url, json=body, private_hosts=True).json()


def _same_shape(ours, sample, gone=frozenset(), where=""):
    """Every field of the sample is there, with a value of its type."""
    assert type(ours) is type(sample) or {type(ours), type(sample)} == {int, float}, where
    if isinstance(sample, dict):
        for name, value in sample.items():
            if name not in gone:
                assert name in ours, f"{where}.{name}"
                _same_shape(ours[name], value, gone, f"{where}.{name}")
