"""What a person may do about messages. Each is a plain form, answered by the page it was on."""

import logging
from collections.abc import Callable
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging import decisions, holding, resending
from portal.messaging.releasing import release_held
from portal.models import Location
from portal.web.auth.guard import local_path
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.queries import messages, scope
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import viewer

log = logging.getLogger(__name__)


@routes.post("/messages/<uuid:message_id>/cancel", Permission.REPLY)
def cancel(message_id: UUID) -> ResponseReturnValue:
    """Takes a message back that has not gone out."""
    return _decide(message_id, "cancelled", decisions.cancel, "The message is cancelled, and HighLevel will be told.")


@routes.post("/messages/<uuid:message_id>/hold", Permission.REPLY)
def hold(message_id: UUID) -> ResponseReturnValue:
    """Holds a message back that has not gone out."""
    return _decide(message_id, "held back", holding.hold, "It is held back, and what comes later behind it.")


@routes.post("/messages/<uuid:message_id>/let-go", Permission.REPLY)
def let_go(message_id: UUID) -> ResponseReturnValue:
    """Lets a message go that a person has held back."""
    return _decide(message_id, "let go", holding.release, "It goes on now, unless something else holds it.")


@routes.post("/messages/<uuid:message_id>/again", Permission.REPLY)
def send_again(message_id: UUID) -> ResponseReturnValue:
    """Sends a message again that the provider may have: only a person may decide that."""
    return _decide(message_id, "sent again", decisions.send_again, "The message is on its way again.")


@routes.post("/messages/<uuid:message_id>/give-up", Permission.REPLY)
def give_up(message_id: UUID) -> ResponseReturnValue:
    """Ends a message whose fate nobody knows."""
    return _decide(
        message_id, "gave up", decisions.give_up, "The message counts as failed, and HighLevel will be told."
    )


@routes.post("/messages/<uuid:message_id>/confirm", Permission.REPLY)
def confirm(message_id: UUID) -> ResponseReturnValue:
    """Takes a person's word that a message went out."""
    return _decide(
        message_id,
        "said that it went out",
        decisions.confirm,
        "The message counts as accepted: it will not be sent again.",
    )


@routes.post("/messages/<uuid:message_id>/resend", Permission.REPLY)
def resend(message_id: UUID) -> ResponseReturnValue:
    """Sends what is missing of a message that did not go out, as a new one."""
    overrule = "overrule" in request.form

    def do(session: Session) -> str:
        message = messages.one(session, _mine(), str(message_id))
        if message is None:
            raise NotFound("There is no such message, or it is not yours to see.")
        reason = resending.why_overruled(request.form.get("reason", ""), overrule)
        seen = request.form.get("doubt", "")  # another doubt than this one was shown to nobody
        made = resending.resend(session, message.id, viewer().name, overrule=overrule, reason=reason, doubt=seen)
        after = {"as": made.uuid, "overruled": overrule, "reason": reason}
        audit.note(session, viewer(), "sent again", message, after=after)
        return made.uuid

    try:
        made = services().database.patiently(do)
    except InvalidInput as error:
        flash(error.message, "error")
        return redirect(url_for(".message", message_id=message_id), 303)
    log.info("message sent again", extra={"user": viewer().id, "message_id": str(message_id), "decided": made})
    flash("It is sent again, as this message of its own.", "ok")
    return redirect(url_for(".message", message_id=made), 303)


def _decide(
    message_id: UUID, action: str, decision: Callable[[Session, int, str], object], done: str
) -> ResponseReturnValue:
    def decide(session: Session) -> None:
        message = messages.one(session, _mine(), str(message_id))
        if message is None:
            raise NotFound("There is no such message, or it is not yours to see.")
        with audit.deed(session, viewer(), action, message):
            decision(session, message.id, viewer().name)

    try:
        services().database.patiently(decide)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("message decided", extra={"user": viewer().id, "message_id": str(message_id), "decided": done})
        flash(done, "ok")
    return redirect(url_for(".message", message_id=message_id), 303)


@routes.post("/locations/<int:location_id>/release", Permission.REPLY)
def release(location_id: int) -> ResponseReturnValue:
    """Tries again to send what a location's senders have held."""

    def release_all(session: Session) -> int:
        if not scope.has_location(session, _mine(), location_id):
            raise NotFound("There is no such sub-account, or it is not yours to see.")
        count = release_held(session, location_id)
        place = session.get_one(Location, location_id)
        audit.note(session, viewer(), "tried what is held again", place, after={"messages": count})
        return count

    count = services().database.patiently(release_all)
    log.info("held messages tried again", extra={"user": viewer().id, "location": location_id, "messages": count})
    flash(f"Held messages that are tried again now: {count}. What cannot go yet stays held.", "ok")
    return redirect(local_path(request.args.get("back")), 303)


def _mine() -> Scope:
    return viewer().scope
