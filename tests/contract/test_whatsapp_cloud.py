"""Meta's Cloud API as the channel uses it: what is sent, every refusal, files, templates, the number, our webhook."""

import json
import logging
import re
from dataclasses import replace

import pytest

from portal.channels import capabilities, registry
from portal.channels.base import Account, ChannelError, LineState, Outgoing, Registers, Scope
from portal.channels.content import AddressKind, Content, File, Kind
from portal.channels.handing import wants_copy
from portal.channels.whatsapp_cloud import codes, fields
from portal.channels.whatsapp_cloud.client import WhatsAppCloud
from portal.http import HttpClient
from portal.logs import JsonFormatter
from tests.contract.standin import StandIn, answer, everything, raw, reset_after
from tests.contract.whatsapp_cloud.payloads import ACCOUNT, NUMBER

TOKEN, SECRET = "EAAJB-5ec7e7-token", "5ec7e75ec7e75ec7e75ec7e75ec7e7ab"
CREDENTIALS = {"phone_number_id": NUMBER, "access_token": TOKEN, "waba_id": ACCOUNT}
OWN = CREDENTIALS | {"app_secret": SECRET, "verify_token": "verify-me-please"}
TAKEN = answer(200, {"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": "wamid.OUT"}]})
TO = "+639175550101"
URL = "https://portal.test/webhooks/whatsapp/k1"
DONE = answer(200, {"success": True})
CHANNEL = WhatsAppCloud()


@pytest.fixture
def server():
    with StandIn() as standin:
        standin.script(TAKEN)
        yield standin


@pytest.fixture
def account(server):
    return made(server)


def made(server, credentials=CREDENTIALS, path=""):
    return Account(7, credentials, server.url + path, private_hosts=True)


def failure(code, status=400, headers=(), **more):
    error = {"message": f"(#{code}) Words", "type": "OAuthException", "code": code, "fbtrace_id": "A", **more}
    return answer(status, {"error": error}, headers)


def part(text="", **more):
    return Outgoing(to=more.pop("to", TO), text=text, idempotency_key="b2c1:1", **more)


def content(kind, text="", **details):
    return part(text, content=Content(kind, details))


def sent(server, given):
    accepted = CHANNEL.send(HttpClient(), made(server), given)
    assert accepted.external_id == "wamid.OUT"
    call = server.calls[-1]
    assert (call.method, call.target) == ("POST", f"/v26.0/{NUMBER}/messages")
    assert call.headers["authorization"] == f"Bearer {TOKEN}"
    said = call.json()
    assert said["messaging_product"] == "whatsapp" and said["biz_opaque_callback_data"] == "b2c1:1"
    return said


def unfit(server, given):
    with pytest.raises(ChannelError) as caught:
        CHANNEL.send(HttpClient(), made(server), given)
    error = caught.value
    assert not server.calls, "what cannot be sent is refused before anything leaves"
    assert (error.scope, error.retry, error.unknown) == (Scope.MESSAGE, False, False)
    assert error.code and error.message.endswith(".")
    return error


def refusal(server, step, given=None):
    server.script(step)
    with pytest.raises(ChannelError) as caught:
        CHANNEL.send(HttpClient(), made(server), given or part("Hello"))
    assert caught.value.code and caught.value.message.endswith(".")
    return caught.value


def test_it_has_what_the_portal_asks_for():
    asked = "AppWebhook SharesAccount HasLine AsksSeldom Reaches HasWindow MarksRead HasTemplates SendsKinds HasLimits"
    for name in (*asked.split(), "FetchesMedia"):
        assert isinstance(CHANNEL, getattr(capabilities, name))
    assert isinstance(CHANNEL, Registers) and not isinstance(CHANNEL, capabilities.LinksPhone)
    assert not CHANNEL.idempotent and CHANNEL.line_seconds == 600


def test_patterns_of_the_form():
    good = {"phone_number_id": NUMBER, "access_token": TOKEN, "waba_id": ACCOUNT, "app_secret": SECRET}
    for field in fields.FIELDS:
        if field.name in good:
            assert re.fullmatch(field.pattern, good[field.name])
        if field.pattern:
            assert not re.fullmatch(field.pattern, "with a space")


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("", "https://graph.facebook.com/v26.0"),
        ("https://graph.facebook.com/v25.0/", "https://graph.facebook.com/v25.0"),
        ("https://proxy.test/meta", "https://proxy.test/meta/v26.0"),
    ],
)
def test_where_the_api_is(given, base):
    assert fields.base(Account(1, {}, given)) == base


def test_texts(server):
    assert sent(server, part("Hello")) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "639175550101",
        "type": "text",
        "text": {"body": "Hello"},
        "biz_opaque_callback_data": "b2c1:1",
    }
    assert sent(server, part("See https://portal.test"))["text"]["preview_url"] is True
    assert sent(server, part("Yes", quotes="wamid.IN"))["context"] == {"message_id": "wamid.IN"}


def test_people_without_a_number_and_groups(server):
    user = sent(server, part("Hello", to="PH.1000042", to_kind=AddressKind.BSUID))
    assert (user["recipient"], user["recipient_type"], "to" in user) == ("PH.1000042", "individual", False)
    group = sent(server, part("Hello", to="Y2FwaV9n", to_kind=AddressKind.GROUP))
    assert (group["to"], group["recipient_type"]) == ("Y2FwaV9n", "group")


