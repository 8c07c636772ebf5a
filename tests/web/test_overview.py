"""The overview and its polled blocks."""

import pytest
from sqlalchemy import select

from portal.alerts.notices import CHOOSE_DEFAULT, raise_alert
from portal.journal.entry import Entry
from portal.models import Alert
from portal.queue import gates
from tests.web.conftest import post

BLOCKS = ("health", "alerts", "places", "recent", "wall")


def test_an_empty_portal_says_what_to_do(signed_in) -> None:
    page = signed_in().get("/admin").text
    for words in (
        "nothing waits to be done",
        "Nothing needs you.",
        "Install the app in HighLevel",
        "No messages.",
        "Nothing is held back by a fault.",
    ):
        assert words in page


def test_what_is_the_matter(parts, database, acme, queue, signed_in) -> None:
    queue(acme, "Hello there")
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme must choose.", acme.location)
        gates.block(session, gates.sender_gate(acme.sender), "The provider is ill.", seconds=60)
        gates.block(session, gates.poll_gate(acme.sender), "Too many questions.", seconds=60)
        gates.block(session, gates.ghl_gate(acme.location), "The limit is used up.", seconds=60)
    parts.spool.append([Entry("ghl", "ghl", b"{}")])
    page = signed_in().get("/admin").text
    for words in (
        "calls to providers",
        "<strong>1</strong> due",
        "wait for the database",
        "Choose a default sender",
        "The provider is ill.",
        "status questions of Acme line",
        "The limit is used up.",
        "Acme dentists",
        "installed",
        "Acme line",
        "Hello there",
    ):
        assert words in page, words


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_sent_once_and_again_when_it_changes(database, acme, queue, signed_in, block: str) -> None:
    client = signed_in()
    path = f"/admin/live/{block}"
    first = client.get(path, headers={"HX-Request": "true"})
    assert first.status_code == 200
    assert "<html" not in first.text
    assert "csrf_token" not in first.text
    same = {"HX-Request": "true", "If-None-Match": first.headers["ETag"]}
    again = client.get(path, headers=same)
    assert (again.status_code, again.text) == (204, "")
    assert "HX-Request" in first.headers["Vary"]
    queue(acme, phone="")
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme must choose.", acme.location)
        gates.block(session, gates.sender_gate(acme.sender), "The provider is ill.", seconds=60)
    assert client.get(path, headers=same).status_code == 200


def test_there_is_no_other_block(signed_in) -> None:
    assert signed_in().get("/admin/live/content").status_code == 404


def test_the_whole_page_for_browsers_and_a_block_for_htmx(acme, queue, signed_in) -> None:
    queue(acme)
    client = signed_in()
    asked = {"HX-Request": "true"}
    assert client.get("/admin/messages").text.startswith("<!DOCTYPE html>")
    assert client.get("/admin/messages", headers=asked).text.lstrip().startswith("<ul")
    for whole in ("HX-Boosted", "HX-History-Restore-Request"):
        assert client.get("/admin/messages", headers=asked | {whole: "true"}).text.startswith("<!DOCTYPE html>")


def test_an_alert_is_closed_by_a_person(database, acme, signed_in) -> None:
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme must choose.", acme.location)
    client = signed_in(acme.agency)
    assert post(client, "/admin/alerts/1/close").status_code == 303
    assert "Nothing needs you." in client.get("/admin").text
    assert post(client, "/admin/alerts/1/close").status_code == 303, "somebody clicked twice"
    assert post(client, "/admin/alerts/2/close").status_code == 404
    with database.read() as session:
        assert session.scalars(select(Alert)).one().closed_at is not None


def test_pages_that_are_not_there(signed_in) -> None:
    client = signed_in()
    missing = client.get("/nowhere")
    assert missing.status_code == 404
    assert "There is nothing here" in missing.text
    assert missing.headers["X-Request-Id"] in missing.text


def test_the_installation_says_how_it_went(client) -> None:
    refused = client.get("/oauth/callback?error=access_denied")
    assert refused.status_code == 400
    assert "The app was not installed" in refused.text
