"""Whose a webhook of Meta is: its signature, its addressees, and what of it is whose."""

import hashlib
import hmac
import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.channels.base import Account, ChannelError, ChannelEvent, Inbound, Unread, WebhookRequest
from portal.channels.whatsapp_cloud.client import WhatsAppCloud
from tests.contract.whatsapp_cloud.payloads import (
    ACCOUNT,
    NUMBER,
    OTHER_NUMBER,
    change,
    message,
    messages,
    payload,
    request,
    status,
    statuses,
    value,
)

CHANNEL = WhatsAppCloud()
SECRET = "a-secret-of-an-app-0123456789"
HOME = Path(__file__).resolve().parents[2]
VECTORS = next(
    (each / "shared/vectors/signatures.json" for each in HOME.parents[:3] if (each / "shared/vectors").is_dir()), None
)
REJECTED = {"event": "REJECTED", "message_template_name": "hello", "message_template_language": "en"}


def signature(body, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(body, shown, secret=SECRET):
    return CHANNEL.signed(secret, WebhookRequest("receive", body, headers={"x-hub-signature-256": shown}))


def test_a_signature_is_made_over_the_raw_bytes():
    body = b'{"object":"whatsapp_business_account","text":"caf\\u00e9 \\ud83d\\udc4b"}'
    assert signed(body, signature(body))
    assert not signed(json.dumps(json.loads(body), ensure_ascii=False).encode(), signature(body))
    assert not signed(body + b" ", signature(body))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda shown: "",
        lambda shown: shown.upper(),
        lambda shown: shown[:7] + shown[7:].upper(),
        lambda shown: shown.removeprefix("sha256="),
        lambda shown: shown.replace("sha256", "sha1"),
        lambda shown: shown[:-1],
        lambda shown: shown + "0",
        lambda shown: shown[:-1] + "é",
    ],
)
def test_a_signature_of_another_shape_is_none(spoil):
    body = b"{}"
    assert not signed(body, spoil(signature(body)))


def test_no_secret_signs_nothing():
    assert not signed(b"{}", signature(b"{}", ""), "")
    assert not CHANNEL.signed(SECRET, WebhookRequest("receive", b"{}"))


@pytest.mark.skipif(VECTORS is None or not VECTORS.exists(), reason="the collection of vectors is not here")
def test_the_vector():
    vector = json.loads(VECTORS.read_text())["meta_x_hub_signature_256"]
    body = vector["raw_body_utf8"].encode()
    assert len(vector["header"]) == 71
    assert signed(body, vector["header"], vector["secret"])


def test_an_app_of_a_senders_own():
    own = Account(1, {"app_secret": SECRET, "verify_token": "v", "waba_id": ACCOUNT, "phone_number_id": NUMBER})
    asked = request(messages(message()))
    shown = WebhookRequest("receive", asked.body, headers={"x-hub-signature-256": signature(asked.body)})
    assert CHANNEL.verify(own, shown)
    assert not CHANNEL.verify(Account(1, {"phone_number_id": NUMBER}), shown)
    assert CHANNEL.own_app(own.credentials) == (SECRET, "v")
    assert CHANNEL.own_app({}) == ("", "")
    assert CHANNEL.groups(own.credentials) == ACCOUNT


def test_addressees_are_told_once_and_in_order():
    said = payload(
        change("messages", value(OTHER_NUMBER, messages=[message()])),
        change("message_template_status_update", REJECTED),
        change("messages", value(NUMBER, statuses=[status()])),
        change("messages", value(OTHER_NUMBER, statuses=[status()])),
    )
    assert CHANNEL.addressees(request(said)) == (OTHER_NUMBER, f"group:{ACCOUNT}", NUMBER)
    assert CHANNEL.addressed(request(said)) == ""
    assert CHANNEL.addressed(request(messages(message()))) == NUMBER


@pytest.mark.parametrize(
    "said",
    [{}, [], 5, {"object": "page", "entry": [{"id": "1", "changes": [{}]}]}, {"object": "whatsapp_business_account"}],
)
def test_what_is_no_request_of_whatsapp_speaks_of_nobody(said):
    assert list(CHANNEL.addressees(request(said))) == []
    assert isinstance(CHANNEL.share(request(said), NUMBER), WebhookRequest)


def test_a_body_that_breaks_off_still_names_its_number():
    body = json.dumps(messages(message())).encode()[:-20]
    assert list(CHANNEL.addressees(request(body))) == [NUMBER]
    with pytest.raises(ChannelError):
        CHANNEL.parse(request(body))


def test_nobody_passes_for_an_account():
    forged = payload(change("messages", value(f"group:{ACCOUNT}", messages=[message()])), account="1")
    assert list(CHANNEL.addressees(request(forged))) == ["group:1"]


