"""The HTTP client against a real server that misbehaves: what is definite, what is unknown, and what stays secret."""

import gzip
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import sockets
from portal.http import AddressRefused, HttpClient, NotSent, OutcomeUnknown, Response
from tests.contract.standin import (
    StandIn,
    answer,
    close_after,
    closed_port,
    everything,
    head,
    raw,
    reset_after,
    silent,
    trickled_body,
    trickled_head,
)

SECRET = "cast_deadbeefdeadbeefdeadbeef"


@pytest.fixture
def server():
    with StandIn() as standin:
        standin.script(answer(200, {"ok": True}))
        yield standin


@pytest.fixture
def client():
    return HttpClient()


def call(client, server, **options):
    options = {"private_hosts": True, "headers": {"X-API-Key": SECRET}, "json": {"a": 1}} | options
    method = options.pop("method", "POST")
    return client.request(method, server.url + options.pop("path", "/send"), **options)


class TestWhatIsSent:
    def test_json_with_headers_and_query(self, client, server):
        response = call(client, server, path="/send?x=1", params={"y": "a b&c"}, json={"text": "é😀"})
        assert response.json() == {"ok": True}
        received = server.calls[0]
        assert (received.method, received.target) == ("POST", "/send?x=1&y=a+b%26c")
        assert received.json() == {"text": "é😀"}
        assert received.headers["x-api-key"] == SECRET
        assert received.headers["content-type"] == "application/json"
        assert received.headers["user-agent"] == "Sendero"

    def test_a_form(self, client, server):
        call(client, server, json=None, data={"to": "+63", "text": "ñ"})
        assert server.calls[0].body == b"to=%2B63&text=%C3%B1"
        assert server.calls[0].headers["content-type"] == "application/x-www-form-urlencoded"

    def test_raw_bytes_under_the_callers_content_type(self, client, server):
        call(client, server, json=None, data=b"<x/>", headers={"content-type": "text/xml"})
        assert server.calls[0].body == b"<x/>"
        assert server.calls[0].headers["content-type"] == "text/xml"

    def test_text_that_is_no_unicode_does_not_break_the_call(self, client, server):
        call(client, server, json={"text": "half \ud83d"})
        call(client, server, json=None, data={"text": "half \ud83d"})
        assert len(server.calls) == 2

    def test_get_without_a_body(self, client, server):
        call(client, server, method="GET", json=None, path="")
        assert server.calls[0].target == "/"
        assert "content-length" not in server.calls[0].headers

    def test_no_proxy_and_no_netrc_is_followed(self, client, server, monkeypatch, tmp_path):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
        assert call(client, server).status == 200
        assert "authorization" not in server.calls[0].headers

    def test_no_cookie_travels_from_one_call_to_the_next(self, client, server):
        server.script(answer(200, {}, headers=("Set-Cookie: tenant=one; Path=/",)))
        call(client, server)
        call(client, server)
        assert "cookie" not in server.calls[1].headers


