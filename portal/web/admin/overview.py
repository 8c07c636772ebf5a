"""`/admin`: is everything well, what waits for a person, who sends with what, and the last messages."""

from collections.abc import Callable, Mapping
from typing import Any

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.web.admin import routes
from portal.web.admin.queries import overview
from portal.web.context import services
from portal.web.pages.queries import messages
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer

LAST_MESSAGES = 25


@routes.get("", Permission.VIEW)
def index() -> ResponseReturnValue:
    """The overview. Each of its blocks is then polled by itself."""
    scope = viewer().scope
    with services().database.read() as session:
        context = {name: value for block in _BLOCKS.values() for name, value in block(session, scope).items()}
    return htmx.render("admin/overview.html", "content", **context)


@routes.get("/live/<string:block>", Permission.VIEW)
def live(block: str) -> ResponseReturnValue:
    """One block of the overview, or 204 when it is as it was."""
    if block not in _BLOCKS:
        raise NotFound("There is no such block.")
    with services().database.read() as session:
        context = _BLOCKS[block](session, viewer().scope)
    return htmx.render_live("admin/overview.html", block, **context)


def _health(session: Session, scope: Scope) -> dict[str, Any]:
    """The queue and the spool are the whole portal's, so they are the operator's to see."""
    shut = overview.shut_gates(session, scope)
    if not scope.everything:
        return {"shut": shut, "operator": False}
    spool = services().spool
    return {
        "shut": shut,
        "operator": True,
        "queue": overview.queue(session),
        "spool_bytes": spool.size() if spool.in_use() else 0,
    }


def _alerts(session: Session, scope: Scope) -> dict[str, Any]:
    return {"alerts": overview.alerts(session, scope)}


def _places(session: Session, scope: Scope) -> dict[str, Any]:
    return {"places": overview.places(session, scope), "most_places": overview.MOST_LOCATIONS}


def _recent(session: Session, scope: Scope) -> dict[str, Any]:
    return {"recent": messages.page(session, scope, messages.Wanted(), LAST_MESSAGES)}


_BLOCKS: Mapping[str, Callable[[Session, Scope], dict[str, Any]]] = {
    "health": _health,
    "alerts": _alerts,
    "places": _places,
    "recent": _recent,
}
