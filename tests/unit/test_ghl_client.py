import socket
from datetime import UTC, datetime, timedelta, timezone

import pytest

from portal.ghl.client import GhlClient
from portal.ghl.dnd import Dnd, DndChannel
from portal.ghl.errors import GhlError, Kind
from portal.ghl.records import Contact, Conversation, Location, Posted
from portal.ghl.transport import RateLimit
from portal.http import HttpClient
from tests.ghl_stand_in import running

HTTP = HttpClient()
TOKEN = "location-token"


@pytest.fixture
def ghl():
    with running() as stand_in:
        yield stand_in


@pytest.fixture
def client(ghl):
    return GhlClient(HTTP, ghl.url + "/")


def refused(call, *args, **kwargs):
    with pytest.raises(GhlError) as caught:
        call(*args, **kwargs)
    assert TOKEN not in repr(caught.value)
    return caught.value


def test_a_status_is_put(ghl, client):
    ghl.answer(200, {"messageId": "m1"})
    client.update_status(TOKEN, "m1", "delivered")
    [seen] = ghl.seen
    assert (seen.method, seen.path) == ("PUT", "/conversations/messages/m1/status")
    assert seen.json == {"status": "delivered"}
    assert (seen.headers["authorization"], seen.headers["version"]) == ("Bearer location-token", "2021-04-15")


def test_a_failure_says_why(ghl, client):
    ghl.answer(200)
    fault = {"code": "30003", "type": "provider", "message": "The number is not in use."}
    client.update_status(TOKEN, "m1", "failed", fault)
    assert ghl.seen[0].json == {"status": "failed", "error": fault}


def test_words_that_highlevel_does_not_take_are_ours_to_find(client):
    with pytest.raises(ValueError, match="sent"):
        client.update_status(TOKEN, "m1", "sent")


def test_a_status_too_early_is_no_dead_token(ghl, client):
    for status in (401, 403):
        ghl.answer(status, {"message": "No conversation provider found for this message"})
        assert refused(client.update_status, TOKEN, "m1", "pending").kind is Kind.TOO_EARLY


@pytest.mark.parametrize("message_id", ["a/b", "a?b=c", "a#b", "a%2fb", "ü"])
def test_an_id_stays_one_segment(ghl, client, message_id):
    ghl.answer(200)
    client.update_status(TOKEN, message_id, "read")
    assert ghl.seen[0].path.count("/") == 4 and ghl.seen[0].query == {}


@pytest.mark.parametrize("message_id", ["", ".", ".."])
def test_an_id_that_would_address_something_else_is_refused(ghl, client, message_id):
    assert refused(client.update_status, TOKEN, message_id, "read").kind is Kind.INVALID
    assert ghl.seen == []


def test_an_inbound_message_is_posted_whole(ghl, client):
    ghl.answer(201, {"success": True, "conversationId": "v1", "messageId": "m1", "message": "ok", "contactId": "c1"})
    posted = client.add_inbound(
        TOKEN,
        contact_id="c1",
        message="hi",
        provider_id="p1",
        type="Custom",
        alt_id="wamid.1",
        date=datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2))),
        attachments=["https://example.com/a.png"],
    )
    assert posted == Posted("m1", "v1", "c1")
    assert ghl.seen[0].json == {
        "type": "Custom",
        "direction": "inbound",
        "contactId": "c1",
        "conversationProviderId": "p1",
        "message": "hi",
        "altId": "wamid.1",
        "date": "2026-03-01T10:00:00.000Z",
        "attachments": ["https://example.com/a.png"],
    }


def test_a_message_sent_elsewhere_is_logged_as_outbound(ghl, client):
    ghl.answer(200, {"messageId": "m2"})
    client.add_inbound(TOKEN, contact_id="c1", message="yo", provider_id="", direction="outbound")
    assert ghl.seen[0].json == {"type": "SMS", "direction": "outbound", "contactId": "c1", "message": "yo"}


@pytest.mark.parametrize("body", [b"", b" ", {}, {"success": True, "messageId": ""}, {"messageId": None}])
@pytest.mark.parametrize("status", [200, 201])
def test_an_answer_without_a_message_is_a_failure(ghl, client, status, body):
    ghl.answer(status, body)
    error = refused(client.add_inbound, TOKEN, contact_id="c1", message="hi", provider_id="p1")
    assert error.kind is Kind.INVALID and "without a message" in error.message


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"messageId":'])
def test_an_answer_that_cannot_be_read_leaves_the_outcome_open(ghl, client, body):
    ghl.answer(200, body)
    assert refused(client.add_inbound, TOKEN, contact_id="c1", message="hi", provider_id="p1").kind is Kind.UNKNOWN


