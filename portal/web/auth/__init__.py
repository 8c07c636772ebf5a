"""Signing in and out, the second factor, the password, and links with which one is chosen."""

from flask import Blueprint
from flask_wtf.csrf import CSRFError

from portal.web.auth import guard

bp = Blueprint("auth", __name__)
bp.after_request(guard.let_forms_name_their_page)
bp.app_errorhandler(CSRFError)(guard.form_refused)

from portal.web.auth import by_link, passwords, signing_in  # noqa: E402, F401 - they add their routes