def test_a_share_of_what_is_one_persons_is_the_request_itself():
    asked = request(payload(change("messages", value(messages=[message()])), change("messages", value())))
    assert CHANNEL.share(asked, NUMBER) is asked


def test_shares_hold_everything_once_and_nothing_of_others():
    half = message(text={"body": "half \ud83d, whole \U0001f44b, café\x00"}, external_id="wamid.A")
    said = payload(
        change("messages", value(NUMBER, messages=[half])),
        change("messages", value(OTHER_NUMBER, messages=[message(external_id="wamid.B")], statuses=[status()])),
        change("message_template_status_update", REJECTED),
        {"field": "odd"},
    )
    said["entry"].append({"id": "777", "changes": [change("messages", value(NUMBER, statuses=[status("read")]))]})
    asked = request(said, **{"x-request-id": "r"})
    parts = {who: CHANNEL.share(asked, who) for who in CHANNEL.addressees(asked)}
    assert list(parts) == [NUMBER, OTHER_NUMBER, f"group:{ACCOUNT}"]
    for who, part in parts.items():
        assert list(CHANNEL.addressees(part)) == [who]
        assert part.headers == asked.headers and part.body != asked.body
    ours = json.loads(parts[NUMBER].body)
    assert ours["entry"][0]["changes"] == [said["entry"][0]["changes"][0]]
    assert ours["entry"][1]["changes"] == said["entry"][1]["changes"] and ours["entry"][1]["id"] == "777"
    assert b"wamid.B" not in parts[NUMBER].body and b"wamid.A" not in parts[OTHER_NUMBER].body
    changes = [each for part in parts.values() for entry in json.loads(part.body)["entry"] for each in entry["changes"]]
    assert len(changes) == 5


def test_a_share_is_as_meta_wrote_it_to_the_byte():
    written = (
        rb'{"value": {"metadata": {"phone_number_id": "1"}, "messages": [{"n": 1.50, "t": "caf\u00e9 \ud83d\udc4b"}]}}'
    )
    other = b'{"field":"messages","value":{"metadata":{"phone_number_id":"2"}}}'
    entry = b'{"id":"9","time":17,"changes":[%b,%b]}' % (written, other)
    asked = request(b'{"object":"whatsapp_business_account","entry":[%b]}' % entry)
    share = CHANNEL.share(asked, "1").body
    assert written in share and b'"time":17' in share and other not in share
    assert CHANNEL.share(asked, "2").body.count(b"phone_number_id") == 1


def test_an_odd_entry_does_not_spoil_the_shares_of_others():
    said = payload(change("messages", value(NUMBER, messages=[message()])), 5)
    said["entry"] += ["odd", {"id": "8", "changes": {"not": "a list"}}]
    said["entry"].append(
        payload(change("messages", value(OTHER_NUMBER, messages=[message()])), account="8")["entry"][0]
    )
    assert list(CHANNEL.addressees(request(said))) == [NUMBER, f"group:{ACCOUNT}", OTHER_NUMBER]
    share = json.loads(CHANNEL.share(request(said), NUMBER).body)
    assert share["entry"] == [{"id": ACCOUNT, "changes": [said["entry"][0]["changes"][0]]}]
    nobodys = json.loads(CHANNEL.share(request(said), "").body)
    assert nobodys["entry"] == ["odd", {"id": "8", "changes": {"not": "a list"}}]


@pytest.mark.parametrize("odd", [False, True], ids=["as Meta writes", "with an odd item"])
def test_what_names_nobody_is_a_share_too(odd):
    both = [change("messages", value(number, messages=[message()])) for number in (NUMBER, OTHER_NUMBER)]
    said = payload(*both)
    assert CHANNEL.share(request(said), "").body == b"", "there is nothing of that kind"
    said["entry"].append({"changes": [{"field": "new", "value": {"text": 7 if odd else "x"}}]})
    if odd:
        said["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"] = NUMBER
        said["entry"].append(5)
    asked = request(said)
    assert list(CHANNEL.addressees(asked)) == [NUMBER, OTHER_NUMBER]
    rest = CHANNEL.share(asked, "")
    changes = [each["changes"] for each in json.loads(rest.body)["entry"] if isinstance(each, dict)]
    assert changes == [said["entry"][1]["changes"]]
    assert list(CHANNEL.addressees(rest)) == [] and (b"5" in rest.body) is odd


