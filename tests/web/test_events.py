"""The black box: every webhook as it came in, and replay of what was set aside."""

import pytest
from flask import Flask
from sqlalchemy import select

from portal.alerts.notices import PARKED, raise_alert
from portal.models import Alert, AuditEntry, Event, EventState, Part
from portal.web.admin.queries import events as reading
from tests.web.conftest import carry_out, jobs, post, record

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


def test_several_are_replayed_at_once_and_only_once(database, acme, rival, signed_in) -> None:
    mine = [record(database, f"ghl:{acme.ghl_id}:contact").id for _ in range(3)]
    done = record(database, f"ghl:{acme.ghl_id}:contact", state=EventState.APPLIED).id
    theirs = record(database, f"ghl:{rival.ghl_id}:contact").id
    client = signed_in(acme.agency)
    chosen = [*mine[:2], done, theirs]
    for count in (2, 0):
        answer = post(client, "/admin/events/replay", event=[str(each) for each in chosen])
        assert f"applied again: {count}" in client.get(answer.headers["Location"]).text
    assert jobs(database) == [("apply", each) for each in mine[:2]]
    answer = post(client, "/admin/events/replay", all="1", source="ghl")
    assert "applied again: 1" in client.get(answer.headers["Location"]).text
    assert jobs(database) == [("apply", each) for each in mine]
    with database.read() as session:
        assert session.get_one(Event, theirs).state == EventState.PARKED
        assert session.get_one(Event, done).state == EventState.APPLIED
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "replayed")).all()
    assert len(told) == 3
    viewer = signed_in(acme.agency, "agent")
    assert post(viewer, "/admin/events/replay", all="1").status_code == 403
    assert "Replay several" not in viewer.get("/admin/events").text


def test_the_list_is_narrowed_to_a_source(database, acme, signed_in) -> None:
    record(database, f"ghl:{acme.ghl_id}:contact", note="From HighLevel")
    record(database, "simulator:x", source="simulator", sender_key=acme.sender_key, note="From the simulator")
    for client in (signed_in(acme.agency), signed_in()):
        page = client.get("/admin/events?source=simulator").text
        assert "From the simulator" in page and "From HighLevel" not in page
        assert client.get("/admin/events?source=nonsense").status_code == 404


def test_a_webhook_shows_what_it_brought(database, acme, rival, queue, signed_in) -> None:
    message = queue(acme, "Brought by a webhook")
    page = signed_in(acme.agency).get(f"/admin/events/{message.event_id}").text
    assert "What it brought" in page and message.uuid in page


@pytest.fixture
def known(parts, database, acme, queue) -> dict[str, str]:
    """Ids of one message of Acme's and of what belongs to it."""
    message = queue(acme, "The one that is looked for", phone="+639170000055")
    carry_out(parts)
    with database.write() as session:
        part = session.scalars(select(Part).where(Part.message_id == message.id)).one()
        event = session.get_one(Event, message.event_id)
        event.dedupe_key = "event:webhook-1"
        found = {
            "our message": message.uuid,
            "HighLevel's message": message.ghl_message_id,
            "provider's": part.external_id,
            "our webhook": event.uuid,
            "number of the webhook": str(event.id),
            "HighLevel's webhook": "webhook-1",
            "dedupe key": "event:webhook-1",
            "contact": "contact-+639170000055",
            "phone": "+63 917 000 0055",
        }
        assert all(found.values())
        return found


def test_anything_is_found_by_any_of_its_ids(database, known, acme, rival, signed_in) -> None:
    mine, theirs, operator = signed_in(acme.agency), signed_in(rival.agency), signed_in()
    for what, value in known.items():
        for client in (mine, operator):
            page = client.get("/admin/find", query_string={"q": f" {value} "}).text
            assert f'href="/admin/events/{known["number of the webhook"]}"' in page, what
            by_event = what in ("our webhook", "number of the webhook", "HighLevel's webhook", "dedupe key")
            assert by_event or "The one that is looked for" in page, what
        page = theirs.get("/admin/find", query_string={"q": value}).text
        assert "Nothing of yours has this id" in page and "looked for" not in page, what
    for odd in ("", "%", "9" * 40, "x" * 5000, "\x00", "00000000-0000-0000-0000-000000000000"):
        assert mine.get("/admin/find", query_string={"q": odd}).status_code == 200


def test_a_delivery_that_was_set_aside_is_found_by_its_message(database, acme, signed_in) -> None:
    event = record(database, f"ghl:{acme.ghl_id}:contact", dedupe_key=f"delivery:{acme.ghl_id}:abc123")
    assert f"/admin/events/{event.id}" in signed_in(acme.agency).get("/admin/find?q=abc123").text