@pytest.mark.parametrize(
    "given",
    [
        part(" "),
        part("x" * 4097),
        part("Hello", to="ACME", to_kind=AddressKind.SENDER_ID),
        part("Hello", to="12", to_kind=AddressKind.PHONE),
        part("Hello", to="ana", to_kind=AddressKind.BSUID),
        part("Hello", to="", to_kind=AddressKind.GROUP),
        part("x", files=[File("https://f.test/1", mime="image/png"), File("https://f.test/2")]),
        part("x", files=[File("", fault="It is gone.")]),
        part("x" * 1025, files=[File("https://f.test/1.png", mime="image/png")]),
        part("x", files=[File("https://f.test/1.zip", size=100_000_001)]),
        content(Kind.POLL, question="?", options=["a", "b"]),
        content(Kind.LOCATION, latitude=91, longitude=0),
        content(Kind.LOCATION, latitude="x"),
        content(Kind.CONTACT, contacts=[]),
        content(Kind.CONTACT, contacts=[{"name": "Bo"}]),
        content(Kind.REACTION, "👍"),
        content(Kind.TEMPLATE, name="hello"),
        content(Kind.BUTTONS, "", buttons=[{"text": "A"}]),
        content(Kind.BUTTONS, "?", buttons=[]),
        content(Kind.BUTTONS, "?", buttons=[{"text": "A"}] * 2),
        content(Kind.BUTTONS, "?", buttons=[{"text": str(n)} for n in range(4)]),
        content(Kind.BUTTONS, "?", buttons=[{"text": "x" * 21}]),
        content(Kind.BUTTONS, "?", buttons=[{"text": ""}]),
        content(Kind.BUTTONS, "?", footer="x" * 61, buttons=[{"text": "A"}]),
        content(Kind.BUTTONS, "x" * 1025, buttons=[{"text": "A"}]),
        content(Kind.BUTTONS, "?", buttons=[{"text": "A", "type": "url", "value": "ftp://x"}]),
        content(Kind.BUTTONS, "?", buttons=[{"text": "A"}, {"text": "B", "type": "url", "value": "https://x.test"}]),
        content(Kind.BUTTONS, "?", buttons=[{"text": "A", "type": "call", "value": "+1"}]),
        content(Kind.LIST, "?", title="Open", sections=[]),
        content(Kind.LIST, "?", sections=[{"rows": [{"text": "A"}]}]),
        content(Kind.LIST, "?", title="Open", sections=[{"title": "A", "rows": []}]),
        content(Kind.LIST, "?", title="Open", sections=[{"rows": [{"text": str(n)} for n in range(11)]}]),
        content(Kind.LIST, "?", title="Open", sections=[{"rows": [{"text": "A"}]}, {"rows": [{"text": "B"}]}]),
        content(
            Kind.LIST, "?", title="Open", sections=[{"rows": [{"id": "1", "text": "A"}, {"id": "1", "text": "B"}]}]
        ),
        content(Kind.LIST, "?", title="Open", sections=[{"rows": [{"text": "A", "description": "x" * 73}]}]),
        part("x", to="Y2Fw", to_kind=AddressKind.GROUP, content=Content(Kind.REACTION), quotes="wamid.IN"),
        part(
            to="PH.1",
            to_kind=AddressKind.BSUID,
            content=Content(Kind.TEMPLATE, {"name": "otp", "language": "en", "category": "AUTHENTICATION"}),
        ),
    ],
)
def test_what_cannot_be_sent(server, given):
    unfit(server, given)


@pytest.mark.parametrize(
    ("mime", "size", "kind"),
    [
        ("image/jpeg", 1, "image"),
        ("image/png", 5_000_001, "document"),
        ("image/gif", 1, "document"),
        ("video/mp4", 16_000_000, "video"),
        ("video/quicktime", 1, "document"),
        ("audio/ogg; codecs=opus", 1, "audio"),
        ("audio/mpeg", None, "audio"),
        ("audio/wav", 1, "document"),
        ("image/webp", 100_000, "sticker"),
        ("image/webp", 100_001, "document"),
        ("application/pdf", 90_000_000, "document"),
        ("", 1, "document"),
    ],
)
def test_files_by_link(server, mime, size, kind):
    said = sent(server, part(files=[File("https://f.test/a b", "Rates", mime, size)]))
    assert said["type"] == kind and said[kind]["link"] == "https://f.test/a%20b"
    assert ("filename" in said[kind]) is (kind == "document") and "caption" not in said[kind]


@pytest.mark.parametrize("mime", ["audio/ogg", "image/webp", "image/png", "application/pdf"])
def test_a_text_beside_a_file_is_never_lost(server, mime):
    said = sent(server, part("Look", files=[File("https://f.test/a", "a", mime, 5)]))
    assert said[said["type"]]["caption"] == "Look"
    assert said["type"] == ("image" if mime == "image/png" else "document")


def test_a_file_that_meta_cannot_fetch_is_handed_over_before_it_is_sent(server, tmp_path):
    content = tmp_path / "a"
    content.write_bytes(b"PNG..." * 50_000)
    server.script(answer(200, {"id": "4711"}), TAKEN)
    file = File(f"{server.url}/media/k/a.png", 'a"b.png', "image/png", 6)
    assert CHANNEL.hand_over(HttpClient(), made(server), file, content) == "4711"
    (uploaded,) = server.calls
    assert (uploaded.method, uploaded.target) == ("POST", f"/v26.0/{NUMBER}/media")
    assert uploaded.headers["content-type"].startswith("multipart/form-data; boundary=")
    for piece in (
        b'name="messaging_product"\r\n\r\nwhatsapp',
        b'name="type"\r\n\r\nimage/png',
        b'"a_b.png"',
        b"PNG..." * 50_000,
    ):
        assert piece in uploaded.body
    assert sent(server, part("Look", files=[replace(file, handed="4711")]))["image"] == {
        "id": "4711",
        "caption": "Look",
    }