def test_a_contact_is_found_by_number(ghl, client):
    tags = ["vip", 5, None]
    found = {"id": "c1", "locationId": "l1", "firstName": "Ann", "lastName": "Lee", "phone": "+1586", "tags": tags}
    ghl.answer(200, {"contact": {**found, "dnd": True}})
    contact = client.find_contact(TOKEN, "l1", "+15864603685")
    assert contact == Contact("c1", "l1", "Ann Lee", "+1586", "", ("vip", "5"), Dnd(everything=True))
    assert ghl.seen[0].query == {"locationId": "l1", "number": "+15864603685"}
    assert ghl.seen[0].headers["version"] == "2021-07-28"


@pytest.mark.parametrize(
    ("status", "body"), [(200, {"contact": None}), (200, {}), (200, b""), (404, {"message": "Not Found"})]
)
def test_an_unknown_number_is_none(ghl, client, status, body):
    ghl.answer(status, body)
    assert client.find_contact(TOKEN, "l1", "+15864603685") is None


def test_a_refused_search_is_not_an_unknown_number(ghl, client):
    ghl.answer(403, {"message": "The token does not have access to this location."})
    error = refused(client.find_contact, TOKEN, "l1", "+15864603685")
    assert error.kind is Kind.NO_ACCESS and "15864603685" not in repr(error)


def test_a_contact_is_created_without_tags(ghl, client):
    ghl.answer(201, {"contact": {"id": "c9", "locationId": "l1", "phone": "+1586"}})
    assert client.create_contact(TOKEN, "l1", "+1586", "Ann").id == "c9"
    ghl.answer(201, {"contact": {"id": "c9"}})
    client.create_contact(TOKEN, "l1", "+1586")
    assert [seen.json for seen in ghl.seen] == [
        {"locationId": "l1", "phone": "+1586", "name": "Ann"},
        {"locationId": "l1", "phone": "+1586"},
    ]
    assert {(seen.method, seen.path) for seen in ghl.seen} == {("POST", "/contacts/")}


def test_a_duplicate_gives_the_contact_that_is_there(ghl, client):
    meta = {"contactId": "c7", "matchingField": "phone"}
    ghl.answer(400, {"message": "This location does not allow duplicated contacts.", "meta": meta})
    assert client.create_contact(TOKEN, "l1", "+1586") == Contact("c7", "l1")
    ghl.answer(400, {"message": "phone is invalid"})
    assert refused(client.create_contact, TOKEN, "l1", "x").kind is Kind.INVALID
    ghl.answer(201, {})
    assert refused(client.create_contact, TOKEN, "l1", "+1586").kind is Kind.UNKNOWN


def test_a_contact_and_a_location_are_fetched(ghl, client):
    ghl.answer(200, {"contact": {"id": "c1", "name": "Ann"}})
    assert client.get_contact(TOKEN, "c1") == Contact("c1", name="Ann")
    place = {"id": "l1", "companyId": "k1", "name": "Dentist", "timezone": "America/Chicago", "phone": None}
    ghl.answer(200, {"location": place})
    assert client.get_location(TOKEN, "l1") == Location("l1", "k1", "Dentist", "America/Chicago")
    assert [seen.path for seen in ghl.seen] == ["/contacts/c1", "/locations/l1"]


def test_a_conversation_is_found_before_one_is_made(ghl, client):
    ghl.answer(200, {"conversations": [{"id": "v1", "contactId": "c1", "locationId": "l1"}], "total": 1})
    assert client.find_or_create_conversation(TOKEN, "l1", "c1") == Conversation("v1", "c1", "l1")
    ghl.answer(200, {"conversations": [{"id": "v9", "contactId": "somebody else"}]})
    ghl.answer(201, {"success": True, "conversation": {"id": "v2", "contactId": "c1"}})
    assert client.find_or_create_conversation(TOKEN, "l1", "c1").id == "v2"
    assert [(seen.method, seen.path) for seen in ghl.seen[1:]] == [
        ("GET", "/conversations/search"),
        ("POST", "/conversations/"),
    ]


def test_a_conversation_made_meanwhile_is_found_again(ghl, client):
    ghl.answer(200, {"conversations": []})
    ghl.answer(400, {"message": "Conversation already exists"})
    ghl.answer(200, {"conversations": [{"id": "v3", "contactId": "c1"}]})
    assert client.find_or_create_conversation(TOKEN, "l1", "c1").id == "v3"


def test_a_conversation_that_cannot_be_made_is_an_error(ghl, client):
    ghl.answer(200, {"conversations": None})
    ghl.answer(400, {"message": "contactId is wrong"})
    ghl.answer(200, {})
    assert refused(client.find_or_create_conversation, TOKEN, "l1", "c1").kind is Kind.INVALID
    ghl.answer(200, {})
    ghl.answer(500)
    assert refused(client.find_or_create_conversation, TOKEN, "l1", "c1").kind is Kind.SERVER


