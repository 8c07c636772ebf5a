"""`/locations/<id>/credits`: what is left, what it went for, and every movement."""

from flask import request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.channels import registry
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.places import mine
from portal.web.pages.queries import credits
from portal.web.pages.queries.pages import cursor


@routes.get("/locations/<int:location_id>/credits", Permission.VIEW)
def location_credits(location_id: int) -> ResponseReturnValue:
    """Plain figures."""
    with services().database.read() as session:
        place = mine(session, location_id)
        view = credits.of(session, place.id, place.timezone, cursor(request.args.get("before", "")))
    channels = {each.kind: each.name for each in registry.all()}
    return htmx.render("pages/credits.html", "content", place=place, view=view, channels=channels)