@pytest.mark.parametrize("step", [reset_after, answer(200, {}), failure(131053), failure(1, 500), None])
def test_handing_over_leaves_nothing_in_doubt(server, tmp_path, step):
    """Nothing is sent by it, whatever becomes of the call; nor by a file that is gone from the disk."""
    content = tmp_path / "a"
    if step is not None:
        content.write_bytes(b"PNG")
        server.script(step)
    file = File("https://portal.test/a.png", "a.png", "image/png", 6)
    with pytest.raises(ChannelError) as caught:
        CHANNEL.hand_over(HttpClient(), made(server), file, content)
    assert (caught.value.retry, caught.value.unknown) == (True, False)


def test_when_meta_is_given_a_copy():
    for url, code, wanted in (
        ("https://portal.test/a.png", "", False),
        ("https://portal.test/a.png", "131053", True),
        ("https://portal.test/a.png", "131000", False),
        ("http://127.0.0.1:8000/media/k/a.png", "", True),
    ):
        assert wants_copy(CHANNEL, url, code) is wanted
    assert not wants_copy(registry.get("simulator"), "http://127.0.0.1/a", "131053")


def test_the_file_above_a_template_may_be_a_copy(server):
    document = {"link": "https://portal.test/a.pdf", "filename": "a.pdf"}
    header = {"type": "header", "parameters": [{"type": "document", "document": document}]}
    body = {"type": "body", "parameters": [{"type": "text", "text": "link"}]}
    given = content(Kind.TEMPLATE, name="bill", language="en", components=[header, body])
    assert sent(server, given)["template"]["components"] == [header, body]
    copy = replace(given, files=[File(document["link"], handed="4711")])
    assert sent(server, copy)["template"]["components"] == [
        {"type": "header", "parameters": [{"type": "document", "document": {"id": "4711", "filename": "a.pdf"}}]},
        body,
    ]
    assert sent(server, replace(given, files=[File(document["link"])]))["template"]["components"] == [header, body]


@pytest.mark.parametrize("kind", ["image", "video", "document"])
def test_a_file_above_buttons_and_forms(server, kind):
    media = {"kind": kind, "url": "https://portal.test/a%20b.bin"}
    name = {"filename": "a b.bin"} if kind == "document" else {}
    buttons = content(Kind.BUTTONS, "Coming?", header="lost", media=media, buttons=[{"text": "Yes"}])
    found = sent(server, buttons)["interactive"]
    assert found["header"] == {"type": kind, kind: {"link": media["url"], **name}}
    copy = replace(buttons, files=[File(media["url"], "a b.bin", handed="4711")])
    assert sent(server, copy)["interactive"]["header"] == {"type": kind, kind: {"id": "4711", **name}}
    opens = content(
        Kind.BUTTONS, "See", media=media, buttons=[{"text": "Go", "type": "url", "value": "https://a.test"}]
    )
    assert sent(server, opens)["interactive"]["header"]["type"] == kind
    form = content(Kind.FLOW, "Book", media=media, flow="77", button="Book")
    assert sent(server, form)["interactive"]["header"]["type"] == kind


@pytest.mark.parametrize("media", [{"kind": "audio", "url": "https://a.test/a"}, {"kind": "image", "url": "a.png"}])
def test_what_may_not_stand_above_buttons(server, media):
    unfit(server, content(Kind.BUTTONS, "Coming?", media=media, buttons=[{"text": "Yes"}]))


def test_forms(server):
    data = {"day": "Friday"}
    given = content(
        Kind.FLOW, "Choose a day", header="Visit", footer="Bo", flow="77", button="Book now", screen="DAYS", data=data
    )
    assert sent(server, given)["interactive"] == {
        "type": "flow",
        "header": {"type": "text", "text": "Visit"},
        "body": {"text": "Choose a day"},
        "footer": {"text": "Bo"},
        "action": {
            "name": "flow",
            "parameters": {
                "flow_message_version": "3",
                "flow_id": "77",
                "flow_cta": "Book now",
                "flow_token": "unused",
                "flow_action": "navigate",
                "flow_action_payload": {"screen": "DAYS", "data": data},
            },
        },
    }
    named = content(Kind.FLOW, "Choose", flow="visit", named=True, button="Book", token="t1", draft=True)
    assert sent(server, named)["interactive"]["action"]["parameters"] == {
        "flow_message_version": "3",
        "flow_name": "visit",
        "flow_cta": "Book",
        "flow_token": "t1",
        "flow_action": "data_exchange",
        "mode": "draft",
    }
    bare = sent(server, content(Kind.FLOW, "Choose", flow="77", button="Book", screen="DAYS", data={}))
    assert bare["interactive"]["action"]["parameters"]["flow_action_payload"] == {"screen": "DAYS"}
    for odd in ({"flow": ""}, {"button": ""}, {"button": "x" * 21}, {"token": "x" * 201}, {"header": "x" * 61}):
        unfit_form = {"flow": "77", "button": "Book"} | odd
        with pytest.raises(ChannelError):
            CHANNEL.send(HttpClient(), made(server), content(Kind.FLOW, "Choose", **unfit_form))


