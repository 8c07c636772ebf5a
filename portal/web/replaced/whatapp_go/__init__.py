"""whatapp-go-pvnet: signing in for a token, sending, a user's conversations, and the users themselves.

Its webhook, `/api/whatsapp/webhook`, is `portal.web.webhooks.app`'s.
"""

from flask import Blueprint

from portal.extensions import csrf

bp = Blueprint("whatapp_go", __name__, url_prefix="/api")
# A token proves the caller. The cookie that it may come in is SameSite=Strict, and deeds take JSON alone, which no
# page of a stranger can send with it.
csrf.exempt(bp)

from portal.web.replaced.whatapp_go import conversations, login, messages, users  # noqa: E402, F401 - they add routes
