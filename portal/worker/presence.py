"""Is any worker alive? Asked from outside the workers: by the doctor, and before a restored backup is touched."""

import fcntl
import os

from sqlalchemy import text

from portal.config import Settings
from portal.database import Database
from portal.worker.wakeups import SESSION_NAME


def workers(database: Database, settings: Settings) -> int:
    """How many working processes hold a connection to this database; on SQLite 1 while a portal has its file."""
    if database.sqlite:
        return int(_file_is_held(settings.database_url.removeprefix("sqlite:///") + ".lock"))
    with database.read() as session:
        return session.scalar(_SESSIONS, {"name": SESSION_NAME}) or 0


_SESSIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
)


def _file_is_held(path: str) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
