"""Runs migrations on the application's own engine. Waiting for a lock is bounded: a migration must not stop the portal."""

from alembic import context
from flask import current_app
from sqlalchemy import text

database = current_app.extensions["migrate"].db


def run_migrations() -> None:
    """On SQLite a table is rebuilt where ALTER cannot change it (batch mode)."""
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET lock_timeout = '5s'"))
            connection.execute(text("SET statement_timeout = 0"))
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadatas[None],
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            user_module_prefix="portal.models.base.",
        )
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
