"""Pages that the agency's portal and the custom page inside HighLevel share: senders, messages, opt-outs, templates.

They know whom they are shown to only by `portal.web.viewer`.
"""

from flask import Flask

from portal.web.pages import words
from portal.web.routes import Routes
from portal.web.viewer import viewer

routes = Routes()

from portal.web.pages import (  # noqa: E402, F401 - they add their routes
    actions,
    checks,
    client_links,
    conversation,
    conversation_template,
    conversations,
    credit_ledger,
    credit_statement,
    credits,
    deeds,
    dry_runs,
    files,
    linking,
    messages,
    numbers,
    opt_out_words,
    opt_outs,
    places,
    reply,
    routing,
    sender_add,
    sender_edit,
    sender_remove,
    senders,
    stand_ins,
    template_message,
    templates,
    test_message,
    wallet_charges,
)


def init_app(app: Flask) -> None:
    """Gives every template the words and the one who looks."""
    for filter_ in (
        words.when,
        words.age,
        words.size,
        words.in_words,
        words.pieces,
        words.said,
        words.blank_label,
        words.contact_name,
        words.billed,
        words.free_until,
        words.measured,
        words.pace_in_words,
    ):
        app.add_template_filter(filter_)
    app.add_template_global(viewer, "viewer")
    app.add_template_global(places.pages, "place_pages")
    app.add_template_global(wallet_charges.charges_wallets, "charges_wallets")
    app.url_value_preprocessor(reply.make_room)
