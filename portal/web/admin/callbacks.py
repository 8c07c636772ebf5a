"""`/admin/callbacks`: webhooks out: who is told, what they were told, every try, and telling it again."""

import logging
from collections.abc import Callable
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.audit import Subject
from portal.accounts.permissions import Permission
from portal.callbacks import outbox, subscriptions
from portal.errors import InvalidInput, NotFound
from portal.models import Delivery, Location, Subscription
from portal.web.admin import routes
from portal.web.admin.api_keys import house_asked_for
from portal.web.admin.queries import api_keys as queries
from portal.web.admin.queries import users
from portal.web.admin.users import fresh
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such webhook, or it is not yours to see."
OF_KEY = "It is the callback address of single requests: its key decides about it."


@routes.get("/callbacks", Permission.PEOPLE)
def callback_list() -> ResponseReturnValue:
    """The webhooks out that stand."""
    before = cursor(request.args.get("before", ""))
    with services().database.read() as session:
        found = queries.hooks(session, viewer().scope, before)
    return htmx.render("admin/callbacks.html", "content", page=found, wanted={"before": before})


@routes.get("/callbacks/new", Permission.PEOPLE)
def callback_form() -> ResponseReturnValue:
    """The form; the operator chooses the agency first."""
    return _form()


@routes.post("/callbacks/new", Permission.PEOPLE)
def add_callback() -> ResponseReturnValue:
    """Has an address told of what happens in a sub-account, or in all of the agency's."""
    parts, form, mine = services(), request.form, viewer().scope
    try:
        url = subscriptions.check_url(form.get("url", "").strip(), parts.settings.allow_private_hosts)
        with parts.database.write() as session:
            fresh(session)
            house = house_asked_for(session)
            if house is None:
                raise InvalidInput("Choose the agency.")
            place = _place(session, house.id, form.get("place", ""))
            if place is None and not mine.whole_agency:
                raise InvalidInput("Choose the sub-account.")
            row = subscriptions.subscribe(
                session,
                parts.vault,
                url,
                form.getlist("event"),
                viewer().name,
                location_id=place.id if place is not None else None,
                agency_id=house.id,
            )
            audit.note(session, viewer(), "added", _subject(row), after={"events": row.events or "all"})
    except InvalidInput as error:
        return _form(error.message)
    log.info("webhook added", extra={"user": viewer().id, "row": row.id})
    flash("It is told from now on. Its posts are signed with the secret that you can see here.", "ok")
    return redirect(url_for("admin.callback", webhook_id=row.id), 303)


@routes.get("/callbacks/<int:webhook_id>", Permission.PEOPLE)
def callback(webhook_id: int) -> ResponseReturnValue:
    """One webhook and what it was told."""
    return _page(webhook_id)


@routes.post("/callbacks/<int:webhook_id>/secret", Permission.PEOPLE)
def show_callback_secret(webhook_id: int) -> ResponseReturnValue:
    """The secret that its posts are signed with. Whoever looks is noted."""
    try:
        with services().database.write() as session:
            row = _own(session, webhook_id)
            audit.note(session, viewer(), "saw the secret of", _subject(row))
            secret = services().vault.open_fields(row.address)["secret"]
    except InvalidInput as error:
        flash(error.message, "error")
        return redirect(url_for("admin.callback", webhook_id=webhook_id), 303)
    return _page(webhook_id, secret)


@routes.post("/callbacks/<int:webhook_id>/pause", Permission.PEOPLE)
def pause_callback(webhook_id: int) -> ResponseReturnValue:
    """What happens meanwhile is not told."""
    reason = f"{viewer().name} paused it."
    return _do(webhook_id, "paused", "It is paused.", lambda s, row: subscriptions.set_paused(s, row, True, reason))


@routes.post("/callbacks/<int:webhook_id>/resume", Permission.PEOPLE)
def resume_callback(webhook_id: int) -> ResponseReturnValue:
    """It is told again, beginning with what waits."""
    return _do(webhook_id, "resumed", "It is told again.", lambda s, row: subscriptions.set_paused(s, row, False))


@routes.post("/callbacks/<int:webhook_id>/ping", Permission.PEOPLE)
def ping_callback(webhook_id: int) -> ResponseReturnValue:
    """Has it told that it works."""

    def ping(session: Session, row: Subscription) -> None:
        place = session.get(Location, row.location_id) if row.location_id is not None else None
        subscriptions.ping(session, row, place.ghl_id if place is not None else "")

    return _do(webhook_id, "pinged", "It is told of a test: look here in a moment.", ping)


