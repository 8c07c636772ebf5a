"""`/locations/<id>/credits/charges`: what was charged to the sub-account's wallet in HighLevel, and what waits."""

from dataclasses import dataclass
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.places import mine
from portal.web.pages.queries import credits, wallet_charges
from portal.web.pages.queries.pages import Page, cursor


@dataclass(frozen=True, slots=True)
class _Wanted:
    state: str
    before: int | None


@routes.get("/locations/<int:location_id>/credits/charges", Permission.VIEW)
def wallet_charge_list(location_id: int) -> ResponseReturnValue:
    """A page of charges; its address holds the filter."""
    wanted = _Wanted(request.args.get("state", ""), cursor(request.args.get("before", "")))
    if wanted.state not in ("", *wallet_charges.STATES):
        raise NotFound("There is no such list of charges.")
    with services().database.read() as session:
        place = mine(session, location_id)
        purse = credits.wallet(session, place.id)
        standing = wallet_charges.standing(session, purse) if purse is not None else None
        found: Page[wallet_charges.Shown] = Page([])
        if purse is not None:
            found = wallet_charges.page_of(session, purse, wanted.state, wanted.before)
    context: dict[str, Any] = {"place": place, "standing": standing, "page": found, "wanted": wanted}
    context |= {"states": wallet_charges.STATES, "dollars": wallet_charges.dollars}
    return htmx.render("pages/wallet_charges.html", "results", **context)


def charges_wallets() -> bool:
    """Can use be charged to wallets in HighLevel at all? The app needs a billing meter for it."""
    return services().settings.ghl_meter is not None