class TestAnswers:
    def test_header_names_are_lower_case(self, client, server):
        server.script(answer(202, {}, headers=("X-RateLimit-Remaining: 3",)))
        response = call(client, server)
        assert (response.status, response.headers["x-ratelimit-remaining"]) == (202, "3")

    @pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 400, 401, 404, 429, 500, 502, 503])
    def test_every_status_is_an_answer_and_nothing_is_repeated_or_followed(self, client, server, status):
        server.script(answer(status, {}, headers=("Location: /elsewhere", "Retry-After: 0")))
        assert call(client, server).status == status
        assert len(server.calls) == 1

    def test_chunked(self, client, server):
        server.script(raw(head(200, "Transfer-Encoding: chunked") + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", keep=True))
        assert call(client, server).body == b"abc"
        assert call(client, server).body == b"abc"
        assert server.accepted == 1

    def test_without_a_length_the_body_ends_with_the_connection(self, client, server):
        server.script(raw(head(200) + b"abc"))
        assert call(client, server).body == b"abc"

    def test_compressed_although_we_did_not_ask(self, client, server):
        server.script(answer(200, body=gzip.compress(b'{"a": 1}'), headers=("Content-Encoding: gzip",)))
        assert call(client, server).json() == {"a": 1}

    def test_json_raises_value_error_only(self):
        for body in (b"", b"<html>", b"\xff\xfe\x00", b"[" * 200_000, b"1" * 10_000):
            with pytest.raises(ValueError):
                Response(200, {}, body).json()

    def test_repr_shows_neither_body_nor_headers(self):
        assert repr(Response(200, {"set-cookie": SECRET}, SECRET.encode())) == "Response(status=200)"

    @pytest.mark.parametrize(
        ("text", "low", "high"),
        [
            ("2", 2, 2),
            ("1.5", 1.5, 1.5),
            ("999999999", 86400, 86400),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
            ("Fri, 31 Dec 2100 23:59:59 GMT", 86400, 86400),
        ],
    )
    def test_retry_after(self, text, low, high):
        assert low <= Response(429, {"retry-after": text}, b"").retry_after() <= high

    @pytest.mark.parametrize("text", ["", "soon", "-5", "inf", "nan", "1e9", "²", "Wed, 99 Oct 2015 07:28:00 GMT", "."])
    def test_retry_after_that_is_junk(self, text):
        assert Response(429, {"retry-after": text}, b"").retry_after() is None

    @given(st.text())
    def test_retry_after_never_raises(self, text):
        seconds = Response(429, {"retry-after": text}, b"").retry_after()
        assert seconds is None or 0 <= seconds <= 86400


class TestNothingWasSent:
    def test_refused_connection(self, client):
        with pytest.raises(NotSent):
            client.request("POST", f"http://127.0.0.1:{closed_port()}/", private_hosts=True)

    def test_unknown_name(self, client, monkeypatch):
        monkeypatch.setattr(sockets, "getaddrinfo", _raise(socket.gaierror(-2, "Name or service not known")))
        with pytest.raises(NotSent, match="could not be found"):
            client.request("POST", "http://nowhere.invalid/")

    def test_a_name_server_that_hangs(self, client, monkeypatch):
        release = threading.Event()
        monkeypatch.setattr(sockets, "getaddrinfo", lambda *_, **__: release.wait(5) and [])
        with pytest.raises(NotSent, match="in time"):
            client.request("POST", "http://slow.invalid/", deadline=0.1)
        release.set()

    def test_a_connection_that_is_never_taken(self, client):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(3)]
            for wire in waiting:
                wire.setblocking(False)
                wire.connect_ex(("127.0.0.1", port))
            with pytest.raises(NotSent, match="in time"):
                client.request("POST", f"http://127.0.0.1:{port}/", private_hosts=True, deadline=0.4)
            for wire in waiting:
                wire.close()

    def test_tls_to_a_server_that_speaks_none(self, client, server):
        with pytest.raises(NotSent, match="TLS"):
            client.request("POST", server.url.replace("http:", "https:"), private_hosts=True)

    def test_tls_handshake_that_never_answers(self, client):
        with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(NotSent):
            client.request("POST", f"https://127.0.0.1:{mute.getsockname()[1]}/", private_hosts=True, deadline=0.4)

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", f"{SECRET}\n", "naïve ☃", "\0"])
    def test_header_that_http_does_not_allow(self, client, server, value):
        with pytest.raises(NotSent) as caught:
            call(client, server, headers={"X-API-Key": value})
        assert SECRET not in everything(caught.value)
        assert not server.calls

    @pytest.mark.parametrize("name", ["", "A B", "A:", "A\n", "é"])
    def test_header_name_that_http_does_not_allow(self, client, server, name):
        with pytest.raises(NotSent):
            call(client, server, headers={name: "x"})

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "127.0.0.1",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "http://",
            "http://:80/",
            "http://user:pass@example.com/",
            "http://example.com:99999/",
            "http://example.com:port/",
            "http://" + "a" * 70 + ".com/",
            "http://[::1/",
        ],
    )
    def test_addresses_that_are_none(self, client, url):
        with pytest.raises(AddressRefused) as caught:
            client.request("GET", url, private_hosts=True)
        assert "pass" not in str(caught.value).replace("password", "")


class TestOutcomeUnknown:
    @pytest.mark.parametrize(
        "step",
        [
            reset_after,
            close_after,
            raw(b"HTTP/1.1 20"),
            raw(b"nonsense\r\n\r\n"),
            raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
            raw(head(200, "Content-Length: 10") + b"abc"),
            raw(head(200, "Content-Length: 10")),
            raw(head(200, "Transfer-Encoding: chunked") + b"5\r\nab"),
            raw(head(200, "Transfer-Encoding: chunked") + b"2\r\nab\r\n"),
            raw(head(200, "Transfer-Encoding: chunked") + b"zz\r\nab\r\n"),
            raw(head(200, "Content-Encoding: gzip", "Content-Length: 3") + b"abc"),
            raw(head(200, *["X: y"] * 200)),
            raw(head(200, f"X: {'y' * 70_000}")),
            raw(head(103, "Link: </x>"), keep=True),
        ],
    )
    def test_an_answer_that_breaks_off(self, client, server, step):
        server.script(step)
        with pytest.raises(OutcomeUnknown):
            call(client, server)
        assert len(server.calls) == 1

    def test_reset_before_the_request_was_read(self, client, server):
        server.reset_at_once = True
        with pytest.raises((NotSent, OutcomeUnknown)):
            call(client, server)
        assert not server.calls

    @pytest.mark.parametrize("step", [silent, trickled_head, trickled_body])
    def test_the_deadline_holds_against_a_server_that_trickles(self, client, server, step):
        server.script(step)
        with pytest.raises(OutcomeUnknown, match="in time"):
            call(client, server, deadline=0.4)

    def test_the_deadline_holds_against_a_server_that_does_not_read(self, client):
        with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(OutcomeUnknown, match="in time"):
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
            client.request("POST", url, data=b"x" * 20_000_000, private_hosts=True, deadline=0.4)

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_body_without_end(self, server, compressed):
        body = gzip.compress(b"x" * 200_000) if compressed else b"x" * 200_000
        server.script(answer(200, body=body, headers=("Content-Encoding: gzip",) if compressed else ()))
        with pytest.raises(OutcomeUnknown, match="more than"):
            call(HttpClient(max_body=100_000), server)

    def test_a_kept_connection_that_closes_on_the_next_request(self, client, server):
        server.script(answer(200, {}), close_after, answer(200, {}))
        call(client, server)
        with pytest.raises(OutcomeUnknown):
            call(client, server)
        assert len(server.calls) == 2
        assert server.accepted == 1

    def test_after_an_unknown_outcome_the_next_call_has_a_connection_of_its_own(self, client, server):
        server.script(raw(head(103), keep=True), answer(200, {"second": True}))
        with pytest.raises(OutcomeUnknown):
            call(client, server)
        assert call(client, server).json() == {"second": True}
        assert server.accepted == 2


def _raise(error):
    def raising(*_, **__):
        raise error

    return raising
