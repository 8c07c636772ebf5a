"""Runs migrations on the application's own engine.

Everybody who wants a table queues up behind a migration that waits for it, so that wait is short and `portal.migrate`
tries again; each revision is committed by itself, so that its locks end with it.
"""

from alembic import context
from flask import current_app
from sqlalchemy import text

from portal.models.base import UtcDateTime

database = current_app.extensions["migrate"].db


def render(kind, item, _context):
    """Migrations name plain types only: the portal's own may change under them."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def run_migrations() -> None:
    """On SQLite a table is rebuilt where ALTER cannot change it (batch mode)."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET lock_timeout = '2s'"))
            connection.execute(text("SET statement_timeout = 0"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadatas[None],
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            transaction_per_migration=True,
            render_item=render,
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
