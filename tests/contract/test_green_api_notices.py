"""Statuses, calls, states and quotas that GREEN-API posts, its token, and bodies that are none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels.base import (
    Account,
    ChannelError,
    Inbound,
    Line,
    LineState,
    Loss,
    Notice,
    Outcome,
    Receipt,
    WebhookRequest,
)
from portal.channels.content import CallState, Kind
from portal.channels.green_api.client import GreenApi
from portal.channels.green_api.settings import webhook_token
from tests.contract.cases.green_api import GREEN_API, GREEN_INSTANCE
from tests.contract.green_api import notifications as say
from tests.contract.green_api.notifications import call, envelope, event, events, request, status

TOKEN = webhook_token(GREEN_API.credentials)
ACCOUNT = GREEN_API.account("")


class TestStatuses:
    @pytest.mark.parametrize(
        ("word", "outcome", "loss"),
        [
            ("sent", Outcome.SENT, Loss.NONE),
            ("delivered", Outcome.DELIVERED, Loss.NONE),
            ("read", Outcome.READ, Loss.NONE),
            ("failed", Outcome.FAILED, Loss.REJECTED),
            ("noAccount", Outcome.FAILED, Loss.UNREACHABLE),
            ("notInGroup", Outcome.FAILED, Loss.UNREACHABLE),
        ],
    )
    def test_each(self, word, outcome, loss):
        found = event(status(word))
        assert isinstance(found, Receipt)
        assert (found.external_id, found.outcome, found.loss, found.code) == ("3EB0BB02", outcome, loss, word)
        assert found.recipient == "+639175550101" and found.at is not None
        assert bool(found.detail) == (outcome is Outcome.FAILED)

    def test_held_back_messages_are_not_lost_and_the_line_is_looked_at(self):
        receipt, line = events(status("yellowCard"))
        assert (receipt.outcome, receipt.loss) == (Outcome.ACCEPTED, Loss.NONE)
        assert "holds" in receipt.detail
        assert (line.state, line.code) == (LineState.LIMITED, "yellowCard")

    def test_green_apis_own_description_is_evidence(self):
        assert event(status("noAccount", description="SWE004: 1000")).code == "noAccount: SWE004: 1000"

    def test_an_old_status_without_a_chat(self):
        said = status("noAccount")
        del said["chatId"]
        assert event(said).recipient == ""

    @pytest.mark.parametrize("word", ["pending", "newWord", "", None, 5, {}])
    def test_what_says_nothing(self, word):
        assert events(status(word)) == []


class TestCalls:
    @pytest.mark.parametrize(
        ("word", "state"),
        [
            (None, CallState.RINGING),
            ("offer", CallState.RINGING),
            ("pickUp", CallState.ANSWERED),
            ("hungUp", CallState.DECLINED),
            ("hangUp", CallState.DECLINED),
            ("declined", CallState.MISSED),
            ("missed", CallState.MISSED),
            ("newWord", CallState.MISSED),
        ],
    )
    def test_a_call_to_the_line_has_one_id(self, word, state):
        found = event(call(word))
        assert isinstance(found, Inbound)
        assert (found.kind, found.external_id, found.sender) == (Kind.CALL, "CALL01", "+639175550101")
        assert found.details == {"state": state, "video": False}
        assert not found.from_us

    @pytest.mark.parametrize(
        ("word", "state"),
        [("pickUp", CallState.ANSWERED), ("hungUp", CallState.MISSED), ("invalid", CallState.MISSED)],
    )
    def test_a_call_from_the_phone(self, word, state):
        found = event(call(word, "outgoingCall", isVideo=True, duration=12, participants=[{"id": say.CUSTOMER}]))
        assert found.from_us
        assert found.details == {"state": state, "video": True, "seconds": 12}

    def test_a_call_of_nobody(self):
        assert events(call("offer") | {"from": None}) == []


class TestTheLine:
    @pytest.mark.parametrize(
        ("word", "state"),
        [
            ("authorized", LineState.READY),
            ("notAuthorized", LineState.SIGNED_OUT),
            ("blocked", LineState.BLOCKED),
            ("starting", LineState.STARTING),
            ("yellowCard", LineState.LIMITED),
            ("sleepMode", LineState.ASLEEP),
        ],
    )
    def test_every_state(self, word, state):
        found = event(envelope("stateInstanceChanged", stateInstance=word))
        assert isinstance(found, Line)
        assert (found.state, found.code, found.address) == (state, word, "+4915112345678")
        assert bool(found.detail) == (state is not LineState.READY)

    def test_without_a_phone_there_is_no_number(self):
        said = envelope("stateInstanceChanged", stateInstance="notAuthorized")
        said["instanceData"]["wid"] = ""
        assert event(said).address == ""

    @pytest.mark.parametrize(("word", "state"), [("online", LineState.READY), ("offline", LineState.ASLEEP)])
    def test_the_deprecated_notice(self, word, state):
        assert event(envelope("statusInstanceChanged", statusInstance=word)).state is state

    @pytest.mark.parametrize(
        "said",
        [
            envelope("stateInstanceChanged", stateInstance="dreaming"),
            envelope("statusInstanceChanged"),
            envelope("deviceInfo", deviceData={"battery": 90}),
            envelope("incomingBlock", chatId=say.CUSTOMER, chatState="blocked"),
            envelope("brandNew"),
        ],
    )
    def test_what_says_nothing(self, said):
        assert events(said) == []

    @pytest.mark.parametrize("method", ["correspondents", "checkwhatsapp", None])
    def test_a_quota(self, method):
        said = {
            "method": method,
            "used": 3,
            "total": 3,
            "status": "X_QUOTA_EXCEEDED",
            "description": "only 10001234560",
        }
        found = event({"typeWebhook": "quotaExceeded", "instanceData": {"idInstance": 1}, "quotaData": said})
        assert isinstance(found, Notice)
        assert found.code == "X_QUOTA_EXCEEDED"
        assert found.detail.endswith(".") and "10001234560" not in found.detail


class TestTheToken:
    @pytest.mark.parametrize(
        "shown", [f"Bearer {TOKEN}", f"Basic {TOKEN}", TOKEN, f"bearer   {TOKEN}", f"BEARER {TOKEN} "]
    )
    def test_its_forms(self, shown):
        assert GreenApi().verify(ACCOUNT, request(say.text(), authorization=shown))

    @pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Bearer x", TOKEN[:-1], f"Token {TOKEN}", "Bearer Ünï"])
    def test_anything_else_is_refused(self, shown):
        assert not GreenApi().verify(ACCOUNT, request(say.text(), authorization=shown))

    def test_no_header(self):
        assert not GreenApi().verify(ACCOUNT, request(say.text()))

    def test_a_sender_without_credentials_verifies_nothing(self):
        nothing = Account(1, {})
        for shown in ("", "Bearer ", f"Bearer {webhook_token({})}"):
            assert not GreenApi().verify(nothing, request(say.text(), authorization=shown))

    def test_another_instances_notification(self):
        said = say.text()
        said["instanceData"]["idInstance"] = 7103000002
        assert not GreenApi().verify(ACCOUNT, request(said, authorization=f"Bearer {TOKEN}"))

    def test_it_changes_with_the_api_token_and_does_not_tell_it(self):
        other = webhook_token(GREEN_API.credentials | {"api_token": "another"})
        assert len({TOKEN, other, webhook_token(GREEN_API.credentials | {"id_instance": "9"})}) == 3
        assert GREEN_API.credentials["api_token"] not in TOKEN


class TestRouting:
    @pytest.mark.parametrize(
        ("said", "lane"),
        [
            (say.text(), say.CUSTOMER),
            (say.text(chat=say.GROUP, sender=say.MEMBER), say.GROUP),
            (status("sent"), say.CUSTOMER),
            (call("offer"), say.CUSTOMER),
            (envelope("stateInstanceChanged", stateInstance="authorized"), ""),
        ],
    )
    def test_instance_and_chat(self, said, lane):
        assert (GreenApi().addressed(request(said)), GreenApi().lane(request(said))) == (GREEN_INSTANCE, lane)

    def test_what_a_strict_reader_refuses_still_finds_its_sender(self):
        body = json.dumps(say.text()).replace("Maria", "\\ud83d").encode()
        found = WebhookRequest("receive", body)
        assert (GreenApi().addressed(found), GreenApi().lane(found)) == (GREEN_INSTANCE, say.CUSTOMER)
        assert GreenApi().parse(found)
        broken = WebhookRequest("receive", json.dumps(say.text("x")).encode().replace(b"Maria", b"\xff\xfe"))
        assert GreenApi().addressed(broken) == GREEN_INSTANCE and GreenApi().parse(broken)

    def test_the_answer(self):
        assert GreenApi().answer(request(say.text())) == ("{}", "application/json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = (
    st.sampled_from(sorted({"textMessage", "imageMessage", "pollUpdateMessage", "contactsArrayMessage"})) | st.text()
)
BLOCKS = st.sampled_from(
    [
        "textMessageData",
        "extendedTextMessageData",
        "fileMessageData",
        "contactMessageData",
        "messageData",
        "pollMessageData",
        "listMessage",
        "quotedMessage",
        "templateMessage",
    ]
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["typeWebhook", "instanceData", "senderData", "messageData", "timestamp", "idMessage", "status"]
        ),
        JSON,
    ),
    st.sampled_from(sorted(["incomingMessageReceived", "outgoingMessageStatus", "incomingCall", "quotaExceeded"])),
    st.dictionaries(BLOCKS, JSON),
    KINDS,
)
def test_no_body_raises_anything_else(said, webhook, blocks, kind):
    whole = say.text() | {"typeWebhook": webhook, **said}
    if "messageData" not in said:
        whole["messageData"] = {"typeMessage": kind, **blocks}
    try:
        found = events(whole)
    except ChannelError as error:
        assert error.message.endswith(".") and not error.retry
    else:
        assert all(isinstance(each, Inbound | Receipt | Line | Notice) for each in found)
