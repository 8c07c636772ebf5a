"""Webhooks: verify the raw bytes, keep them, answer. What they mean is found out by a worker."""

from flask import Blueprint

from portal.extensions import csrf

bp = Blueprint("webhooks", __name__, url_prefix="/webhooks")
# Callers prove themselves by signature or by an unguessable address; there is no browser session to protect.
csrf.exempt(bp)

from portal.web.webhooks import app, ghl, shared, sms, workflow  # noqa: E402, F401 - they add their routes
