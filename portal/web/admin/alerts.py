"""`/admin/alerts`: incidents that last and that are over, what each means, what was told of it, and seeing to it."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.alarms import outcomes, rule
from portal.alarms.topics import TOPICS, Topic, topic_of
from portal.errors import NotFound
from portal.messaging.storable import storable
from portal.models import Location
from portal.web.admin import routes
from portal.web.admin.alert_meanings import meaning, repair
from portal.web.admin.queries import alerts
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such alert, or it is not yours to see."
LONGEST_ID = 128
MUTES: Mapping[str, str] = {"1": "1 hour", "8": "8 hours", "24": "a day", "168": "a week"}


@routes.get("/alerts", Permission.VIEW)
def alert_list() -> ResponseReturnValue:
    """Open incidents, or those that are over; the address holds the filters."""
    wanted, chosen = _wanted()
    with services().database.read() as session:
        found = alerts.page(session, viewer().scope, wanted)
    lines = [(each, topic_of(each.row.kind), _lasted(each)) for each in found.rows]
    context: dict[str, Any] = {"page": found, "lines": lines, "wanted": wanted, "chosen": chosen, "topics": TOPICS}
    return htmx.render("admin/alert_list.html", "results", **context)


@routes.get("/alerts/<int:alert_id>", Permission.VIEW)
def alert(alert_id: int) -> ResponseReturnValue:
    """One incident: what it means, the button that repairs it, and who was told."""
    scope = viewer().scope
    with services().database.read() as session:
        row = alerts.one(session, scope, alert_id)
        if row is None:
            raise NotFound(NOT_YOURS)
        place = session.get(Location, row.location_id) if row.location_id is not None else None
        notices = alerts.notices(session, scope, row) if viewer().may(Permission.PEOPLE) else []
        grace = rule.graces_of(session, rule.agency_of(session, row))[topic_of(row.kind)]
    context: dict[str, Any] = {"alert": row, "place": place, "notices": notices, "mutes": MUTES, "grace": grace // 60}
    muted = row.muted_until is not None and row.muted_until > clock.now()
    context |= {"meaning": meaning(row), "repair": repair(row, place), "about": TOPICS[topic_of(row.kind)]}
    return htmx.render("admin/alert.html", "content", muted=muted, **context)


@routes.post("/alerts/<int:alert_id>/acknowledge", Permission.MANAGE)
def acknowledge_alert(alert_id: int) -> ResponseReturnValue:
    """Somebody is at it."""
    return _do(alert_id, "acknowledged", None)


@routes.post("/alerts/<int:alert_id>/mute", Permission.MANAGE)
def mute_alert(alert_id: int) -> ResponseReturnValue:
    """Nobody is told of it for some hours; without a time it is told again."""
    hours = request.form.get("hours", "")
    return _do(alert_id, "muted" if hours in MUTES else "unmuted", int(hours) if hours in MUTES else None)


def _do(alert_id: int, deed: str, hours: int | None) -> ResponseReturnValue:
    with services().database.write() as session:
        row = alerts.locked(session, viewer().scope, alert_id)
        if row is None:
            raise NotFound(NOT_YOURS)
        with audit.deed(session, viewer(), deed, row):
            if deed == "acknowledged":
                rule.acknowledge(row, viewer().name)
            else:
                rule.mute(row, clock.now() + timedelta(hours=hours) if hours else None)
    log.info("alert decided", extra={"user": viewer().id, "alert": alert_id, "decided": deed})
    said = {"acknowledged": "Everybody sees that you are at it.", "muted": "Nobody is told of it meanwhile."}
    flash(said.get(deed, "It is told again."), "ok")
    return redirect(url_for("admin.alert", alert_id=alert_id), 303)


def _wanted() -> tuple[alerts.Wanted, dict[str, str]]:
    names = ("state", "topic", "location")
    given = {name: storable(request.args.get(name, "")).strip() for name in names}
    known = given["topic"] in ("", *Topic) and given["state"] in ("", "over")
    if not known or len(given["location"]) > LONGEST_ID:
        raise NotFound("There is no such list of alerts.")
    before = cursor(request.args.get("before", ""))
    wanted = alerts.Wanted(given["state"] == "over", given["topic"], given["location"], before)
    return wanted, {name: value for name, value in given.items() if value}


def _lasted(line: alerts.Line) -> str:
    ended = line.row.closed_at
    return outcomes.lasted(ended - line.row.opened_at) if ended is not None else ""
