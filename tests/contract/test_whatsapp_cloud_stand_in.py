"""Channel and stand-in speak as channel and Meta would, and what the stand-in posts looks like the official samples."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from portal.channels.base import (
    Account,
    ChannelError,
    Inbound,
    LineState,
    Notice,
    Outcome,
    Outgoing,
    Preference,
    Receipt,
    TemplateNotice,
    Unread,
    WebhookRequest,
)
from portal.channels.content import AddressKind, CallState, Content, File, Kind, Relation
from portal.channels.whatsapp_cloud.client import WhatsAppCloud
from portal.http import HttpClient
from portal.sandbox import Sandbox
from portal.sandbox.whatsapp_cloud import people
from portal.sandbox.whatsapp_cloud.numbers import Progress, user_id_of
from portal.sandbox.world import (
    CLOUD_ACCOUNT,
    CLOUD_APP_SECRET,
    CLOUD_NUMBER,
    CLOUD_NUMBER_ID,
    CLOUD_TOKEN,
    CLOUD_VERIFY_TOKEN,
)
from tests.contract.test_whatsapp_cloud_samples import SAMPLES

RAMON, LIZA = "+639275550201", "+639285550202"
OWN_APP = {"app_secret": CLOUD_APP_SECRET, "verify_token": CLOUD_VERIFY_TOKEN}
CHANNEL = WhatsAppCloud()


class Webhook:
    """Our address: every request verified and read, as the portal would."""

    def __init__(self):
        self.events, self.refused, self.bodies = [], 0, []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = parse_qs(urlsplit(self.path).query)
                good = asked["hub.verify_token"] == [CLOUD_VERIFY_TOKEN]
                self.reply(200 if good else 403, asked["hub.challenge"][0].encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = WebhookRequest("receive", body, headers["content-type"], headers)
                good = CHANNEL.signed(CLOUD_APP_SECRET, request)
                webhook.refused += not good
                if good:
                    webhook.bodies.append(request)
                    webhook.events += CHANNEL.parse(request)
                self.reply(200 if good else 401, b"{}")

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def said(self):
        return [each for each in list(self.events) if isinstance(each, Inbound)]

    def receipts(self):
        return [each for each in list(self.events) if isinstance(each, Receipt)]


@pytest.fixture
def webhook():
    webhook = Webhook()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()


@pytest.fixture
def cloud(sandbox: Sandbox, webhook):
    sandbox.portal_url = webhook.url
    sandbox.cloud.progress = Progress(0.0, 0.0, 0.0)
    sandbox.cloud.limits.enforced = False
    return sandbox.cloud


@pytest.fixture
def number(cloud):
    return cloud.numbers[CLOUD_NUMBER_ID]


@pytest.fixture
def account(sandbox: Sandbox, cloud):
    credentials = {"phone_number_id": CLOUD_NUMBER_ID, "access_token": CLOUD_TOKEN, "waba_id": CLOUD_ACCOUNT}
    return Account(1, credentials, f"{sandbox.url}/v26.0", private_hosts=True)


@pytest.fixture
def http():
    return HttpClient()


@pytest.fixture
def wait(sandbox):
    def until(satisfied):
        assert sandbox.records.wait(satisfied)

    return until


@pytest.fixture
def chat(sandbox, number, webhook, wait):
    """Ramon has just written, so that he may be answered."""
    first = people.write(sandbox, number, RAMON, text="Hi", name="Ramon")
    wait(webhook.said)
    return first


def test_a_message_and_what_the_webhooks_say_of_it(http, account, cloud, number, chat, webhook, wait):
    cloud.decide(RAMON, "played")
    sent = CHANNEL.send(http, account, Outgoing(RAMON, "Kumusta", "41:1", quotes=chat)).external_id
    wait(lambda: len(webhook.receipts()) == 4)
    told = webhook.receipts()
    assert [each.outcome for each in told] == [Outcome.SENT, Outcome.DELIVERED, Outcome.READ, Outcome.PLAYED]
    assert {(each.external_id, each.our_key, each.recipient) for each in told} == {(sent, "41:1", RAMON)}
    assert told[0].billing["category"] == "service" and webhook.refused == 0
    assert (number.sent[sent].quotes, number.sent[sent].text) == (chat, "Kumusta")


def test_who_has_no_number_is_written_to(sandbox, http, account, number, webhook, wait):
    people.write(sandbox, number, "PH.77", text="Hi", name="Ana", username="ana")
    wait(webhook.said)
    heard = webhook.said()[0]
    assert (heard.sender_kind, heard.sender, heard.name) == (AddressKind.BSUID, "PH.77", "Ana")
    part = Outgoing(heard.sender, "Hello", "41:1", to_kind=AddressKind.BSUID)
    sent = CHANNEL.send(http, account, part).external_id
    wait(lambda: len(webhook.receipts()) == 2)
    assert number.sent[sent].person.user_id == "PH.77" and webhook.receipts()[0].recipient == "PH.77"


@pytest.mark.parametrize("code", [131026, 131047, 131049, 131050, 131053, 130472])
def test_what_is_lost_is_told_with_a_reason(http, account, cloud, chat, webhook, wait, code):
    cloud.decide(RAMON, f"failed:{code}")
    CHANNEL.send(http, account, Outgoing(RAMON, "Kumusta", "41:1"))
    wait(webhook.receipts)
    receipt = webhook.receipts()[0]
    assert (receipt.outcome, receipt.code, receipt.our_key) == (Outcome.FAILED, str(code), "41:1") and receipt.detail


def test_the_closed_window_is_told_afterwards(http, account, webhook, wait):
    CHANNEL.send(http, account, Outgoing(LIZA, "Hello stranger", "41:1"))
    wait(webhook.receipts)
    assert webhook.receipts()[0].code == "131047"


@pytest.mark.parametrize(
    "content",
    [
        Content(Kind.LOCATION, {"latitude": 14.6, "longitude": 121.0, "name": "Office"}),
        Content(Kind.CONTACT, {"contacts": [{"name": "Jose Reyes", "phones": ["+639185550102"]}]}),
        Content(Kind.BUTTONS, {"buttons": [{"id": "y", "text": "Yes", "type": "reply"}], "footer": "Repair"}),
        Content(Kind.BUTTONS, {"buttons": [{"text": "Map", "type": "url", "value": "https://a.test"}]}),
        Content(
            Kind.LIST,
            {
                "title": "Days",
                "sections": [{"title": "Week", "rows": [{"id": "1", "text": "Mon", "description": "am"}]}],
            },
        ),
        Content(Kind.FLOW, {"flow": "7001", "button": "Book", "screen": "DAYS", "header": "Visit", "footer": "Repair"}),
        Content(Kind.LOCATION_REQUEST),
        Content(
            Kind.TEMPLATE,
            {
                "name": "visit_reminder",
                "language": "en",
                "category": "UTILITY",
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "R"}] * 2}],
            },
        ),
    ],
    ids=lambda content: content.kind.value,
)
def test_every_kind_is_taken(http, account, number, chat, webhook, wait, content):
    sent = CHANNEL.send(http, account, Outgoing(RAMON, "Come?", "1:1", content=content)).external_id
    wait(lambda: len(webhook.receipts()) == 2)
    assert number.sent[sent].status(webhook.receipts()[-1].at.timestamp() + 9) == "delivered"


def test_a_reaction(http, account, number, chat):
    part = Outgoing(RAMON, "👍", "1:1", content=Content(Kind.REACTION), quotes=chat)
    CHANNEL.send(http, account, part)
    assert number.heard(chat).reaction == "👍"
    CHANNEL.send(http, account, Outgoing(RAMON, "", "1:2", content=Content(Kind.REACTION), quotes=chat))
    assert number.heard(chat).reaction == ""


def test_a_file_is_handed_over_and_named_by_its_id(sandbox, http, account, cloud, number, chat, tmp_path):
    content = tmp_path / "cat"
    content.write_bytes(http.request("GET", f"{sandbox.url}/green-media/cat.png", private_hosts=True).body)
    file = File("https://portal.test/cat.png", "cat.png", "image/png", 900)
    file = replace(file, handed=CHANNEL.hand_over(http, account, file, content))
    sent = CHANNEL.send(http, account, Outgoing(RAMON, "Look", "1:1", files=[file])).external_id
    kept = cloud.files.get(number.sent[sent].file)
    assert (number.sent[sent].kind, kept.mime) == ("image", "image/png") and kept.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", [Kind.BUTTONS, Kind.FLOW])
def test_a_copy_stands_above_buttons_and_forms(http, account, cloud, number, chat, tmp_path, kind):
    content = tmp_path / "b"
    content.write_bytes(b"%PDF-1.7")
    file = File("https://portal.test/b.pdf", "b.pdf", "application/pdf", 8)
    file = replace(file, handed=CHANNEL.hand_over(http, account, file, content))
    told = {"media": {"kind": "document", "url": file.url}, "buttons": [{"text": "Yes"}], "flow": "7", "button": "Book"}
    part = Outgoing(RAMON, "Your bill", "1:1", files=[file], content=Content(kind, told))
    sent = CHANNEL.send(http, account, part).external_id
    assert cloud.files.get(number.sent[sent].file).content == b"%PDF-1.7"


def test_typing_goes_with_the_blue_ticks(http, account, number, chat):
    CHANNEL.mark_read(http, account, chat)
    assert number.heard(chat).read_at and not number.heard(chat).typing_at
    told = {"mark_read": "received", "typing": "yes"}
    CHANNEL.mark_read(http, replace(account, credentials={**account.credentials, **told}), chat)
    assert number.heard(chat).typing_at


@pytest.mark.parametrize("kind", ["image", "video", "audio", "voice", "document", "sticker"])
def test_a_file_that_comes_in_is_fetched_with_the_token(sandbox, http, account, cloud, number, webhook, wait, kind):
    people.write(sandbox, number, RAMON, kind=kind, text="cap", file_name="Bill.pdf")
    wait(webhook.said)
    file = webhook.said()[0].files[0]
    where, headers = CHANNEL.media_request(http, account, file.url)
    assert where.startswith(f"{sandbox.url}/whatsapp_business/") and CLOUD_TOKEN in headers["Authorization"]
    assert (
        http.request("GET", where, headers=headers, private_hosts=True).body
        == next(iter(cloud.files.known.values())).content
    )
    assert file.name == "Bill.pdf" if kind == "document" else "." in file.name
    assert http.request("GET", where, private_hosts=True).status == 401


@pytest.mark.parametrize(
    ("kind", "found", "relation"),
    [
        ("text", Kind.TEXT, None),
        ("forwarded", Kind.TEXT, None),
        ("referral", Kind.TEXT, None),
        ("reply", Kind.TEXT, Relation.REPLY),
        ("reaction", Kind.REACTION, Relation.REACTION),
        ("unreact", Kind.REACTION, Relation.REACTION),
        ("edit", Kind.EDIT, Relation.EDIT),
        ("delete", Kind.DELETION, Relation.DELETION),
        ("location", Kind.LOCATION, None),
        ("contact", Kind.CONTACT, None),
        ("order", Kind.ORDER, None),
        ("flow", Kind.FORM, None),
        ("unsupported", Kind.UNSUPPORTED, None),
    ],
)
def test_what_people_write(sandbox, number, chat, webhook, wait, kind, found, relation):
    people.write(sandbox, number, RAMON, kind=kind, text="x")
    wait(lambda: len(webhook.events) == 2)
    said = webhook.events[1]
    assert (said.kind, said.name, said.sender) == (found, "Ramon", RAMON)
    assert [(each.kind, each.value) for each in said.same_as] == [(AddressKind.BSUID, user_id_of(RAMON))]
    if relation is not None:
        assert (said.about.relation, said.about.external_id) == (relation, chat)


def test_a_tap_answers_what_was_sent(sandbox, http, account, number, chat, webhook, wait):
    buttons = Content(Kind.BUTTONS, {"buttons": [{"id": "y", "text": "Yes", "type": "reply"}]})
    sent = CHANNEL.send(http, account, Outgoing(RAMON, "Come?", "1:1", content=buttons)).external_id
    people.write(sandbox, number, RAMON, kind="tap", text="Yes")
    wait(lambda: len(webhook.said()) == 2)
    tapped = webhook.said()[1]
    assert (tapped.kind, tapped.details["id"], tapped.about.external_id) == (Kind.TAP, "y", sent)


def test_everything_else_that_meta_tells(sandbox, cloud, number, chat, webhook, wait):
    people.type_in_app(sandbox, number, RAMON, "On my way")
    people.prefer(sandbox, number, RAMON, "stop")
    people.prefer(sandbox, number, RAMON, "resume")
    people.move(sandbox, number, RAMON, "+639180000000")
    people.write(sandbox, number, RAMON, text="to all", group="GROUP1")
    holder = cloud.accounts[CLOUD_ACCOUNT]
    cloud.judge(holder, holder.templates[0], "PAUSED")
    wait(lambda: len(webhook.events) == 7)
    _, echo, stop, resume, moved, group, notice = webhook.events
    assert isinstance(echo, Inbound) and (echo.from_us, echo.sender, echo.text) == (True, RAMON, "On my way")
    assert isinstance(stop, Preference) and (stop.marketing, resume.marketing) == (False, True)
    assert (moved.kind, moved.details) == (Kind.SYSTEM, {"type": "number_changed", "number": "+639180000000"})
    assert (group.sender, group.sender_kind, group.author.value) == ("GROUP1", AddressKind.GROUP, RAMON)
    assert isinstance(notice, TemplateNotice) and (notice.name, notice.event) == ("visit_reminder", "PAUSED")


@pytest.mark.parametrize(("seconds", "end"), [(0, CallState.MISSED), (42, CallState.ANSWERED)])
def test_a_call_is_two_events_of_one_id(sandbox, number, webhook, wait, call_control, seconds, end):
    call_control("call", who=RAMON, seconds=seconds)
    wait(lambda: len(webhook.said()) == 2)
    assert [each.details["state"] for each in webhook.said()] == [CallState.RINGING, end]
    assert len({each.external_id for each in webhook.said()}) == 1 and webhook.said()[0].sender == RAMON
    assert number.person(RAMON).may_be_answered(sandbox.clock())


def test_one_bad_item_costs_none_of_the_others(sandbox, cloud, webhook, wait, call_control):
    good = {"from": "639275550201", "id": "wamid.G", "timestamp": "1795000000", "type": "text", "text": {"body": "g"}}
    metadata = {"phone_number_id": CLOUD_NUMBER_ID, "display_phone_number": "1"}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": [7, {"type": "text"}, good]}
    call_control("raw", changes=[{"field": "messages", "value": value}])
    assert [type(each) for each in webhook.events] == [Unread, Unread, Inbound]
    call_control("raw", error=131000)
    assert isinstance(webhook.events[-1], Notice)


@pytest.fixture
def call_control(sandbox):
    def post(path, **body):
        answer = HttpClient().request("POST", f"{sandbox.url}/control/cloud/{path}", json=body, private_hosts=True)
        assert answer.status == 200

    return post


def test_a_batch_of_several_numbers_is_shared_out(sandbox, cloud, number, webhook, wait, call_control):
    call_control("numbers", id="777", phone="+639171110777")
    cloud.batch, cloud.gather = 4, 9.0
    for each in (number, cloud.numbers["777"]):
        people.write(sandbox, each, RAMON, text=each.id)
        people.write(sandbox, each, LIZA, text=each.id)
    wait(lambda: webhook.bodies)
    whole = webhook.bodies[0]
    assert list(CHANNEL.addressees(whole)) == [CLOUD_NUMBER_ID, "777"]
    for name in (CLOUD_NUMBER_ID, "777"):
        assert [each.text for each in CHANNEL.parse(CHANNEL.share(whole, name))] == [name, name]


def test_templates_and_marks(http, account, cloud, number, chat):
    listed = CHANNEL.templates(http, account)
    assert [(each.name, each.status) for each in listed] == [
        ("visit_reminder", "APPROVED"),
        ("rainy_season_offer", "APPROVED"),
        ("feedback_request", "PAUSED"),
        ("balita", "REJECTED"),
    ]
    assert (listed[3].detail, listed[2].quality, listed[0].detail) == ("INVALID_FORMAT", "RED", "")
    for name in range(130):
        cloud.accounts[CLOUD_ACCOUNT].templates.append(
            type(cloud.accounts[CLOUD_ACCOUNT].templates[0])(str(name), f"t{name}", "en", "UTILITY", "APPROVED")
        )
    assert len(CHANNEL.templates(http, account)) == 134
    CHANNEL.mark_read(http, account, chat)
    assert number.heard(chat).read_at


def test_the_number_and_the_credentials(http, account, cloud, number):
    assert (CHANNEL.line(http, account).state, CHANNEL.line(http, account).address) == (LineState.READY, CLOUD_NUMBER)
    probed = CHANNEL.probe(http, account)
    assert probed.ok and probed.facts["number"] == CLOUD_NUMBER
    wrong = Account(1, account.credentials | {"access_token": "EAAwrongwrong"}, account.api_url, True)
    assert not CHANNEL.probe(http, wrong).ok
    cloud.accounts[CLOUD_ACCOUNT].expired = True
    with pytest.raises(ChannelError) as caught:
        CHANNEL.send(http, account, Outgoing(RAMON, "Hi", "1:1"))
    assert caught.value.stops and caught.value.code == "190"


def test_the_shared_app_is_subscribed(http, account, cloud):
    assert CHANNEL.connect(http, account, "https://portal.test/webhooks/whatsapp") is False
    cloud.accounts[CLOUD_ACCOUNT].subscribed = False
    assert CHANNEL.connect(http, account, "https://portal.test/webhooks/whatsapp") is True
    assert cloud.accounts[CLOUD_ACCOUNT].subscribed
    CHANNEL.disconnect(http, account, "https://portal.test/webhooks/whatsapp")
    assert cloud.accounts[CLOUD_ACCOUNT].subscribed


def test_an_own_app_posts_to_its_own_address(sandbox, http, account, cloud, number, webhook, wait):
    sandbox.portal_url = "http://127.0.0.1:9"
    own = Account(1, account.credentials | OWN_APP, account.api_url, True)
    address = f"{webhook.url}/webhooks/whatsapp/k1"
    assert CHANNEL.connect(http, own, address) is True
    assert CHANNEL.connect(http, own, address) is False
    people.write(sandbox, number, RAMON, text="Hi")
    wait(webhook.said)
    beside = Account(2, own.credentials, account.api_url, True)
    assert CHANNEL.connect(http, beside, f"{webhook.url}/webhooks/whatsapp/k2") is True
    assert number.override.endswith("/k2") and cloud.accounts[CLOUD_ACCOUNT].override == address
    CHANNEL.disconnect(http, beside, f"{webhook.url}/webhooks/whatsapp/k2")
    CHANNEL.disconnect(http, own, address)
    assert (number.override, cloud.accounts[CLOUD_ACCOUNT].override) == ("", "")
    wrong = Account(1, own.credentials | {"verify_token": "another-token"}, account.api_url, True)
    with pytest.raises(ChannelError) as caught:
        CHANNEL.connect(http, wrong, address)
    assert caught.value.code == "2200"


@pytest.mark.parametrize(
    ("fault", "scope_retry_unknown"),
    [
        ({"effect": "status", "status": 429, "retry_after": 2}, ("sender", True, False)),
        ({"effect": "status", "status": 401}, ("sender", True, False)),
        ({"effect": "status", "status": 503}, ("sender", True, False)),
        ({"effect": "status_after", "status": 502}, ("sender", False, True)),
        ({"effect": "half_answer"}, ("sender", False, True)),
        ({"effect": "reset_after"}, ("sender", False, True)),
        ({"effect": "reset_before"}, ("sender", False, True)),
    ],
)
def test_faults(sandbox, http, account, number, chat, webhook, wait, fault, scope_retry_unknown):
    sandbox.faults.arm("cloud.messages", **fault)
    with pytest.raises(ChannelError) as caught:
        CHANNEL.send(http, account, Outgoing(RAMON, "Hi", "1:1"))
    error = caught.value
    assert (error.scope, error.retry, error.unknown) == scope_retry_unknown
    taken = fault["effect"] in ("status_after", "half_answer", "reset_after")
    assert len(number.sent) == taken
    if taken:  # the answer is lost, and the status that follows names our call
        wait(webhook.receipts)
        assert webhook.receipts()[0].our_key == "1:1"
    CHANNEL.send(http, account, Outgoing(RAMON, "Hi", "1:2"))


@pytest.mark.skipif(not SAMPLES, reason="the collection of samples is not here")
class TestAgainstTheSamples:
    """What the stand-in posts has every field of the official sample, of its type, and in its place."""

    KINDS = (
        *("text", "image", "video", "audio", "voice", "document", "sticker", "location", "reaction", "order", "edit"),
        *("unsupported", "referral", "forwarded", "reply"),
    )
    OTHER_NAMES = (
        *(("contacts", "contact"), ("flow_reply", "flow"), ("reaction_removed", "unreact")),
        *(("revoke", "delete"),),
    )

    @pytest.fixture
    def body(self, webhook, wait):
        def last(count):
            wait(lambda: len(webhook.bodies) >= count)
            return json.loads(webhook.bodies[count - 1].body)

        return last

    @pytest.mark.parametrize(
        ("name", "kind"), [*((each, each) for each in KINDS), *OTHER_NAMES], ids=lambda each: str(each)
    )
    def test_messages(self, sandbox, number, chat, body, name, kind):
        people.write(sandbox, number, RAMON, kind=kind, text="x", file_name="a.pdf")
        same_shape(body(2), SAMPLES[name])

    def test_taps(self, sandbox, http, account, number, chat, webhook, body, wait):
        rows = [{"id": "1", "text": "Mon", "description": "am"}]
        sent = [
            Content(Kind.BUTTONS, {"buttons": [{"id": "y", "text": "Yes", "type": "reply"}]}),
            Content(Kind.LIST, {"title": "Days", "sections": [{"title": "", "rows": rows}]}),
        ]
        for number_of, (content, name) in enumerate(zip(sent, ("button_reply", "list_reply"), strict=True), 1):
            CHANNEL.send(http, account, Outgoing(RAMON, "?", f"{number_of}:1", content=content))
            wait(lambda wanted=2 * number_of: len(webhook.receipts()) == wanted)
            people.write(sandbox, number, RAMON, kind="tap")
            same_shape(body(1 + 3 * number_of), SAMPLES[name])

    def test_a_quick_reply(self, sandbox, http, account, number, body, webhook, wait):
        header = {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://a.test/a.png"}}]}
        own = {"name": "rainy_season_offer", "language": "en", "components": [header]}
        CHANNEL.send(http, account, Outgoing(RAMON, "", "1:1", content=Content(Kind.TEMPLATE, own)))
        wait(lambda: len(webhook.receipts()) == 2)
        people.write(sandbox, number, RAMON, kind="tap", text="Stop promotions")
        same_shape(body(3), SAMPLES["template_quick_reply"])

    def test_people(self, sandbox, cloud, number, body):
        people.write(sandbox, number, "PH.77", text="x", username="ana")
        same_shape(body(1), SAMPLES["username_only_no_phone"])
        assert "from" not in json.dumps(body(1)["entry"]).replace("from_user_id", "")
        people.write(sandbox, number, RAMON, text="x", group="G")
        same_shape(body(2), SAMPLES["group_message"])
        people.type_in_app(sandbox, number, RAMON, "x")
        same_shape(body(3), SAMPLES["echo_coexistence"])
        people.prefer(sandbox, number, RAMON, "stop")
        same_shape(body(4), SAMPLES["user_preferences_stop"])
        people.move(sandbox, number, RAMON, "+639180000000")
        same_shape(body(5), SAMPLES["system_number_change"])
        holder = cloud.accounts[CLOUD_ACCOUNT]
        cloud.judge(holder, holder.templates[0], "REJECTED")
        same_shape(body(6), SAMPLES["template_status"])

    def test_statuses(self, sandbox, http, account, cloud, number, chat, webhook, body, wait):
        cloud.decide(RAMON, "played")
        CHANNEL.send(http, account, Outgoing(RAMON, "x", "1:1"))
        for place, name in enumerate(("sent", "delivered", "read", "played"), 2):
            same_shape(body(place), SAMPLES[f"status_{name}"])
        cloud.decide(RAMON, "failed:131026")
        CHANNEL.send(http, account, Outgoing(RAMON, "x", "2:1"))
        same_shape(body(6), SAMPLES["status_failed_undeliverable"])
        CHANNEL.send(http, account, Outgoing(LIZA, "x", "3:1"))
        same_shape(body(7), SAMPLES["status_failed_window"])

    def test_errors_and_batches(self, sandbox, http, account, cloud, number, webhook, body, call_control):
        call_control("raw", error=131000)
        same_shape(body(1), SAMPLES["value_level_error"])
        cloud.window_enforced, cloud.batch, cloud.gather, cloud.progress = False, 2, 9.0, Progress(outcome="sent")
        people.write(sandbox, number, RAMON, text="x")
        CHANNEL.send(http, account, Outgoing(RAMON, "x", "1:1"))
        message, status = (each["changes"][0] for each in SAMPLES["batched_two_entries"]["entry"])
        changes = body(2)["entry"][0]["changes"]
        same_shape(changes[0], message)
        same_shape(changes[1], status)


def same_shape(ours, sample, where=""):
    """Every field of the sample is there, with a value of its type; what says what a thing is, is the same."""
    assert type(ours) is type(sample) or {type(ours), type(sample)} == {int, float}, where
    if isinstance(sample, dict):
        for name, value in sample.items():
            assert name in ours, f"{where}.{name}"
            same_shape(ours[name], value, f"{where}.{name}")
            if name in ("type", "field", "object", "status", "messaging_product") and ".pricing" not in where:
                assert ours[name] == value, f"{where}.{name}"
    if isinstance(sample, list) and sample:
        assert ours, where
        same_shape(ours[0], sample[0], f"{where}[0]")
