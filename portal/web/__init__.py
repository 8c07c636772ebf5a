"""Everything that answers HTTP: blueprints only."""

from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter

# No table's ids go beyond it, and both engines fail on a number that does.
LAST_ID = 2**63 - 1


class RowId(IntegerConverter):
    """`<int:…>` in an address, as far as it can be a row's id: a number beyond is nobody's, so 404."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **{"max": LAST_ID, **options})


def init_app(app: Flask) -> None:
    """Registers the blueprints."""
    from portal.web import custom_page, languages, pages, replaced
    from portal.web.account import bp as account
    from portal.web.admin import bp as admin
    from portal.web.api import bp as api
    from portal.web.auth import bp as auth
    from portal.web.client_link import bp as client_link
    from portal.web.health import bp as health
    from portal.web.media import bp as media
    from portal.web.oauth import bp as oauth
    from portal.web.operator_api import bp as operator_api
    from portal.web.webhooks import bp as webhooks

    app.url_map.converters["int"] = RowId
    languages.init_app(app)
    pages.init_app(app)
    for blueprint in (webhooks, health, media, oauth, auth, account, admin, client_link, operator_api, api):
        app.register_blueprint(blueprint)
    replaced.init_app(app)
    custom_page.init_app(app)
