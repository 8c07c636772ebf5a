"""Everything that answers HTTP: blueprints only."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Registers the blueprints."""
    from portal.web.admin import bp as admin
    from portal.web.auth import bp as auth
    from portal.web.health import bp as health
    from portal.web.oauth import bp as oauth
    from portal.web.operator_api import bp as operator_api
    from portal.web.webhooks import bp as webhooks

    for blueprint in (webhooks, health, oauth, auth, admin, operator_api):
        app.register_blueprint(blueprint)
