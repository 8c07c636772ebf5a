"""`/routing`, `/test` …: the short addresses of one sub-account's pages.

In the custom page they lead to its own; in the agency's portal one of the sub-accounts is chosen first.
"""

from collections.abc import Mapping
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.models import Location
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import scope
from portal.web.viewer import viewer

NOT_YOURS = "There is no such sub-account, or it is not yours to see."
MOST_SHOWN = 100
LONGEST_TEXT = 200
# The pages of one sub-account, by their endpoint, and what they are called.
PAGES: Mapping[str, str] = {
    "location_test": "Test message",
    "location_routing": "Routing",
    "location_numbers": "Numbers",
    "location_checks": "Settings check",
    "location_credits": "Credits",
}


@routes.get("/routing", Permission.VIEW)
def routing() -> ResponseReturnValue:
    """Which sender is chosen, and why."""
    return _enter("location_routing")


@routes.get("/test", Permission.VIEW)
def test_message() -> ResponseReturnValue:
    """A message to one's own number."""
    return _enter("location_test")


@routes.get("/numbers", Permission.VIEW)
def numbers() -> ResponseReturnValue:
    """How numbers are read."""
    return _enter("location_numbers")


@routes.get("/checks", Permission.VIEW)
def checks() -> ResponseReturnValue:
    """Whether everything is set up as it should be."""
    return _enter("location_checks")


@routes.get("/credits", Permission.VIEW)
def credits() -> ResponseReturnValue:
    """What is left, and what it went for."""
    return _enter("location_credits")


def mine(session: Session, location_id: int) -> Location:
    """The location, when it is in the scope of whoever looks. Raises `NotFound`."""
    found = scope.location(session, viewer().scope, location_id)
    if found is None:
        raise NotFound(NOT_YOURS)
    return found


def pages() -> Mapping[str, str]:
    """For templates: each page's endpoint with its name."""
    return PAGES


def _enter(endpoint: str) -> ResponseReturnValue:
    own = viewer().location_id
    if own is not None:
        return redirect(url_for(f".{endpoint}", location_id=own), 303)
    text = request.args.get("q", "").strip()[:LONGEST_TEXT]
    with services().database.read() as session:
        found = scope.named(session, viewer().scope, text, MOST_SHOWN + 1)
    context: dict[str, Any] = {"endpoint": endpoint, "page_name": PAGES[endpoint], "text": text}
    context |= {"places": found[:MOST_SHOWN], "more": len(found) > MOST_SHOWN}
    return htmx.render("pages/choose_place.html", "results", **context)
