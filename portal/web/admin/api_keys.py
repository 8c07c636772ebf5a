"""`/admin/api-keys`: keys to the JSON API: made and shown once, listed with their last use, revoked."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import api_keys, audit
from portal.accounts.api_keys import NewKey, Scope
from portal.accounts.audit import Subject
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging.storable import storable
from portal.models import Agency, ApiKey, Location
from portal.web.admin import routes
from portal.web.admin.queries import api_keys as queries
from portal.web.admin.queries import users
from portal.web.admin.users import NO_AGENCY, fresh
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such key, or it is not yours to see."
SCOPES: Mapping[Scope, str] = {
    Scope.READ: "Read: messages, conversations, senders, credits",
    Scope.SEND: "Send: messages, cancel them, add opt-outs",
    Scope.ADMIN: "Admin: webhooks, replays, lifting opt-outs",
    Scope.BULKSMS: "Bulk SMS: the routes of imqs/messaging",
}
LONGEST_LIFE = 3650


@routes.get("/api-keys", Permission.PEOPLE)
def api_key_list() -> ResponseReturnValue:
    """The keys, the newest first."""
    before = cursor(request.args.get("before", ""))
    with services().database.read() as session:
        found = queries.keys(session, viewer().scope, before)
    context: dict[str, Any] = {"page": found, "wanted": {"before": before}, "now": clock.now()}
    return htmx.render("admin/api_keys.html", "content", **context)


@routes.get("/api-keys/new", Permission.PEOPLE)
def api_key_form() -> ResponseReturnValue:
    """The form; the operator chooses the agency first."""
    return _form()


@routes.post("/api-keys/new", Permission.PEOPLE)
def create_api_key() -> ResponseReturnValue:
    """Makes a key, and shows it this once."""
    try:
        with services().database.write() as session:
            fresh(session)
            house = house_asked_for(session)
            if house is None:
                raise InvalidInput("Choose the agency.")
            secret = services().settings.secret_key
            row, token = api_keys.create(session, secret, _wanted(session, house), viewer().name)
            told = {"scopes": row.scopes, "test": row.test, "sub-accounts": _reach(session, row)}
            audit.note(session, viewer(), "made", _subject(row), after=told | {"until": row.expires_at})
    except InvalidInput as error:
        return _form(error.message)
    log.info("API key made", extra={"user": viewer().id, "row": row.id})
    return htmx.render("admin/api_key_made.html", "content", row=row, token=token)


@routes.post("/api-keys/<int:key_id>/revoke", Permission.PEOPLE)
def revoke_api_key(key_id: int) -> ResponseReturnValue:
    """Ends a key, from the next request on."""
    with services().database.write() as session:
        found = queries.key(session, viewer().scope, key_id)
        if found is None:
            raise NotFound(NOT_YOURS)
        if done := api_keys.revoke(session, found.row, viewer().name):
            audit.note(session, viewer(), "revoked", _subject(found.row))
    log.info("API key revoked", extra={"user": viewer().id, "row": found.row.id})
    flash("The key is revoked: it does nothing any more." if done else "It was revoked before.", "ok")
    return redirect(url_for("admin.api_key_list"), 303)


def house_asked_for(session: Session) -> Agency | None:
    """One's own agency, or the one that the operator chose. Raises `NotFound`."""
    own, raw = viewer().scope.agency_id, request.values.get("agency", "")
    if own is None and not raw:
        return None
    found = users.agency(session, viewer().scope, own if own is not None else cursor(raw) or 0)
    if found is None:
        raise NotFound(NO_AGENCY)
    return found


def _wanted(session: Session, house: Agency) -> NewKey:
    """What the form says the key is to be. Raises `InvalidInput`."""
    form, mine = request.form, viewer().scope
    reach, ids = form.get("reach", ""), _ids(form.getlist("place"))
    if reach not in ("all", "chosen") or (reach == "all" and not mine.whole_agency):
        raise InvalidInput("Choose all sub-accounts, or some of them.")
    places: list[str] = []
    if reach == "chosen":
        allowed = mine.narrow(select(Location.ghl_id).where(Location.id.in_(ids), Location.agency_id == house.id))
        places = list(session.scalars(allowed))
        if not places or len(places) != len(ids):
            raise InvalidInput("Choose all sub-accounts, or some of them.")
    lasts = _number("days", LONGEST_LIFE, "The days that it lasts")
    return NewKey(
        name=storable(form.get("name", "")),
        scopes=[each for each in form.getlist("scope") if each in list(Scope)],
        company_id=house.company_id,
        locations=places,
        test=form.get("test") == "1",
        lasts=timedelta(days=lasts) if lasts else None,
        per_minute=_number("per_minute", api_keys.MOST_PER_MINUTE, "Requests a minute") or api_keys.PER_MINUTE,
    )


def _number(name: str, most: int, what: str) -> int:
    """0 where the field is empty."""
    raw = request.form.get(name, "").strip()
    if not raw:
        return 0
    if not (raw.isascii() and raw.isdigit() and len(raw) < 7 and 1 <= int(raw) <= most):
        raise InvalidInput(f"{what} are a whole number from 1 to {most}, or nothing.")
    return int(raw)


def _ids(raw: list[str]) -> frozenset[int]:
    return frozenset(int(each) for each in raw if each.isascii() and each.isdigit() and len(each) < 19)


def _reach(session: Session, row: ApiKey) -> Any:
    return "all" if row.whole_agency else [each.name or each.ghl_id for each in api_keys.places(session, row)]


def _subject(row: ApiKey) -> Subject:
    return Subject("API key", row.uuid, f"{row.name} ({row.prefix}…)", agency_id=row.agency_id)


def _form(fault: str = "") -> ResponseReturnValue:
    mine, form = viewer().scope, request.form
    with services().database.read() as session:
        house = house_asked_for(session)
        houses = users.agencies(session, mine) if mine.agency_id is None else []
        places = users.places(session, mine, house.id) if house else []
    sent = request.method == "POST"
    typed: dict[str, Any] = {name: form.get(name, "") for name in ("name", "days", "per_minute", "reach", "test")}
    typed |= {
        "scopes": form.getlist("scope") if sent else [Scope.READ, Scope.SEND],
        "places": _ids(form.getlist("place")),
    }
    context: dict[str, Any] = {"house": house, "houses": houses, "places": places, "typed": typed, "fault": fault}
    context |= {"scopes": SCOPES, "whole": mine.whole_agency, "per_minute": api_keys.PER_MINUTE}
    return htmx.render("admin/api_key_new.html", "content", 422 if fault else 200, **context)