def test_a_question_for_the_place(server):
    assert sent(server, content(Kind.LOCATION_REQUEST, "Where shall we come?"))["interactive"] == {
        "type": "location_request_message",
        "body": {"text": "Where shall we come?"},
        "action": {"name": "send_location"},
    }


@pytest.mark.parametrize("kind", [Kind.LOCATION_REQUEST, Kind.FLOW])
def test_what_asks_needs_words_and_goes_into_no_group(server, kind):
    unfit(server, content(kind, "", flow="77", button="Book"))
    group = Outgoing("1203-1", "Where?", "1:1", to_kind=AddressKind.GROUP, content=Content(kind))
    unfit(server, group)


def test_places_and_contacts(server):
    place = sent(server, content(Kind.LOCATION, latitude=14.5, longitude="121", address="Makati"))
    assert place["location"] == {"latitude": 14.5, "longitude": 121.0, "name": "Makati", "address": "Makati"}
    people = [
        {"name": "Bo Reyes Cruz", "phones": ["+63 918 000 0000", "local 7"], "organisation": "R&C"},
        {
            "phones": ["+639180000001"],
            "role": "Head",
            "emails": ["a@b.example"],
            "urls": ["https://b.example"],
            "addresses": ["Ayala Ave 1, Makati"],
            "birthday": "1990-02-03",
        },
    ]
    said = sent(server, content(Kind.CONTACT, contacts=people))
    assert said["contacts"] == [
        {
            "name": {"formatted_name": "Bo Reyes Cruz", "first_name": "Bo", "last_name": "Reyes Cruz"},
            "phones": [
                {"phone": "+639180000000", "type": "CELL", "wa_id": "639180000000"},
                {"phone": "local 7", "type": "CELL"},
            ],
            "org": {"company": "R&C"},
        },
        {
            "name": {"formatted_name": "+639180000001", "first_name": "+639180000001"},
            "phones": [{"phone": "+639180000001", "type": "CELL", "wa_id": "639180000001"}],
            "org": {"title": "Head"},
            "emails": [{"email": "a@b.example", "type": "WORK"}],
            "urls": [{"url": "https://b.example", "type": "WORK"}],
            "addresses": [{"street": "Ayala Ave 1, Makati", "type": "WORK"}],
            "birthday": "1990-02-03",
        },
    ]


def test_buttons(server):
    given = content(
        Kind.BUTTONS, "Coming?", header="Friday", footer="Bo", buttons=[{"text": "Yes", "id": "y"}, {"text": "No"}]
    )
    assert sent(server, given)["interactive"] == {
        "type": "button",
        "body": {"text": "Coming?"},
        "header": {"type": "text", "text": "Friday"},
        "footer": {"text": "Bo"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                {"type": "reply", "reply": {"id": "2", "title": "No"}},
            ]
        },
    }
    link = content(Kind.BUTTONS, "Book", buttons=[{"text": "Open", "type": "url", "value": "https://b.test"}])
    action = {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://b.test"}}
    assert sent(server, link)["interactive"] == {"type": "cta_url", "body": {"text": "Book"}, "action": action}


def test_lists(server):
    rows = [{"id": "s", "text": "Small", "description": "200 g"}, {"text": "Large"}]
    shown = [{"id": "s", "title": "Small", "description": "200 g"}, {"id": "Large", "title": "Large"}]
    said = sent(
        server, content(Kind.LIST, "Which?", title="Sizes", footer="Bo", sections=[{"title": "All", "rows": rows}])
    )
    assert said["interactive"] == {
        "type": "list",
        "body": {"text": "Which?"},
        "footer": {"text": "Bo"},
        "action": {"button": "Sizes", "sections": [{"title": "All", "rows": shown}]},
    }
    both = sent(server, content(Kind.LIST, "Which?", title="Menu", button="Sizes", sections=[{"rows": rows}]))
    assert both["interactive"]["header"] == {"type": "text", "text": "Menu"}
    assert both["interactive"]["action"]["button"] == "Sizes"


def test_reactions(server):
    said = sent(server, part("👍", quotes="wamid.IN", content=Content(Kind.REACTION)))
    assert said["reaction"] == {"message_id": "wamid.IN", "emoji": "👍"} and "context" not in said
    gone = sent(server, part("", quotes="wamid.IN", content=Content(Kind.REACTION)))
    assert gone["reaction"] == {"message_id": "wamid.IN", "emoji": ""}


def test_templates_are_sent_as_they_were_filled(server):
    filled = [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}]
    said = sent(server, content(Kind.TEMPLATE, "the preview", name="hello", language="en_US", components=filled))
    assert said["template"] == {"name": "hello", "language": {"code": "en_US"}, "components": filled}
    assert "text" not in said
    bare = sent(server, content(Kind.TEMPLATE, name="hello", language="en"))
    assert bare["template"] == {"name": "hello", "language": {"code": "en"}}


def test_a_template_that_meta_still_watches(server):
    server.script(answer(200, {"messages": [{"id": "wamid.OUT", "message_status": "held_for_quality_assessment"}]}))
    accepted = CHANNEL.send(HttpClient(), made(server), content(Kind.TEMPLATE, name="h", language="en"))
    assert (accepted.external_id, accepted.code) == ("wamid.OUT", "held_for_quality_assessment")


LATER = [4, 80007, 130429, 131048, 131016, 131057, 133016]
AGAIN = [131056, 131000, 131053]
STOPS = [190, 0, 3, 10, 200, 219, 299, 368, 131031, 131042, 131045, 131064, 131005, 133010, 33]
NEVER = [131026, 131047, 131051, 131008, 131009, 131021, 131030, 131049, 130472, 131050, 131062, 137000, 100, 424242]
TEMPLATES = [132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016]


