import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.ghl.payloads import AppEvent, Delivery, Peek, PeekKind, UnreadablePayload, parse, peek

DELIVERY = {
    "contactId": "GKBhT6BfwY9mjzXAU3sq",
    "locationId": "GKAWb4yu7A4LSc0skQ6g",
    "messageId": "GKJxs4P5L8dWc5CFUITM",
    "type": "SMS",
    "phone": "+15864603685",
    "message": "héllo 👋",
    "attachments": ["https://example.com/x.png"],
    "userId": "GK56r6wdJDrkUPd0xsmx",
}
INSTALL = {
    "type": "INSTALL",
    "appId": "665c",
    "versionId": "665d",
    "installType": "Location",
    "locationId": "HjiM",
    "companyId": "GNb7",
    "userId": "Rg6B",
    "planId": "p1",
    "trial": {"onTrial": True},
    "companyName": "Ann & Co",
    "isWhitelabelCompany": True,
    "whitelabelDetails": {"domain": "crm.example", "logoUrl": "https://crm.example/l.png"},
    "timestamp": "2025-06-25T06:57:06.225Z",
    "webhookId": "1a533f85-0000-4000-8000-000000000000",
}
OUTBOUND = {
    "type": "OutboundMessage",
    "locationId": "loc",
    "contactId": "con",
    "conversationId": "cnv",
    "messageId": DELIVERY["messageId"],
    "messageType": "SMS",
    "body": "hello",
    "direction": "outbound",
    "conversationProviderId": "prov",
}


def raw(fields, **changes):
    return json.dumps({**fields, **changes}).encode()


def test_a_delivery_is_read_whole():
    extra = {"replyToAltId": "wamid:1", "conversationProviderId": "p", "timestamp": 1750834626225, "brandNew": {"a": 1}}
    delivery = parse(raw(DELIVERY, **extra))
    assert delivery == Delivery(
        location_id="GKAWb4yu7A4LSc0skQ6g",
        contact_id="GKBhT6BfwY9mjzXAU3sq",
        message_id="GKJxs4P5L8dWc5CFUITM",
        type="SMS",
        message="héllo 👋",
        phone="+15864603685",
        attachments=("https://example.com/x.png",),
        user_id="GK56r6wdJDrkUPd0xsmx",
        reply_to_alt_id="wamid:1",
        conversation_provider_id="p",
        timestamp=datetime(2025, 6, 25, 6, 57, 6, 225000, UTC),
    )
    assert "héllo" not in repr(delivery) and "+1586" not in repr(delivery)


def test_an_installation_is_read_whole():
    event = parse(raw(INSTALL))
    assert isinstance(event, AppEvent)
    assert (event.type, event.location_id, event.company_id, event.app_id) == ("INSTALL", "HjiM", "GNb7", "665c")
    assert (event.version_id, event.install_type, event.plan_id, event.user_id) == ("665d", "Location", "p1", "Rg6B")
    assert (event.company_name, event.is_whitelabel, event.whitelabel_domain) == ("Ann & Co", True, "crm.example")
    assert event.timestamp == datetime(2025, 6, 25, 6, 57, 6, 225000, UTC)
    assert event.raw["trial"] == {"onTrial": True}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (DELIVERY, Delivery),
        ({**DELIVERY, "type": "Email"}, Delivery),
        ({**DELIVERY, "type": "RCS", "webhookId": "w", "appId": "a"}, Delivery),
        ({**DELIVERY, "type": "Carrier_Pigeon"}, Delivery),
        ({"type": "SMS", "locationId": "l"}, Delivery),
        ({key: value for key, value in DELIVERY.items() if key != "type"}, Delivery),
        (OUTBOUND, AppEvent),
        ({**OUTBOUND, "webhookId": "w", "appId": "a"}, AppEvent),
        ({**OUTBOUND, "type": "InboundMessage"}, AppEvent),
        ({**DELIVERY, "type": "OutboundMessage"}, AppEvent),
        ({**DELIVERY, "type": "SomethingNew", "webhookId": "w"}, AppEvent),
        ({**OUTBOUND, "type": "MessageReaction"}, AppEvent),
        ({"type": "UNINSTALL", "companyId": "c"}, AppEvent),
        ({"type": "SomethingNew"}, AppEvent),
    ],
)
def test_deliveries_and_events_are_told_apart_alike_by_both_readers(fields, kind):
    assert isinstance(parse(raw(fields)), kind)
    assert peek(raw(fields)).kind == ("delivery" if kind is Delivery else "event")


