"""The agency's wall: what the portal does, every message's path, and the black box of webhooks."""

from flask import Blueprint

from portal.web import pages
from portal.web.auth import guard
from portal.web.routes import Routes

bp = Blueprint("admin", __name__, url_prefix="/admin")
bp.before_request(guard.sign_in_first)
bp.after_request(guard.let_forms_name_their_page)
bp.context_processor(lambda: {"layout": "base.html"})
routes = Routes()

from portal.web.admin import (  # noqa: E402, F401 - they add their routes
    actions,
    alert_recipients,
    alerts,
    api_keys,
    audit,
    callbacks,
    credit_margin,
    credits,
    events,
    finding,
    installations,
    overview,
    plans,
    user,
    user_conversations,
    users,
    wallets,
)

routes.mount(bp)
pages.routes.mount(bp)
