"""`/locations/<id>/numbers`: as which country's numbers without + are read, and what writers are told."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import WrongField
from portal.messaging import number_settings
from portal.messaging.country_names import names
from portal.messaging.storable import storable
from portal.web.context import services
from portal.web.languages import ENGLISH
from portal.web.pages import routes
from portal.web.pages.places import mine
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

LONGEST = 160


@routes.get("/locations/<int:location_id>/numbers", Permission.VIEW)
def location_numbers(location_id: int) -> ResponseReturnValue:
    """The settings; with `try`, what a number would become."""
    return _page(location_id)


@routes.post("/locations/<int:location_id>/numbers", Permission.MANAGE)
def set_numbers(location_id: int) -> ResponseReturnValue:
    """Keeps the country and what writers are offered."""

    def change(session: Session) -> None:
        place = mine(session, location_id)
        with audit.deed(session, viewer(), "changed how numbers are read in", place):
            number_settings.set_country(place, request.form.get("country", ""))
            place.offers_gsm7 = "gsm7" in request.form

    try:
        services().database.patiently(change)
    except WrongField as error:
        return _page(location_id, {error.field: error.message})
    log.info("numbers changed", extra={"user": viewer().id, "location": location_id})
    flash("It is kept. It counts from the next message on.", "ok")
    return redirect(url_for(".location_numbers", location_id=location_id), 303)


def _page(location_id: int, faults: Mapping[str, str] | None = None) -> ResponseReturnValue:
    with services().database.read() as session:
        place = mine(session, location_id)
    text = storable(request.args.get("try", "")).strip()[:LONGEST]
    chosen = place.country if place.country_chosen else ""
    context: dict[str, Any] = {
        "place": place,
        "names": _names(),
        "chosen": request.form.get("country", chosen),
        "offers": "gsm7" in request.form if faults else place.offers_gsm7,
        "examples": number_settings.examples(place.country),
        "tried": number_settings.read(text, place.country) if text else None,
        "faults": faults or {},
    }
    return htmx.render("pages/numbers.html", "content", 422 if faults else 200, **context)


def _names() -> Mapping[str, str]:
    """The countries in the reader's language and in its order; in English as the portal calls them."""
    locale = get_locale()
    if locale is None or locale.language == ENGLISH:
        return names()
    called = {code: locale.territories.get(code, name) for code, name in names().items()}
    return dict(sorted(called.items(), key=lambda pair: pair[1].casefold()))