@pytest.mark.parametrize(
    ("fields", "lane", "key"),
    [
        (
            DELIVERY,
            "ghl:GKAWb4yu7A4LSc0skQ6g:GKBhT6BfwY9mjzXAU3sq",
            "delivery:GKAWb4yu7A4LSc0skQ6g:GKJxs4P5L8dWc5CFUITM",
        ),
        ({**DELIVERY, "messageId": ""}, "ghl:GKAWb4yu7A4LSc0skQ6g:GKBhT6BfwY9mjzXAU3sq", None),
        ({**DELIVERY, "messageId": "m" * 129}, "ghl:GKAWb4yu7A4LSc0skQ6g:GKBhT6BfwY9mjzXAU3sq", None),
        ({**DELIVERY, "messageId": 7, "locationId": None}, "ghl:GKBhT6BfwY9mjzXAU3sq", None),
        (OUTBOUND, "ghl:loc:con", None),
        ({**OUTBOUND, "webhookId": "w1"}, "ghl:loc:con", "event:w1"),
        (INSTALL, "ghl:HjiM", "event:1a533f85-0000-4000-8000-000000000000"),
        ({"type": "UNINSTALL", "companyId": "GNb7"}, "ghl:GNb7", None),
        ({"type": "LocationUpdate", "id": "l1", "companyId": "c1"}, "ghl:l1", None),
        ({"type": "ContactDndUpdate", "id": "k1", "locationId": "l1"}, "ghl:l1:k1", None),
        ({"type": "ConversationUnreadUpdate", "id": "x", "contactId": "k1", "locationId": "l1"}, "ghl:l1:k1", None),
        ({"type": "SMS"}, "ghl", None),
    ],
)
def test_lanes_and_dedupe_keys(fields, lane, key):
    seen = peek(raw(fields))
    assert (seen.lane, seen.dedupe_key) == (lane, key)


def test_an_event_never_swallows_the_delivery_of_the_same_message():
    delivery, event = peek(raw(DELIVERY, webhookId="w")), peek(raw(OUTBOUND, webhookId="w"))
    assert delivery.dedupe_key != event.dedupe_key


def test_long_ids_make_a_short_lane_of_their_own():
    lanes = {peek(raw(DELIVERY, locationId="l" * 120, contactId="c" * length)).lane for length in (118, 119)}
    assert len(lanes) == 2 and max(map(len, lanes)) <= 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"12",
        b'"x"',
        b"{}",
        b'{"type":5.5}',
        b'{"type":null}',
        b"{" * 100_000,
        b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"type":"\xff"}',
        b'{"type":"SMS"',
        b"\x00" * 1024,
    ],
)
def test_unreadable_bytes_are_no_surprise(body):
    assert peek(body) == Peek(PeekKind.UNREADABLE)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{" * 100_000, b'{"type":"SMS","message":"\xff"}', b'{"a":NaN}'])
def test_parse_names_the_unreadable(body):
    with pytest.raises(UnreadablePayload, match=r"\.$"):
        parse(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"messageId": ["m"]},
        {"messageId": "m" * 129},
        {"contactId": "a\x00b"},
        {"locationId": "a:b"},
        {"conversationProviderId": {}},
        {"appId": [1]},
        {"message": {"text": "x"}},
        {"message": 1.5},
        {"phone": True},
        {"attachments": [5.5]},
        {"attachments": ["https://example.com/a", None]},
    ],
)
def test_a_delivery_that_would_lose_something_is_unreadable(changes):
    with pytest.raises(UnreadablePayload):
        parse(raw(DELIVERY, **changes))


