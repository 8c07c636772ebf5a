"""The agency's wall: what the portal does, every message's path, and the black box of webhooks."""

from flask import Blueprint

from portal.web.admin import words
from portal.web.auth import guard

bp = Blueprint("admin", __name__, url_prefix="/admin")
bp.before_request(guard.sign_in_first)
bp.after_request(guard.let_forms_name_their_page)
for _filter in (
    words.when,
    words.age,
    words.size,
    words.in_words,
    words.pieces,
    words.said,
    words.blank_label,
    words.billed,
    words.free_until,
    words.measured,
):
    bp.add_app_template_filter(_filter)

from portal.web.admin import (  # noqa: E402, F401 - they add their routes
    actions,
    events,
    installations,
    linking,
    messages,
    opt_out_words,
    opt_outs,
    overview,
    senders,
    stand_ins,
    template_message,
    templates,
)
