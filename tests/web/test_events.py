"""The black box: every webhook as it came in, and replay of what was set aside."""

import pytest
from flask import Flask
from sqlalchemy import select

from portal.alerts.notices import PARKED, raise_alert
from portal.models import Alert, Event, EventState
from portal.web.admin.queries import events as reading
from tests.web.conftest import jobs, post, record

BOTH_ENGINES = True


def test_a_parked_webhook_is_replayed(database, acme, signed_in) -> None:
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    with database.write() as session:
        raise_alert(session, PARKED, "ghl", "Set aside.")
    client = signed_in(acme.agency)
    page = f"/admin/events/{event.id}"
    assert "Replay" in client.get(page).text
    assert post(client, f"{page}/replay", page).headers["Location"] == page
    after = client.get(page).text
    assert "The webhook is applied again" in after
    assert "Replay: apply it again" not in after
    assert jobs(database) == [("apply", event.id)]
    with database.read() as session:
        assert session.get_one(Event, event.id).state == EventState.PENDING
        assert session.scalars(select(Alert)).one().closed_at is not None
    assert "only parked events are replayed" in client.get(post(client, f"{page}/replay").headers["Location"]).text
    assert jobs(database) == [("apply", event.id)]


def test_the_command_line_does_the_same(app: Flask, database, acme) -> None:
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    run = app.test_cli_runner()
    assert run.invoke(args=["events", "replay", str(event.id)]).output == f'{{"id": {event.id}, "state": "pending"}}\n'
    assert run.invoke(args=["events", "replay", str(event.id)]).exit_code == 1
    assert "There is no event 99." in run.invoke(args=["events", "replay", "99"]).output


def test_the_alert_stays_while_others_are_parked(database, acme, signed_in) -> None:
    event = record(database, f"ghl:{acme.ghl_id}:contact")
    record(database, f"ghl:{acme.ghl_id}:contact")
    with database.write() as session:
        raise_alert(session, PARKED, "ghl", "Set aside.")
    post(signed_in(), f"/admin/events/{event.id}/replay")
    with database.read() as session:
        assert session.scalars(select(Alert)).one().closed_at is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "It proved who sent it."),
        ({"verified": False, "state": EventState.REFUSED}, "It did not prove who sent it."),
        ({"verified": False, "state": EventState.PENDING}, "It came while the database was away"),
        ({"body": None}, "It was purged when its time was over."),
        ({"body": b""}, "It is empty."),
        ({"body": b"\xff\x00binary"}, "\\xff"),
        ({"body": b"x" * 30_000}, "the last 9.8 KiB are not shown"),
        ({"query": "from=1&password=hunter22222"}, "from=1&amp;[redacted]"),
        ({"body": b"user=a&token=abcdefgh&text=hi"}, "user=a&amp;[redacted]&amp;text=hi"),
        ({"headers": {"x-ghl-signature": "abc="}}, "x-ghl-signature"),
        ({"note": "message 01234567-89ab-cdef-0123-456789abcdef"}, 'href="/admin/messages/01234567-89ab-cdef'),
    ],
)
def test_a_webhook_is_shown_as_it_came(database, signed_in, values, words) -> None:
    event = record(database, "ghl", **values)
    page = signed_in().get(f"/admin/events/{event.id}")
    assert page.status_code == 200
    assert words in page.text


def test_the_list_and_its_filter(database, signed_in) -> None:
    first = record(database, "ghl", note="First")
    record(database, "ghl", state=EventState.APPLIED, note="Second")
    client = signed_in()
    everything = client.get("/admin/events").text
    assert everything.index("Second") < everything.index("First")
    parked = client.get("/admin/events?state=parked").text
    assert "First" in parked
    assert "Second" not in parked
    assert "No webhooks." in client.get(f"/admin/events?before={first.id}").text
    assert client.get("/admin/events?state=nonsense").status_code == 404
    assert client.get("/admin/events/99").status_code == 404


@pytest.mark.parametrize("operator", [True, False])
def test_pages_meet_without_gap_or_overlap(database, acme, rival, signed_in, monkeypatch, operator) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    mine = [record(database, f"ghl:{acme.ghl_id}:contact").id for _ in range(8)]
    scope = reading.Scope(None if operator else acme.agency)
    seen, before = [], None
    with database.read() as session:
        for _ in range(10):
            page = reading.page(session, scope, reading.Wanted("parked", before))
            seen += [row.id for row in page.rows]
            before = page.older
            if before is None:
                break
    assert seen == mine[::-1]


def test_a_page_looks_at_so_many_and_offers_to_keep_looking(database, acme, signed_in, monkeypatch) -> None:
    monkeypatch.setattr(reading, "LOOKED_AT", 4)
    record(database, f"ghl:{acme.ghl_id}:contact", note="The old one")
    for _ in range(6):
        record(database, "ghl:elsewhere:contact")
    client = signed_in(acme.agency)
    page = client.get("/admin/events").text
    assert "Keep looking" in page
    assert "The old one" not in page
    address = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert "The old one" in client.get(address).text
