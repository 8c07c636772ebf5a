"""Templates of WhatsApp Cloud from end to end: Meta's list, a closed window, the command, the call, the notice."""

import hashlib
import hmac
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from sqlalchemy import select, update

from portal.channels.content import Kind
from portal.messaging import composing, senders, template_offers, template_sending, template_texts, templates
from portal.models import Event, Location, Message, Sender, TemplateRow
from portal.web.webhooks.app import app_senders
from portal.worker.tasks import handlers
from tests.hand import settle, work
from tests.portal import PLACE, Portal
from tests.templated import BODY

SECRET = "the secret of an app of the tests"
NUMBER, ACCOUNT, ANNA_ID = "100200300", "400500600", "PH.1000000000000000001"
VISIT = {
    "id": "77",
    "name": "visit",
    "language": "en_US",
    "status": "APPROVED",
    "category": "UTILITY",
    "components": [BODY],
    "quality_score": {"score": "GREEN"},
    "rejected_reason": "NONE",
}


class Graph:
    """As much of Graph as a sender asks for; `listed` are its templates, one a page."""

    def __init__(self) -> None:
        self.listed = [VISIT]
        self.sent: list[dict] = []

    def answer(self, path: str, query: str, said: dict) -> dict:
        if path.endswith("/message_templates"):
            at = int(query.partition("after=")[2].partition("&")[0] or 0)
            more = (
                {"paging": {"cursors": {"after": str(at + 1)}, "next": "https://…"}}
                if at + 1 < len(self.listed)
                else {}
            )
            return {"data": self.listed[at : at + 1], **more}
        if said.get("status") == "read":
            return {"success": True}
        if path.endswith("/messages"):
            self.sent.append(said)
            return {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{len(self.sent)}"}]}
        if path.endswith("/subscribed_apps"):
            return {"success": True, "data": [{"whatsapp_business_api_data": {"id": "1"}}]}
        return {"id": NUMBER, "display_phone_number": "+1 555-000-1111", "status": "CONNECTED"}

    @contextmanager
    def serving(self):
        graph = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                path, _, query = self.path.partition("?")
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.dumps(graph.answer(path, query, json.loads(raw) if raw else {})).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Silence."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v26.0"
        server.shutdown()
        server.server_close()


@pytest.fixture
def portal(database_url, sandbox, tmp_path, time):
    """A portal with a sender of WhatsApp Cloud, to whom Ana has written who has no number."""
    sandbox.ghl.limit.enforced = False
    running = Portal(
        database_url, sandbox, tmp_path, whatsapp_app_secret=SECRET, whatsapp_webhook_token="a token of tests"
    )
    running.handlers = handlers(running.parts)
    running.install()
    running.graph = Graph()
    with running.graph.serving() as url:
        credentials = {"phone_number_id": NUMBER, "access_token": "EAAtests", "waba_id": ACCOUNT}
        wanted = senders.NewSender("whatsapp_cloud", "Front desk", credentials, url, operator=True)
        with running.database.write() as session:
            location = session.scalars(select(Location).where(Location.ghl_id == PLACE.id)).one()
            running.line = senders.add(session, running.parts.vault, location, wanted).id
        settle(running, time, "send")
        yield running
    running.close()
    app_senders._kept.clear()


def webhook(portal, time, field: str, value: dict) -> None:
    """What Meta posts, signed."""
    entry = {"id": ACCOUNT, "changes": [{"field": field, "value": value}]}
    raw = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    signed = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signed}
    assert requests.post(f"{portal.url}/webhooks/whatsapp", data=raw, headers=headers, timeout=60).status_code == 200
    with portal.database.write() as session:
        session.execute(update(Event).where(Event.state == "pending").values(received_at=time.now()))
    work(portal, "apply")


def heard(portal, time) -> None:
    """Ana writes, of whom only Meta's own id is told."""
    said = {"from_user_id": ANNA_ID, "id": "wamid.IN", "timestamp": str(int(time.now().timestamp()))}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": NUMBER},
        "contacts": [{"profile": {"name": "Ana"}, "user_id": ANNA_ID}],
        "messages": [{**said, "type": "text", "text": {"body": "Hello"}}],
    }
    webhook(portal, time, "messages", value)


