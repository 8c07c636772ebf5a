"""What strangers put on the wire: bytes as the real server gets them. Nothing of it has an effect, nothing is a 5xx."""

import gzip
import json
import socket

from portal.sandbox import world
from tests.portal import PLACE
from tests.processes.harness import status

SECONDS = 60
DELIVERY = {
    "type": "SMS",
    "locationId": PLACE.id,
    "contactId": world.DEMO_PEOPLE[0][0][0],
    "phone": world.DEMO_PEOPLE[0][0][1],
    "message": "Forged é 👋",
    "messageId": "forged",
}
BODY = json.dumps(DELIVERY, ensure_ascii=False, separators=(",", ":")).encode()
ZEROS = "A" * 86 + "=="


def head(*lines: str, method: str = "POST", path: str = "/webhooks/ghl", length: int | None = len(BODY)) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: portal", "Connection: close", *lines)
    lines += (f"Content-Length: {length}",) if length is not None else ()
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(body: bytes, size: int = 65536) -> bytes:
    pieces = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def kinds(sign) -> dict[str, tuple[bytes, set[int]]]:
    """Requests by what is wrong with them, and the statuses that may answer. 0: the server hangs up."""
    good = sign(BODY)
    signed = f"X-GHL-Signature: {good}"
    other = json.dumps(DELIVERY).encode()
    big, huge = b"x" * (1024 * 1024 + 1), b"x" * (5 * 1024 * 1024)
    packed = gzip.compress(BODY)
    te = "Transfer-Encoding: chunked"
    return {
        "unsigned": (head() + BODY, {401}),
        "signed with zeros": (head(f"X-GHL-Signature: {ZEROS}") + BODY, {401}),
        "N/A": (head("X-GHL-Signature: N/A") + BODY, {401}),
        "RSA only": (head(f"X-WH-Signature: {good}") + BODY, {401}),
        "both names swapped": (head(f"X-WH-Signature: {good}", f"X-GHL-Signature: {ZEROS}") + BODY, {401}),
        "re-serialised": (head(signed, length=len(other)) + other, {401}),
        "one byte more": (head(signed, length=len(BODY) + 1) + BODY + b" ", {401}),
        "two signatures, good first": (head(signed, f"X-GHL-Signature: {ZEROS}") + BODY, {401}),
        "two signatures, good last": (head(f"X-GHL-Signature: {ZEROS}", signed) + BODY, {401}),
        "signature in brackets": (head(f"X-GHL-Signature: [{good}]") + BODY, {401}),
        "signature in base64 for addresses": (
            head("X-GHL-Signature: " + good.replace("+", "-").replace("/", "_").rstrip("=")) + BODY,
            {401},
        ),
        "signature of 8-bit letters": (head("X-GHL-Signature: " + "\xff" * 88) + BODY, {401}),
        "signature of 100 KB": (head("X-GHL-Signature: " + "A" * 100_000) + BODY, {401, 431}),
        "compressed": (head(signed, "Content-Encoding: gzip", length=len(packed)) + packed, {401}),
        "cut": (head(signed, length=len(BODY) + 50) + BODY, {400}),
        "cut in a chunk": (head(signed, te, length=None) + b"20\r\n" + BODY[:16], {400, 401}),
        "chunk of a bad length": (head(signed, te, length=None) + b"zz\r\n" + BODY, {400, 401}),
        "both lengths": (head(signed, te) + chunked(BODY + b" "), {400, 401}),
        "two lengths": (head("Content-Length: 5") + BODY, {400}),
        "negative length": (head(signed, length=-1) + BODY, {400}),
        "length of a terabyte": (head(signed, length=10**12), {413}),
        "length beyond 64 bits": (head(signed, length=10**30), {400, 413}),
        "too large": (head(f"X-GHL-Signature: {sign(big)}", length=len(big)) + big, {413}),
        "too large, in chunks": (head(f"X-GHL-Signature: {sign(big)}", te, length=None) + chunked(big), {413}),
        "far too large, in chunks": (head(f"X-GHL-Signature: {sign(huge)}", te, length=None) + chunked(huge), {413, 0}),
        "a form": (head("Content-Type: multipart/form-data; boundary=x") + BODY, {401}),
        "a content type of junk": (head("Content-Type: \xff;;;=") + BODY, {401}),
        "GET": (head(signed, method="GET") + BODY, {405}),
        "PUT": (head(signed, method="PUT") + BODY, {405}),
        "a method of its own": (head(signed, method="FORGE") + BODY, {405}),
        "NUL in the path": (head(signed, path="/webhooks/ghl%00") + BODY, {404}),
        "another path": (head(signed, path="/webhooks/%67hl/../ghl/") + BODY, {404, 405}),
        "8-bit path": (head(signed, path="/webhooks/\xff") + BODY, {400, 404}),
        "60 KB path": (head(signed, path="/webhooks/" + "a" * 60_000) + BODY, {404, 414, 431}),
        "1000 headers": (head(*[f"X-{n}: v" for n in range(1000)]) + BODY, {401, 431}),
        "a request id of 8-bit letters": (head("X-Request-Id: \xe9\x85") + BODY, {401}),
        "no host": (b"POST /webhooks/ghl HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", {400, 401}),
        "HTTP/1.0": (b"POST /webhooks/ghl HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}", {401}),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400, 0}),
        "a channel that is not there": (head(path="/webhooks/sms/nonesuch/aaaaaaaaaaaa/receive") + BODY, {404}),
        "a sender that is not there": (head(path="/webhooks/sms/simulator/aaaaaaaaaaaa/receive") + BODY, {404}),
        "an action that is not there": (head(path="/webhooks/sms/simulator/aaaaaaaaaaaa/erase") + BODY, {404}),
        "a key of bytes": (head(path="/webhooks/sms/simulator/%ff%fe%00%c3%28aaaa/receive") + BODY, {404}),
        "a row's number as key": (head(path="/webhooks/sms/simulator/00000001/receive") + BODY, {404}),
    }


def answer(port: int, request: bytes, *, breaks_off: bool = False) -> int:
    """The status that answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(request)
            if breaks_off:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has heard enough
        try:
            line = connection.makefile("rb").readline()
        except ConnectionError:
            line = b""
    return int(line.split()[1]) if line.startswith(b"HTTP/1.") else 0


def test_nothing_that_is_not_proved_has_an_effect(on_sqlite):
    portal = on_sqlite
    portal.start()
    portal.prepare(PLACE)
    wrong = {}
    for name, (request, allowed) in kinds(portal.sandbox.key.sign).items():
        got = answer(portal.port, request, breaks_off=name.startswith("cut"))
        if got not in allowed:
            wrong[name] = got
    assert wrong == {}
    assert portal.rows("SELECT count(*) FROM message") == [(0,)]
    assert portal.rows("SELECT count(*) FROM event WHERE state <> 'refused'") == [(0,)]
    assert portal.sandbox.records.count("cast.send") == 0
    assert portal.complaints() == []
    assert status(f"{portal.url}/livez") == 200


def test_a_genuine_request_that_is_played_again_has_one_effect(on_sqlite):
    portal = on_sqlite
    portal.start()
    portal.prepare(PLACE)
    request = head(f"X-GHL-Signature: {portal.sandbox.key.sign(BODY)}") + BODY
    again = head(f"X-GHL-Signature: {portal.sandbox.key.sign(BODY)}", "Transfer-Encoding: chunked", length=None)
    assert {answer(portal.port, request) for _ in range(5)} == {200}
    assert answer(portal.port, again + chunked(BODY, 7)) == 200
    assert portal.rows("SELECT count(*) FROM event") == [(1,)]