def test_receipts_never_wait_behind_messages_nor_behind_all_others():
    assert CHANNEL.lane(request(messages(message()))) == ""
    assert CHANNEL.lane(request(messages(message(), statuses=[status()]))) == ""
    lanes = {CHANNEL.lane(request(statuses(status(external_id=f"wamid.{n}")))) for n in range(200)}
    assert lanes == {f"s{n}" for n in range(8)}
    same = [CHANNEL.lane(request(statuses(status(word)))) for word in ("sent", "delivered", "read")]
    assert len(set(same)) == 1, "the receipts of one message stay in their order"
    assert CHANNEL.lane(request(payload(change("message_template_status_update", REJECTED)))) == ""


words = st.sampled_from(
    [
        "id",
        "from",
        "type",
        "text",
        "body",
        "image",
        "messages",
        "statuses",
        "errors",
        "status",
        "code",
        "wa_id",
        "interactive",
        "context",
        "timestamp",
        "history",
        "threads",
        "system",
        "order",
        "edit",
        "message",
        "contacts",
        "reaction",
        "referral",
        "message_echoes",
        "user_preferences",
        "event",
        "metadata",
        "phone_number_id",
        "value",
    ]
)
kinds = st.sampled_from(
    ["text", "image", "contacts", "interactive", "button", "reaction", "order", "system", "edit", "revoke", "failed"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8) | kinds,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6),
    max_leaves=25,
)
fields = st.sampled_from(
    [
        "messages",
        "smb_message_echoes",
        "calls",
        "history",
        "user_preferences",
        "account_update",
        "security",
        "account_alerts",
        "new_field",
        "message_template_status_update",
        "phone_number_quality_update",
        "phone_number_name_update",
    ]
)
requests_ = st.builds(
    lambda inner: {"object": "whatsapp_business_account", "entry": inner},
    st.lists(
        st.builds(
            lambda who, inner: {"id": who, "changes": inner},
            st.text(max_size=3) | anything,
            st.lists(
                st.builds(lambda field, inner: {"field": field, "value": inner}, fields, anything) | anything,
                max_size=3,
            ),
        )
        | anything,
        max_size=3,
    ),
)


def storable(value):
    """What PostgreSQL takes as a text or as JSON."""
    if isinstance(value, dict):
        return all(map(storable, value.keys())) and all(map(storable, value.values()))
    if isinstance(value, list | tuple):
        return all(map(storable, value))
    if isinstance(value, str):
        return "\x00" not in value and value.encode("utf-8", "replace").decode() == value
    return not isinstance(value, float) or math.isfinite(value)


@settings(max_examples=300, deadline=None)
@given(said=requests_ | anything)
def test_no_json_breaks_anything(said):
    asked = request(said)
    for who in CHANNEL.addressees(asked):
        part = CHANNEL.share(asked, who)
        assert part is asked or list(CHANNEL.addressees(part)) in ([who], [])
    assert isinstance(CHANNEL.lane(asked), str) and isinstance(CHANNEL.addressed(asked), str)
    try:
        events = CHANNEL.parse(asked)
    except ChannelError as error:
        assert error.message.endswith(".")
    else:
        assert all(isinstance(event, ChannelEvent) for event in events)
        assert all(storable(asdict(event)) for event in events if not isinstance(event, Unread))
        unread = [event.detail for event in events if isinstance(event, Unread)]
        assert all(detail.endswith(".") and "Error" not in detail for detail in unread)


@settings(max_examples=200, deadline=None)
@given(own=st.dictionaries(words, anything, max_size=5), kind=kinds, answers=anything)
def test_whatever_is_in_a_message_can_be_kept(own, kind, answers):
    form = {"type": "nfm_reply", "nfm_reply": {"response_json": json.dumps(answers)}}
    first = message(kind, text="x\x00\ud83d") | {"context": own, "referral": own, kind: own}
    items = [first, message("interactive", interactive=form)]
    events = CHANNEL.parse(request(messages(*items, contacts=[own])))
    assert events and all(storable(asdict(event)) for event in events if not isinstance(event, Unread))


@settings(max_examples=200, deadline=None)
@given(bad=anything, place=st.integers(0, 2))
def test_whatever_one_item_is_it_costs_no_other(bad, place):
    items = [message(external_id="wamid.A"), message(external_id="wamid.B")]
    items.insert(place, bad)
    events = CHANNEL.parse(request(payload(change("messages", value(messages=items)))))
    told = [event.external_id for event in events if isinstance(event, Inbound)]
    assert [each for each in told if each in ("wamid.A", "wamid.B")] == ["wamid.A", "wamid.B"]
    both = CHANNEL.parse(request(payload(change("messages", value(messages=[message()], statuses=[bad, status()])))))
    assert any(isinstance(event, Inbound) for event in both) and both[-1].external_id == "wamid.OUT"
