"""`/locations/<id>/credits/statement`: a month on one sheet of paper, and as files."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from flask import Response, request
from flask.typing import ResponseReturnValue
from flask_babel import format_date
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts.permissions import Permission
from portal.credits import days, statements
from portal.errors import InvalidInput, NotFound
from portal.models import Location, Wallet
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.places import mine
from portal.web.pages.queries import credits

NO_MONTH = "There is no statement of such a month."
SHOWN = 12


@routes.get("/locations/<int:location_id>/credits/statement", Permission.VIEW)
def credit_statement(location_id: int) -> ResponseReturnValue:
    """One month: opening, what came, what was used, what came back and why, closing."""
    with services().database.read() as session:
        place = mine(session, location_id)
        purse = credits.wallet(session, place.id)
        zone = days.zone_of(session, purse.id) if purse is not None else days.zone(place.timezone)
        begins, ends = _month(zone)
        found = statements.of(session, purse.id, begins, ends) if purse is not None else None
    context: dict[str, Any] = {"place": place, "statement": found, "month": f"{begins:%Y-%m}", "zone": str(zone)}
    context |= {"title": _called(begins), "months": months_before(zone), "over": ends <= clock.now()}
    context["unlimited"] = purse is not None and purse.unlimited
    return htmx.render("pages/credit_statement.html", "content", **context)


@routes.get("/locations/<int:location_id>/credits/statement.csv", Permission.VIEW)
def credit_statement_file(location_id: int) -> ResponseReturnValue:
    """The same as a file."""

    def pieces(session: Session, purse: Wallet, begins: datetime, ends: datetime) -> Iterator[str]:
        return statements.statement_csv(statements.of(session, purse.id, begins, ends))

    return _file(location_id, "statement", pieces)


@routes.get("/locations/<int:location_id>/credits/entries.csv", Permission.VIEW)
def credit_entries_file(location_id: int) -> ResponseReturnValue:
    """Every movement of the month, in its order, piece by piece."""

    def pieces(session: Session, purse: Wallet, begins: datetime, ends: datetime) -> Iterator[str]:
        return statements.as_csv(session, purse.id, begins, ends)

    return _file(location_id, "entries", pieces)


def _file(
    location_id: int, name: str, pieces: Callable[[Session, Wallet, datetime, datetime], Iterator[str]]
) -> Response:
    database = services().database
    with database.read() as session:
        place = mine(session, location_id)
        purse = credits.wallet(session, place.id)
        begins, ends = _month(days.zone_of(session, purse.id) if purse else days.zone(place.timezone))

    def body() -> Iterator[bytes]:
        if purse is not None:
            with database.read() as session:
                for piece in pieces(session, purse, begins, ends):
                    yield piece.encode("utf-8", "replace")

    file = f"{_plain(place)}-{name}-{begins:%Y-%m}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"}
    return Response(body(), content_type="text/csv; charset=utf-8", headers=headers)


def _plain(place: Location) -> str:
    """The sub-account's id as part of a file's name."""
    return "".join(each for each in place.ghl_id if each.isascii() and each.isalnum())[:40] or str(place.id)


def _month(zone: Any) -> tuple[datetime, datetime]:
    try:
        return days.month_named(zone, request.args.get("month", ""))
    except InvalidInput:
        raise NotFound(NO_MONTH) from None


def months_before(zone: Any) -> list[tuple[str, str]]:
    """The present month and those before it, as an address and as people name them."""
    here = clock.now().astimezone(zone)
    number = here.year * 12 + here.month - 1
    found = [datetime((number - back) // 12, (number - back) % 12 + 1, 1, tzinfo=zone) for back in range(SHOWN)]
    return [(f"{each:%Y-%m}", _called(each)) for each in found]


def _called(month: datetime) -> str:
    """The month in words: "November 2026"."""
    return str(format_date(month.date(), "LLLL y"))
