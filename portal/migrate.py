"""Migrations at the start: one process at a time, under an advisory lock, with a clear word when they cannot run."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal.config import Settings
from portal.errors import SettingsError

_LOCK = 7_355_001


def upgrade(settings: Settings) -> None:
    """Brings the database to the newest revision. Raises `SettingsError` when it cannot be reached or is too new."""
    from alembic.util import CommandError
    from flask_migrate import upgrade as run

    from portal import create_app
    from portal.extensions import db

    app = create_app(settings)
    with app.app_context():
        try:
            with db.engine.connect() as guard:
                if not settings.sqlite:
                    guard.execute(text("SET statement_timeout = 0"))
                    guard.execute(text("SET idle_in_transaction_session_timeout = 0"))
                    guard.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
                    guard.commit()
                else:
                    guard.close()
                run()
                if not settings.sqlite:
                    guard.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
                    guard.commit()
        except CommandError as error:
            raise SettingsError([f"The database cannot be migrated ({error}): is this an older portal?"]) from None
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
            fault = f"The database cannot be used ({reason}): check DATABASE_URL and the server."
            raise SettingsError([fault]) from None