@pytest.mark.parametrize(
    ("code", "scope", "retry", "stops"),
    [
        *((code, Scope.SENDER, True, False) for code in LATER),
        *((code, Scope.MESSAGE, True, False) for code in AGAIN),
        *((code, Scope.SENDER, True, True) for code in STOPS),
        *((code, Scope.MESSAGE, False, False) for code in NEVER + TEMPLATES),
    ],
)
def test_every_code_is_a_refusal_of_its_class(server, code, scope, retry, stops):
    error = refusal(server, failure(code))
    assert (error.scope, error.retry, error.stops, error.unknown) == (scope, retry, stops, False)
    assert error.code == str(code) and not error.opted_out
    assert len(server.calls) == 1


@pytest.mark.parametrize(("code", "status"), [(131000, 500), (131016, 503), (131016, 500), (130429, 500)])
def test_a_code_is_a_refusal_whatever_the_status(server, code, status):
    assert not refusal(server, failure(code, status)).unknown


@pytest.mark.parametrize(
    "step",
    [
        failure(1, 500),
        failure(2, 503),
        failure(424242, 500),
        answer(500, {"error": "words"}),
        answer(502, body=b"<html>"),
        answer(504, body=b""),
        answer(408, body=b""),
        answer(200, body=b"<html>"),
        answer(200, {}),
        answer(200, {"messages": []}),
        answer(200, {"messages": [{"id": ""}]}),
        answer(200, {"messages": [{}]}),
        answer(200, []),
        raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"messages": [{"id"'),
        reset_after,
    ],
)
def test_what_may_have_gone_out_is_never_repeated(server, step):
    error = refusal(server, step)
    assert (error.unknown, error.retry, error.scope) == (True, False, Scope.SENDER)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (failure(130429), None),
        (failure(130429, 429, ("Retry-After: 3",)), 3.0),
        (failure(131056), None),
        (failure(4), 300.0),
        (failure(80007, 400, ("Retry-After: 0",)), 0.0),
        (
            failure(
                80007,
                400,
                (f'X-Business-Use-Case-Usage: {{"{ACCOUNT}": [{{"estimated_time_to_regain_access": 7}}]}}',),
            ),
            420.0,
        ),
        (failure(80007, 400, ("X-Business-Use-Case-Usage: {broken",)), 300.0),
        (answer(429, {}), None),
    ],
)
def test_how_long_to_wait(server, step, seconds):
    assert refusal(server, step).retry_after == seconds


def test_what_a_refusal_says_of_its_recipient_alone(server):
    assert refusal(server, failure(131056)).crowded
    for code in (131049, 130472):
        error = refusal(server, failure(code))
        assert (error.no_marketing, error.crowded) == (24 * 3600.0, False)
    assert refusal(server, failure(131047)).no_marketing == 0


def test_a_number_that_the_token_does_not_know(server):
    error = refusal(server, failure(100, 400, error_subcode=33, message="Unsupported post request. Object ..."))
    assert (error.scope, error.stops, error.message) == (Scope.SENDER, True, codes.GONE.sentence)


def test_metas_own_words_follow_where_they_tell_more(server):
    error = refusal(server, failure(131008, error_data={"details": f"Parameter  'to' is missing, token {TOKEN}."}))
    assert error.message == "Meta misses something in the message: Parameter 'to' is missing, token …."
    assert refusal(server, failure(424242)).message == "Meta refused it: Words."
    cut = refusal(server, failure(424242, message="x" * (codes.LONGEST_WORDS - 5) + TOKEN)).message
    assert TOKEN[:5] not in cut, "not even the half of it"


def test_no_secret_is_in_an_error_or_a_log(server, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())
    for step in (
        failure(100, error_data={"details": f"{TOKEN} {SECRET}"}),
        failure(424242, message=TOKEN),
        reset_after,
    ):
        server.script(step)
        with pytest.raises(ChannelError) as caught:
            CHANNEL.send(HttpClient(), made(server, OWN), part("Hello"))
        logging.getLogger("portal").error("a send failed", exc_info=caught.value)
        told = caplog.text + everything(caught.value)
        assert TOKEN not in told and SECRET not in told
    assert TOKEN not in repr(made(server, OWN))


