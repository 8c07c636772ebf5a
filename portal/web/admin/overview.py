"""`/admin`, the wall: is everything well, what needs a person first, and what was sent by hour and day."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.messaging.storable import storable
from portal.web.admin import routes, volume
from portal.web.admin.queries import alerts, overview, wall
from portal.web.context import services
from portal.web.pages.queries import messages
from portal.web.pages.queries.keyset import Key
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer

LAST_MESSAGES = 25
LONGEST_TEXT = 100
SHOWS: Mapping[str, str] = {
    "": "All",
    "attention": "What needs a person",
    "stopped": "Nothing goes out",
    "alerts": "With alerts",
    "held": "Messages wait",
    "failing": "Failures today",
    "credits": "Low credit",
    "not_installed": "Not installed",
}
PAGE = "admin/wall.html"


@routes.get("", Permission.VIEW)
def index() -> ResponseReturnValue:
    """The wall. Its blocks are then polled."""
    scope = viewer().scope
    span = request.args.get("span", "48h")
    if span not in volume.SPANS:
        raise NotFound("There is no such chart.")
    with services().database.read() as session:
        context = {name: value for block in _BLOCKS.values() for name, value in block(session, scope).items()}
        context |= {"chart": volume.chart(session, scope, span), "span": span, "spans": volume.SPANS}
    return htmx.render(PAGE, "content", **context)


@routes.get("/live/<string:block>", Permission.VIEW)
def live(block: str) -> ResponseReturnValue:
    """One block of the wall, or 204 when it is as it was."""
    if block not in (*_BLOCKS, "wall"):
        raise NotFound("There is no such block.")
    wanted = ("health", "alerts", "places") if block == "wall" else (block,)
    with services().database.read() as session:
        found = [_BLOCKS[name](session, viewer().scope) for name in wanted]
    return htmx.render_live(PAGE, block, **{name: value for each in found for name, value in each.items()})


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
    return {"alerts": alerts.newest(session, scope)}


def _places(session: Session, scope: Scope) -> dict[str, Any]:
    wanted, chosen = _wanted()
    return {"wall": wall.wall(session, scope, wanted), "wanted": wanted, "chosen": chosen, "shows": SHOWS}


def _wanted() -> tuple[wall.Wanted, dict[str, str]]:
    """The filters of the address, and those that are set as an address carries them."""
    text, show = storable(request.args.get("q", "")).strip(), request.args.get("show", "")
    if show not in wall.SHOWS or len(text) > LONGEST_TEXT:
        raise NotFound("There is no such list of sub-accounts.")
    chosen = {"q": text, "show": show, "after": request.args.get("after", "")}
    return wall.Wanted(text, show, Key.read(chosen["after"])), {k: v for k, v in chosen.items() if v}


def _recent(session: Session, scope: Scope) -> dict[str, Any]:
    return {"recent": messages.page(session, scope, messages.Wanted(), LAST_MESSAGES)}


_BLOCKS: Mapping[str, Callable[[Session, Scope], dict[str, Any]]] = {
    "health": _health,
    "alerts": _alerts,
    "places": _places,
    "recent": _recent,
}
