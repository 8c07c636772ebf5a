"""Sendero: SMS and WhatsApp senders for HighLevel agencies."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.config import Settings

__version__ = "0.1.0"


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The whole portal as a WSGI application. Starts no thread: `portal.worker` does, where a process is to work."""
    # Imported here, so that the small parts of the package (the sandbox, the supervisor) stay light.
    from flask import Flask

    from portal import cli, config, logs, security, web
    from portal.database import Database, engine_options, prepare_engine
    from portal.extensions import csrf, db, login_manager, migrate
    from portal.services import make_services

    settings = settings or config.load()
    logs.configure()
    if settings.sentry_dsn:
        from portal import sentry

        sentry.start(settings, __version__)
    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        # Meta's webhooks may have 4 MiB; the others are held to 1 MiB by their own routes.
        MAX_CONTENT_LENGTH=4 * 1024 * 1024,
        **security.cookie_settings(settings),
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(config.ROOT / "migrations"))
    csrf.init_app(app)
    login_manager.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        app.extensions["portal"] = make_services(settings, Database(db.engine))
    security.init_app(app, settings)
    web.init_app(app)
    cli.init_app(app)
    return app
