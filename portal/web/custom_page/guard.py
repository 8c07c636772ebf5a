"""Who comes in to the custom page: the header that its script sends, a one-use link, or the cookie as a convenience.

Without any of them a page that is loaded becomes the shell, which asks HighLevel who is there; everything else is 401,
after which the script asks HighLevel and tries once more.
"""

from flask import Response, g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts import page_sessions
from portal.accounts.page_sessions import IDLE
from portal.errors import Forbidden
from portal.extensions import csrf
from portal.models import Location, PageSession
from portal.web import one_use
from portal.web.context import services
from portal.web.custom_page.kept_session import KeptSession
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import LONGEST_NAME, Viewer

HEADER = "X-Sendero-Session"
COOKIE = "__Host-page"
# They answer before anybody is known.
OPEN = ("app.begin",)
# What an agency's admin who has chosen no sub-account may ask for.
UNBOUND = ("app.home", "app.places", "app.choose")
# Which sub-account is meant, only HighLevel knows: the cookie may be another tab's.
ENTRIES = ("app.home",)

Found = tuple[PageSession, Location | None]


def let_in() -> ResponseReturnValue | None:
    """For `before_request`."""
    if request.endpoint in OPEN:
        return None
    found = _by_header() or _by_link() or _by_cookie()
    if found is None:
        return nobody()
    _take(*found)
    if found[0].location_id is None and request.endpoint not in UNBOUND:
        if request.method == "GET":
            return redirect(url_for("app.places"), 303)
        raise Forbidden("Choose a sub-account first.")
    return None


def nobody() -> ResponseReturnValue:
    """The shell for a page that a browser loads, 401 for what a script asks."""
    if request.method == "GET" and not htmx.asked() and HEADER not in request.headers:
        return render_template("app/shell.html")
    return make_response("", 401)


def remember(response: Response, token: str) -> Response:
    """The cookie that lets downloads in where browsers allow it. Each top-level site has its own (Partitioned)."""
    if services().settings.app_url.startswith("https://"):
        life = int(IDLE.total_seconds())
        response.set_cookie(
            COOKIE, token, max_age=life, secure=True, httponly=True, samesite="None", path="/", partitioned=True
        )
    return response


def _by_header() -> Found | None:
    return page_sessions.find(services().database, request.headers.get(HEADER, ""))


def _by_link() -> Found | None:
    if HEADER in request.headers or not one_use.asked():
        return None
    found = page_sessions.by_id(services().database, one_use.session_of_request())
    if found is not None:
        with services().database.write() as database:
            one_use.use(database)
    return found


def _by_cookie() -> Found | None:
    """As good as the header, but a browser sends it by itself: so forms must prove where they come from."""
    framed = request.headers.get("Sec-Fetch-Dest") in ("iframe", "frame")
    if request.endpoint in ENTRIES or HEADER in request.headers or (framed and request.method == "GET"):
        return None
    found = page_sessions.find(services().database, request.cookies.get(COOKIE, ""))
    if found is not None:
        _take(*found)
        csrf.protect()
    return found


def _take(row: PageSession, location: Location | None) -> None:
    g.page_session, g.page_location = row, location
    g.viewer = Viewer(
        scope=Scope(row.agency_id, frozenset(filter(None, (row.location_id,)))),
        name=f"{row.name[: LONGEST_NAME - 12] or row.user_id[:40]} (HighLevel)",
        id=f"ghl:{row.user_id}",
        permissions=page_sessions.permissions(row),
        location_id=row.location_id,
    )
    if isinstance(kept := session._get_current_object(), KeptSession):  # type: ignore[attr-defined]
        kept.fill(row.id, row.data)