def test_blue_ticks(server, account):
    server.script(DONE)
    CHANNEL.mark_read(HttpClient(), account, "wamid.IN")
    assert server.calls[0].target == f"/v26.0/{NUMBER}/messages"
    assert server.calls[0].json() == {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN"}
    typing = {"type": "text"}
    asked = [("yes", "received", typing), ("yes", "replied", None), ("yes", "", None), ("no", "received", None)]
    for wanted, when, shown in asked:
        server.script(DONE)
        more = {"typing": wanted, "mark_read": when}
        CHANNEL.mark_read(HttpClient(), made(server, CREDENTIALS | more), "wamid.IN")
        assert server.calls[-1].json().get("typing_indicator") == shown
    server.script(failure(131009))
    with pytest.raises(ChannelError) as caught:
        CHANNEL.mark_read(HttpClient(), account, "wamid.IN")
    assert not caught.value.unknown


def page(items, after=""):
    paging = {"cursors": {"before": "a", "after": after or "end"}} | ({"next": "https://next.test"} if after else {})
    return answer(200, {"data": items, "paging": paging})


def test_templates_page_by_page(server, account):
    first = {
        "id": "1",
        "name": "hello",
        "language": "en_US",
        "status": "APPROVED",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hi {{1}}"}],
        "quality_score": {"score": "GREEN", "date": 1},
        "rejected_reason": "NONE",
    }
    second = first | {
        "id": "2",
        "language": "fil",
        "status": "REJECTED",
        "rejected_reason": "SCAM",
        "quality_score": {},
    }
    server.script(page([first, {"junk": 1}, 5], "next-cursor"), page([second]))
    found = CHANNEL.templates(HttpClient(), account)
    assert [(each.external_id, each.name, each.language, each.status) for each in found] == [
        ("1", "hello", "en_US", "APPROVED"),
        ("2", "hello", "fil", "REJECTED"),
    ]
    assert (found[0].quality, found[0].detail, found[1].detail) == ("GREEN", "", "SCAM")
    assert found[0].components == [{"type": "BODY", "text": "Hi {{1}}"}]
    assert server.calls[0].target.startswith(f"/v26.0/{ACCOUNT}/message_templates?") and len(server.calls) == 2
    assert "after=next-cursor" in server.calls[1].target and "after=" not in server.calls[0].target


def test_a_list_that_is_not_heard_to_its_end_is_none(server, account):
    server.script(page([], "for ever"))
    with pytest.raises(ChannelError, match="has no end") as error:
        CHANNEL.templates(HttpClient(), account)
    assert len(server.calls) == 100 and error.value.retry
    for wrong in ({"data": 5}, {"data": [], "paging": {"next": "https://next.test"}}):
        server.script(answer(200, wrong))
        with pytest.raises(ChannelError):
            CHANNEL.templates(HttpClient(), account)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("CONNECTED", "ready"),
        ("FLAGGED", "ready"),
        ("RESTRICTED", "ready"),
        ("RATE_LIMITED", "ready"),
        ("PENDING", "signed_out"),
        ("OFFLINE", "asleep"),
        ("BANNED", "blocked"),
        ("MIGRATED", "gone"),
    ],
)
def test_how_the_number_stands(server, account, word, state):
    server.script(answer(200, {"id": NUMBER, "status": word, "display_phone_number": "+1 555-078-3881"}))
    found = CHANNEL.line(HttpClient(), account)
    assert (found.state, found.code, found.address) == (LineState(state), word, "+15550783881")
    assert (found.detail == "") is (state == "ready") and found.pace is None


@pytest.mark.parametrize(("both", "pace"), [(True, 20.0), (False, 80.0)])
def test_how_fast_the_number_may_send(server, account, both, pace):
    server.script(answer(200, {"id": NUMBER, "status": "CONNECTED", "is_on_biz_app": both}))
    assert CHANNEL.line(HttpClient(), account).pace == pace
    assert "is_on_biz_app" in server.calls[0].target


def test_a_state_that_nobody_knows(server, account):
    server.script(answer(200, {"status": "LEVITATING"}))
    with pytest.raises(ChannelError) as caught:
        CHANNEL.line(HttpClient(), account)
    assert caught.value.retry


NODE = {
    "id": NUMBER,
    "display_phone_number": "+1 555-078-3881",
    "verified_name": "Ace Dental",
    "quality_rating": "GREEN",
    "code_verification_status": "VERIFIED",
    "status": "CONNECTED",
    "throughput": {"level": "STANDARD"},
    "messaging_limit_tier": "TIER_2K",
    "platform_type": "CLOUD_API",
}


def probe(server, *steps, credentials=CREDENTIALS):
    server.script(*steps)
    return CHANNEL.probe(HttpClient(), made(server, credentials))


def test_a_probe_shows_what_meta_knows(server):
    found = probe(server, answer(200, NODE), page([{"id": "1"}], "more"), page([{"id": NUMBER}]))
    assert found.ok and "+15550783881" in found.detail and "Ace Dental" in found.detail
    assert found.facts == {
        "number": "+15550783881",
        "name": "Ace Dental",
        "state": "CONNECTED",
        "quality": "GREEN",
        "verification": "VERIFIED",
        "limit": "TIER_2K",
        "throughput": "STANDARD",
        "platform": "CLOUD_API",
        "pace": "80 a second",
    }
    assert all(call.method == "GET" for call in server.calls)
    both = probe(server, answer(200, NODE | {"is_on_biz_app": True, "status": "FLAGGED"}), page([{"id": NUMBER}]))
    assert both.ok and both.facts["pace"].startswith("20 a second") and "quality is low" in both.detail


def test_a_probe_says_what_is_wrong(server):
    other = probe(server, answer(200, NODE), page([{"id": "1"}]))
    assert not other.ok and "another WhatsApp Business account" in other.detail
    gone = failure(100, 400, error_subcode=33)
    for step in (failure(190, 401), failure(10, 403), gone, failure(100)):
        found = probe(server, step)
        assert not found.ok and found.detail.endswith(".")
    account = probe(server, answer(200, NODE), gone)
    assert not account.ok and "no such WhatsApp Business account" in account.detail and account.facts["number"]
    assert not probe(server, answer(200, NODE | {"status": "BANNED"}), page([{"id": NUMBER}])).ok
    half = probe(server, answer(200, NODE), credentials=CREDENTIALS | {"app_secret": SECRET})
    assert not half.ok and "verify token" in half.detail
    with pytest.raises(ChannelError):
        probe(server, answer(503, body=b""))


WITHOUT = {name: value for name, value in CREDENTIALS.items() if name != "waba_id"}
NO_FIELD = failure(100, message="(#100) Tried accessing nonexisting field (whatsapp_business_account)")


