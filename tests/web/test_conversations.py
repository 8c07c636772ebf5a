"""The list of conversations: what each filter finds, whose they are, and that a page costs what a page may cost."""

import csv
import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from portal import clock
from portal.messaging import senders
from portal.models import Conversation, Location, Status
from portal.web.pages.queries import conversations
from portal.web.pages.queries.conversations import Wanted
from portal.web.pages.queries.scope import Scope
from tests.talks import ANNA, BEN, CARA, Talks, many

BOTH_ENGINES = True
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin/conversations"}
LIST = "/admin/conversations"


@pytest.fixture
def talks(database, acme) -> Talks:
    return Talks(database, acme.location, acme.sender)


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


@pytest.fixture
def second(parts, acme) -> int:
    with parts.database.write() as session:
        wanted = senders.NewSender("simulator", "Second line", {})
        return senders.add(session, parts.vault, session.get_one(Location, acme.location), wanted).id


def names(page) -> list[str]:
    """The contacts of a page, in its order."""
    return re.findall(r'id="open-\d+"[^>]*><bdi>([^<]*)</bdi>', page.text)


def test_the_latest_comes_first_with_its_last_message(talks, client) -> None:
    talks.say("First", ANNA, name="Anna")
    talks.say("Second", BEN, name="Ben")
    talks.answer("To Anna", ANNA, status=Status.FAILED)
    page = client.get(LIST)
    assert names(page) == ["Anna", "Ben"]
    assert "To Anna" in page.text and "First" not in page.text and "status-failed" in page.text
    assert re.findall(r'class="unread">(\d+)', page.text) == ["1", "1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("direction=out", ["Anna"]),
        ("direction=in", ["Cara", "Ben", "Anna"]),
        ("status=failed", ["Anna"]),
        ("status=delivered", []),
        ("type=image", ["Ben"]),
        ("type=text&direction=in", ["Cara", "Anna"]),
        ("q=MANGO", ["Cara"]),
        ("q=ben", ["Ben"]),
        ("q=mango&direction=out", []),
        (f"q={CARA[1:]}", ["Cara"]),
        ("q=0917 000 0002", ["Ben"]),
        ("q=100%25", ["Cara"]),
        ("q=9_7", []),
        ("unread=1", ["Cara", "Ben"]),
        ("unread=1&type=image", ["Ben"]),
        ("channel=simulator", ["Cara", "Ben", "Anna"]),
        ("channel=cast", []),
    ],
)
def test_each_filter_finds_what_it_says(database, talks, acme, client, query, found) -> None:
    anna = talks.say("Hello", ANNA, name="Anna")
    talks.answer("A mistake", ANNA, status=Status.FAILED)
    talks.say("", BEN, name="Ben", kind="image")
    talks.say("I like mangos 100%", CARA, name="Cara")
    with database.write() as session:
        session.get_one(Conversation, anna.conversation_id).unread = 0
    where = f"&location={acme.ghl_id}" if "0917" in query else ""
    page = client.get(f"{LIST}?{query}{where}")
    assert names(page) == found
    alone = client.get(f"{LIST}?{query}{where}", headers=HTMX)
    assert names(alone) == found and "<html" not in alone.text


def test_by_sender_and_by_sub_account(talks, acme, rival, second, signed_in, database) -> None:
    talks.say("One", ANNA, name="Anna")
    talks.say("Two", BEN, name="Ben", sender_id=second)
    Talks(database, rival.location, rival.sender).say("Three", CARA, name="Cara")
    client = signed_in()
    assert names(client.get(LIST)) == ["Cara", "Ben", "Anna"]
    assert names(client.get(f"{LIST}?sender={second}")) == ["Ben"]
    assert names(client.get(f"{LIST}?location={rival.ghl_id}")) == ["Cara"]
    assert names(client.get(f"{LIST}?location={rival.ghl_id}&sender={second}")) == ["Cara"], "another was chosen since"


def test_by_day(talks, client) -> None:
    now = clock.now().replace(hour=12)
    talks.say("Old", ANNA, name="Anna", at=now - timedelta(days=40))
    talks.say("Middle", BEN, name="Ben", at=now - timedelta(days=20))
    talks.say("New", CARA, name="Cara", at=now)
    day = f"{now - timedelta(days=20):%Y-%m-%d}"
    assert names(client.get(f"{LIST}?since={day}")) == ["Cara", "Ben"]
    assert names(client.get(f"{LIST}?until={day}")) == ["Ben", "Anna"]
    assert names(client.get(f"{LIST}?since={day}&until={day}")) == ["Ben"]
    assert names(client.get(f"{LIST}?since={day}&until={day}&q=middle")) == ["Ben"]
    page = client.get(f"{LIST}?since={day}")
    assert f'value="{day}"' in page.text


