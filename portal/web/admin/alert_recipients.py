"""`/admin/alerts/recipients`: who is told of what, by which way, when not, and after how long an incident."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.audit import Subject
from portal.accounts.permissions import Permission
from portal.alarms import recipients, rule
from portal.alarms.topics import TOPICS, Topic
from portal.callbacks import subscriptions
from portal.errors import InvalidInput, NotFound
from portal.models import Agency, AlertRecipient, Location, Way
from portal.web.admin import routes
from portal.web.admin.api_keys import house_asked_for
from portal.web.admin.queries import alerts, users
from portal.web.admin.users import fresh
from portal.web.context import services
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such recipient, or it is not yours to see."
MOST_MINUTES = 24 * 60


@routes.get("/alerts/recipients", Permission.PEOPLE)
def alert_recipients() -> ResponseReturnValue:
    """Who is told, the form for one more, and the grace periods. The operator may choose an agency; without one the
    page is about what concerns no agency."""
    return _page()


@routes.post("/alerts/recipients", Permission.PEOPLE)
def add_alert_recipient() -> ResponseReturnValue:
    """Somebody more is told."""
    form = request.form
    try:
        way, address = Way(form.get("way", "")), form.get("address", "").strip()
    except ValueError:
        return _page("Choose how it is told.")
    try:
        _check(way, address)
        with services().database.write() as session:
            fresh(session)
            house = house_asked_for(session)
            place = _place(session, house, form.get("place", ""))
            row = recipients.add(
                session,
                services().vault,
                way,
                address,
                form.getlist("topic"),
                viewer().name,
                agency_id=house.id if house is not None else None,
                location_id=place,
            )
            audit.note(session, viewer(), "added", _subject(row), after={"topics": row.topics or "all", "way": way})
    except InvalidInput as error:
        return _page(error.message)
    log.info("alert recipient added", extra={"user": viewer().id, "row": row.id})
    flash("It is told from now on. Send a test to see that it arrives.", "ok")
    return _back(row)


@routes.post("/alerts/recipients/<int:recipient_id>/test", Permission.PEOPLE)
def test_alert_recipient(recipient_id: int) -> ResponseReturnValue:
    """Sends a notice that tells of nothing."""
    return _do(recipient_id, "tested", "A test is on its way: look here in a moment.", recipients.test)


@routes.post("/alerts/recipients/<int:recipient_id>/quiet", Permission.PEOPLE)
def quiet_alert_recipient(recipient_id: int) -> ResponseReturnValue:
    """Sends nothing there before a moment; without one the quiet ends."""
    try:
        until = _moment(request.form.get("until", ""))
    except InvalidInput as error:
        return _page(error.message)
    said = "Nothing is sent there before." if until is not None else "It is told again."
    return _do(recipient_id, "quieted" if until else "woke", said, lambda s, row: recipients.be_quiet(s, row, until))


@routes.post("/alerts/recipients/<int:recipient_id>/remove", Permission.PEOPLE)
def remove_alert_recipient(recipient_id: int) -> ResponseReturnValue:
    """Nobody is told there any more."""
    return _do(recipient_id, "removed", "It is not told any more.", recipients.remove)


@routes.post("/alerts/graces", Permission.PEOPLE)
def set_alert_graces() -> ResponseReturnValue:
    """How long an incident of each topic lasts before somebody is told: for the whole agency."""
    try:
        wanted = {topic: _minutes(request.form[topic]) * 60 for topic in Topic if topic in request.form}
        with services().database.write() as session:
            fresh(session)
            if not viewer().scope.whole_agency:
                raise InvalidInput("These times are the whole agency's: ask somebody who sees all of it.")
            house = house_asked_for(session)
            whose = house.id if house is not None else rule.OPERATOR
            before = rule.graces_of(session, whose)
            for topic, seconds in wanted.items():
                rule.set_grace(session, whose, topic, seconds)
            session.flush()
            after = rule.graces_of(session, whose)
            subject = Subject("alert", "", "grace periods", agency_id=house.id if house is not None else None)
            audit.note(session, viewer(), "set", subject, _said(before), _said(after))
    except InvalidInput as error:
        return _page(error.message)
    flash("The times are kept.", "ok")
    return redirect(url_for("admin.alert_recipients", agency=request.form.get("agency") or None), 303)


def _said(graces: dict[Topic, int]) -> dict[str, int]:
    return {f"seconds of {topic.value}": seconds for topic, seconds in graces.items()}


def _check(way: Way, address: str) -> None:
    """Raises `InvalidInput`. What a name leads to is judged at every call."""
    settings = services().settings
    if way is Way.WEBHOOK:
        subscriptions.check_url(address, settings.allow_private_hosts)
    elif settings.mail_server is None:
        raise InvalidInput(recipients.NO_MAIL)
    else:
        recipients.check_email(address)


def _do(
    recipient_id: int, action: str, said: str, deed: Callable[[Session, AlertRecipient], None]
) -> ResponseReturnValue:
    with services().database.write() as session:
        row = alerts.recipient(session, viewer().scope, recipient_id)
        if row is None:
            raise NotFound(NOT_YOURS)
        fresh(session)
        deed(session, row)
        audit.note(session, viewer(), action, _subject(row))
    log.info("alert recipient decided", extra={"user": viewer().id, "row": recipient_id, "decided": action})
    flash(said, "ok")
    return _back(row)


def _back(row: AlertRecipient) -> ResponseReturnValue:
    chosen = row.agency_id if viewer().scope.agency_id is None else None
    return redirect(url_for("admin.alert_recipients", agency=chosen), 303)


def _subject(row: AlertRecipient) -> Subject:
    return Subject("alert", str(row.id), f"recipient {row.shown}", row.location_id, row.agency_id)


def _place(session: Session, house: Agency | None, raw: str) -> int | None:
    """The sub-account that was chosen; None for all. Raises `InvalidInput`."""
    if raw == "" and viewer().scope.whole_agency:
        return None
    known = {str(each.id): each.id for each in _places(session, house)}
    if raw not in known:
        raise InvalidInput("Choose the sub-account.")
    return known[raw]


def _places(session: Session, house: Agency | None) -> list[Location]:
    return list(users.places(session, viewer().scope, house.id)) if house is not None else []


def _minutes(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) < 5 and int(raw) <= MOST_MINUTES):
        raise InvalidInput("A grace period is between 0 minutes and 24 hours.")
    return int(raw)


def _moment(raw: str) -> datetime | None:
    """A moment in UTC that is still to come; None for none. Raises `InvalidInput`."""
    if not raw:
        return None
    try:
        found = datetime.fromisoformat(raw)
    except ValueError:
        raise InvalidInput("Give a day and a time.") from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    if not clock.now() < found < clock.now().replace(year=clock.now().year + 1):
        raise InvalidInput("Give a moment within the next year.")
    return found


def _page(fault: str = "") -> ResponseReturnValue:
    scope, form = viewer().scope, request.form
    with services().database.read() as session:
        house = house_asked_for(session)
        found = alerts.recipients(session, scope)
        lines = [(*each, alerts.last_notices(session, each[0]), alerts.letters(session, each[0])) for each in found]
        graces = rule.graces_of(session, house.id if house is not None else rule.OPERATOR)
        houses = users.agencies(session, scope) if scope.agency_id is None else []
        places = _places(session, house)
    typed = {name: form.get(name, "") for name in ("address", "way", "place")} | {"topics": form.getlist("topic")}
    context: dict[str, Any] = {"lines": lines, "house": house, "houses": houses, "places": places, "typed": typed}
    context |= {"topics": TOPICS, "graces": {t: s // 60 for t, s in graces.items()}, "whole": scope.whole_agency}
    context |= {"mails": services().settings.mail_server is not None, "fault": fault, "now": clock.now()}
    return htmx.render("admin/alert_recipients.html", "content", 422 if fault else 200, **context)
