"""The migrations build exactly the tables that the code speaks of, on both engines."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from portal import create_app
from portal.extensions import db
from portal.migrate import upgrade
from portal.models import Base
from tests.portal import settings_for


def test_migrations_and_models_agree(database_url, sandbox, tmp_path):
    settings = settings_for(database_url, sandbox, tmp_path)
    upgrade(settings)
    upgrade(settings)  # a second process, or the next start
    app = create_app(settings)
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
        db.engine.dispose()
    assert differences == []