def written(portal, time, text: str = "", **more) -> Message:
    """What somebody writes in the portal, as far as it goes."""
    with portal.session() as session:
        location = session.scalars(select(Location).where(Location.ghl_id == PLACE.id)).one()
    draft = composing.Draft((), text, "a test", about=portal.messages("in")[0].uuid, **more)
    composing.compose(portal.database, portal.parts.journal, location, draft)
    settle(portal, time, "apply")
    settle(portal, time, "send")
    return portal.messages()[-1]


def test_metas_list_is_kept_page_by_page(portal, time):
    portal.graph.listed = [VISIT, {**VISIT, "name": "other", "status": "REJECTED", "rejected_reason": "SCAM"}]
    portal.parts.template_watch.look(portal.line)
    with portal.session() as session:
        found = {row.name: row for row in session.scalars(select(TemplateRow))}
    assert (found["visit"].status, found["visit"].quality, found["visit"].components) == ("APPROVED", "GREEN", [BODY])
    assert "rejected by WhatsApp. WhatsApp takes it for fraud." in template_sending.why_not(found["other"])


def test_after_a_day_only_a_template_reaches_who_has_no_number(portal, time):
    heard(portal, time)
    assert written(portal, time, "Welcome.").status == "accepted"
    assert portal.graph.sent[-1]["recipient"] == ANNA_ID and "to" not in portal.graph.sent[-1]
    time.forward(hours=25)
    late = written(portal, time, "Are you there?")
    assert (late.status, late.error_code) == ("failed", "window_closed") and "/template NAME" in late.reason
    with portal.session() as session:
        assert template_offers.offered(session.get_one(Message, late.id))
        (row,) = template_offers.choices(session, session.get_one(Message, late.id))
    content = template_texts.content(template_sending.form_of(row), {"1": "Ana", "2": "Friday"})
    message = written(portal, time, content=content)
    call = portal.graph.sent[-1]
    assert (message.status, message.body) == ("accepted", "Hi Ana, we see you on *Friday*.")
    assert (call["type"], call["recipient"], call["biz_opaque_callback_data"]) == (
        "template",
        ANNA_ID,
        f"{message.uuid}:1",
    )
    parameters = [{"type": "text", "text": "Ana"}, {"type": "text", "text": "Friday"}]
    assert call["template"] == {
        "name": "visit",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }


def test_reactions_and_lists_as_meta_takes_them(portal, time):
    heard(portal, time)
    written(portal, time, "\U0001f44d", content=composing.Content(Kind.REACTION))
    assert portal.graph.sent[-1]["reaction"] == {"message_id": "wamid.IN", "emoji": "\U0001f44d"}
    rows = [{"id": "1", "text": "Monday", "description": "from nine"}]
    menu = {"title": "Choose", "footer": "", "sections": [{"title": "", "rows": rows}]}
    written(portal, time, "When?", content=composing.Content(Kind.LIST, menu))
    action = portal.graph.sent[-1]["interactive"]["action"]
    assert action["button"] == "Choose" and action["sections"][0]["rows"][0]["title"] == "Monday"


def test_a_command_in_highlevel_becomes_metas_template(portal, time):
    portal.sandbox.deliveries.send("/template visit\n1: Ana\n2: Friday")
    settle(portal, time)
    assert portal.graph.sent[-1]["template"]["name"] == "visit" and portal.messages()[-1].status == "accepted"


def test_a_notice_for_the_account_has_its_senders_asked(portal, time):
    portal.graph.listed = [{**VISIT, "status": "PAUSED"}]
    told = {"event": "PAUSED", "message_template_name": "visit", "message_template_language": "en_US", "reason": "Low"}
    webhook(portal, time, "message_template_status_update", {**told, "message_template_id": 77})
    assert "its provider is asked" in portal.events()[-1].note
    settle(portal, time, "send")
    with portal.session() as session:
        row = session.scalars(select(TemplateRow)).one()
        assert (row.status, row.said) == ("PAUSED", "PAUSED") and session.get_one(Sender, portal.line).templates_at
    assert templates.reason(row).startswith("Low")
