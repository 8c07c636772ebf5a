"""The pages on senders: how each stands, what repairs it, and linking a phone whatever the provider does."""

import pytest
from sqlalchemy import select, update

from portal.alerts import notices
from portal.alerts.notices import close_alert, raise_alert
from portal.messaging import linking, senders
from portal.models import Job, Sender
from portal.queue.gates import block, sender_gate
from tests import linked
from tests.linked import NEWER, PIXEL, Provider, serving
from tests.web.conftest import Tenant, post

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin"}
BOTH_ENGINES = True


@pytest.fixture
def provider(monkeypatch):
    linked.register(monkeypatch)
    with serving(Provider(state="signed_out")) as provider:
        yield provider


@pytest.fixture
def line(parts, acme: Tenant, provider) -> int:
    """A sender of Acme's whose phone has been unlinked."""
    wanted = senders.NewSender(
        "linked", "Front desk", {"id_instance": "7105", "api_token": "hush-token"}, provider.url, operator=True
    )
    with parts.database.write() as session:
        location = session.get_one(senders.Location, acme.location)
        sender = senders.add(session, parts.vault, location, wanted)
        sender.line_address = "+4915100000001"
    parts.linking.look(sender.id)
    return sender.id


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


def the(database, sender: int) -> Sender:
    with database.read() as session:
        return session.get_one(Sender, sender)


def test_the_list_says_how_each_stands_and_what_repairs_it(client, database, acme, line, queue) -> None:
    queue(acme, "Hello", named_sender_id=line)
    page = client.get("/admin/senders").text
    for word in ("Front desk", "no phone linked", "Link the phone on the sender", "+4915100000001", "Acme dentists"):
        assert word in page
    assert f'href="/admin/senders/{line}/code"' in page and "1 held" in page
    assert "Acme line" in page and "active" in page
    assert "hush-token" not in page + client.get(f"/admin/senders/{line}").text
    attention = client.get("/admin/senders?state=attention", headers=HTMX).text
    assert "Front desk" in attention and "Acme line" not in attention and "<html" not in attention
    assert "Front desk" in client.get("/admin/senders?q=000001").text
    assert "No sender" in client.get("/admin/senders?q=nobody").text
    assert client.get("/admin/senders?state=odd").status_code == 404


def test_strangers_see_and_move_nothing(signed_in, database, rival, line, provider) -> None:
    stranger = signed_in(rival.agency)
    assert "Front desk" not in stranger.get("/admin/senders").text
    provider.asked.clear()
    for path in ("", "/code", "/sign-out"):
        assert stranger.get(f"/admin/senders/{line}{path}").status_code == 404
    for path in ("/check", "/pause", "/resume", "/pair", "/restart", "/sign-out"):
        assert post(stranger, f"/admin/senders/{line}{path}", phone="+491511").status_code == 404
    assert provider.asked == [] and the(database, line).state == "active"


@pytest.mark.parametrize("role", ["viewer", "agent", "client"])
def test_who_may_only_look_cannot_link_a_phone_of_their_own(signed_in, acme, line, provider, role) -> None:
    looking = signed_in(acme.agency, role, [acme.location] if role == "client" else [])
    page = looking.get(f"/admin/senders/{line}")
    assert page.status_code == 200 and "Link a phone" not in page.text and "/code" not in page.text
    provider.asked.clear()
    answer = looking.get(f"/admin/senders/{line}/code", headers=HTMX)
    assert answer.status_code == 403 and PIXEL not in answer.text and provider.asked == []


@pytest.mark.parametrize(
    ("fields", "says", "button"),
    [
        ({"line_state": "ready"}, "active", None),
        ({"line_state": "blocked"}, "blocked by the network", "/check"),
        ({"line_state": "starting"}, "starting", "/check"),
        ({"state": "paused", "state_reason": "on holiday"}, "on holiday", "/resume"),
        ({"line_state": "ready", "line_failure": "It answered 401.", "line_failures": 2}, "It answered 401.", "/check"),
        (
            {
                "line_state": "ready",
                "state": "paused",
                "state_reason": "Other.",
                "line_other_address": "+4917099999999",
            },
            "Send from +4917099999999",
            "/resume",
        ),
    ],
)
def test_each_state_has_its_words_and_its_one_button(client, database, line, fields, says, button) -> None:
    with database.write() as session:
        session.execute(update(Sender).where(Sender.id == line).values(**fields, line_down_at=None))
    page = client.get("/admin/senders?q=Front").text
    assert says in page
    found = [path for path in ("/check", "/resume", "/restart", "/code") if f"/admin/senders/{line}{path}" in page]
    assert found == ([button] if button else [])


def test_a_closed_gate_is_told_with_its_reason(client, database, line) -> None:
    with database.write() as session:
        session.execute(update(Sender).where(Sender.id == line).values(line_state="ready"))
        block(session, sender_gate(line), "The provider is overloaded.", seconds=60)
    page = client.get(f"/admin/senders/{line}").text
    assert "held back" in page and "The provider is overloaded." in page


