"""What a person may do on the pages of the whole agency: replay a webhook, close an alert."""

import logging
from collections.abc import Sequence

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.alerts.notices import close_alert
from portal.errors import InvalidInput, NotFound
from portal.messaging.replay import replay
from portal.models import Event, EventState
from portal.web.admin import routes
from portal.web.admin.events import MOST_REPLAYED, source_of
from portal.web.admin.queries import alerts, events
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

# Events that are replayed in one transaction.
AT_ONCE = 100


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


@routes.post("/events/replay", Permission.MANAGE)
def replay_events() -> ResponseReturnValue:
    """Has several applied again: those that are chosen, or all that the filters find. One that is not set aside any
    more is passed over, so a form that comes twice does nothing twice."""
    form, mine = request.form, viewer().scope
    with services().database.read() as session:
        if "all" in form:
            wanted = events.Wanted("", cursor(form.get("before", "")), source_of(form))
            ids, more = events.parked(session, mine, wanted, MOST_REPLAYED)
        else:
            named = [cursor(each) for each in form.getlist("event")[:MOST_REPLAYED]]
            owned = (events.one(session, mine, each) for each in sorted(filter(None, named)))
            ids, more = [row.id for row in owned if row is not None], False
    count = sum(_replayed(ids[place : place + AT_ONCE]) for place in range(0, len(ids), AT_ONCE))
    log.info("events replayed", extra={"user": viewer().id, "rows": count})
    text = f"Webhooks that are applied again: {count}. Look here in a moment."
    flash(f"{text} There are more: replay again afterwards." if more else text, "ok" if count else "error")
    return redirect(url_for("admin.event_list", state=EventState.PARKED.value), 303)


def _replayed(ids: Sequence[int]) -> int:
    """How many of them were set aside still. They share a transaction: all of them, or none."""

    def do(session: Session) -> int:
        count = 0
        for event_id in ids:
            row = session.get_one(Event, event_id, with_for_update=True, populate_existing=True)
            if row.state == EventState.PARKED:
                with audit.deed(session, viewer(), "replayed", row):
                    replay(session, event_id)
                count += 1
        return count

    return services().database.patiently(do)


@routes.post("/alerts/<int:alert_id>/close", Permission.MANAGE)
def close(alert_id: int) -> ResponseReturnValue:
    """Closes an alert that was seen to; it opens anew when its cause is still there."""
    with services().database.write() as session:
        alert = alerts.one(session, viewer().scope, alert_id)
        if alert is None:
            raise NotFound("There is no such alert, or it is not yours to see.")
        # An old page must not close what came back since, which nobody has seen.
        if alert.closed_at is None and request.args.get("returns", alert.returns, type=int) == alert.returns:
            with audit.deed(session, viewer(), "closed", alert):
                close_alert(session, alert.kind, alert.subject, by=viewer().name)
    log.info("alert closed", extra={"user": viewer().id, "alert": alert_id})
    return redirect(url_for("admin.index"), 303)
