"""What a person may do on the admin pages. Each is a plain form, answered by the page it was on."""

import logging
from collections.abc import Callable
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.alerts.notices import close_alert
from portal.errors import InvalidInput, NotFound
from portal.messaging import decisions
from portal.messaging.releasing import release_held
from portal.messaging.replay import replay
from portal.web.admin import bp
from portal.web.admin.queries import events, messages, overview, scope
from portal.web.admin.queries.scope import Scope
from portal.web.auth.guard import local_path
from portal.web.context import services

log = logging.getLogger(__name__)


@bp.post("/messages/<uuid:message_id>/cancel")
def cancel(message_id: UUID) -> ResponseReturnValue:
    """Takes a message back that has not gone out."""
    return _decide(message_id, decisions.cancel, "The message is cancelled, and HighLevel will be told.")


@bp.post("/messages/<uuid:message_id>/again")
def send_again(message_id: UUID) -> ResponseReturnValue:
    """Sends a message again that the provider may have: only a person may decide that."""
    return _decide(message_id, decisions.send_again, "The message is on its way again.")


@bp.post("/messages/<uuid:message_id>/give-up")
def give_up(message_id: UUID) -> ResponseReturnValue:
    """Ends a message whose fate nobody knows."""
    return _decide(message_id, decisions.give_up, "The message counts as failed, and HighLevel will be told.")


@bp.post("/messages/<uuid:message_id>/confirm")
def confirm(message_id: UUID) -> ResponseReturnValue:
    """Takes a person's word that a message went out."""
    return _decide(message_id, decisions.confirm, "The message counts as accepted: it will not be sent again.")


def _decide(message_id: UUID, decision: Callable[[Session, int, str], object], done: str) -> ResponseReturnValue:
    def decide(session: Session) -> None:
        message = messages.one(session, _mine(), str(message_id))
        if message is None:
            raise NotFound("There is no such message, or it is not yours to see.")
        decision(session, message.id, current_user.email[:80])

    try:
        services().database.patiently(decide)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("message decided", extra={"user": current_user.id, "message_id": str(message_id), "decided": done})
        flash(done, "ok")
    return redirect(url_for("admin.message", message_id=message_id), 303)


@bp.post("/locations/<int:location_id>/release")
def release(location_id: int) -> ResponseReturnValue:
    """Tries again to send what a location's senders have held."""

    def release_all(session: Session) -> int:
        if not scope.has_location(session, _mine(), location_id):
            raise NotFound("There is no such sub-account, or it is not yours to see.")
        return release_held(session, location_id)

    count = services().database.patiently(release_all)
    log.info("held messages tried again", extra={"user": current_user.id, "location": location_id, "messages": count})
    flash(f"Held messages that are tried again now: {count}. What cannot go yet stays held.", "ok")
    return redirect(local_path(request.args.get("back")), 303)


@bp.post("/events/<int:event_id>/replay")
def replay_event(event_id: int) -> ResponseReturnValue:
    """Has a parked webhook applied again."""
    try:
        with services().database.write() as session:
            if events.one(session, _mine(), event_id) is None:
                raise NotFound("There is no such webhook, or it is not yours to see.")
            replay(session, event_id)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("event replayed", extra={"user": current_user.id, "event": event_id})
        flash("The webhook is applied again: look here in a moment.", "ok")
    return redirect(url_for("admin.event", event_id=event_id), 303)


@bp.post("/alerts/<int:alert_id>/close")
def close(alert_id: int) -> ResponseReturnValue:
    """Closes an alert that was seen to; it opens anew when its cause is still there."""
    with services().database.write() as session:
        alert = overview.alert(session, _mine(), alert_id)
        if alert is None:
            raise NotFound("There is no such alert, or it is not yours to see.")
        if alert.closed_at is None:  # an old page must not close the next one, which nobody has seen
            close_alert(session, alert.kind, alert.subject)
    log.info("alert closed", extra={"user": current_user.id, "alert": alert_id})
    return redirect(url_for("admin.index"), 303)


def _mine() -> Scope:
    return Scope.of(current_user)
