"""`/locations/<id>/credits`: what is left, how long it will do, and what it went for."""

from collections.abc import Mapping

from flask import request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.channels import registry
from portal.credits import balances, refusals
from portal.errors import NotFound
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.credit_chart import HEIGHT, WIDTH, bars
from portal.web.pages.places import mine
from portal.web.pages.queries import credits

SPANS: Mapping[str, str] = {"7": "7 days", "30": "30 days", "90": "90 days"}


@routes.get("/locations/<int:location_id>/credits", Permission.VIEW)
def location_credits(location_id: int) -> ResponseReturnValue:
    """Balance, forecast and use."""
    span = request.args.get("days", "30")
    if span not in SPANS:
        raise NotFound("There are no figures for so many days.")
    with services().database.read() as session:
        place = mine(session, location_id)
        purse = credits.wallet(session, place.id)
        balance = balances.of(session, place)
        used = credits.used(session, purse, int(span)) if purse is not None else None
        waits = refusals.why(session, place.id, 1)
    drawn = (
        {"bars": bars(used.days), "width": WIDTH, "height": HEIGHT}
        if used and any(each[1] for each in used.days)
        else {}
    )
    return htmx.render(
        "pages/credits.html",
        "content",
        place=place,
        balance=balance,
        used=used,
        waits=waits,
        chart=drawn,
        span=span,
        spans=SPANS,
        channels=channel_names(),
    )


def channel_names() -> dict[str, str]:
    """What people call each channel."""
    return {each.kind: each.name for each in registry.all()}