def test_wrong_types_in_what_is_not_needed_cost_only_that_field():
    odd = {
        "userId": {"id": 1},
        "timestamp": "yesterday",
        "replyToAltId": [],
        "emailMessageId": 4.5,
        "customUserId": True,
    }
    delivery = parse(raw(DELIVERY, **odd))
    assert (delivery.user_id, delivery.timestamp, delivery.reply_to_alt_id, delivery.custom_user_id) == (
        "",
        None,
        "",
        "",
    )
    event = parse(raw(INSTALL, isWhitelabelCompany="yes", whitelabelDetails="x", timestamp=True, companyName=None))
    assert (event.is_whitelabel, event.whitelabel_domain, event.timestamp, event.company_name) == (False, "", None, "")


def test_attachments_may_be_absent_single_or_objects():
    for given_, read in ((None, ()), ("", ()), ("https://a", ("https://a",)), ([{"url": "https://a"}], ("https://a",))):
        assert parse(raw(DELIVERY, attachments=given_)).attachments == read


def test_numbers_count_as_texts_and_nul_is_dropped():
    delivery = parse(raw(DELIVERY, message=123456, phone=15864603685, messageId=99))
    assert (delivery.message, delivery.phone, delivery.message_id) == ("123456", "15864603685", "99")
    assert parse(raw(DELIVERY, message="a\x00b")).message == "ab"


def test_half_an_emoji_does_not_stop_a_message():
    body = raw(DELIVERY).replace(b"\\ud83d\\udc4b", b"\\ud83d")
    assert peek(body).dedupe_key
    assert parse(body).message == "héllo ?"
    assert peek(b'{"type":"SMS","locationId":"l","messageId":"\\ud800"}').dedupe_key is None


def test_duplicate_keys_read_alike_in_both_readers():
    body = b'{"type":"SMS","locationId":"l","contactId":"c","messageId":"first","messageId":"last"}'
    assert peek(body).dedupe_key == "delivery:l:last"
    assert parse(body).message_id == "last"


def test_times_without_a_zone_are_utc():
    assert parse(raw(INSTALL, timestamp="2025-06-25T06:57:06")).timestamp.utcoffset() == timedelta(0)
    assert parse(raw(INSTALL, timestamp=10**30)).timestamp is None


NAMES = ["type", "id", "locationId", "contactId", "companyId", "messageId", "webhookId", "appId", "message", "zz"]
TYPES = ["SMS", "Email", "INSTALL", "OutboundMessage", "ContactUpdate", "LocationUpdate", "Foo"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=300)
    | st.sampled_from([*TYPES, "x" * 200]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES)
JSON = st.builds(
    lambda value, ascii_: json.dumps(value, ensure_ascii=ascii_).encode("utf-8", "surrogatepass"),
    OBJECTS,
    st.booleans(),
)
CUT = st.builds(lambda body, at: body[: at % (len(body) + 1)], JSON, st.integers(0, 5000))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | JSON | CUT)
def test_no_bytes_upset_either_reader(body):
    seen = peek(body)
    assert 0 < len(seen.lane) <= 200
    assert len(seen.dedupe_key or "") <= 270
    assert max(len(seen.location_id), len(seen.contact_id)) <= 128
    (seen.lane + (seen.dedupe_key or "")).encode("ascii")
    try:
        read = parse(body)
    except UnreadablePayload:
        return
    if seen.kind is not PeekKind.UNREADABLE:
        assert isinstance(read, Delivery) == (seen.kind is PeekKind.DELIVERY)
        assert (read.location_id, read.contact_id) == (seen.location_id, seen.contact_id)


def test_a_megabyte_is_peeked_like_a_line():
    body = raw(DELIVERY, message="x" * 1_048_576, zz="y" * 1_048_576)
    assert peek(body).dedupe_key == peek(raw(DELIVERY)).dedupe_key