def granted(*accounts, scope="whatsapp_business_management"):
    return answer(200, {"data": {"granular_scopes": [{"scope": scope, "target_ids": list(accounts)}, {"scope": "x"}]}})


def find(server, *steps):
    server.script(*steps)
    return CHANNEL.find(HttpClient(), made(server, WITHOUT))


def test_the_account_of_a_number_is_found(server):
    assert CHANNEL.lacks(WITHOUT) and not CHANNEL.lacks(CREDENTIALS)
    mine, other = page([{"id": NUMBER}]), page([{"id": "1"}])
    told = answer(200, {"id": NUMBER, "whatsapp_business_account": {"id": ACCOUNT}})
    assert find(server, told, mine) == {"waba_id": ACCOUNT}
    asked = [call.target.partition("?")[0].rpartition("/")[2] for call in server.calls]
    assert asked == [NUMBER, "phone_numbers"], "the token is put into an address only where it has to be"
    assert find(server, NO_FIELD, granted("11", ACCOUNT), other, mine) == {"waba_id": ACCOUNT}
    assert find(server, NO_FIELD, granted("11", ACCOUNT), failure(100, error_subcode=33), mine) == {"waba_id": ACCOUNT}
    assert find(server, NO_FIELD, granted(ACCOUNT, scope="whatsapp_business_messaging"), mine) == {"waba_id": ACCOUNT}


@pytest.mark.parametrize(
    "steps",
    [
        (NO_FIELD, granted("11"), page([{"id": "1"}])),
        (NO_FIELD, granted()),
        (NO_FIELD, answer(200, {"data": {"granular_scopes": "odd", "is_valid": True}})),
        (NO_FIELD, failure(190, 401)),
        (answer(200, {"whatsapp_business_account": 5}), failure(10, 403)),
    ],
)
def test_or_it_is_not_and_nobody_guesses(server, steps):
    assert find(server, *steps) == {}


def test_while_meta_is_away_nothing_is_said_of_it(server):
    with pytest.raises(ChannelError) as caught:
        find(server, answer(503, body=b""))
    assert caught.value.retry


def test_a_number_without_its_account_sends_and_says_what_it_lacks(server):
    account = made(server, WITHOUT)
    found = probe(server, answer(200, NODE), NO_FIELD, granted(), credentials=WITHOUT)
    assert found.ok and "knows no templates until" in found.detail and "account" not in found.facts
    told = answer(200, {"whatsapp_business_account": {"id": ACCOUNT}})
    found = probe(server, answer(200, NODE), told, page([{"id": NUMBER}]), credentials=WITHOUT)
    assert found.ok and "templates" not in found.detail and found.facts["account"] == ACCOUNT
    before = len(server.calls)
    with pytest.raises(ChannelError) as caught:
        CHANNEL.templates(HttpClient(), account)
    assert (caught.value.code, caught.value.retry) == ("no_account", False)
    assert CHANNEL.connect(HttpClient(), account, URL) is None
    CHANNEL.disconnect(HttpClient(), account, URL)
    assert len(server.calls) == before and CHANNEL.groups(WITHOUT) == ""


def test_without_its_account_an_app_of_ones_own_gets_our_address_for_the_number(server):
    own = made(server, WITHOUT | {"app_secret": SECRET, "verify_token": "verify-me-please"})
    nothing, ours = ({"webhook_configuration": {"phone_number": url}} for url in ("", URL))
    server.script(answer(200, nothing), DONE, answer(200, ours))
    assert CHANNEL.connect(HttpClient(), own, URL) is True
    assert [(call.method, call.target.partition("?")[0]) for call in server.calls] == [
        (method, f"/v26.0/{NUMBER}") for method in ("GET", "POST", "GET")
    ]


def test_where_a_file_is(server, account):
    there = f"{server.url}/files/1"
    server.script(answer(200, {"url": there, "mime_type": "image/png", "id": "77"}))
    ask = f"media:77?url={'https%3A%2F%2Flookaside.fbsbx.com%2Fx'}"
    assert CHANNEL.media_request(HttpClient(), account, ask) == (there, {"Authorization": f"Bearer {TOKEN}"})
    assert server.calls[0].target == f"/v26.0/77?phone_number_id={NUMBER}"
    for gone in (failure(100), failure(100, error_subcode=33)):
        server.script(gone)
        url, headers = CHANNEL.media_request(HttpClient(), account, ask)
        assert (url, headers) == ("https://lookaside.fbsbx.com/x", {"Authorization": f"Bearer {TOKEN}"})
        with pytest.raises(ChannelError) as caught:
            CHANNEL.media_request(HttpClient(), account, "media:77")
        assert (caught.value.retry, caught.value.scope) == (False, Scope.MESSAGE)
    server.script(failure(190, 401))
    with pytest.raises(ChannelError) as caught:
        CHANNEL.media_request(HttpClient(), account, ask)
    assert caught.value.retry, "a new token may still fetch it"
    server.script(answer(503, body=b""))
    with pytest.raises(ChannelError) as caught:
        CHANNEL.media_request(HttpClient(), account, ask)
    assert caught.value.retry


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.test/x", "http://lookaside.fbsbx.com/x", "https://fbsbx.com.evil.test/x", "https://evilfbsbx.com/x"],
)
def test_the_token_is_shown_to_meta_alone(server, account, elsewhere):
    server.script(answer(200, {"url": elsewhere}))
    assert CHANNEL.media_request(HttpClient(), account, "media:77") == (elsewhere, {})


