"""`/admin/find`: a webhook, a message or a contact by any of its ids."""

from flask import request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.messaging.storable import storable
from portal.web.admin import routes
from portal.web.admin.queries import finding
from portal.web.context import services
from portal.web.viewer import viewer


@routes.get("/find", Permission.VIEW)
def find() -> ResponseReturnValue:
    """What an id leads to."""
    text = storable(request.args.get("q", "")).strip()[: finding.LONGEST]
    with services().database.read() as session:
        found = finding.find(session, viewer().scope, text)
    return htmx.render("admin/find.html", "results", found=found, text=text)
