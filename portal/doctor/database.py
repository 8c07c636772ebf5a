"""The database: reachable, durable, migrated, its secrets open, its clock right."""

from collections.abc import Iterator, Mapping

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet, InvalidToken
from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from portal import clock
from portal.crypto import SealBroken
from portal.database import is_away
from portal.doctor.findings import Finding, fault, ok, warn
from portal.doctor.outside import judged_skew
from portal.models import Grant, GrantState, MediaFile, Sender, SenderState
from portal.services import Services

# In these, a crash of the server may take what was answered 2xx with it.
DURABLE: Mapping[str, tuple[str, ...]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply"),
}
OLDEST_POSTGRESQL = 13


def reachable(services: Services) -> Iterator[Finding]:
    """Engine and version, or why it does not answer."""
    name, database = "database", services.database
    version = "SELECT sqlite_version()" if database.sqlite else "SHOW server_version"
    try:
        with database.read() as session:
            found = str(session.scalar(text(version)))
    except (DBAPIError, TimeoutError) as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__]
        away = "does not answer" if is_away(error) else "cannot be used"
        yield fault(name, f"It {away}: {cause[0][:200]}", "Bring it back, or correct DATABASE_URL.")
        return
    yield ok(name, f"{'SQLite' if database.sqlite else 'PostgreSQL'} {found}")
    if not database.sqlite and int(found.split(".")[0].split()[0]) < OLDEST_POSTGRESQL:
        yield warn(name, f"PostgreSQL {found} is no longer maintained.", "Upgrade the server.")


def durability(services: Services) -> Iterator[Finding]:
    """Is what is answered 2xx on disk?"""
    name = "durability"
    with services.database.read() as session:
        if services.database.sqlite:
            mode = session.scalar(text("PRAGMA journal_mode"))
            full = session.scalar(text("PRAGMA synchronous"))
            if mode == "wal" and full == 2:
                yield ok(name, "WAL, synchronous FULL")
            else:
                remedy = "Put the file on a local disk: WAL needs shared memory."
                yield fault(name, f"journal {mode}, synchronous {full}", remedy)
            return
        wrong = []
        for setting, good in DURABLE.items():
            found = str(session.scalar(text(f"SHOW {setting}")))
            if found not in good:
                wrong.append(f"{setting} = {found}")
    if wrong:
        yield fault(name, ", ".join(wrong), "Set them to on: a power cut would lose webhooks that were answered.")
    else:
        yield ok(name, "fsync, full page writes and synchronous commit are on")


def migrations(services: Services) -> Iterator[Finding]:
    """Is the database at the revision of this code?"""
    name = "migrations"
    scripts = ScriptDirectory.from_config(current_app.extensions["migrate"].migrate.get_config())
    with services.database.engine.connect() as connection:
        there = MigrationContext.configure(connection).get_current_revision()
    head = scripts.get_current_head()
    if there == head:
        yield ok(name, f"at {head}")
    elif there is None:
        yield fault(name, "The database is empty.", "Start the portal: python app.py migrates it.")
    elif there in {script.revision for script in scripts.walk_revisions()}:
        yield fault(name, f"The database is at {there}, the code wants {head}.", "Start the portal: it migrates.")
    else:
        yield warn(name, f"The database is at {there}, which this code does not know.", "Run the newer portal.")


def sealed(services: Services) -> Iterator[Finding]:
    """Do ENCRYPTION_KEYS open what is stored, and does the first one seal it all?"""
    name, first = "encryption keys", Fernet(services.settings.encryption_keys[0])
    with services.database.read() as session:
        texts = list(session.scalars(select(Sender.credentials).where(Sender.state != SenderState.REMOVED)))
        texts += session.scalars(select(MediaFile.source).where(MediaFile.source != ""))
        texts += session.scalars(select(Grant.refresh_token).where(Grant.state != GrantState.UNINSTALLED))
    closed = old = 0
    for each in filter(None, texts):
        try:
            services.vault.open(each)
            first.decrypt(each.encode())
        except SealBroken:
            closed += 1
        except InvalidToken:
            old += 1
    if closed:
        says = f"{closed} of {len(texts)} stored secrets cannot be opened."
        yield fault(name, says, "Put the key they were sealed with back into ENCRYPTION_KEYS.")
    elif old:
        says = f"{old} of {len(texts)} stored secrets are sealed with an older key."
        yield warn(name, says, "Run flask keys rotate, then the old key may go.")
    elif len(services.settings.encryption_keys) > 1:
        yield warn(name, "All is sealed with the first key; the others open nothing.", "Drop them, then restart.")
    else:
        yield ok(name, f"open all of {len(texts)} stored secrets")


def clock_skew(services: Services) -> Iterator[Finding]:
    """Leases and gates are compared across machines."""
    if services.database.sqlite:
        return
    with services.database.read() as session:
        there = session.scalar(text("SELECT clock_timestamp()"))
    if there is not None:
        yield judged_skew("clock, the database's", abs((clock.now() - there).total_seconds()))
