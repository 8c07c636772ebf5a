"""`/admin/wallets`: what every sub-account has, the agencies' own wallets, and the proof of all of them."""

import logging
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.audit import Subject
from portal.accounts.permissions import Permission
from portal.credits import agencies, days, grants, proof
from portal.errors import InvalidInput, NotFound
from portal.models import AgencyKind, AgencyWallet
from portal.web.admin import amounts, routes
from portal.web.admin.queries import wallets
from portal.web.context import services
from portal.web.pages.queries.pages import Page, cursor
from portal.web.viewer import demand, viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such agency, or it is not yours to see."
ADDED = (AgencyKind.TOP_UP, AgencyKind.GIFT, AgencyKind.CORRECTION)
MOST_WRONG = 100


@routes.get("/wallets", Permission.CREDITS)
def wallet_list() -> ResponseReturnValue:
    """Agencies and sub-accounts with what they have."""
    mine, before = viewer().scope, cursor(request.args.get("before", ""))
    with services().database.read() as session:
        found = wallets.page(session, mine, before)
        houses = wallets.houses(session, mine) if before is None else []
    return htmx.render("admin/wallets.html", "content", page=found, houses=houses, wanted={"before": before})


@routes.post("/wallets/prove", Permission.OPERATE)
def prove_wallets() -> ResponseReturnValue:
    """Adds every entry of every wallet up again."""
    with services().database.read() as session:
        looked_at, wrong = proof.prove(session)
        places = {each.id: proof.location_of(session, each.id) for each in wrong[:MOST_WRONG] if each.what != "agency"}
    with services().database.write() as session:
        told = {"wallets": looked_at, "wrong": len(wrong)}
        audit.note(session, viewer(), "had all credits proven", Subject("credits", "", "all wallets"), after=told)
    if wrong:
        log.error("credits do not add up", extra={"rows": len(wrong)})
    context: dict[str, Any] = {"looked_at": looked_at, "count": len(wrong), "wrong": wrong[:MOST_WRONG]}
    return htmx.render("admin/wallet_proof.html", "content", **context, places=places)


@routes.get("/wallets/<int:agency_id>", Permission.CREDITS)
def agency_wallet(agency_id: int) -> ResponseReturnValue:
    """One agency's wallet and its movements."""
    return _page(agency_id)


@routes.post("/wallets/<int:agency_id>/add", Permission.CREDITS)
def add_to_agency(agency_id: int) -> ResponseReturnValue:
    """What the agency bought or got. Only the operator adds it."""
    with services().database.read() as session:
        _house(session, agency_id)
    demand(Permission.OPERATE)
    try:
        with services().database.write() as session:
            house = _house(session, agency_id)
            kind, amount = request.form.get("kind", ""), amounts.number("amount", "An amount", -grants.MOST)
            if kind not in ADDED:
                raise InvalidInput("Choose what kind of credits they are.")
            reason = amounts.reason(needed=kind == AgencyKind.CORRECTION)
            key, who = amounts.once(), viewer().name
            done = agencies.add(session, agency_id, AgencyKind(kind), amount, key=key, who=who, reason=reason)
            if done:
                told = {"credits": amount, "as": kind, "reason": reason}
                audit.note(session, viewer(), "added credits to", house.agency, after=told)
    except InvalidInput as error:
        return _page(agency_id, "add", error.message)
    flash("It is added." if done else "That was done before: nothing was added again.", "ok")
    return redirect(url_for("admin.agency_wallet", agency_id=agency_id), 303)


@routes.post("/wallets/<int:agency_id>/settings", Permission.CREDITS)
def set_agency_wallet(agency_id: int) -> ResponseReturnValue:
    """Where days and months begin, and (the operator) whether the agency may give only what it has."""
    zone = request.form.get("timezone", "").strip()
    try:
        with services().database.write() as session:
            house = _house(session, agency_id)
            if zone not in ("", "UTC") and str(days.zone(zone[:64])) != zone:
                raise InvalidInput("There is no such time zone: write it as Asia/Manila.")
            wallet_id = agencies.wallet_of(session, agency_id)
            row = session.get_one(AgencyWallet, wallet_id)
            before = {"time zone": row.timezone, "counts": not row.unlimited}
            session.execute(update(AgencyWallet).where(AgencyWallet.id == wallet_id).values(timezone=zone))
            if viewer().may(Permission.OPERATE):
                agencies.set_limit(session, agency_id, request.form.get("counts") != "yes", viewer().name)
            session.refresh(row)
            after = {"time zone": row.timezone, "counts": not row.unlimited}
            audit.note(session, viewer(), "changed the wallet of", house.agency, before, after)
    except InvalidInput as error:
        return _page(agency_id, "settings", error.message)
    flash("It is kept.", "ok")
    return redirect(url_for("admin.agency_wallet", agency_id=agency_id), 303)


def _house(session: Session, agency_id: int) -> wallets.House:
    found = wallets.house(session, viewer().scope, agency_id)
    if found is None:
        raise NotFound(NOT_YOURS)
    return found


def _page(agency_id: int, form: str = "", fault: str = "") -> ResponseReturnValue:
    before = cursor(request.args.get("before", ""))
    with services().database.read() as session:
        house = _house(session, agency_id)
        found = wallets.entries(session, house.wallet, before) if house.wallet is not None else Page([])
    context: dict[str, Any] = {"house": house, "page": found, "wanted": {"before": before}, "form": form}
    context |= {"fault": fault, "typed": amounts.typed() if fault else {}, "kinds": ADDED, "key": amounts.form_key()}
    return htmx.render("admin/agency_wallet.html", "content", 422 if fault else 200, **context)
