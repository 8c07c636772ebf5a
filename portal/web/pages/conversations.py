"""`/conversations`: the list with its filters, the same as a file, and beside it the conversation that is open."""

import logging
import re
from typing import Any
from urllib.parse import urlencode

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts.permissions import Permission
from portal.web.context import services
from portal.web.pages import conversation_filters as filters
from portal.web.pages import exports, routes
from portal.web.pages.queries import conversations
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

# The conversation in the address of the page that asks for its list anew.
_OPEN = re.compile(r"/conversations/(\d{1,18})(?:[/?]|\Z)")


@routes.get("/conversations", Permission.VIEW)
def conversation_list() -> ResponseReturnValue:
    """A page of conversations; its address holds the filters."""
    return page(viewer().scope, url_for(".conversation_list"))


@routes.get("/conversations/export.csv", Permission.VIEW)
def conversation_export() -> ResponseReturnValue:
    """What the filters find, as a file that comes piece by piece."""
    mine = viewer().scope
    with services().database.read() as session:
        wanted = filters.read(session, mine, request.args)
    pieces = exports.as_csv(exports.CONVERSATIONS, exports.conversation_records(services().database, mine, wanted))
    log.info("conversations exported", extra={"user": viewer().id})
    name = f"conversations-{clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response((piece.encode() for piece in pieces), content_type="text/csv; charset=utf-8", headers=headers)


def page(mine: Scope, here: str, *, exported: bool = True) -> ResponseReturnValue:
    """The list of a scope at the address `here`. One that is asked for live is sent only when it is another one."""
    with services().database.read() as session:
        context = beside(session, mine, here)
    context |= {"talk": None, "open": _opened(), "exported": exported}
    if request.args.get("live"):
        return htmx.render_live("pages/conversations.html", "results", **context)
    response = htmx.render("pages/conversations.html", "results", **context)
    if htmx.wants_fragment():
        chosen: dict[str, Any] = context["chosen"]
        open_: int = context["open"]
        stays = url_for(".conversation", conversation_id=open_, **chosen) if open_ else _with(here, chosen)
        response.headers["HX-Push-Url"] = stays
    return response


def beside(session: Session, mine: Scope, here: str = "") -> dict[str, Any]:
    """The list by the filters of the address, as its templates need it."""
    wanted = filters.read(session, mine, request.args)
    found = conversations.page(session, mine, wanted)
    chosen, here = filters.chosen(wanted), here or url_for(".conversation_list")
    return {
        "page": found,
        "wanted": wanted,
        "choices": filters.choices(session, mine, wanted),
        "chosen": chosen,
        "more_chosen": sorted({"channel", "direction", "type", "status", "since", "until"} & chosen.keys()),
        "here": here,
        "first": _with(here, chosen),
        "further": _with(here, chosen | {"before": str(found.older)}) if found.older else None,
        "exported": True,
    }


def _with(here: str, filters_: dict[str, str]) -> str:
    return f"{here}?{urlencode(filters_)}" if filters_ else here


def _opened() -> int:
    """The conversation beside the list on the page that asks for it; 0 when there is none."""
    found = _OPEN.search(htmx.page_path()) if htmx.asked() else None
    return int(found[1]) if found else 0
