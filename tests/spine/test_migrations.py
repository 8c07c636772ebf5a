"""The migrations build exactly the tables that the code speaks of, on both engines, and stop nobody."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import portal.database
import portal.migrate
from portal import create_app
from portal.config import ROOT
from portal.errors import SettingsError
from portal.extensions import db
from portal.migrate import upgrade
from portal.models import Base
from tests.portal import Portal, eventually, settings_for

# The revision that is the newest now, and what comes after it: with the promise that this portal works on it, or not.
NEWEST = re.search(r'^revision = "(.+?)"', max((ROOT / "migrations" / "versions").glob("0*.py")).read_text(), re.M)[1]
NOW = int(NEWEST[:4])
NEXT, NEXT_ADDS = f"{NOW + 1:04}", f"{NOW + 1:04}_since_{NOW:04}"
AFTER_NEXT = f"{NOW + 2:04}_since_{NOW + 1:04}"


def test_migrations_and_models_agree(empty_url, sandbox, tmp_path):
    settings = settings_for(empty_url, sandbox, tmp_path)
    upgrade(settings)
    upgrade(settings)  # a second process, or the next start
    app = create_app(settings)
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
        db.engine.dispose()
    assert differences == []


def newest() -> tuple[str, int]:
    """The project's newest revision and its number."""
    head = ScriptDirectory(str(ROOT / "migrations")).get_current_head()
    return head, int(head[:4])


HEAD, NUMBER = newest()
NEXT, AFTER_NEXT = f"{NUMBER + 1:04}", f"{NUMBER + 2:04}"
ADDS = f"{NEXT}_since_{NUMBER:04}"


def with_revision(folder, revision: str, after: str, *statements: str) -> str:
    """The project's migrations, or those of the folder, and one more: what the next portal brings along."""
    if not folder.exists():
        shutil.copytree(ROOT / "migrations", folder, ignore=shutil.ignore_patterns("__pycache__"))
    lines = [f'"""one more"""\n\nfrom alembic import op\n\nrevision = "{revision}"\ndown_revision = "{after}"\n\n\n']
    lines += ["def upgrade() -> None:\n", *(f"    op.execute({statement!r})\n" for statement in statements)]
    (folder / "versions" / f"{revision}.py").write_text("".join(lines))
    return str(folder)


def test_processes_that_start_together_wait_for_the_one_that_migrates(postgres_server, sandbox, tmp_path, monkeypatch):
    """However long it takes: the engine's own bound on waits for locks must not end this one."""

    def impatient(url, usual=portal.database.engine_options):
        options = usual(url)
        words = options["connect_args"]["options"].replace("lock_timeout=15000", "lock_timeout=100")
        return options | {"connect_args": options["connect_args"] | {"options": words}}

    monkeypatch.setattr(portal.database, "engine_options", impatient)
    url = postgres_server.create_database("queue")
    settings = settings_for(url, sandbox, tmp_path)
    with psycopg.connect(url, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(7355001)")
        waiting = pool.submit(upgrade, settings)
        queued = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: other.execute(queued).fetchone()[0] == 1, what="it waits")
        other.execute("SELECT pg_sleep(0.5)")
        assert not waiting.done()
        other.execute("SELECT pg_advisory_unlock(7355001)")
        waiting.result(60)
    postgres_server.drop_database(url)


def test_a_migration_gives_way_to_traffic_and_comes_again(postgres_server, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(portal.migrate, "PAUSE_SECONDS", (0.2, 0.4))
    url = postgres_server.create_database("polite")
    settings = settings_for(url, sandbox, tmp_path)
    upgrade(settings)
    newer = with_revision(tmp_path / "newer", ADDS, HEAD, "ALTER TABLE message ADD COLUMN mood text")

    tries = []
    monkeypatch.setattr(portal.migrate.log, "warning", lambda message, extra: tries.append(extra["attempt"]))

    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT count(*) FROM message")  # a long report: it keeps the table for as long as it runs
        migrating = pool.submit(upgrade, settings, newer)
        eventually(lambda: len(tries) >= 2, what="two tries")
        # What queued up behind it came through between its tries.
        other.execute("SET statement_timeout = '10s'")
        for _ in range(5):
            assert other.execute("SELECT count(*) FROM message").fetchone() == (0,)
        assert not migrating.done()
        holder.rollback()
        migrating.result(60)
        assert other.execute("SELECT count(mood) FROM message").fetchone() == (0,)
    postgres_server.drop_database(url)


def test_a_migration_that_never_gets_its_table_says_so(postgres_server, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(portal.migrate, "PAUSE_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(portal.migrate, "TRIES", 2)
    url = postgres_server.create_database("busy")
    settings = settings_for(url, sandbox, tmp_path)
    upgrade(settings)
    newer = with_revision(tmp_path / "newer", ADDS, HEAD, "ALTER TABLE message ADD COLUMN mood text")
    with psycopg.connect(url) as holder:
        holder.execute("SELECT count(*) FROM message")
        with pytest.raises(SettingsError) as caught:
            upgrade(settings, newer)
    assert "holds its tables" in caught.value.message
    postgres_server.drop_database(url)


def test_an_older_portal_works_and_starts_on_a_newer_database_that_only_adds(empty_url, sandbox, tmp_path):
    settings = settings_for(empty_url, sandbox, tmp_path)
    upgrade(settings)
    running = Portal(empty_url, sandbox, tmp_path)
    try:
        running.install()
        running.add_sender("cast")
        running.start()
        newer = with_revision(
            tmp_path / "newer",
            ADDS,
            HEAD,
            "ALTER TABLE message ADD COLUMN mood varchar(20)",
            "ALTER TABLE part ADD COLUMN weight integer NOT NULL DEFAULT 1",
            "CREATE INDEX ix_message_mood ON message (mood)",
            "CREATE TABLE moods (id integer PRIMARY KEY, message_id bigint REFERENCES message (id))",
        )
        sandbox.deliveries.send("before")
        if running.database.sqlite:  # on which nothing else runs while it is migrated
            eventually(lambda: running.statuses()["delivered"] == 1)
            running.stop_worker()
        upgrade(settings, newer)
        if running.worker is None:
            running.start()
        sandbox.deliveries.send("after")
        eventually(lambda: running.statuses()["delivered"] == 2, what="both delivered by the older portal")
        upgrade(settings)  # one that is started again in the middle of a rolling upgrade, or on the way back
    finally:
        running.close()


def test_an_older_portal_refuses_a_newer_database_that_took_something_away(empty_url, sandbox, tmp_path):
    settings = settings_for(empty_url, sandbox, tmp_path)
    newer = with_revision(tmp_path / "newer", NEXT, HEAD, "CREATE TABLE second (id integer)")
    newest = with_revision(tmp_path / "newer", f"{AFTER_NEXT}_since_{NEXT}", NEXT, "CREATE TABLE third (id integer)")
    upgrade(settings, newer)
    for _ in range(2):
        with pytest.raises(SettingsError) as caught:
            upgrade(settings)
        assert "older portal" in caught.value.message
        upgrade(settings, newest)
