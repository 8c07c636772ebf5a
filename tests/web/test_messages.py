"""The list of messages and the page of one: all that happened, in words."""

from datetime import timedelta

import pytest
import time_machine
from cryptography.fernet import Fernet
from sqlalchemy import select

from portal import clock
from portal.channels.base import Inbound
from portal.channels.content import About, AddressKind, Kind, Peer, Relation
from portal.crypto import Vault
from portal.messaging.held import hold_conversation
from portal.messaging.inbound import take_inbound
from portal.messaging.polling import enqueue_due
from portal.models import Location, Message, Sender
from portal.web.pages.queries import messages as reading
from tests.web.conftest import carry_out, record, reload

BOTH_ENGINES = True


def test_the_whole_path_of_a_delivered_message(parts, database, acme, queue, signed_in) -> None:
    with time_machine.travel(clock.now() - timedelta(minutes=5), tick=False) as traveller:
        message = queue(acme)
        carry_out(parts)
        traveller.shift(5)
        with database.write() as session:
            enqueue_due(session)
        carry_out(parts, "check_status")
    page = signed_in().get(f"/admin/messages/{message.uuid}").text
    external = reload(database, message).parts[0].external_id
    assert external
    for words in (
        "On the phone.",
        "See you at ten.",
        "+639170000042",
        "the only sender",
        "The webhook came in.",
        f'href="/admin/events/{message.event_id}"',
        "Queued. Waiting for its turn.",
        "Sending. Being handed to the provider.",
        "Accepted. The provider has it.",
        "Attempt 1 with Acme line: the provider took it",
        f"key {message.uuid}:1",
        "The provider reports: delivered.",
        "Delivered. On the phone.",
        "simulator poll",
        "set aside for this message",
        "spent: the provider took it",
        "HighLevel was told nothing yet",
        "HighLevel is told its status",
        external,
    ):
        assert words in page, words


def test_what_failed_says_why(parts, acme, queue, signed_in) -> None:
    message = queue(acme, phone="+639170000002")
    carry_out(parts)
    page = signed_in().get(f"/admin/messages/{message.uuid}").text
    assert "The simulator refuses numbers that end in 0002." in page
    assert "the provider refused it" in page
    assert "given back: it did not go out" in page
    assert "Cancel this message" not in page


def test_an_outcome_nobody_knows(parts, acme, queue, signed_in) -> None:
    message = queue(acme, phone="+639170000004")
    carry_out(parts)
    page = signed_in().get(f"/admin/messages/{message.uuid}").text
    assert "The provider may have it" in page
    assert "nobody can say whether the provider took it" in page


def test_what_came_in(database, parts, acme, signed_in) -> None:
    event = record(database, "simulator:x", source="simulator", sender_key=acme.sender_key)
    with database.write() as session:
        sender = session.get_one(Sender, acme.sender)
        take_inbound(session, sender, Inbound("+639170000042", "Is ten fine?", "x-1"), event, parts.vault)
    client = signed_in(acme.agency)
    page = client.get("/admin/messages?direction=in")
    assert "Is ten fine?" in page.text
    with database.read() as session:
        uuid = session.get_one(Message, 1).uuid
    page = client.get(f"/admin/messages/{uuid}").text
    assert "Message from" in page
    assert "HighLevel does not have it yet." in page
    assert "It is added to the conversation in HighLevel" in page


def test_text_from_outside_stays_text(parts, database, acme, queue, signed_in) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}"
    message = queue(acme, evil, attachments=["javascript:alert(3)"])
    with database.write() as session:
        hold_conversation(session, session.get_one(Message, message.id), f"because {evil}")
    raw = record(
        database, f"ghl:{acme.ghl_id}:contact", body=evil.encode(), note=evil, headers={"user-agent": evil}, query=evil
    )
    client = signed_in()
    for path in (
        "/admin",
        "/admin/messages",
        f"/admin/messages/{message.uuid}",
        "/admin/events",
        f"/admin/events/{raw.id}",
    ):
        answer = client.get(path)
        assert "&lt;script&gt;" in answer.text
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert 'href="javascript' not in answer.text
        assert "49" not in answer.text.split("because")[-1][:40]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_filters_are_in_the_address(parts, acme, rival, queue, signed_in) -> None:
    queue(acme, "Fails", "+639170000002")
    carry_out(parts)
    queue(acme, "Waits", "+639170000043")
    queue(rival, "Elsewhere", "+639170000044")
    client = signed_in()

    def found(query: str) -> list[str]:
        text = client.get(f"/admin/messages?{query}").text
        return [word for word in ("Fails", "Waits", "Elsewhere") if word in text]

    assert found("") == ["Fails", "Waits", "Elsewhere"]
    assert found("status=failed") == ["Fails"]
    assert found(f"location={acme.ghl_id}") == ["Fails", "Waits"]
    assert found(f"location={acme.ghl_id}&status=queued&direction=out") == ["Waits"]
    assert found("direction=in") == []
    page = client.get(f"/admin/messages?location={acme.ghl_id}&status=failed").text
    assert f'<option value="{acme.ghl_id}"' in page
    assert page.count("selected") == 2


