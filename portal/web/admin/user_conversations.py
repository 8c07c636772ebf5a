"""`/admin/user/<id>/conversations`: what one person of the portal sees, at the address that the replaced system had."""

from flask import url_for
from flask.typing import ResponseReturnValue

from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.models import User
from portal.web.admin import routes
from portal.web.context import services
from portal.web.pages import conversations
from portal.web.viewer import Viewer, viewer


@routes.get("/user/<int:user_id>/conversations", Permission.VIEW)
def user_conversations(user_id: int) -> ResponseReturnValue:
    """One's own conversations; anybody's of the agency for those who look after its people."""
    with services().database.read() as session:
        user = session.get(User, user_id)
    looks = viewer()
    mine = looks.scope
    if user is None or (str(user.id) != looks.id and not looks.may(Permission.PEOPLE)):
        raise NotFound("There is no such user, or they are not yours to see.")
    if not mine.everything and (user.agency_id != mine.agency_id or not mine.whole_agency) and str(user.id) != looks.id:
        raise NotFound("There is no such user, or they are not yours to see.")
    here = url_for(".user_conversations", user_id=user_id)
    own = str(user.id) == looks.id
    return conversations.page(Viewer.of(user).scope, here, exported=own)
