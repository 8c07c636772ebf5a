"""`/account`: one's own password, second factor and sessions. Whoever is signed in may see it, and nobody else's."""

from flask import Blueprint

from portal.web.auth import guard

bp = Blueprint("account", __name__, url_prefix="/account")
bp.before_request(guard.know_who)
bp.after_request(guard.let_forms_name_their_page)

from portal.web.account import second_factor, sessions  # noqa: E402, F401 - they add their routes
