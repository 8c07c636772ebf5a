"""Faults arrive at Sentry, and nothing that belongs to anybody goes with them."""

import gzip
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from portal import config, create_app, sentry_dsn
from portal.errors import SettingsError
from portal.logs import log_context
from tests.portal import eventually, settings_for
from tests.processes.harness import settings_for as environment_for

PHONE, BODY, SECRET = "+63 917 123-4567", "Meet me at the usual place tonight, and tell nobody", "cast_" + "5ec7e7" * 10
PUBLIC = "0123456789abcdef0123456789abcdef"


class StandIn(BaseHTTPRequestHandler):
    """Sentry's envelope endpoint."""

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        raw = gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw
        self.server.received.append((self.path, self.headers["X-Sentry-Auth"], raw.decode()))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def sentry(sandbox, tmp_path):
    """A portal that reports to a stand-in for Sentry."""
    sdk = pytest.importorskip("sentry_sdk", reason="needs sentry-sdk: make install-dev")
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.received = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    dsn = f"http://{PUBLIC}@127.0.0.1:{server.server_port}/7"
    server.app = create_app(settings_for(f"sqlite:///{tmp_path / 'x.db'}", sandbox, tmp_path, sentry_dsn=dsn))
    yield server
    sdk.get_client().close(timeout=2)
    sdk.get_global_scope().set_client(None)
    server.shutdown()
    server.server_close()


def events(server) -> list[dict]:
    found = []
    for _, _, envelope in server.received:
        lines = [json.loads(line) for line in envelope.splitlines() if line.startswith("{")]
        found += [body for head, body in pairwise(lines) if head.get("type") == "event"]
    return found


def fail(text: str) -> None:
    body, phone, key = BODY, PHONE, SECRET
    raise ValueError(f"{text}\nDETAIL:  Failing row contains (7, {body}, {phone}, {key}).")


def test_a_fault_arrives_with_its_place_and_without_what_it_was_about(sentry):
    message_id = "8ab3be99-68ac-4c6b-a6b3-c8bb51c05038"
    with log_context(message_id=message_id, location_id=4):
        try:
            fail(f"no such recipient {PHONE}, key {SECRET}, text '{BODY}'")
        except ValueError:
            extra = {"job": "send", "reason": BODY, "phone": PHONE, "pool": BODY}
            logging.getLogger("portal.worker.runner").exception("job failed for %s", PHONE, extra=extra)
    [event] = eventually(lambda: events(sentry))
    path, auth, _ = sentry.received[0]
    assert path == "/api/7/envelope/" and PUBLIC in auth
    [error] = event["exception"]["values"]
    assert error["type"] == "ValueError" and error["value"].startswith("no such recipient [number]")
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert event["tags"] == {"message_id": message_id, "location_id": "4", "job": "send"}
    assert event["logger"] == "portal.worker.runner" and event["level"] == "error"
    assert event["release"].startswith("sendero@")
    assert event["logentry"]["formatted"] == "job failed for [number]"
    sent = sentry.received[0][2]
    for private in (BODY, PHONE, "123-4567", SECRET, "usual place", "server_name", "breadcrumbs", "vars", "contexts"):
        assert private not in sent, private


def test_a_request_that_fails_arrives_without_the_request(sentry):
    @sentry.app.get("/livez/broken")
    def broken():
        raise RuntimeError("a fault of our own")

    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": f"session={SECRET}", "X-Forwarded-For": "203.0.113.9"}
    answer = sentry.app.test_client().get(f"/livez/broken?phone={PHONE}", headers=headers)
    assert answer.status_code == 500
    [event] = eventually(lambda: events(sentry))
    assert event["exception"]["values"][-1]["value"] == "a fault of our own"
    assert event["tags"]["request_id"] == answer.headers["X-Request-Id"]
    assert not {"request", "user", "breadcrumbs", "extra", "modules", "server_name"} & set(event)
    assert SECRET not in sentry.received[0][2] and "203.0.113.9" not in sentry.received[0][2]


def test_what_is_no_error_stays_here(sentry):
    logging.getLogger("portal.anything").warning("send not accepted")
    logging.getLogger("portal.anything").error("an error")
    [event] = eventually(lambda: events(sentry))
    assert event["logentry"]["formatted"] == "an error"


def test_a_missing_package_and_a_bad_dsn_are_one_sentence_each(sandbox, tmp_path, monkeypatch):
    environment = environment_for(sandbox, tmp_path, f"sqlite:///{tmp_path / 'x.db'}", 8000)
    with pytest.raises(SettingsError) as caught:
        config.load({**environment, "SENTRY_DSN": "https://sentry.example.com/7"})
    assert len(caught.value.faults) == 1 and "Client Keys" in caught.value.message
    monkeypatch.setattr(sentry_dsn, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as caught:
        config.load({**environment, "SENTRY_DSN": f"https://{PUBLIC}@sentry.example.com/7"})
    assert len(caught.value.faults) == 1 and "requirements-sentry.txt" in caught.value.message
    assert config.load(environment).sentry_dsn == ""


def test_the_log_keeps_no_row_that_the_database_refused():
    from portal.logs import redact

    text = f"NotNullViolation: null value\nDETAIL:  Failing row contains (1,\n{BODY}, x).\n[SQL: INSERT INTO message]"
    assert redact(text) == "NotNullViolation: null value\n[redacted]\n[SQL: INSERT INTO message]"
