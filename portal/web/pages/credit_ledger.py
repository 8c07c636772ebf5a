"""`/locations/<id>/credits/ledger`: every movement; `…/prices`: what messages cost, and why one cost what it did."""

import re
from datetime import date
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts.permissions import Permission
from portal.credits import pricing
from portal.errors import NotFound
from portal.models import EntryKind, Location, Message
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.credits import channel_names
from portal.web.pages.places import mine
from portal.web.pages.queries import credit_prices, credits, messages
from portal.web.pages.queries.pages import Page, cursor
from portal.web.viewer import viewer

NO_LIST = "There is no such list of movements, or it is not yours to see."
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@routes.get("/locations/<int:location_id>/credits/ledger", Permission.VIEW)
def credit_ledger(location_id: int) -> ResponseReturnValue:
    """A page of movements; its address holds the filters. Of one message also why it cost that."""
    with services().database.read() as session:
        place = mine(session, location_id)
        wanted = _wanted(session, place)
        purse = credits.wallet(session, place.id)
        found: Page[credits.Entry] = credits.entries(session, purse, wanted) if purse is not None else Page([])
        reasons = []
        if wanted.message is not None:
            reasons = credit_prices.reasons(session, wanted.message, credit_prices.plan_of(session, purse))
    context: dict[str, Any] = {"place": place, "page": found, "wanted": wanted, "chosen": _chosen(wanted)}
    context |= {"kinds": list(EntryKind), "reasons": reasons, "channels": channel_names()}
    return htmx.render("pages/credit_ledger.html", "results", **context)


@routes.get("/locations/<int:location_id>/credits/prices", Permission.VIEW)
def credit_prices_page(location_id: int) -> ResponseReturnValue:
    """The prices that hold now, those to come, and the default where they say nothing."""
    with services().database.read() as session:
        place = mine(session, location_id)
        plan = credit_prices.plan_of(session, credits.wallet(session, place.id))
        now = credit_prices.in_force(session, plan, clock.now())
        later = credit_prices.coming(session, plan, clock.now())
    context: dict[str, Any] = {"place": place, "plan": plan, "now": now, "later": later}
    context |= {"default": pricing.PRICES, "unlisted": pricing.UNLISTED, "channels": channel_names()}
    context["most_inbound"] = pricing.INBOUND_A_DAY
    return htmx.render("pages/credit_prices.html", "content", **context)


def _wanted(session: Session, place: Location) -> credits.Wanted:
    """The filters of the address. What does not exist, or is somebody else's, is not found."""
    kind, day, uuid = (request.args.get(name, "").strip() for name in ("kind", "day", "message"))
    row: Message | None = None
    if uuid:
        row = messages.one(session, viewer().scope, uuid) if _UUID.fullmatch(uuid) else None
    if kind not in ("", *EntryKind) or not _is_day(day) or (uuid and (row is None or row.location_id != place.id)):
        raise NotFound(NO_LIST)
    return credits.Wanted(kind, row, day, cursor(request.args.get("before", "")))


def _is_day(text: str) -> bool:
    if not text:
        return True
    try:
        return 1970 <= date.fromisoformat(text).year <= 9000
    except ValueError:
        return False


def _chosen(wanted: credits.Wanted) -> dict[str, str]:
    filters = {"kind": wanted.kind, "day": wanted.day, "message": wanted.message.uuid if wanted.message else ""}
    return {name: value for name, value in filters.items() if value}
