"""Migrations at the start: one process at a time, politely towards traffic, with a clear word when they cannot run.

A migration that cannot have a table within two seconds (`migrations/env.py`) lets go, so that what queued up behind it
can pass, and tries again. A revision is called `NNNN`, or `NNNN_since_MMMM` when it only adds: then a portal whose own
newest revision is MMMM or later still runs on it, which is what a rolling upgrade and a way back need.
"""

import logging
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from portal.config import ROOT, Settings
from portal.database import is_away
from portal.errors import SettingsError

log = logging.getLogger(__name__)

_LOCK = 7_355_001
TRIES = 60
PAUSE_SECONDS = (3.0, 6.0)
# PostgreSQL's codes: the lock was not to be had in time; a deadlock, which we were chosen to give way in.
_BUSY = ("55P03", "40P01")
_ADDS_ONLY = re.compile(r"(\d{4})_since_(\d{4})")


class Unreachable(SettingsError):
    """The database does not answer. A process that knows it migrated may start all the same."""


def upgrade(settings: Settings, directory: str = str(ROOT / "migrations")) -> None:
    """Brings the database to the newest revision. Raises `SettingsError` when it cannot be reached or is too new."""
    from portal import create_app
    from portal.extensions import db

    app = create_app(settings)
    with app.app_context():
        try:
            with _alone(db.engine):
                if not _is_newer(db.engine, directory):
                    _run(directory)
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
            fault = f"The database cannot be used ({reason}): check DATABASE_URL and the server."
            raise (Unreachable if is_away(error) else SettingsError)([fault]) from None
    _mark(settings).touch()


def was_migrated(settings: Settings) -> bool:
    """Has a portal of this revision migrated the database from this machine before?"""
    return _mark(settings).exists()


def _mark(settings: Settings) -> Path:
    """An empty file in the spool's folder, which outlives the process and its container."""
    newest = max(path.stem for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    return settings.spool_dir / f"migrated-{newest}"


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Processes that start together take turns: the first migrates, the others find it done. SQLite has only one."""
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect() as guard:
        guard.detach()  # closed at the end, not pooled: the lock ends with it, however this ends
        # However long another one's migration takes, this waits for it.
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            guard.execute(text(f"SET {name} = 0"))
        guard.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        guard.commit()
        yield


def _run(directory: str) -> None:
    from flask_migrate import upgrade as run

    for attempt in range(1, TRIES + 1):
        try:
            run(directory=directory)
            return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _BUSY:
                raise
        log.warning("migration waits for a table", extra={"attempt": attempt})
        time.sleep(random.uniform(*PAUSE_SECONDS))
    raise SettingsError(
        ["The database could not be migrated: something holds its tables for long. End it, start again."]
    )


def _is_newer(engine: Engine, directory: str) -> bool:
    """Has a newer portal been here, whose tables this one can still use? Raises `SettingsError` when it cannot."""
    from alembic.script import ScriptDirectory
    from flask import current_app

    scripts = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config(directory))
    with engine.connect() as connection:
        there = _revision(connection)
    if there is None or there in {script.revision for script in scripts.walk_revisions()}:
        return False
    head = scripts.get_current_head() or ""
    adds_only = _ADDS_ONLY.fullmatch(there)
    if adds_only and adds_only[2] <= head[:4] <= adds_only[1]:
        log.warning("the database is newer than the portal", extra={"revision": there, "own_revision": head})
        return True
    fault = f"The database cannot be migrated (its revision {there} is not known here): is this an older portal?"
    raise SettingsError([fault])


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()
