"""GREEN-API's own ways: what it is sent, our webhook in its settings, the linked phone, its journal."""

import base64
import json

import pytest

from portal.channels.base import Account, ChannelError, LineState, Loss, Outcome, Outgoing, Registers, Scope
from portal.channels.capabilities import (
    HasLimits,
    LinksPhone,
    OneWebhook,
    SendsKinds,
    SharesAccount,
    account_key,
    kinds_of,
    limits_of,
)
from portal.channels.content import AddressKind, Content, File, Kind
from portal.channels.green_api import codes, journal, settings
from portal.channels.green_api.client import GreenApi
from portal.channels.green_api.fields import api_host, media_host
from portal.channels.green_api.settings import TYPES, webhook_token
from portal.channels.uploads import inside
from portal.http import HttpClient
from tests.contract.cases import PART
from tests.contract.cases.green_api import GREEN_API, GREEN_INSTANCE, GREEN_TOKEN
from tests.contract.standin import StandIn, answer, everything, reset_after

URL = "https://portal.test/webhooks/green-api"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 20).decode()
STARTING = {"statusCode": 400, "message": "instance in starting process try later"}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(settings, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def server():
    with StandIn() as standin:
        standin.script(GREEN_API.accepts)
        yield standin


@pytest.fixture
def account(server):
    return GREEN_API.account(server.url)


def sent(server, part):
    accepted = GreenApi().send(HttpClient(), GREEN_API.account(server.url), part)
    assert accepted.external_id == "3EB0C767D097B7C7C030"
    call = server.calls[-1]
    path = call.target.split("/")
    assert (call.method, path[1], path[3]) == ("POST", f"waInstance{GREEN_INSTANCE}", GREEN_TOKEN)
    return path[2], call.json()


def refused(server, part):
    with pytest.raises(ChannelError) as caught:
        GreenApi().send(HttpClient(), GREEN_API.account(server.url), part)
    error = caught.value
    assert not server.calls, "what cannot be sent is refused before anything leaves"
    assert (error.scope, error.retry, error.unknown) == (Scope.MESSAGE, False, False)
    assert error.code and error.message.endswith(".")
    return error


def part(text="", **more):
    return Outgoing(to="+639175550101", text=text, idempotency_key="1:1", **more)


def content(kind, text="", to="+639175550101", to_kind=AddressKind.PHONE, **details):
    return Outgoing(to=to, text=text, idempotency_key="1:1", to_kind=to_kind, content=Content(kind, details))


def test_it_has_what_the_portal_asks_for():
    channel = GreenApi()
    for capability in (Registers, LinksPhone, OneWebhook, SendsKinds, HasLimits, SharesAccount):
        assert isinstance(channel, capability)
    assert channel.webhook_path == "green-api"
    assert kinds_of(channel) == {Kind.LOCATION, Kind.CONTACT, Kind.POLL, Kind.BUTTONS} and channel.quotes
    assert limits_of(channel).text == 20_000
    assert (channel.idempotent, channel.separate_attachments, channel.confirms_delivery) == (False, True, True)


class TestWhere:
    def test_the_hosts_begin_with_four_digits_of_the_instance(self):
        account = Account(1, {"id_instance": "7105123456", "api_token": "x"})
        assert api_host(account) == "https://7105.api.greenapi.com"
        assert media_host(account) == "https://7105.media.greenapi.com"

    def test_an_address_of_ones_own(self):
        given = {"id_instance": "7105123456", "api_token": "x", "media_url": "https://m.test/"}
        account = Account(1, given, "https://api.test/")
        assert (api_host(account), media_host(account)) == ("https://api.test", "https://m.test")

    def test_every_instance_is_an_account_of_its_own(self):
        channel = GreenApi()
        one, two = ({"id_instance": each, "api_token": "x"} for each in ("7105000001", "7105000002"))
        assert account_key(channel, one, "") != account_key(channel, two, "")


class TestSend:
    def test_a_text(self, server):
        assert sent(server, part("Kumusta")) == (
            "sendMessage",
            {"chatId": "639175550101@c.us", "message": "Kumusta"},
        )

    def test_an_answer_quotes(self, server):
        assert sent(server, part("Yes", quotes="3EB0OLD"))[1]["quotedMessageId"] == "3EB0OLD"

    @pytest.mark.parametrize(
        ("kind", "to", "chat"),
        [
            (AddressKind.PHONE, "+639175550101", "639175550101@c.us"),
            (AddressKind.LID, "120650379300963", "120650379300963@lid"),
            (AddressKind.GROUP, "120363043968066561@g.us", "120363043968066561@g.us"),
            (AddressKind.GROUP, "4915112345678-1581234048@g.us", "4915112345678-1581234048@g.us"),
        ],
    )
    def test_every_kind_of_address(self, server, kind, to, chat):
        assert sent(server, Outgoing(to, "Hi", "1:1", to_kind=kind))[1]["chatId"] == chat

    @pytest.mark.parametrize(
        ("kind", "to"),
        [
            (AddressKind.PHONE, "123"),
            (AddressKind.PHONE, ""),
            (AddressKind.LID, "x@y"),
            (AddressKind.GROUP, "Sales"),
            (AddressKind.SENDER_ID, "BANK"),
        ],
    )
    def test_what_is_no_address(self, server, kind, to):
        refused(server, Outgoing(to, "Hi", "1:1", to_kind=kind))

    @pytest.mark.parametrize("text", ["", "  "])
    def test_nothing_to_send(self, server, text):
        refused(server, part(text))

    def test_a_text_that_is_too_long(self, server):
        assert "20001" in refused(server, part("a" * 20_001)).message
        sent(server, part("a" * 20_000))

    def test_an_instance_that_expired_stops_the_sender(self, server, account):
        server.script(answer(400, {"message": "Instance account is expired"}))
        with pytest.raises(ChannelError) as caught:
            GreenApi().send(HttpClient(), account, PART)
        assert (caught.value.stops, caught.value.code) == (True, "expired")

    def test_a_beta_that_is_not_enabled_is_the_messages_fault(self, server, account):
        server.script(answer(403, {"message": "Forbidden"}))
        buttons = content(Kind.BUTTONS, "Come?", buttons=[{"text": "Yes"}])
        with pytest.raises(ChannelError) as caught:
            GreenApi().send(HttpClient(), account, buttons)
        assert (caught.value.scope, caught.value.retry) == (Scope.MESSAGE, False)

    def test_the_reason_of_a_refusal_without_the_token(self, server, account):
        words = f"Validation failed. Details: 'chatId' is bad /waInstance1/sendMessage/{GREEN_TOKEN} {GREEN_TOKEN}"
        server.script(answer(400, {"message": words, "path": GREEN_TOKEN}))
        with pytest.raises(ChannelError) as caught:
            GreenApi().send(HttpClient(), account, PART)
        assert "'chatId' is bad" in caught.value.message
        assert GREEN_TOKEN not in everything(caught.value)

    @pytest.mark.parametrize("value", ["https://a.test/expired.pdf", "the room is deleted", "is starting", "100 MB"])
    def test_a_refusal_that_repeats_what_was_sent_says_nothing_of_the_instance(self, server, account, value):
        """Else whoever attaches `expired.pdf` would stop the sender for everybody."""
        words = f"Bad Request / Validation failed. Details: 'urlFile' with value '{value}' is bad"
        server.script(answer(400, {"message": words}))
        with pytest.raises(ChannelError) as caught:
            GreenApi().send(HttpClient(), account, PART)
        error = caught.value
        assert (error.code, error.scope, error.retry, error.stops) == (codes.INVALID, Scope.MESSAGE, False, False)


class TestFiles:
    @pytest.mark.parametrize(
        ("file", "name"),
        [
            (File("https://a.test/x/cat.png"), "cat.png"),
            (File("https://a.test/x/cat.png?sig=1.5"), "cat.png"),
            (File("https://a.test/x/my%20cat.png"), "my cat.png"),
            (File("https://a.test/x", name="Invoice.pdf"), "Invoice.pdf"),
            (File("https://a.test/x/9f2", name="Invoice", mime="application/pdf"), "Invoice.pdf"),
            (File("https://a.test/x/9f2.jpeg", name="Photo"), "Photo.jpeg"),
            (File("https://a.test/x/9f2", mime="audio/ogg; codecs=opus"), "9f2.ogg"),
            (File("https://a.test/x/9f2"), "9f2.bin"),
            (File("https://a.test/"), "file.bin"),
            (File("https://a.test/a.png", name="../..\\evil/\x00name"), "_name.png"),
            (File("https://a.test/a.png", name="n" * 300 + ".pdf"), "n" * 116 + ".pdf"),
        ],
    )
    def test_a_name_always_has_an_ending(self, server, file, name):
        method, body = sent(server, part(files=[file]))
        assert (method, body["fileName"]) == ("sendFileByUrl", name)
        assert "caption" not in body

    def test_the_text_is_the_caption(self, server):
        body = sent(server, part("Look", files=[File("https://a.test/1.png")], quotes="Q"))[1]
        assert (body["caption"], body["quotedMessageId"]) == ("Look", "Q")

    def test_an_address_without_signs_that_are_refused(self, server):
        body = sent(server, part(files=[File("https://a.test/my cat [1].png?a=b%20c")]))[1]
        assert body["urlFile"] == "https://a.test/my%20cat%20[1].png?a=b%20c"

    @pytest.mark.parametrize(
        "files",
        [
            [File("")],
            [File("https://a.test/1.png"), File("https://a.test/2.png")],
            [File("https://a.test/1.png", size=100_000_001)],
        ],
    )
    def test_what_cannot_be_sent(self, server, files):
        refused(server, part("x", files=files))

    def test_a_caption_that_is_too_long(self, server):
        refused(server, part("a" * 1025, files=[File("https://a.test/1.png")]))


class TestUploads:
    """Files whose addresses nobody outside can fetch."""

    def test_a_file_of_the_inside_is_handed_over(self, server, account):
        server.script(answer(200, body=b"\x89PNG"), GREEN_API.accepts)
        file = File(f"{server.url}/media/k/cat.png")
        GreenApi().send(HttpClient(), account, part("Look", files=[file], quotes="Q"))
        fetched, posted = server.calls
        assert (fetched.method, fetched.target) == ("GET", "/media/k/cat.png")
        assert posted.target.split("/")[2] == "sendFileByUpload"
        assert posted.headers["content-type"].startswith("multipart/form-data; boundary=")
        for piece in (b'name="chatId"\r\n\r\n639175550101@c.us', b'name="caption"\r\n\r\nLook', b"\r\n\r\nQ\r\n"):
            assert piece in posted.body
        assert b'name="file"; filename="cat.png"' in posted.body and b"\x89PNG" in posted.body

    def test_it_goes_to_the_host_for_files(self, server):
        server.script(answer(200, body=b"x"), GREEN_API.accepts)
        with StandIn() as other:
            given = GREEN_API.credentials | {"media_url": server.url}
            file = File(f"{server.url}/cat.png")
            GreenApi().send(HttpClient(), Account(1, given, other.url, True), part(files=[file]))
            assert not other.calls and len(server.calls) == 2

    @pytest.mark.parametrize("step", [answer(404, {}), answer(200, body=b""), reset_after])
    def test_a_file_that_cannot_be_fetched_is_tried_again(self, server, account, step):
        server.script(step)
        with pytest.raises(ChannelError) as caught:
            GreenApi().send(HttpClient(), account, part(files=[File(f"{server.url}/cat.png")]))
        assert (caught.value.scope, caught.value.retry, caught.value.unknown) == (Scope.MESSAGE, True, False)

    def test_a_tenants_sender_reaches_nothing_inside(self, server):
        guarded = Account(1, GREEN_API.credentials, server.url, private_hosts=False)
        with pytest.raises(ChannelError):
            GreenApi().send(HttpClient(), guarded, part(files=[File(f"{server.url}/secret.png")]))
        assert server.accepted == 0

    def test_an_upload_that_breaks_off_is_in_doubt(self, server, account):
        server.script(answer(200, body=b"x"), reset_after)
        with pytest.raises(ChannelError) as caught:
            GreenApi().send(HttpClient(), account, part(files=[File(f"{server.url}/cat.png")]))
        assert (caught.value.unknown, caught.value.retry) == (True, False)

    @pytest.mark.parametrize(
        ("url", "found"),
        [
            ("http://127.0.0.1:8000/a.png", True),
            ("http://[::1]/a.png", True),
            ("http://10.1.2.3/a.png", True),
            ("http://localhost/a.png", True),
            ("http://nas.local/a.png", True),
            ("https://a.test/a.png", False),
            ("https://8.8.8.8/a.png", False),
            ("http://[/a.png", False),
        ],
    )
    def test_what_is_inside(self, url, found):
        assert inside(url) is found


class TestKinds:
    def test_a_location(self, server):
        method, body = sent(server, content(Kind.LOCATION, latitude="10.3", longitude=123.9, name="Clinic", address=""))
        assert method == "sendLocation"
        assert body == {
            "chatId": "639175550101@c.us",
            "latitude": 10.3,
            "longitude": 123.9,
            "nameLocation": "Clinic",
        }

    @pytest.mark.parametrize("details", [{}, {"latitude": 91, "longitude": 0}, {"latitude": "x", "longitude": 0}])
    def test_no_location(self, server, details):
        refused(server, content(Kind.LOCATION, **details))

    def test_a_contact(self, server):
        card = {"name": "Jose de la Cruz", "phones": ["+63 918 555 0102", "2"], "organisation": "Sons"}
        method, body = sent(server, content(Kind.CONTACT, contacts=[card]))
        assert method == "sendContact"
        assert body["contact"] == {
            "phoneContact": 639185550102,
            "firstName": "Jose",
            "lastName": "de la Cruz",
            "company": "Sons",
        }

    def test_a_contact_without_a_name_has_its_number(self, server):
        body = sent(server, content(Kind.CONTACT, contacts=[{"name": "", "phones": ["+639185550102"]}]))[1]
        assert body["contact"]["firstName"] == "+639185550102"

    @pytest.mark.parametrize(
        "contacts", [[], None, [{"phones": []}], [{"phones": ["1"]}, {"phones": ["2"]}], [{"phones": ["1" * 5000]}]]
    )
    def test_no_contact(self, server, contacts):
        refused(server, content(Kind.CONTACT, contacts=contacts))

    def test_a_poll(self, server):
        method, body = sent(server, content(Kind.POLL, question="When?", options=["Ten", "Two"], multiple=True))
        assert method == "sendPoll"
        assert body["message"] == "When?" and body["multipleAnswers"] is True
        assert body["options"] == [{"optionName": "Ten"}, {"optionName": "Two"}]

    @pytest.mark.parametrize(
        "details",
        [
            {"question": "", "options": ["a", "b"]},
            {"question": "q", "options": ["a"]},
            {"question": "q", "options": ["a", "a"]},
            {"question": "q", "options": [str(n) for n in range(13)]},
            {"question": "q" * 256, "options": ["a", "b"]},
            {"question": "q", "options": ["a", "b" * 101]},
        ],
    )
    def test_no_poll(self, server, details):
        refused(server, content(Kind.POLL, **details))

    def test_buttons_quote_nothing(self, server):
        quoting = part("Come?", quotes="Q", content=Content(Kind.BUTTONS, {"buttons": [{"text": "Yes"}]}))
        assert "quotedMessageId" not in sent(server, quoting)[1]

    def test_reply_buttons(self, server):
        buttons = [{"id": "y", "text": "Yes", "type": "reply"}, {"text": "No"}]
        method, body = sent(server, content(Kind.BUTTONS, "Come?", header="Visit", footer="", buttons=buttons))
        assert method == "sendInteractiveButtonsReply"
        assert (body["body"], body["header"], "footer" in body) == ("Come?", "Visit", False)
        assert body["buttons"] == [
            {"buttonId": "y", "buttonText": "Yes"},
            {"buttonId": "2", "buttonText": "No"},
        ]

    def test_buttons_that_do_something(self, server):
        buttons = [
            {"text": "Map", "type": "url", "value": "https://a.test"},
            {"text": "Call", "type": "call", "value": "+639175550101"},
            {"text": "Code", "type": "copy", "value": "77"},
        ]
        method, body = sent(server, content(Kind.BUTTONS, "Come?", buttons=buttons))
        assert method == "sendInteractiveButtons"
        assert body["buttons"] == [
            {"type": "url", "buttonId": "1", "buttonText": "Map", "url": "https://a.test"},
            {"type": "call", "buttonId": "2", "buttonText": "Call", "phoneNumber": "639175550101"},
            {"type": "copy", "buttonId": "3", "buttonText": "Code", "copyCode": "77"},
        ]

    @pytest.mark.parametrize(
        "buttons",
        [
            [],
            None,
            [{"text": str(n)} for n in range(4)],
            [{"text": ""}],
            [{"text": "b" * 26}],
            [{"text": "a"}, {"text": "b", "type": "url", "value": "https://a.test"}],
            [{"text": "a", "type": "url"}],
            [{"text": "a", "type": "dance", "value": "x"}],
        ],
    )
    def test_no_buttons(self, server, buttons):
        refused(server, content(Kind.BUTTONS, "Come?", buttons=buttons))

    def test_no_buttons_in_groups_and_none_without_a_text(self, server):
        group = {"to": "120363043968066561@g.us", "to_kind": AddressKind.GROUP}
        refused(server, content(Kind.BUTTONS, "Come?", buttons=[{"text": "a"}], **group))
        refused(server, content(Kind.BUTTONS, "", buttons=[{"text": "a"}]))

    @pytest.mark.parametrize("kind", [Kind.LIST, Kind.TEMPLATE, Kind.REACTION])
    def test_what_green_api_does_not_send(self, server, kind):
        refused(server, content(kind, "x"))


class TestJournal:
    ENTRY = ({"type": "outgoing", "idMessage": "A1", "chatId": "639175550101@c.us", "timestamp": 1_795_000_000},)

    def look(self, server, word, external_id="A1", channel=None):
        server.script(answer(200, [*({**each, "statusMessage": word} for each in self.ENTRY), {"idMessage": 5}, "x"]))
        return (channel or GreenApi()).status(HttpClient(), GREEN_API.account(server.url), external_id)

    @pytest.mark.parametrize(
        ("word", "outcome", "loss"),
        [
            ("sent", Outcome.SENT, Loss.NONE),
            ("delivered", Outcome.DELIVERED, Loss.NONE),
            ("read", Outcome.READ, Loss.NONE),
            ("yellowCard", Outcome.ACCEPTED, Loss.NONE),
            ("noAccount", Outcome.FAILED, Loss.UNREACHABLE),
            ("notInGroup", Outcome.FAILED, Loss.UNREACHABLE),
            ("failed", Outcome.FAILED, Loss.REJECTED),
        ],
    )
    def test_words(self, server, word, outcome, loss):
        found = self.look(server, word)
        assert (found.external_id, found.outcome, found.loss) == ("A1", outcome, loss)
        assert server.calls[0].target.endswith("?minutes=60")

    @pytest.mark.parametrize("word", ["pending", "", None, "newWord"])
    def test_nothing_new(self, server, word):
        assert self.look(server, word) is None

    def test_an_older_message_is_in_the_journal_of_a_day(self, server, monkeypatch):
        monkeypatch.setattr(journal, "CALL_EVERY", 0.0)
        assert self.look(server, "sent", "other") is None
        assert [call.target.partition("=")[2] for call in server.calls] == ["60", "1440"]

    def test_one_call_a_second_is_all_that_is_made(self, server):
        channel = GreenApi()
        assert self.look(server, "sent", "other", channel) is None
        assert self.look(server, "sent", "other", channel) is None
        assert len(server.calls) == 1, "the longer journal waits for the next question"

    def test_many_questions_are_one_call_for_a_while(self, server, monkeypatch):
        channel = GreenApi()
        for _ in range(3):
            self.look(server, "sent", "A1", channel)
        assert len(server.calls) == 1
        monkeypatch.setattr(journal, "SPANS", {"60": -1.0, "1440": 60.0})
        assert self.look(server, "read", "A1", channel).outcome is Outcome.SENT
        monkeypatch.setattr(journal, "CALL_EVERY", 0.0)
        assert self.look(server, "read", "A1", channel).outcome is Outcome.READ
        assert len(server.calls) == 2

    def test_another_token_is_not_answered_out_of_this_journal(self, server):
        channel = GreenApi()
        self.look(server, "sent", "A1", channel)
        other = Account(8, GREEN_API.credentials | {"api_token": "wrongwrong"}, server.url, True)
        server.script(answer(401, {}))
        with pytest.raises(ChannelError) as caught:
            channel.status(HttpClient(), other, "A1")
        assert (caught.value.scope, caught.value.unknown) == (Scope.SENDER, False)

    @pytest.mark.parametrize("step", [answer(502, body=b""), answer(429, {}), answer(200, {}), reset_after])
    def test_a_fault_is_asked_again(self, server, step):
        server.script(step)
        with pytest.raises(ChannelError) as caught:
            GreenApi().status(HttpClient(), GREEN_API.account(server.url), "A1")
        assert (caught.value.scope, caught.value.retry, caught.value.unknown) == (Scope.SENDER, True, False)


class Instance:
    """Keeps settings as an instance does. `deaf_for` readings it still shows the old ones."""

    def __init__(self, server, deaf_for=0, **has):
        self.now, self.next, self.deaf_for, self.writes = has, None, deaf_for, []
        server.script(self.step)

    def step(self, exchange):
        method = exchange.call.target.split("/")[2]
        if method == "setSettings":
            self.writes.append(exchange.call.json())
            self.next = self.now | exchange.call.json()
            return answer(200, {"saveSettings": True})(exchange)
        if self.next is not None and self.deaf_for <= 0:
            self.now, self.next = self.next, None
        self.deaf_for -= self.next is not None
        return answer(200, self.now)(exchange)


OFF = dict.fromkeys(TYPES, "no") | {"webhookUrl": "", "webhookUrlToken": "", "delaySendMessagesMilliseconds": 500}
OURS = dict.fromkeys(TYPES, "yes") | {
    "webhookUrl": URL,
    "webhookUrlToken": webhook_token(GREEN_API.credentials),
}


class TestConnect:
    def connect(self, account, url=URL):
        return GreenApi().connect(HttpClient(), account, url)

    def test_everything_is_switched_on_and_read_back(self, server, account):
        instance = Instance(server, **OFF)
        assert self.connect(account) is True
        assert instance.writes == [OURS]
        methods = [call.target.split("/")[2] for call in server.calls]
        assert methods == ["getSettings", "setSettings", "getSettings"]
        assert instance.now["delaySendMessagesMilliseconds"] == 500

    def test_what_is_right_is_not_written_again(self, server, account):
        instance = Instance(server, **OURS)
        assert self.connect(account) is False
        assert instance.writes == [] and len(server.calls) == 1

    @pytest.mark.parametrize("name", sorted(OURS))
    def test_one_that_differs_is_written(self, server, account, name):
        instance = Instance(server, **OURS | {name: "no"})
        self.connect(account)
        assert instance.writes == [OURS]

    @pytest.mark.parametrize("scheme", ["Bearer ", "Basic "])
    def test_a_token_may_come_back_with_its_scheme(self, server, account, scheme):
        instance = Instance(server, **OURS | {"webhookUrlToken": scheme + OURS["webhookUrlToken"]})
        self.connect(account)
        assert instance.writes == []

    def test_what_an_older_api_does_not_know_is_not_held_against_it(self, server, account):
        known = {
            name: value for name, value in OURS.items() if name not in ("outgoingCallWebhook", "pollMessageWebhook")
        }
        instance = Instance(server, **known)
        self.connect(account)
        assert instance.writes == []

    def test_what_is_needed_must_be_told(self, server, account):
        instance = Instance(server, **{name: value for name, value in OURS.items() if name != "outgoingWebhook"})
        self.connect(account)
        assert instance.writes == [OURS]

    def test_what_has_not_taken_is_asked_again_when_the_five_minutes_are_over(self, server, account):
        instance = Instance(server, deaf_for=1, **OFF)
        with pytest.raises(ChannelError) as caught:
            self.connect(account)
        error = caught.value
        assert (error.retry, error.scope, error.retry_after) == (True, Scope.SENDER, 300.0)
        assert "webhookUrl" in error.message and OURS["webhookUrlToken"] not in error.message
        self.connect(account)
        assert len(instance.writes) == 1, "written once: writing restarts the instance"

    @pytest.mark.parametrize("step", [answer(400, STARTING), answer(429, {}), answer(502, body=b""), reset_after])
    def test_an_instance_that_restarts_is_read_later_and_not_written_again(self, server, account, step):
        server.script(answer(200, OFF), answer(200, {"saveSettings": True}), step)
        with pytest.raises(ChannelError) as caught:
            self.connect(account)
        assert (caught.value.retry, caught.value.retry_after) == (True, 300.0)
        assert caught.value.message.endswith(".")

    @pytest.mark.parametrize("said", [{"saveSettings": False}, {}, []])
    def test_settings_that_were_not_saved(self, server, account, said):
        server.script(answer(200, OFF), answer(200, said))
        with pytest.raises(ChannelError) as caught:
            self.connect(account)
        assert caught.value.retry

    @pytest.mark.parametrize(
        "step", [answer(200, []), answer(200, None), answer(429, {}), answer(500, {}), reset_after]
    )
    def test_an_instance_that_cannot_say(self, server, account, step):
        server.script(step)
        with pytest.raises(ChannelError) as caught:
            self.connect(account)
        assert caught.value.retry and not caught.value.unknown
        assert GREEN_TOKEN not in everything(caught.value)


class TestDisconnect:
    def disconnect(self, account):
        GreenApi().disconnect(HttpClient(), account, URL)

    def test_our_address_is_taken_out(self, server, account):
        instance = Instance(server, **OURS)
        self.disconnect(account)
        assert instance.writes == [{"webhookUrl": "", "webhookUrlToken": ""}]
        assert (instance.now["webhookUrl"], instance.now["incomingWebhook"]) == ("", "yes")

    @pytest.mark.parametrize("there", ["", "https://other.test/hook"])
    def test_another_systems_address_stays(self, server, account, there):
        instance = Instance(server, **OURS | {"webhookUrl": there})
        self.disconnect(account)
        assert instance.writes == []

    def test_an_instance_that_is_gone_needs_nothing(self, server, account):
        server.script(answer(400, {"message": "Instance is deleted"}))
        self.disconnect(account)

    def test_what_has_not_taken(self, server, account):
        Instance(server, deaf_for=1, **OURS)
        with pytest.raises(ChannelError) as caught:
            self.disconnect(account)
        assert caught.value.retry

    def test_a_token_that_has_changed(self, server, account):
        server.script(answer(401, {}))
        with pytest.raises(ChannelError):
            self.disconnect(account)


class TestLine:
    def line(self, account):
        return GreenApi().line(HttpClient(), account)

    @pytest.mark.parametrize(
        ("word", "state"),
        [
            ("authorized", LineState.READY),
            ("notAuthorized", LineState.SIGNED_OUT),
            ("blocked", LineState.BLOCKED),
            ("starting", LineState.STARTING),
            ("yellowCard", LineState.LIMITED),
            ("suspended", LineState.LIMITED),
            ("sleepMode", LineState.ASLEEP),
        ],
    )
    def test_every_state(self, server, account, word, state):
        server.script(answer(200, {"stateInstance": word, "phone": "4915112345678", "avatar": ""}))
        found = self.line(account)
        assert (found.state, found.code, found.address) == (state, word, "+4915112345678")
        assert bool(found.detail) == (state is not LineState.READY)
        assert server.calls[0].target.split("/")[2] == "getWaSettings"

    @pytest.mark.parametrize(
        ("step", "state"),
        [
            (answer(200, None), LineState.STARTING),
            (answer(400, STARTING), LineState.STARTING),
            (answer(400, {"message": "instance is starting or not authorized"}), LineState.STARTING),
            (answer(400, {"message": "Instance account is expired"}), LineState.GONE),
            (answer(400, {"message": "Instance is deleted"}), LineState.GONE),
        ],
    )
    def test_answers_that_are_states(self, server, account, step, state):
        server.script(step)
        assert self.line(account).state is state

    @pytest.mark.parametrize("phone", ["", None, "0123456789", "x", 5])
    def test_no_number(self, server, account, phone):
        server.script(answer(200, {"stateInstance": "notAuthorized", "phone": phone}))
        assert self.line(account).address == ""

    @pytest.mark.parametrize("step", [answer(200, {"stateInstance": "new"}), answer(200, {}), answer(401, {})])
    def test_what_is_no_state(self, server, account, step):
        server.script(step)
        with pytest.raises(ChannelError):
            self.line(account)


class TestProbe:
    def probe(self, server, account, step):
        server.script(step)
        return GreenApi().probe(HttpClient(), account)

    def test_a_linked_phone(self, server, account):
        found = self.probe(server, account, answer(200, {"stateInstance": "authorized", "phone": "4915112345678"}))
        assert found.ok and found.facts == {"state": "authorized", "number": "+4915112345678"}

    def test_a_phone_that_is_linked_later(self, server, account):
        found = self.probe(server, account, answer(200, {"stateInstance": "notAuthorized", "phone": ""}))
        assert found.ok and "QR" in found.detail

    @pytest.mark.parametrize(
        ("step", "words"),
        [
            (answer(401, {}), "API token"),
            (answer(403, {}), "instance id"),
            (answer(404, {}), "address"),
            (answer(466, {"invokeStatus": {"status": "QUOTE_EXCEEDED"}}), "quota"),
            (answer(400, {"message": "Instance account is expired"}), "expired"),
            (answer(400, {"message": "Instance is deleted"}), "deleted"),
        ],
    )
    def test_a_refusal_is_an_answer(self, server, account, step, words):
        found = self.probe(server, account, step)
        assert not found.ok and words in found.detail and found.detail.endswith(".")

    @pytest.mark.parametrize("step", [answer(400, STARTING), answer(200, None)])
    def test_an_instance_that_starts_is_known(self, server, account, step):
        assert self.probe(server, account, step).ok


class TestLinking:
    def test_a_code_to_scan(self, server, account):
        server.script(answer(200, {"type": "qrCode", "message": PNG}))
        found = GreenApi().link_code(HttpClient(), account)
        assert (found.image, found.linked, found.detail) == (PNG, False, "")

    def test_linked_already(self, server, account):
        server.script(answer(200, {"type": "alreadyLogged", "message": "instance account already authorized"}))
        assert GreenApi().link_code(HttpClient(), account).linked

    @pytest.mark.parametrize(
        "step",
        [
            answer(200, {"type": "error", "message": "something"}),
            answer(200, {"type": "qrCode", "message": "<script>"}),
            answer(200, {"type": "qrCode", "message": base64.b64encode(b"GIF89a").decode()}),
            answer(200, {"type": "qrCode", "message": ""}),
            answer(200, []),
            answer(400, STARTING),
        ],
    )
    def test_no_code_yet(self, server, account, step):
        server.script(step)
        found = GreenApi().link_code(HttpClient(), account)
        assert (found.image, found.linked) == ("", False) and found.detail.endswith(".")

    def test_a_code_to_type(self, server, account):
        server.script(answer(200, {"status": True, "code": "GAPI2015"}))
        assert GreenApi().pairing_code(HttpClient(), account, "+49 151 12345678".replace(" ", "")) == "GAPI2015"
        assert server.calls[0].json() == {"phoneNumber": 4915112345678}

    @pytest.mark.parametrize("said", [{"status": False, "code": ""}, {"code": "GAPI2015"}, {"status": True}, []])
    def test_no_code_to_type(self, server, account, said):
        server.script(answer(200, said))
        with pytest.raises(ChannelError):
            GreenApi().pairing_code(HttpClient(), account, "+4915112345678")

    def test_a_number_that_is_none(self, server, account):
        with pytest.raises(ChannelError):
            GreenApi().pairing_code(HttpClient(), account, "0151")
        assert not server.calls

    @pytest.mark.parametrize(
        ("name", "method", "word"), [("sign_out", "logout", "isLogout"), ("restart", "reboot", "isReboot")]
    )
    def test_sign_out_and_restart(self, server, account, name, method, word):
        server.script(answer(200, {word: True}), answer(200, {word: False}))
        getattr(GreenApi(), name)(HttpClient(), account)
        assert server.calls[0].target.split("/")[2] == method
        with pytest.raises(ChannelError) as caught:
            getattr(GreenApi(), name)(HttpClient(), account)
        assert caught.value.retry


def test_no_method_of_the_line_tells_the_token(server, account):
    channel, http = GreenApi(), HttpClient()
    asking = [
        lambda: channel.line(http, account),
        lambda: channel.link_code(http, account),
        lambda: channel.pairing_code(http, account, "+4915112345678"),
        lambda: channel.sign_out(http, account),
        lambda: channel.restart(http, account),
        lambda: channel.disconnect(http, account, URL),
    ]
    echo = {"path": f"/waInstance1/qr/{GREEN_TOKEN}", "message": f"bad {GREEN_TOKEN}"}
    for step in (answer(400, echo), answer(401, echo), answer(500, body=json.dumps(echo).encode()), reset_after):
        server.script(step)
        for ask in asking:
            with pytest.raises(ChannelError) as caught:
                ask()
            assert GREEN_TOKEN not in everything(caught.value) and caught.value.message.endswith(".")
