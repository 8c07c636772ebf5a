"""No list reads a whole table: counted in the engine's own steps and rows, never in time.

The database of the bench is made small, and so is what a page may look at: what grows with the number of messages is
seen at a few thousand of them as well as at a million.
"""

import json
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import event, text

from bench import crowd, pages
from portal.web.pages.queries import pages as bounds

BOTH_ENGINES = True
LOOKED_AT = 150
FEW, MANY = 2_000, 12_000
# Steps of SQLite's machine that a page may take more than in the small database: a deeper index costs some.
SLACK = 25_000
LARGE = {"message", "event", "part", "attempt", "status_change", "conversation", "contact", "address", "receipt"}
# The figures of today's calls have a bound of their own for every sender (`sender_figures`), which is higher.
ASIDE = ("/admin/senders",)


@pytest.fixture
def browsers(app, parts, monkeypatch):
    """Everybody who asks, over a small crowd."""
    usual = bounds.LOOKED_AT
    for name, module in list(sys.modules.items()):
        if name.startswith("portal.") and getattr(module, "LOOKED_AT", None) == usual:
            monkeypatch.setattr(module, "LOOKED_AT", LOOKED_AT)
    monkeypatch.setattr("portal.web.pages.queries.conversations.MOST_FOUND", LOOKED_AT)
    app.config["WTF_CSRF_ENABLED"] = False
    crowd.found(parts.database, parts.vault)
    crowd.fill(parts.database, 1, FEW)
    monkeypatch.setattr(pages, "PASSWORD", "a password of my own")
    return pages.people(app)


def asked(who: str, count: int) -> Iterator[tuple[str, str]]:
    for page, address in zip(pages.PAGES, pages.addresses(who, count), strict=True):
        if not page.startswith(ASIDE):
            yield page, address


def steps(database, client, address: str) -> int:
    """How many hundred steps SQLite's machine takes to answer."""
    counted = [0]

    def step() -> int:
        counted[0] += 1
        return 0

    def watch(connection, *_) -> None:
        connection.set_progress_handler(step, 100)

    event.listen(database.engine, "checkout", watch)
    try:
        assert client.get(address).status_code == 200, address
    finally:
        event.remove(database.engine, "checkout", watch)
    return counted[0] * 100


def test_no_page_takes_more_steps_the_more_messages_there_are(parts, browsers) -> None:
    if not parts.database.sqlite:
        pytest.skip("PostgreSQL counts rows: the other test")
    few = {(who, page): steps(parts.database, browsers[who], at) for who in browsers for page, at in asked(who, FEW)}
    crowd.fill(parts.database, FEW + 1, MANY)
    grown = {}
    for who in browsers:
        for page, address in asked(who, MANY):
            took = steps(parts.database, browsers[who], address)
            if took > 1.5 * few[who, page] + SLACK:
                grown[who, page] = (few[who, page], took)
    assert not grown, "\n".join(f"{at}: {took}" for at, took in grown.items())


def test_postgresql_has_an_index_for_every_list(parts, browsers) -> None:
    """With every other way made dear the planner takes an index where there is one; what it then reads is counted."""
    if parts.database.sqlite:
        pytest.skip("SQLite counts steps: the other test")
    crowd.fill(parts.database, FEW + 1, MANY)
    bad = []
    for who, client in browsers.items():
        for page, address in asked(who, MANY):
            for statement, values in statements(parts.database, client, address):
                for node in nodes(explained(parts.database, statement, values)):
                    rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                    whole = node["Node Type"] == "Seq Scan" and node.get("Relation Name") in LARGE
                    if whole or ("Relation Name" in node and node["Relation Name"] in LARGE and rows > 10 * LOOKED_AT):
                        bad.append((who, page, node["Node Type"], node["Relation Name"], rows, statement[:400]))
    assert not bad, "\n\n".join(map(str, bad))


def statements(database, client, address: str) -> list[tuple[str, object]]:
    """What the page asks the database."""
    found = []

    def note(_connection, _cursor, statement, values, *_) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        assert client.get(address).status_code == 200, address
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return found


def explained(database, statement: str, values) -> dict:
    with database.engine.connect() as connection:
        for dear in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(text(f"SET LOCAL enable_{dear} = off"))
        raw = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {statement}", values).scalar()
        return (raw if isinstance(raw, list) else json.loads(raw))[0]["Plan"]


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)