def app(app_id="1", override=""):
    told = {"whatsapp_business_api_data": {"id": app_id, "name": "Sendero", "link": "https://fb.test"}}
    return told | ({"override_callback_uri": override} if override else {})


def connect(server, *steps, credentials=OWN):
    server.script(*steps)
    server.calls.clear()
    changed = CHANNEL.connect(HttpClient(), made(server, credentials), URL)
    return changed, [(call.method, call.target.split("?")[0].rpartition("/")[2]) for call in server.calls]


PLAIN = answer(200, {"id": NUMBER})


def test_a_shared_app_is_subscribed_once(server):
    changed, calls = connect(server, answer(200, {"id": "1"}), page([app()]), PLAIN, credentials=CREDENTIALS)
    assert (changed, [method for method, _ in calls]) == (False, ["GET", "GET", "GET"])
    steps = answer(200, {"id": "1"}), page([app("2")]), DONE, page([app("2"), app()]), PLAIN
    changed, calls = connect(server, *steps, credentials=CREDENTIALS)
    assert changed is True and ("POST", "subscribed_apps") in calls
    assert server.calls[2].json() == {}, "the address of the shared app stands in its dashboard"


def test_a_shared_app_whose_token_does_not_name_it(server):
    changed, _ = connect(server, failure(100), page([app("2")]), DONE, page([app("2")]), PLAIN, credentials=CREDENTIALS)
    assert changed is None
    changed, _ = connect(server, failure(100), page([]), DONE, page([app("2")]), PLAIN, credentials=CREDENTIALS)
    assert changed is True


def test_addresses_that_its_own_app_left_behind_are_taken_out(server):
    """Nobody would take what is posted there: the sender has no secret of its own any more."""
    left, theirs = f"{URL}/k9", "https://other.test/hook"
    for override in (left, theirs):
        changed, _ = connect(
            server,
            answer(200, {"id": "1"}),
            page([app(override=override), app("2", left)]),
            *([DONE, page([app()])] if override == left else []),
            answer(200, {"webhook_configuration": {"phone_number": override, "application": URL}}),
            *([DONE] if override == left else []),
            credentials=CREDENTIALS,
        )
        said = [call.json() for call in server.calls if call.method == "POST"]
        lifted = [{}, {"webhook_configuration": {"override_callback_uri": ""}}]
        assert (changed, said) == ((True, lifted) if override == left else (False, []))
    forbidden = answer(200, {"id": "1"}), page([app()]), failure(10, 403)
    assert connect(server, *forbidden, credentials=CREDENTIALS)[0] is False


def test_an_app_of_its_own_posts_to_its_own_address(server):
    assert connect(server, page([app(override=URL)])) == (False, [("GET", "subscribed_apps")])
    changed, _ = connect(server, page([app(override="https://other.test/hook")]), DONE, page([app(override=URL)]))
    assert changed is True
    assert server.calls[1].json() == {"override_callback_uri": URL, "verify_token": "verify-me-please"}
    with pytest.raises(ChannelError) as caught:
        connect(server, page([app()]), DONE, page([app()]))
    assert (caught.value.code, caught.value.retry) == ("not_yet", True)


def test_two_senders_of_one_app_do_not_take_the_address_from_each_other(server):
    neighbour = page([app(override="https://portal.test/webhooks/whatsapp/k2")])
    at_number = {"webhook_configuration": {"phone_number": URL}}
    changed, calls = connect(server, neighbour, answer(200, {"id": NUMBER}), DONE, answer(200, at_number))
    assert changed is True and ("POST", "subscribed_apps") not in calls
    assert server.calls[2].target == f"/v26.0/{NUMBER}"
    wanted = {"override_callback_uri": URL, "verify_token": "verify-me-please"}
    assert server.calls[2].json() == {"webhook_configuration": wanted}
    changed, _ = connect(server, neighbour, answer(200, at_number))
    assert changed is False


def test_meta_could_not_verify_our_address(server):
    with pytest.raises(ChannelError) as caught:
        connect(server, page([app()]), failure(2200))
    assert "verify" in caught.value.message
    with pytest.raises(ChannelError) as caught:
        connect(server, page([]), credentials=CREDENTIALS | {"app_secret": SECRET})
    assert "verify token" in caught.value.message


def disconnect(server, *steps, credentials=OWN):
    server.script(*steps)
    server.calls.clear()
    CHANNEL.disconnect(HttpClient(), made(server, credentials), URL)
    return [call.json() for call in server.calls if call.method == "POST"]


def test_only_our_own_address_is_taken_out(server):
    none = answer(200, {"id": NUMBER})
    assert disconnect(server, none, page([app(override=URL)]), DONE) == [{}]
    assert disconnect(server, none, page([app(override="https://other.test/hook")])) == []
    at_number = answer(200, {"webhook_configuration": {"phone_number": URL}})
    assert disconnect(server, at_number, DONE, page([app()])) == [
        {"webhook_configuration": {"override_callback_uri": ""}}
    ]
    assert disconnect(server, failure(190, 401)) == []
    assert disconnect(server, credentials=CREDENTIALS) == [] and not server.calls
    with pytest.raises(ChannelError):
        disconnect(server, answer(503, body=b""))


def test_senders_of_one_number_share_its_pace():
    keys = {capabilities.account_key(CHANNEL, each, "") for each in (CREDENTIALS, OWN)}
    assert len(keys) == 1 and CHANNEL.account_pace == 80
    assert json.dumps(CHANNEL.answer(None)) == '["{}", "application/json"]'
