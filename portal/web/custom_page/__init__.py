"""`/app`: the pages of one sub-account, inside HighLevel's iframe and without third-party cookies."""

from flask import Blueprint, Flask, Response, current_app, g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from portal.extensions import csrf
from portal.models import Location
from portal.services import Services
from portal.web import one_use, pages
from portal.web.auth.guard import TOO_OLD
from portal.web.custom_page import guard
from portal.web.custom_page.framing import Frames
from portal.web.custom_page.kept_session import PREFIX, Sessions
from portal.web.pages.reply import make_room_in_frame
from portal.web.routes import Routes
from portal.wording import noted

bp = Blueprint("app", __name__, url_prefix=PREFIX)
# A header that a script has to set is no other site's form; where the cookie lets in, the guard asks for the token.
csrf.exempt(bp)
bp.before_request(guard.let_in)
bp.before_request(make_room_in_frame)
routes = Routes()

# Endpoint and text; what does not exist here is left out.
NAV = (
    ("sender_list", noted("Senders")),
    ("conversation_list", noted("Conversations")),
    ("message_list", noted("Activity")),
    ("location_test", noted("Test message")),
    ("location_routing", noted("Routing")),
    ("location_numbers", noted("Numbers")),
    ("opt_out_list", noted("Opt-outs")),
    ("location_credits", noted("Credits")),
    ("location_checks", noted("Settings check")),
)


@bp.after_request
def _may_be_framed(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", current_app.extensions["frames"].policy())
    # Over TLS the CSRF check of the cookie wants a Referer.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


@bp.errorhandler(CSRFError)
def _form_refused(_error: CSRFError) -> ResponseReturnValue:
    return render_template("error.html", sentence=TOO_OLD, status=400, request_id=g.get("request_id", "")), 400


@bp.context_processor
def _frame() -> dict[str, object]:
    return {
        "layout": "app/base.html",
        "nav": _nav(g.get("page_location")),
        "page_session": g.get("page_session"),
        "page_location": g.get("page_location"),
    }


def _nav(place: Location | None) -> list[tuple[str, str]]:
    """Addresses and their names."""
    if place is None:
        return []
    found = []
    for name, text in NAV:
        if f"app.{name}" in current_app.view_functions:
            own = name.startswith("location_")
            address = url_for(f"app.{name}", location_id=place.id) if own else url_for(f"app.{name}")
            found.append((address, text))
    return found


from portal.web.custom_page import entry, places  # noqa: E402, F401 - they add their routes

routes.mount(bp)
for _rule in ("/", "/whatsapp"):
    bp.add_url_rule(_rule, "home")
pages.routes.mount(bp)


def init_app(app: Flask) -> None:
    """Registers the blueprint and what it needs of the application."""
    parts: Services = app.extensions["portal"]
    app.session_interface = Sessions(app.session_interface)
    app.extensions["frames"] = Frames(parts.settings, parts.database)
    one_use.init_app(app)
    app.register_blueprint(bp)