def test_days_do_not_cost_a_look_at_everything_since(database, acme) -> None:
    """However much came after the last day, the page begins where that day ended."""
    many(database, acme.location, acme.sender, 60, 60)
    with database.write() as session:
        old = clock.now() - timedelta(days=30)
        for table, column in (("event", "received_at"), ("message", "created_at"), ("conversation", "last_message_at")):
            session.execute(text(f"UPDATE {table} SET {column} = :old"), {"old": old})
    many(database, acme.location, acme.sender, 6000, 6000, first=1000)
    scope, until = Scope(acme.agency), clock.now() - timedelta(days=20)
    with database.read() as session:
        found = conversations.page(session, scope, Wanted(until=until))
        assert len(found.rows) == 50 and not found.gave_up
        rest = conversations.page(session, scope, Wanted(until=until, before=found.older))
        assert (len(rest.rows), rest.older) == (10, None)
        since = conversations.page(session, scope, Wanted(since=clock.now() - timedelta(days=60), status="failed"))
        assert since.gave_up and not since.rows


@pytest.mark.parametrize(
    "query",
    [
        *("location=nobody", "sender=9999999", "sender=x", "channel=x", "status=x", "type=x", "direction=x"),
        *("before=x", "before=1-", "before=99999999999999999999-1", "since=yesterday", "until=9999-12-31"),
        "q=" + "x" * 201,
    ],
)
def test_what_does_not_exist_is_not_found(client, query) -> None:
    assert client.get(f"{LIST}?{query}").status_code == 404


def test_a_stranger_sees_nothing(talks, rival, signed_in, second) -> None:
    message = talks.say("Acme's secret", ANNA, name="Anna")
    client = signed_in(rival.agency)
    assert names(client.get(LIST)) == []
    assert names(client.get(f"{LIST}?q=secret")) == [] and names(client.get(f"{LIST}?q={ANNA[1:]}")) == []
    assert client.get(f"{LIST}?sender={second}").status_code == 404
    assert client.get(f"{LIST}/{message.conversation_id}").status_code == 404
    assert "secret" not in client.get(f"{LIST}/export.csv").text


def test_pages_hold_each_conversation_once_while_new_ones_come(database, talks, acme, client) -> None:
    many(database, acme.location, acme.sender, 120, 240)
    seen: list[str] = []
    address: str | None = LIST
    while address:
        page = client.get(address)
        seen += names(page)
        further = re.search(r'href="([^"]+)"\s+rel="next"', page.text)
        address = further[1].replace("&amp;", "&") if further else None
        talks.say(f"Meanwhile {len(seen)}", f"+63918{len(seen):07}", name=f"New {len(seen)}")
    assert len(seen) == 120 and len(set(seen)) == 120
    assert seen == [f"Person {each}" for each in reversed(range(120))]


@pytest.mark.parametrize("places", [1, 3])
def test_a_page_reads_a_bounded_number_of_rows(database, tenant, acme, places) -> None:
    """A rare filter looks at 5,000 messages, then offers to keep looking, and finds at last what there is."""
    others = [tenant(f"T{each}") for each in range(places - 1)]
    with database.write() as session:
        for each in others:
            session.get_one(Location, each.location).agency_id = acme.agency
    rare = Talks(database, acme.location, acme.sender).say("The needle", ANNA, name="Anna")
    many(database, acme.location, acme.sender, 100, 11_000)
    for each in others:
        many(database, each.location, each.sender, 10, 50)
    wanted, turns = Wanted(text="needle"), 0
    with database.read() as session:
        while True:
            found = conversations.page(session, Scope(acme.agency), wanted)
            turns += 1
            if found.rows or found.older is None:
                break
            assert found.gave_up
            wanted = Wanted(text="needle", before=found.older)
    assert [row.message.id for row in found.rows if row.message] == [rare.id]
    assert 2 <= turns <= 3 * places + 2
    assert rows_read(database, Scope(acme.agency), Wanted(text="needle")) <= 5_100 + 60 * places


def test_the_plain_list_reads_a_page(database, acme) -> None:
    many(database, acme.location, acme.sender, 3000, 3000)
    assert rows_read(database, Scope(acme.agency), Wanted()) <= 60
    assert rows_read(database, Scope(acme.agency), Wanted(unread=True)) <= 60


