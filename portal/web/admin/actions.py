"""What a person may do on the pages of the whole agency: replay a webhook, close an alert."""

import logging

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.alerts.notices import close_alert
from portal.errors import InvalidInput, NotFound
from portal.messaging.replay import replay
from portal.web.admin import routes
from portal.web.admin.queries import alerts, events
from portal.web.context import services
from portal.web.viewer import viewer

log = logging.getLogger(__name__)


@routes.post("/events/<int:event_id>/replay", Permission.MANAGE)
def replay_event(event_id: int) -> ResponseReturnValue:
    """Has a parked webhook applied again."""
    try:
        with services().database.write() as session:
            row = events.one(session, viewer().scope, event_id)
            if row is None:
                raise NotFound("There is no such webhook, or it is not yours to see.")
            with audit.deed(session, viewer(), "replayed", row):
                replay(session, event_id)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("event replayed", extra={"user": viewer().id, "event": event_id})
        flash("The webhook is applied again: look here in a moment.", "ok")
    return redirect(url_for("admin.event", event_id=event_id), 303)


@routes.post("/alerts/<int:alert_id>/close", Permission.MANAGE)
def close(alert_id: int) -> ResponseReturnValue:
    """Closes an alert that was seen to; it opens anew when its cause is still there."""
    with services().database.write() as session:
        alert = alerts.one(session, viewer().scope, alert_id)
        if alert is None:
            raise NotFound("There is no such alert, or it is not yours to see.")
        if alert.closed_at is None:  # an old page must not close the next one, which nobody has seen
            with audit.deed(session, viewer(), "closed", alert):
                close_alert(session, alert.kind, alert.subject, by=viewer().name)
    log.info("alert closed", extra={"user": viewer().id, "alert": alert_id})
    return redirect(url_for("admin.index"), 303)