@pytest.mark.parametrize("nested", [True, False])
def test_messages_are_read_in_either_shape(ghl, client, nested):
    listed = [{"id": "m1", "body": "hi", "altId": "a1", "dateAdded": "2026-03-01T10:00:00.000Z"}, {"body": "no id"}, 5]
    ghl.answer(200, {"messages": {"messages": listed, "nextPage": False}} if nested else {"messages": listed})
    [message] = client.get_messages(TOKEN, "v1", limit=5)
    assert (message.id, message.body, message.alt_id) == ("m1", "hi", "a1")
    assert message.date_added == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert ghl.seen[0].query == {"limit": "5"}


@pytest.mark.parametrize("nested", [True, False])
def test_one_message_is_read_in_either_shape(ghl, client, nested):
    plain = {"id": "m1", "status": "delivered", "direction": "outbound", "attachments": ["https://a"]}
    ghl.answer(200, {"message": plain} if nested else {**plain, "message": "text"})
    message = client.get_message(TOKEN, "m1")
    assert (message.id, message.status, message.attachments) == ("m1", "delivered", ("https://a",))


def test_each_answer_tells_what_is_left(ghl):
    heard = []
    client = GhlClient(HTTP, ghl.url, heard.append)
    full = {
        "X-RateLimit-Remaining": "41",
        "X-RateLimit-Interval-Milliseconds": "10000",
        "X-RateLimit-Daily-Remaining": "9",
    }
    ghl.answer(200, {"contact": {"id": "c1"}}, full)
    client.get_contact(TOKEN, "c1")
    ghl.answer(429, {"message": "Too Many Requests"}, {"X-RateLimit-Remaining": "0"})
    assert refused(client.get_contact, TOKEN, "c1").retry_after == 10
    ghl.answer(200, {"contact": {"id": "c1"}}, {"X-RateLimit-Remaining": "many"})
    client.get_contact(TOKEN, "c1")
    assert heard == [RateLimit(41, 10000, 9), RateLimit(0, None, None)]


def test_a_broken_answer_is_unknown_and_a_refused_connection_is_not_sent(ghl, client):
    ghl.answer(0)
    assert refused(client.get_contact, TOKEN, "c1").kind is Kind.UNKNOWN
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = GhlClient(HTTP, f"http://127.0.0.1:{unused.getsockname()[1]}")
        error = refused(nowhere.find_contact, TOKEN, "l1", "+15864603685")
    assert error.kind is Kind.NOT_SENT and "15864603685" not in repr(error)


@pytest.mark.parametrize(("on", "status"), [(True, "active"), (False, "inactive")])
def test_dnd_is_set_for_one_channel_and_nothing_else_is_named(ghl, client, on, status):
    ghl.answer(200, {"succeded": True, "contact": {"id": "c1"}})
    client.update_dnd(TOKEN, "c1", DndChannel.WHATSAPP, on, "the contact wrote STOP")
    [seen] = ghl.seen
    assert (seen.method, seen.path, seen.headers["version"]) == ("PUT", "/contacts/c1", "2021-07-28")
    assert seen.json == {"dndSettings": {"WhatsApp": {"status": status, "message": "the contact wrote STOP"}}}


def test_dnd_is_read_by_channel(ghl, client):
    settings = {"SMS": {"status": "permanent", "code": "21610"}, "Email": {"status": "active"}, "WhatsApp": {}}
    ghl.answer(200, {"contact": {"id": "c1", "dnd": False, "dndSettings": settings | {"FB": None}}})
    assert client.get_contact(TOKEN, "c1").dnd == Dnd({DndChannel.SMS: True}, everything=False)
    ghl.answer(200, {"contact": {"id": "c1", "dndSettings": ["odd"], "dnd": "yes"}})
    assert client.get_contact(TOKEN, "c1").dnd == Dnd()


def test_a_file_is_uploaded_as_the_specification_wants_it(ghl, client):
    ghl.answer(200, {"uploadedFiles": {"a-b.jpg": "https://storage.example/a-b.jpg"}})
    content = b"\xff\xd8\xff\r\n--x\x00\r\n"
    found = client.upload(
        TOKEN,
        location_id="l1",
        contact_id="c1",
        conversation_id="v1",
        name="a-b.jpg",
        type="image/jpeg",
        content=content,
    )
    [seen] = ghl.seen
    assert found == "https://storage.example/a-b.jpg"
    assert seen.path == "/conversations/messages/upload" and seen.headers["version"] == "2021-04-15"
    head, _, rest = seen.body.partition(b"Content-Type: image/jpeg\r\n\r\n")
    assert b'name="fileAttachment"; filename="a-b.jpg"' in head and b'name="contactId"\r\n\r\nc1\r\n' in head
    assert rest.startswith(content + b"\r\n--")


@pytest.mark.parametrize(("status", "body"), [(415, {"status": 415, "message": "Unsupported"}), (413, {"status": 413})])
def test_an_upload_that_is_refused_says_so(ghl, client, status, body):
    ghl.answer(status, body)
    ids = {"location_id": "l", "contact_id": "c", "conversation_id": "v"}
    error = refused(client.upload, TOKEN, **ids, name="x.exe", type="application/octet-stream", content=b"MZ")
    assert error.kind is Kind.INVALID and error.status == status
