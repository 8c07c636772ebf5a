"""The server over raw sockets: keep-alive, framing, and every way an answer can be spoilt."""

import http.client
import socket
import threading
import time

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.server import Server
from portal.sandbox.wire import Ending


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    wire = environ["sandbox.wire"]
    wire.ending = Ending(environ["QUERY_STRING"] or "answer")
    wire.seconds = 0.2
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1"), b" ", body]


@pytest.fixture
def server():
    server = Server(echo).start()
    yield server
    server.stop()


def exchange(server: Server, raw: bytes) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        connection.sendall(raw)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_one_connection_carries_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    for number in range(3):
        connection.request("POST", f"/{number}", b"body")
        assert connection.getresponse().read() == b"/%d body" % number


def test_pipelined_and_chunked_requests_are_told_apart(server: Server) -> None:
    chunked = (
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfoo\r\n2;x=y\r\nba\r\n0\r\nTrailer: 1\r\n\r\n"
    )
    plain = b"POST /b HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbar"
    received = exchange(server, chunked + plain)
    assert b"/a fooba" in received
    assert received.endswith(b"/b bar")


def test_expect_continue_and_head(server: Server) -> None:
    raw = b"HEAD /x HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab"
    received = exchange(server, raw)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert received.endswith(b"Content-Length: 5\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, b"431"),
    ],
)
def test_what_is_not_http_is_refused(server: Server, raw: bytes, status: bytes) -> None:
    assert exchange(server, raw).startswith(b"HTTP/1.1 " + status)


def test_half_an_answer_ends_early(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    connection.request("POST", "/?half", b"0123456789")
    with pytest.raises(http.client.IncompleteRead) as error:
        connection.getresponse().read()
    assert 0 < len(error.value.partial) < 12


def test_a_reset_is_a_reset(server: Server) -> None:
    with pytest.raises(ConnectionResetError):
        exchange(server, b"GET /?reset HTTP/1.1\r\n\r\n")


def test_silence_says_nothing_and_ends(server: Server) -> None:
    started = time.monotonic()
    assert exchange(server, b"GET /?silence HTTP/1.1\r\n\r\n") == b""
    assert 0.15 < time.monotonic() - started < 2


def test_a_stopped_server_frees_its_port_and_ends_every_connection() -> None:
    server = Server(echo).start()
    kept = socket.create_connection((server.host, server.port), timeout=5)
    kept.sendall(b"GET /y HTTP/1.1\r\n\r\n")
    assert kept.recv(65536).endswith(b"/y ")
    server.stop()
    assert kept.recv(1) == b""
    again = Server(echo, port=server.port).start()
    assert exchange(again, b"GET /x HTTP/1.0\r\n\r\n").endswith(b"/x ")
    again.stop()


def test_thirty_two_connections_at_once(sandbox: Sandbox) -> None:
    statuses: list[int] = []

    def caller() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(sandbox.url.rsplit(":", 1)[1]), timeout=10)
        for _ in range(10):
            connection.request("GET", "/control/refreshes")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)

    threads = [threading.Thread(target=caller) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 320