def rows_read(database, scope: Scope, wanted: Wanted) -> int:
    """How many rows the query that finds a page's conversations reads of the table that it looks through."""
    asked = []
    real = conversations.above

    def spy(*given):
        asked.append(real(*given))
        return asked[-1]

    conversations.above = spy
    try:
        with database.read() as session:
            conversations.page(session, scope, wanted)
            bound = session.scalar(select(text("count(*)")).select_from(asked[0].order_by(None).limit(None).subquery()))
            plan = session.execute(
                text(("EXPLAIN QUERY PLAN " if database.sqlite else "EXPLAIN ") + str(compiled(asked[0], session)))
            ).all()
    finally:
        conversations.above = real
    told = " ".join(str(row) for row in plan)
    assert "SCAN message" not in told.replace("SCAN message USING", "") and "Seq Scan on message" not in told, told
    return bound or 0


def compiled(statement, session):
    return statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})


def test_the_address_reproduces_the_screen_beside_an_open_conversation(talks, client) -> None:
    message = talks.say("Hello", ANNA, name="Anna")
    talks.say("", BEN, name="Ben", kind="image")
    address = f"{LIST}/{message.conversation_id}?type=text"
    page = client.get(address)
    assert names(page) == ["Anna"] and 'aria-current="true"' in page.text and 'id="m-' in page.text
    narrowed = client.get(f"{LIST}?type=image", headers=HTMX | {"HX-Current-URL": f"http://localhost{address}"})
    assert narrowed.headers["HX-Push-Url"] == f"{LIST}/{message.conversation_id}?type=image"
    assert client.get(f"{LIST}?type=image", headers=HTMX).headers["HX-Push-Url"] == f"{LIST}?type=image"


def test_an_unchanged_list_is_not_sent_again(talks, client) -> None:
    talks.say("Hello", ANNA)
    first = client.get(f"{LIST}?live=1", headers=HTMX)
    again = client.get(f"{LIST}?live=1", headers=HTMX | {"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 204)
    talks.say("More", ANNA)
    assert client.get(f"{LIST}?live=1", headers=HTMX | {"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_a_list_is_a_file_without_formulas(talks, client) -> None:
    for each, evil in enumerate(("=1+1", "@SUM(A1)", "  -2+3", "+cmd|' /C calc'!A0", "\t=1")):
        talks.say(evil, f"+63917000001{each}", name=evil)
    talks.say("Not this", BEN, kind="image")
    answer = client.get(f"{LIST}/export.csv?type=text")
    assert answer.mimetype == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert len(rows) == 5 and head[0] == "conversation"
    for row in rows:
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row), row


def test_a_file_goes_through_all_pages(database, acme, client) -> None:
    many(database, acme.location, acme.sender, 450, 900)
    rows = list(csv.reader(io.StringIO(client.get(f"{LIST}/export.csv").text)))
    assert len(rows) == 451 and len({row[0] for row in rows}) == 451


def test_a_users_own_address(talks, acme, rival, person, signed_in) -> None:
    talks.say("Acme's secret", ANNA, name="Anna")
    user, owner = person("agent@example.com", acme.agency), signed_in(acme.agency)
    address = f"/admin/user/{user.id}/conversations"
    assert names(owner.get(address)) == ["Anna"] and names(signed_in().get(address)) == ["Anna"]
    assert f'action="{address}"' in owner.get(address).text
    assert signed_in(rival.agency).get(address).status_code == 404
    assert owner.get("/admin/user/999/conversations").status_code == 404
    operator = person("other@example.com")
    assert owner.get(f"/admin/user/{operator.id}/conversations").status_code == 404


def test_very_many_sub_accounts_are_looked_through_together(database, talks, rival, acme, monkeypatch) -> None:
    monkeypatch.setattr(conversations, "MOST_PLACES", 0)
    talks.say("Hello", ANNA, name="Anna")
    talks.say("Hello again", BEN, name="Ben")
    talks.say("Once more", ANNA)
    other = Talks(database, rival.location, rival.sender).say("Theirs", CARA)
    with database.read() as session:
        found = conversations.page(session, Scope(acme.agency), Wanted())
        assert [row.message.body for row in found.rows] == ["Once more", "Hello again"]
        found = conversations.page(session, Scope(None), Wanted(text="theirs"))
        assert [row.message.id for row in found.rows] == [other.id]
        first = conversations.page(session, Scope(None), Wanted(), 1)
        rest = conversations.page(session, Scope(None), Wanted(before=first.older), 5)
        assert [row.message.body for row in (*first.rows, *rest.rows)] == ["Theirs", "Once more", "Hello again"]