def test_the_state_is_polled_and_sent_only_when_it_changed(client, database, line) -> None:
    first = client.get(f"/admin/senders/{line}", headers=HTMX)
    assert "no phone linked" in first.text and "<html" not in first.text
    again = {**HTMX, "If-None-Match": first.headers["ETag"]}
    assert client.get(f"/admin/senders/{line}", headers=again).status_code == 204
    with database.write() as session:
        session.execute(update(Sender).where(Sender.id == line).values(line_state="ready"))
    assert "active" in client.get(f"/admin/senders/{line}", headers=again).text


def test_the_code_is_the_newest_and_ends_with_the_word_linked(client, database, line, provider) -> None:
    page = client.get(f"/admin/senders/{line}/code")
    assert page.status_code == 200 and PIXEL in page.text and "Show a new code" in page.text
    first = client.get(f"/admin/senders/{line}/code", headers=HTMX)
    assert PIXEL in first.text and "data-good-for" in first.text and "<html" not in first.text
    again = {**HTMX, "If-None-Match": first.headers["ETag"]}
    assert client.get(f"/admin/senders/{line}/code", headers=again).status_code == 204
    provider.code = NEWER
    assert NEWER in client.get(f"/admin/senders/{line}/code", headers=again).text
    with database.write() as session:
        session.execute(update(Job).where(Job.kind == "check_line").values(kind="gone"))
    provider.state = "ready"
    linked_now = client.get(f"/admin/senders/{line}/code", headers=again)
    assert linked_now.status_code == 286, "htmx asks no more"
    assert "The phone is linked" in linked_now.text and "<img" not in linked_now.text
    with database.read() as session:
        jobs = session.scalars(select(Job.subject).where(Job.kind == "check_line")).all()
    assert jobs == [line], "the line itself is asked at once"


@pytest.mark.parametrize("image", ["not/base64?", '"><script>alert(1)</script>'])
def test_a_picture_that_is_none_is_not_shown(client, line, provider, image) -> None:
    provider.code = image
    text = client.get(f"/admin/senders/{line}/code", headers=HTMX).text
    assert "<img" not in text and "script" not in text and "gave no code that could be shown" in text


def test_a_provider_in_trouble_is_told_and_no_old_code_stays(client, line, provider, monkeypatch) -> None:
    provider.faults = [503]
    text = client.get(f"/admin/senders/{line}/code", headers=HTMX).text
    assert "It answered 503." in text and "<img" not in text
    monkeypatch.setattr(client.application.extensions["portal"].linking._http, "longest", 0.2)
    provider.slow = 1.0
    for answer in (
        client.get(f"/admin/senders/{line}/code"),
        post(client, f"/admin/senders/{line}/pair", phone="0917"),
    ):
        assert "<img" not in answer.text
    assert "did not answer in time" in client.get(f"/admin/senders/{line}/code", headers=HTMX).text
    assert linking.PATIENCE <= 10, "a person waits for it"


def test_a_pairing_code_for_a_number(client, line, provider) -> None:
    page = post(client, f"/admin/senders/{line}/pair", phone="0917 555 0101")
    assert page.status_code == 200 and "PAIR-0101" in page.text and "<html" in page.text
    fragment = post(client, f"/admin/senders/{line}/pair", phone="call me")
    assert fragment.status_code == 422 and 'aria-invalid="true"' in fragment.text and "call me" in fragment.text
    assert provider.asked.count("pair") == 1


def test_restart_and_unlink_after_a_confirmation(client, database, line, provider) -> None:
    assert post(client, f"/admin/senders/{line}/restart").headers["Location"].endswith(f"/admin/senders/{line}")
    assert provider.state == "starting"
    page = client.get(f"/admin/senders/{line}/sign-out").text
    assert "From then on nothing is sent or received" in page and "logout" not in provider.asked
    assert post(client, f"/admin/senders/{line}/sign-out").status_code == 303
    assert provider.state == "signed_out"
    provider.faults = [503]
    post(client, f"/admin/senders/{line}/restart")
    assert "It answered 503." in client.get(f"/admin/senders/{line}").text


def test_checking_asks_now_and_looks_at_the_settings(client, database, line, provider) -> None:
    provider.state = "ready"
    post(client, f"/admin/senders/{line}/check")
    row = the(database, line)
    assert row.line_state == "ready" and row.line_since is not None
    with database.read() as session:
        assert "sync_webhook" in session.scalars(select(Job.kind)).all()
    provider.faults = [503]
    post(client, f"/admin/senders/{line}/check")
    assert "could not be asked. It answered 503." in client.get(f"/admin/senders/{line}").text


