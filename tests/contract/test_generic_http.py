"""A person's own gateway: templates that nothing can break out of, answers and calls that are read where they say."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels import reading, registry
from portal.channels.base import Account, ChannelError, Outcome, Receipt, Unread
from portal.channels.content import File
from portal.channels.generic_http import documents, settings, templates
from portal.channels.generic_http.client import GenericHttp
from portal.channels.generic_http.fields import FIELDS, FORM, JSON, PLAIN, XML
from portal.http import HttpClient
from tests.contract.cases import PART, WEBHOOK_URL, got, posted
from tests.contract.cases.generic_http import API_KEY, GENERIC, HEADER, PASSWORD
from tests.contract.standin import StandIn, answer, everything

CHANNEL = GenericHttp()
NASTY = 'a"b\\c&d=e<f>{{api_key}}\r\nX-Evil: 1\n</text>]]>{"to":"1"}%d${x} ñ 👋'
BASIC = {"send_url": "/send", "body": "to={{to}}&text={{text}}", "success_text": "OK"}


@pytest.fixture
def server():
    with StandIn() as standin:
        standin.script(answer(200, body=b"OK ID=gw-7 PARTS=1"))
        yield standin


def account(server, **credentials):
    return Account(7, credentials, server.url, True, WEBHOOK_URL)


def sent(server, part=PART, **credentials):
    CHANNEL.send(HttpClient(), account(server, **BASIC | credentials), part)
    return server.calls[-1]


def of(text: str):
    return replace(PART, text=text)


def test_a_form_is_the_default(server):
    call = sent(server, of(NASTY), body="to={{ to }}&text={{text}}&cb={{callback}}")
    assert (call.method, call.target) == ("POST", "/send")
    assert call.headers["content-type"].startswith(FORM)
    assert parse_qsl(call.body.decode(), strict_parsing=True) == [
        *(("to", PART.to), ("text", NASTY)),
        ("cb", f"{WEBHOOK_URL}/status?key=41_1"),
    ]


def test_each_placeholder(server):
    names = sorted(templates.SENDING)
    body = "&".join(f"{name}={{{{{name}}}}}" for name in names)
    known = {"api_key": "k", "username": "u", "password": "p", "from": "21601", "body": body}
    found = dict(parse_qsl(sent(server, of("“hi”"), **known).body.decode(), keep_blank_values=True))
    assert found == {
        **{"api_key": "k", "username": "u", "password": "p", "basic": "dTpw", "from": "21601"},
        **{"to": "+639171234567", "to_no_plus": "639171234567", "to_national": "09171234567"},
        **{"text": "“hi”", "hex": "201c00680069201d", "unicode": "1", "key": "41_1"},
        **{"channel": WEBHOOK_URL.rpartition("/")[2], "from_no_plus": "21601"},
        **{"session_status": "", "quick_replies": ""},
        **{"uuid": found["uuid"], "callback": f"{WEBHOOK_URL}/status?key=41_1"},
    }
    assert found["uuid"] == templates.values(account(server), PART)["uuid"]
    assert found["uuid"] != templates.values(account(server), replace(PART, idempotency_key="41:2"))["uuid"]


texts = st.text() | st.sampled_from([NASTY, "{{to}}", '"', "\\", "]]>", "&amp;", "\x00", "\ud800", "--", "a\nb"])


def _filled(text: str) -> dict[str, str]:
    known = {"api_key": API_KEY, "password": PASSWORD, "from": "21601"}
    return templates.values(Account(1, known), of(text))


@given(text=texts)
def test_no_text_breaks_out_of_json(text):
    template = '{"to": "{{to}}", "deep": [{"text": "<{{text}}>"}], "n": 7}'
    found = json.loads(templates.body(template, JSON, _filled(text)))
    assert found == {"to": PART.to, "deep": [{"text": f"<{text}>"}], "n": 7}


@given(text=texts)
def test_no_text_breaks_out_of_a_form_or_an_address(text):
    clean = text.encode("utf-8", "replace").decode()
    filled = templates.body("to={{to}}&text={{text}}&end=1", FORM, _filled(text))
    assert parse_qsl(filled, keep_blank_values=True) == [("to", PART.to), ("text", clean), ("end", "1")]
    url = urlsplit(templates.address("https://gw.test/a/{{to}}?t={{text}}&e=1", _filled(text)))
    assert (url.netloc, url.path, url.fragment) == ("gw.test", "/a/%2B639171234567", "")
    assert parse_qs(url.query, keep_blank_values=True) == {"t": [clean], "e": ["1"]}


@given(text=texts)
def test_no_text_breaks_out_of_xml(text):
    template = '<?xml version="1.0"?><send a="{{text}}"><to>{{to}}</to><text>{{text}}</text></send>'
    filled = templates.body(template, XML, _filled(text)).encode("utf-8")
    root = ElementTree.fromstring(filled)
    assert [each.tag for each in root.iter()] == ["send", "to", "text"] and list(root.attrib) == ["a"]
    holds = "".join(each for each in text if templates._NOT_XML.match(each) is None)
    assert (root.findtext("text") or "") == holds.replace("\r\n", "\n").replace("\r", "\n")


def test_plain_text_is_the_text_alone(server):
    call = sent(server, of("Hi & bye"), content_type=PLAIN, send_url="/send/{{to_no_plus}}", body="{{text}}")
    assert (call.target, call.body) == ("/send/639171234567", b"Hi & bye")


def test_a_get_has_everything_in_its_address(server):
    call = sent(server, of("Hi & bye"), method="GET", send_url="/send?to={{to}}&m={{text}}", body="")
    assert (call.method, call.body) == ("GET", b"")
    assert parse_qs(urlsplit(call.target).query) == {"to": [PART.to], "m": ["Hi & bye"]}


def test_headers(server):
    known = {
        "headers": "Authorization: Basic {{basic}}||X-To: {{to}}\nX-Key: {{api_key}}",
        "username": "u",
        "password": "p",
    }
    call = sent(server, **known, api_key="k")
    assert (call.headers["authorization"], call.headers["x-to"], call.headers["x-key"]) == ("Basic dTpw", PART.to, "k")


@pytest.mark.parametrize(
    "wrong",
    [
        {"send_url": "https://{{to}}.evil.test/send"},
        {"send_url": "https://gw.test:{{to}}/send"},
        {"send_url": "/send/{{text}}"},
        {"send_url": "/send/{{callback}}"},
        {"send_url": "/send?x={{nobody}}"},
        {"send_url": "/send?x={{id}}"},
        {"headers": "X-Text: {{text}}"},
        {"headers": "Host: evil.test"},
        {"headers": "Content-Length: 1"},
        {"headers": "no colon"},
        {"headers": "X Y: 1"},
        {"headers": "X-Key: {{api_key}}", "api_key": "a\r\nX-Evil: 1"},
        {"body": '{"to": "{{to}}", "text": {{text}}}', "content_type": JSON},
        {"body": "to={{to}}&text={{text}}", "content_type": JSON},
        {"body": "<a><to>{{to}}</to><{{text}}/></a>", "content_type": XML},
        {"body": "<a><to>{{to}}</to><!-- {{text}} --></a>", "content_type": XML},
        {"body": "<a><to>{{to}}</to><![CDATA[{{text}}]]></a>", "content_type": XML},
        {"body": '<!DOCTYPE a [<!ENTITY b "c">]><a><to>{{to}}</to>{{text}}</a>', "content_type": XML},
        {"body": "{{to}}{{text}}{{}}"},
        {"errors": "no equals"},
        {"errors": "x=nonsense"},
        {"status_words": "x=invalid"},
        {"body": "to={{to}}"},
        {"body": "text={{text}}"},
        {"success_text": ""},
        {"success_at": "status"},
        {"success_at": "a..b=1"},
        {"id_at": "a[x]"},
        {"report_id": "//x"},
        {"method": "GET"},
        {"status_url": "/status"},
        {"status_url": "/status?to={{to}}"},
        {"probe_url": "/x?{{text}}"},
        {"webhook_secret": "s"},
        {"webhook_place": "header:X"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_told(wrong, server):
    found = CHANNEL.probe(HttpClient(), account(server, **BASIC | wrong))
    assert not found.ok and found.detail.endswith(".") and server.calls == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"send_url": "https://{{to}}.evil.test/"},
        {"headers": "X-Text: {{text}}"},
        {"headers": "X-Key: {{api_key}}", "api_key": "a\r\nX-Evil: 1"},
        {"body": "{{nobody}}"},
        {"body": "no JSON", "content_type": JSON},
    ],
    ids=str,
)
def test_settings_that_cannot_work_call_nobody(wrong, server):
    with pytest.raises(ChannelError) as caught:
        sent(server, **wrong)
    assert (caught.value.retry, caught.value.unknown, caught.value.code) == (True, False, "settings")
    assert server.calls == [] and "X-Evil" not in everything(caught.value)


def test_a_path_needs_the_api_address():
    nowhere = Account(1, BASIC)
    assert "API address" in CHANNEL.probe(HttpClient(), nowhere).detail
    with pytest.raises(ChannelError) as caught:
        CHANNEL.send(HttpClient(), nowhere, PART)
    assert not caught.value.unknown


def test_the_right_to_private_hosts_is_the_api_addresss_own(server):
    """The operator has allowed one gateway in the house: a tenant who edits the template reaches no other."""
    with StandIn() as other:
        other.script(answer(200, body=b"OK"))
        for url in (f"{other.url}/send", f"{other.url}@127.0.0.1:{server.port}/send"):
            with pytest.raises(ChannelError) as caught:
                sent(server, send_url=url)
            assert not caught.value.unknown and other.accepted == 0 and server.accepted == 0
        with pytest.raises(ChannelError):
            CHANNEL.status(HttpClient(), account(server, **BASIC, status_url=f"{other.url}/s/{{{{id}}}}"), "1")
        with pytest.raises(ChannelError):
            CHANNEL.probe(HttpClient(), account(server, **BASIC, probe_url=f"{other.url}/p"))
        assert other.accepted == 0
    assert sent(server, send_url=f"{server.url}/send").target == "/send"


def test_a_redirect_leads_nowhere(server):
    with StandIn() as other:
        server.script(answer(302, body=b"OK", headers=(f"Location: {other.url}/",)))
        with pytest.raises(ChannelError):
            sent(server)
        assert other.accepted == 0


@pytest.mark.parametrize(
    ("settings_", "told", "wanted"),
    [
        ({"success_text": "OK"}, b"OK ID=gw-7", "41:1"),
        ({"success_text": "OK", "id_at": "after:ID="}, b"OK ID=gw-7 PARTS=1", "gw-7"),
        ({"success_text": "OK", "id_at": "after:ID="}, b"OK", ""),
        ({"success_text": "", "id_at": "id"}, b'{"id": 7}', "7"),
        ({"success_text": "*"}, b"", "41:1"),
        (
            {"success_text": "", "success_at": "ok=true", "id_at": "a.b[1].c"},
            b'{"ok":true,"a":{"b":[0,{"c":"x"}]}}',
            "x",
        ),
        ({"success_text": "", "success_at": "code=0", "id_at": "sms/@id"}, b'<r><code>0</code><sms id="x"/></r>', "x"),
        (
            {"success_text": "", "success_at": "r/code=0", "id_at": "r/sms[2]"},
            b"<r><code>0</code><sms>1</sms><sms>2</sms></r>",
            "2",
        ),
    ],
)
def test_successes(settings_, told, wanted, server):
    server.script(answer(200, body=told))
    assert CHANNEL.send(HttpClient(), account(server, **BASIC | settings_), PART).external_id == wanted


@pytest.mark.parametrize(
    ("settings_", "told"),
    [
        ({"success_text": "OK"}, b"ERR"),
        ({"success_text": "", "id_at": "id"}, b'{"id": ""}'),
        ({"success_text": "OK", "success_at": "status=1"}, b'{"status": 0, "x": "OK"}'),
        ({"success_text": "", "success_at": "status=1"}, b"status=1"),
    ],
)
def test_what_is_no_success_is_in_doubt(settings_, told, server):
    server.script(answer(200, body=told))
    with pytest.raises(ChannelError) as caught:
        CHANNEL.send(HttpClient(), account(server, **BASIC | settings_), PART)
    assert caught.value.unknown and not caught.value.retry


def test_too_long_a_text_calls_nobody(server):
    picture = File("https://pictures.test/a.png", "a.png", "image/png", 10)
    with pytest.raises(ChannelError) as caught:
        sent(server, replace(PART, files=(picture,)), max_length="20")
    assert not caught.value.retry and server.calls == []
    assert sent(server, of("x" * 20), max_length="20")


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (answer(200, {"data": {"status": "DELIVRD"}}), Outcome.DELIVERED),
        (answer(200, {"data": {"status": "5"}}), Outcome.FAILED),
        (answer(200, {"data": {"status": "odd"}}), None),
        (answer(200, []), None),
        (answer(200, body=b"half {"), None),
    ],
)
def test_the_status_is_asked_for(told, outcome, server):
    server.script(told)
    known = BASIC | {"status_url": "/s/{{id}}?k={{api_key}}", "status_at": "data.status", "status_words": "5=failed"}
    found = CHANNEL.status(HttpClient(), account(server, **known, api_key="k", headers="X: {{api_key}}"), "gw/7")
    assert (found and found.outcome) == outcome
    assert server.calls[0].target == "/s/gw%2F7?k=k" and server.calls[0].headers["x"] == "k"


def test_a_status_that_cannot_be_asked_for_is_none(server):
    assert CHANNEL.status(HttpClient(), account(server, **BASIC), "1") is None and server.calls == []
    server.script(answer(404, {}))
    with pytest.raises(ChannelError) as caught:
        CHANNEL.status(HttpClient(), account(server, **BASIC, status_url="/s/{{key}}"), "41:1")
    assert not caught.value.retry and server.calls[0].target == "/s/41_1"
    server.script(answer(200, body=b"DELIVRD\n"))
    assert CHANNEL.status(HttpClient(), account(server, **BASIC, status_url="/s/{{key}}"), "1").outcome == "delivered"


def test_probe(server):
    assert CHANNEL.probe(HttpClient(), account(server, **BASIC)).ok and server.calls == []
    known = BASIC | {"probe_url": "/me", "headers": "X-Key: {{api_key}}", "api_key": "k"}
    assert CHANNEL.probe(HttpClient(), account(server, **known)).ok and server.calls[0].headers["x-key"] == "k"
    server.script(answer(401, {}))
    assert not CHANNEL.probe(HttpClient(), account(server, **known)).ok


def read(request, **known):
    return list(reading.events(CHANNEL, request, lambda: Account(1, known)))


def test_calls_are_read_where_the_settings_say():
    body = {
        "reports": [{"message": {"id": "gw-1"}, "state": 1, "ref": "41_1"}, {"message": {"id": "gw-2"}, "state": 9}]
    }
    known = {"report_items": "reports", "report_id": "message.id", "report_reference": "ref", "report_status": "state"}
    known |= {"status_words": "1=delivered; 9=rejected", "id_at": "id"}
    first, second = read(posted("status", json.dumps(body), query="key=99_1"), **known)
    assert first == Receipt("gw-1", Outcome.DELIVERED, "1", our_key="41:1")
    assert (second.external_id, second.outcome, second.our_key) == ("gw-2", Outcome.FAILED, "")
    [odd] = read(posted("status", json.dumps(body | {"reports": [{"message": {"id": "x"}, "state": 3}]})), **known)
    assert isinstance(odd, Unread) and odd.item["status"] == "3"
    known = {"inbound_items": "inbox/sms", "inbound_from": "@from", "inbound_text": "body", "inbound_id": "@id"}
    found = read(
        posted("receive", '<inbox><sms id="1" from="639171234567"><body>A</body></sms><sms id="2"/></inbox>'), **known
    )
    assert (found[0].sender, found[0].text, found[0].external_id) == ("+639171234567", "A", "1")
    assert isinstance(found[1], Unread)
    [found] = read(
        got("receive", "msg.from=639171234567&msg.text=Hi"), inbound_from="msg.from", inbound_text="msg.text"
    )
    assert (found.sender, found.text) == ("+639171234567", "Hi")


def test_without_a_place_of_ids_our_key_is_the_id():
    [found] = read(got("status", "key=41_1&id=gw-1&status=delivered"))
    assert (found.external_id, found.our_key) == ("41:1", "41:1")
    [found] = read(got("status", "key=41_1&id=gw-1&status=delivered"), id_at="id")
    assert (found.external_id, found.our_key) == ("gw-1", "41:1")


@pytest.mark.parametrize("path", ["a", "a.b", "a[0].b", "a/b", "a/@b", "@b", "a[0][1]", "a-b.c_d", "ns:a/b"])
@given(
    body=st.binary() | st.sampled_from([b"[" * 9999, b"{}", b'{"a":[[1,2],{"b":[]}]}', b"<a><b/></a>", b"<a b='1'/>"])
)
def test_no_body_breaks_a_path(path, body):
    assert documents.is_path(path)
    said = documents.of_answer(body)
    assert isinstance(documents.find(said, path), str)
    assert len(documents.items(said, path)) <= documents.MOST_ITEMS


def test_a_secret_is_asked_for_where_the_settings_say():
    plain = got("receive", "from=1&text=Hi")
    by_header = {"webhook_secret": "s3cret", "webhook_place": "header:X-Token"}
    by_query = {"webhook_secret": "s3cret", "webhook_place": "query:token"}
    bearer = {"webhook_secret": "s3cret", "webhook_place": "header:Authorization"}
    for known, good, bad in (
        (by_header, replace(plain, headers={"x-token": "s3cret"}), replace(plain, headers={"x-token": "S3cret"})),
        (by_query, replace(plain, query="token=s3cret"), replace(plain, query="token=")),
        (bearer, replace(plain, headers={"authorization": "Bearer s3cret"}), plain),
        ({"webhook_secret": "s3cret"}, None, plain),
    ):
        assert not CHANNEL.verify(Account(1, known), bad) and not CHANNEL.verify(Account(1, known), plain)
        assert good is None or CHANNEL.verify(Account(1, known), good)
    assert CHANNEL.verify(Account(1, {}), plain)


def test_what_may_hold_a_secret_is_kept_as_one():
    secret = {field.name for field in FIELDS if field.secret}
    assert {"headers", "body", "send_url", "status_url", "probe_url", "api_key", "password", "webhook_secret"} <= secret
    shown = repr(GENERIC.account("https://gw.test"))
    assert not any(each in shown for each in (API_KEY, PASSWORD, HEADER))
    assert settings.problem(GENERIC.account("https://gw.test")) == ""


def test_only_a_sender_with_an_address_for_that_is_asked_for_statuses():
    assert reading.polls(CHANNEL, {"status_url": "/s/{{id}}"}) and not reading.polls(CHANNEL, BASIC)
    assert [reading.polls(registry.get(kind), {}) for kind in ("twilio", "kannel")] == [True, False]
