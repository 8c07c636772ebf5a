"""`/admin/locations/<id>/credits/margin`: what each sender of a client earned, what it cost, and what is left."""

from collections.abc import Mapping

from flask import request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.credits import days, margins
from portal.errors import InvalidInput, NotFound
from portal.web.admin import routes
from portal.web.context import services
from portal.web.pages.credit_statement import NO_MONTH, months_before
from portal.web.pages.credits import channel_names
from portal.web.pages.places import mine
from portal.web.pages.queries import credits


@routes.get("/locations/<int:location_id>/credits/margin", Permission.CREDITS)
def credit_margin(location_id: int) -> ResponseReturnValue:
    """A month's margin by sender."""
    with services().database.read() as session:
        place = mine(session, location_id)
        purse = credits.wallet(session, place.id)
        zone = days.zone_of(session, purse.id) if purse is not None else days.zone(place.timezone)
        try:
            begins, ends = days.month_named(zone, request.args.get("month", ""))
        except InvalidInput:
            raise NotFound(NO_MONTH) from None
        found = margins.of(session, place, begins, ends) if purse is not None else []
    return htmx.render(
        "admin/credit_margin.html",
        "content",
        place=place,
        margins=found,
        month=f"{begins:%Y-%m}",
        title=f"{begins:%B %Y}",
        months=months_before(zone),
        money=money,
        earned=_sum([each.earned for each in found]),
        cost=_sum([each.cost for each in found]),
        left=_sum([each.left for each in found]),
        unknown=sum(each.unknown for each in found),
        channels=channel_names(),
    )


def money(amounts: Mapping[str, int]) -> str:
    """Amounts by currency, in millionths, as people write them; "" for none."""
    return ", ".join(f"{amount / margins.MICROS:,.2f} {currency}" for currency, amount in sorted(amounts.items()))


def _sum(all_amounts: list[dict[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for amounts in all_amounts:
        for currency, amount in amounts.items():
            found[currency] = found.get(currency, 0) + amount
    return found