@routes.post("/callbacks/<int:webhook_id>/remove", Permission.PEOPLE)
def remove_callback(webhook_id: int) -> ResponseReturnValue:
    """Ends it. What waits for it is not told any more."""
    return _do(webhook_id, "removed", "It is removed. What it was told stays here.", subscriptions.remove)


@routes.get("/callbacks/deliveries/<int:delivery_id>", Permission.PEOPLE)
def callback_delivery(delivery_id: int) -> ResponseReturnValue:
    """One thing that was told, and every try."""
    with services().database.read() as session:
        row, hook = _told(session, delivery_id)
        tries = queries.tries(session, row)
    return htmx.render("admin/callback_delivery.html", "content", row=row, hook=hook, tries=tries)


@routes.post("/callbacks/deliveries/<int:delivery_id>/replay", Permission.PEOPLE)
def replay_callback(delivery_id: int) -> ResponseReturnValue:
    """Tells it once more, under the same id, whatever became of it."""
    try:
        with services().database.write() as session:
            row, hook = _told(session, delivery_id)
            locked = select(Delivery).where(Delivery.id == row.id).with_for_update()
            again = session.scalars(locked.execution_options(populate_existing=True)).one()
            subscriptions.replay(session, again)
            audit.note(session, viewer(), "replayed to", _subject(hook.row), after={"delivery": row.uuid})
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        flash("It is told once more: look here in a moment.", "ok")
    return redirect(url_for("admin.callback_delivery", delivery_id=delivery_id), 303)


def _do(webhook_id: int, action: str, done: str, deed: Callable[[Session, Subscription], None]) -> ResponseReturnValue:
    try:
        with services().database.write() as session:
            row = _own(session, webhook_id)
            deed(session, row)
            audit.note(session, viewer(), action, _subject(row))
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        log.info("webhook decided", extra={"user": viewer().id, "row": webhook_id, "decided": action})
        flash(done, "ok")
    return redirect(url_for("admin.callback", webhook_id=webhook_id), 303)


def _hook(session: Session, webhook_id: int) -> queries.Hook:
    found = queries.hook(session, viewer().scope, webhook_id)
    if found is None:
        raise NotFound(NOT_YOURS)
    return found


def _own(session: Session, webhook_id: int) -> Subscription:
    """One that stands, and is not of single requests. Raises `InvalidInput` else."""
    row = _hook(session, webhook_id).row
    if row.key_id is not None:
        raise InvalidInput(OF_KEY)
    if row.removed_at is not None:
        raise InvalidInput("It was removed.")
    return row


def _told(session: Session, delivery_id: int) -> tuple[Delivery, queries.Hook]:
    found = queries.delivery(session, viewer().scope, delivery_id)
    if found is None:
        raise NotFound("There is no such delivery, or it is not yours to see.")
    return found


def _place(session: Session, agency_id: int, raw: str) -> Location | None:
    """The sub-account that was chosen; None for all. Raises `InvalidInput`."""
    if raw == "":
        return None
    known = {str(each.id): each for each in users.places(session, viewer().scope, agency_id)}
    if raw not in known:
        raise InvalidInput("Choose the sub-account.")
    return known[raw]


def _subject(row: Subscription) -> Subject:
    return Subject("webhook out", row.uuid, row.shown, row.location_id, row.agency_id)


def _page(webhook_id: int, secret: str = "") -> ResponseReturnValue:
    before = cursor(request.args.get("before", ""))
    with services().database.read() as session:
        hook = _hook(session, webhook_id)
        found = queries.deliveries(session, hook.row, before)
    context: dict[str, Any] = {"hook": hook, "page": found, "wanted": {"before": before}, "secret": secret}
    return htmx.render("admin/callback.html", "content", **context)


def _form(fault: str = "") -> ResponseReturnValue:
    mine, form = viewer().scope, request.form
    with services().database.read() as session:
        house = house_asked_for(session)
        houses = users.agencies(session, mine) if mine.agency_id is None else []
        places = users.places(session, mine, house.id) if house else []
    typed = {"url": form.get("url", ""), "place": form.get("place", ""), "events": form.getlist("event")}
    context: dict[str, Any] = {"house": house, "houses": houses, "places": places, "typed": typed, "fault": fault}
    context |= {"events": outbox.EVENTS, "whole": mine.whole_agency}
    return htmx.render("admin/callback_new.html", "content", 422 if fault else 200, **context)