@pytest.mark.parametrize("query", ["status=nonsense", "direction=up", "before=-1", "before=x", "location=nobody"])
def test_a_filter_that_does_not_exist(signed_in, query: str) -> None:
    assert signed_in().get(f"/admin/messages?{query}").status_code == 404


@pytest.mark.parametrize("by_location", [False, True])
@pytest.mark.parametrize("status", ["", "queued"])
def test_pages_meet_without_gap_or_overlap(database, acme, rival, queue, monkeypatch, by_location, status) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    mine = [queue(acme, f"No {number}", f"+63917000{number:04}").id for number in range(100, 108)]
    queue(rival)
    with database.read() as session:
        location = session.get_one(Location, acme.location) if by_location else None
        scope = reading.Scope(acme.agency)
        seen, before = [], None
        for _ in range(10):
            page = reading.page(session, scope, reading.Wanted(location, status, before=before), limit=3)
            seen += [row.id for row in page.rows]
            before = page.older
            if before is None:
                break
    assert seen == mine[::-1]


def test_a_page_looks_at_so_many_and_offers_to_keep_looking(
    database, acme, rival, queue, signed_in, monkeypatch
) -> None:
    queue(acme, "The old one")
    for number in range(6):
        queue(rival, f"Newer {number}", f"+63917000{number:04}")
    monkeypatch.setattr(reading, "LOOKED_AT", 4)
    client = signed_in(acme.agency)
    page = client.get("/admin/messages").text
    assert "The old one" not in page
    assert "Keep looking" in page
    address = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
    assert "The old one" in client.get(address.replace("&amp;", "&")).text


VAULT = Vault((Fernet.generate_key().decode(),))


def hear(database, acme, text: str, external_id: str, **said: object) -> None:
    event = record(database, "simulator:x", source="simulator", sender_key=acme.sender_key)
    with database.write() as session:
        sender = session.get_one(Sender, acme.sender)
        said = {"sender": "+639170000042"} | said
        take_inbound(session, sender, Inbound(text=text, external_id=external_id, **said), event, VAULT)


def page_of(client, database, external_id: str) -> str:
    with database.read() as session:
        uuid = session.scalar(select(Message.uuid).where(Message.external_id == external_id))
    return client.get(f"/admin/messages/{uuid}").text


def test_kinds_quotes_edits_deletions_reactions_and_authors(database, acme, signed_in) -> None:
    group = {"sender": "1203@g.us", "sender_kind": AddressKind.GROUP, "author": Peer(AddressKind.LID, "77", "Bén <b>")}
    hear(database, acme, "Table for tow", "m1", **group)
    hear(database, acme, "Table for two", "e1", kind=Kind.EDIT, about=About(Relation.EDIT, "m1"), **group)
    hear(database, acme, "👍", "r1", kind=Kind.REACTION, about=About(Relation.REACTION, "m1"), **group)
    hear(database, acme, "", "d1", kind=Kind.DELETION, about=About(Relation.DELETION, "m1"), **group)
    hear(database, acme, "Same as then", "q1", about=About(Relation.REPLY, "gone", "the old order"))
    hear(database, acme, "", "l1", kind=Kind.LOCATION, details={"latitude": 1.5, "longitude": 2.5})
    hear(database, acme, "{{SWE003}}", "u1", kind=Kind.UNREADABLE, code="SWE003")
    hear(database, acme, "Typed", "p1", from_us=True)
    hear(database, acme, "Robot", "a1", from_us=True, by_api=True)
    client = signed_in(acme.agency)
    listed = client.get("/admin/messages").text
    for words in (
        "Bén &lt;b&gt;: Table for tow",
        "edited",
        "deleted by its author",
        "Edited: Table for two (was: Table for tow)",
        "👍 to “Table for tow”",
        "Deleted: “Table for tow”",
        "Same as then",
        "https://www.google.com/maps?q=1.5,2.5",
        "could not be read",
        "typed on the phone",
        "by another program",
        "group",
    ):
        assert words in listed, words
    first = page_of(client, database, "m1")
    for words in ("this is the first text", "Its author deleted it", "reacts to it", "edits it", "Bén &lt;b&gt;", "77"):
        assert words in first, words
    assert "<b>" not in first.replace("<body", "")
    assert 'id="about"' in page_of(client, database, "r1")
    assert "not known here" in page_of(client, database, "q1") and "the old order" in page_of(client, database, "q1")
    assert "SWE003" in page_of(client, database, "u1")
    assert "It was typed on the linked phone." in page_of(client, database, "p1")


def test_a_report_that_may_be_ours_is_shown_to_who_decides(parts, database, acme, queue, signed_in) -> None:
    message = queue(acme, phone="+639170000004")
    carry_out(parts)
    hear(database, acme, "See you at ten.", "seen-1", sender="+639170000004", from_us=True, by_api=True)
    page = signed_in(acme.agency).get(f"/admin/messages/{message.uuid}").text
    assert "Something to know before you decide." in page and "id seen-1, same text: yes" in page