def test_pausing_and_resuming_and_only_the_number_that_was_seen(client, database, line) -> None:
    post(client, f"/admin/senders/{line}/pause")
    assert the(database, line).state == "paused"
    with database.write() as session:
        session.execute(update(Sender).where(Sender.id == line).values(line_other_address="+4917099999999"))
    post(client, f"/admin/senders/{line}/resume", number="+4917088888888")
    assert the(database, line).state == "paused" and "+4917099999999" in client.get(f"/admin/senders/{line}").text
    post(client, f"/admin/senders/{line}/resume", number="+4917099999999")
    row = the(database, line)
    assert (row.state, row.line_address, row.line_other_address) == ("active", "+4917099999999", "")


def test_the_page_tells_what_happened_open_or_over(client, database, acme, line) -> None:
    with database.write() as session:
        raise_alert(session, notices.LINE_DOWN, sender_gate(line), "It was down.", acme.location)
        close_alert(session, notices.LINE_DOWN, sender_gate(line), "It works again.")
        raise_alert(session, notices.SENDER_NOTICE, f"{sender_gate(line)}:quota", "Quota used up.", acme.location)
        raise_alert(session, notices.LINE_DOWN, f"{sender_gate(line)}0", "Somebody else's.", acme.location)
    page = client.get(f"/admin/senders/{line}").text
    assert "It works again." in page and "Quota used up." in page and "Somebody else" not in page


def test_the_overview_shows_the_line_and_leads_to_the_sender(client, line) -> None:
    page = client.get("/admin").text
    assert "no phone linked" in page and f'href="/admin/senders/{line}"' in page


def test_the_figures_count_lines_by_their_state(client, line) -> None:
    figures = client.get("/metrics").text
    assert 'sendero_lines{channel="linked",state="signed_out"} 1.0' in figures and 'lines{channel="sim' not in figures


def test_other_channels_have_nothing_to_link(client, acme) -> None:
    assert "has no phone to link" in client.get(f"/admin/senders/{acme.sender}/code").text
    assert "Link a phone" not in client.get(f"/admin/senders/{acme.sender}").text
    assert "no phone that could be unlinked" in client.get(f"/admin/senders/{acme.sender}/sign-out").text
    post(client, f"/admin/senders/{acme.sender}/restart")
    assert "Simulator has no phone to link." in client.get(f"/admin/senders/{acme.sender}").text


# The command line


def run(app, *words: object):
    return app.test_cli_runner().invoke(args=["sender", *map(str, words)])


def test_the_command_line_links_a_phone(app, line, provider, tmp_path) -> None:
    file = tmp_path / "code.png"
    told = run(app, "link", line, "--qr", file)
    assert '"linked": false' in told.output and file.read_bytes().startswith(b"\x89PNG")
    assert '"pairing_code": "PAIR-0101"' in run(app, "link", line, "--phone", "09175550101").output
    provider.state = "ready"
    assert '"linked": true' in run(app, "link", line).output
    shown = run(app, "line", line).output
    assert '"line": "ready"' in shown and '"number": "+4915100000001"' in shown
    assert '"restarted": true' in run(app, "restart", line).output and provider.state == "starting"
    assert '"signed_out": true' in run(app, "sign-out", line).output and provider.state == "signed_out"
    provider.faults = [503]
    assert '"failure": "It answered 503."' in run(app, "line", line).output


def test_the_command_line_says_what_cannot_be(app, acme, line, provider) -> None:
    for words in (("line", acme.sender), ("link", acme.sender), ("restart", 77), ("sign-out", 77)):
        told = run(app, *words)
        assert told.exit_code == 1 and told.output.startswith("Error: ") and "Traceback" not in told.output
    provider.faults = [503]
    assert "It answered 503." in run(app, "restart", line).output
    assert run(app, "link", line, "--phone", "nobody").exit_code == 1


def test_the_command_line_confirms_a_number_by_naming_it(app, database, line) -> None:
    with database.write() as session:
        session.execute(update(Sender).where(Sender.id == line).values(line_other_address="+4917099999999"))
    assert "+4917099999999" in run(app, "resume", line).output
    assert '"state": "active"' in run(app, "resume", line, "--number", "+4917099999999").output


def test_a_page_that_was_loaded_with_a_phone_linked_is_loaded_anew_for_the_code(client, parts, line, provider) -> None:
    there, page = f"/admin/senders/{line}", client.get(f"/admin/senders/{line}").text
    assert f'hx-get="{there}?was=signed_out"' in page and "Link a phone" in page
    assert "HX-Redirect" not in client.get(f"{there}?was=signed_out", headers=HTMX).headers
    assert client.get(f"{there}?was=ready", headers=HTMX).headers["HX-Redirect"] == there
    provider.state = "ready"
    parts.linking.look(line)
    assert "HX-Redirect" not in client.get(f"{there}?was=ready", headers=HTMX).headers
