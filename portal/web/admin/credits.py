"""`/admin/locations/<id>/credits/deeds`: credits given and corrected, limits, the plan, and the proof of one wallet.

Where an agency's own wallet counts, only the operator makes credits out of nothing: its people give what it has.
"""

import logging
from collections.abc import Callable
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.credits import balances, days, grants, ledger, months, proof
from portal.credits.grants import Credit
from portal.errors import InvalidInput
from portal.messaging import funding
from portal.models import Location, Source
from portal.web.admin import amounts, routes
from portal.web.admin.queries import wallets
from portal.web.context import services
from portal.web.pages.places import mine
from portal.web.pages.queries import credits
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

GIVEN = (Source.TOP_UP, Source.GIFT, Source.GRANT)
NOT_FROM_NOTHING = (
    "Your agency's credits are counted: give the sub-account some of them. Only the operator adds what nobody paid for."
)
AGAIN = "That was done before: nothing was done again."


@routes.get("/locations/<int:location_id>/credits/deeds", Permission.CREDITS)
def credit_deeds(location_id: int) -> ResponseReturnValue:
    """The forms."""
    return _page(location_id)


@routes.post("/locations/<int:location_id>/credits/give", Permission.CREDITS)
def give_credits(location_id: int) -> ResponseReturnValue:
    """Gives credits out of the agency's wallet. The same form, or the same reference, gives once."""

    def give(session: Session, place: Location) -> str:
        source = request.form.get("source", "")
        if source not in GIVEN:
            raise InvalidInput("Choose what kind of credits they are.")
        amount, reason = amounts.number("amount", "An amount", 1), amounts.reason(needed=False)
        until = amounts.end_of_day("expires", days.zone_of(session, ledger.known_wallet(session, place.id)))
        credit = Credit(amount, Source(source), f"{source}:{amounts.once()}", viewer().name, reason, until)
        if not funding.give(session, place, credit):
            return AGAIN
        told = {"credits": amount, "as": source, "reason": reason, "until": until}
        audit.note(session, viewer(), "gave credits to", place, after=told)
        return f"{amount} credits are given. What waited for them goes out by itself."

    return _do(location_id, "give", give)


@routes.post("/locations/<int:location_id>/credits/correct", Permission.CREDITS)
def correct_credits(location_id: int) -> ResponseReturnValue:
    """Corrects what is available by a new entry, with a reason."""

    def correct(session: Session, place: Location) -> str:
        amount, reason = amounts.number("amount", "An amount", -grants.MOST), amounts.reason()
        entry_id = amounts.number_or_none("entry", "The number of an entry")
        if amount > 0 and _bound(session, place):
            raise InvalidInput(NOT_FROM_NOTHING)
        key = amounts.once()
        done = funding.correct(session, place, amount, key=key, who=viewer().name, reason=reason, entry_id=entry_id)
        if not done:
            return AGAIN
        told = {"credits": amount, "reason": reason, "entry": entry_id}
        audit.note(session, viewer(), "corrected the credits of", place, after=told)
        return "It is corrected, by a new entry. What the old one said stays."

    return _do(location_id, "correct", correct)


@routes.post("/locations/<int:location_id>/credits/limits", Permission.CREDITS)
def set_credit_limits(location_id: int) -> ResponseReturnValue:
    """Whether the wallet counts, its limits, and what becomes of what cannot be paid for."""

    def limit(session: Session, place: Location) -> str:
        unlimited = request.form.get("counts", "") == "no"
        values: dict[str, Any] = {
            "overdraft": amounts.number("overdraft", "An overdraft"),
            "day_cap": amounts.number_or_none("day_cap", "The most a day"),
            "bulk_cap": amounts.number_or_none("bulk_cap", "The most for a campaign"),
            "fails_when_empty": request.form.get("when_empty", "") == "fail",
            "settles_on_delivery": request.form.get("settles", "") == "delivered",
        }
        before = wallets.policies(credits.wallet(session, place.id))
        more = (unlimited and not before["unlimited"]) or values["overdraft"] > before["overdraft"]
        if more and _bound(session, place):
            raise InvalidInput(NOT_FROM_NOTHING)
        if unlimited != before["unlimited"]:
            grants.set_limit(session, place, unlimited, viewer().name)
        funding.set_policies(session, place, **values)
        audit.note(session, viewer(), "set the limits of", place, before, {**values, "unlimited": unlimited})
        return "It is kept, and counts from the next message on."

    return _do(location_id, "limits", limit)


@routes.post("/locations/<int:location_id>/credits/plan", Permission.CREDITS)
def choose_credit_plan(location_id: int) -> ResponseReturnValue:
    """Gives the sub-account a plan. A first month begins at once, a change counts from the next month on."""

    def choose(session: Session, place: Location) -> str:
        wanted = request.form.get("plan", "")
        known = {str(each.id): each for each in wallets.plans(session, place)}
        if wanted and wanted not in known:
            raise InvalidInput("There is no such plan.")
        purse = credits.wallet(session, place.id)
        before = known.get(str(purse.plan_id)) if purse is not None else None
        plan = known.get(wanted)
        funding.set_policies(session, place, plan_id=plan.id if plan else None)
        months.begin(session, place.id, clock.now())
        names = ({"plan": each.name if each else ""} for each in (before, plan))
        audit.note(session, viewer(), "chose the plan of", place, *names)
        return f"{plan.name} is the plan." if plan else "There is no plan any more. What it gave this month stays."

    return _do(location_id, "plan", choose)


@routes.post("/locations/<int:location_id>/credits/prove", Permission.CREDITS)
def prove_location(location_id: int) -> ResponseReturnValue:
    """Adds the wallet's entries up again."""
    with services().database.write() as session:
        place = mine(session, location_id)
        wrong = proof.of_location(session, place.id)
        audit.note(session, viewer(), "had the credits proven of", place, after={"wrong": len(wrong)})
    if wrong:
        log.error("credits do not add up", extra={"location_id": location_id})
        flash("The entries do not add up to what the wallet says. Tell whoever runs this portal.", "error")
    else:
        flash("Proven: every entry was added up again, and the wallet says the same.", "ok")
    return redirect(url_for("admin.credit_deeds", location_id=location_id), 303)


def _do(location_id: int, form: str, deed: Callable[[Session, Location], str]) -> ResponseReturnValue:
    """The page again: with what is wrong in the form, or with what was done."""
    try:
        done = services().database.patiently(lambda session: deed(session, mine(session, location_id)))
    except InvalidInput as error:
        return _page(location_id, form, error.message)
    log.info("credits decided", extra={"user": viewer().id, "location_id": location_id, "decided": form})
    flash(done, "ok")
    return redirect(url_for("admin.credit_deeds", location_id=location_id), 303)


def _bound(session: Session, place: Location) -> bool:
    """Is whoever asks bound to what the agency has?"""
    return not viewer().may(Permission.OPERATE) and wallets.counts(session, place.agency_id)


def _page(location_id: int, form: str = "", fault: str = "") -> ResponseReturnValue:
    with services().database.read() as session:
        place = mine(session, location_id)
        purse = credits.wallet(session, place.id)
        context: dict[str, Any] = {
            "place": place,
            "balance": balances.of(session, place),
            "policies": wallets.policies(purse),
            "plan_id": purse.plan_id if purse is not None else None,
            "plans": wallets.plans(session, place),
            "agency": grants.agency_wallet(session, place) if viewer().scope.whole_agency else None,
            "bound": _bound(session, place),
        }
    context |= {"form": form, "fault": fault, "typed": amounts.typed() if fault else {}, "sources": GIVEN}
    context["key"] = amounts.form_key()
    return htmx.render("admin/credit_deeds.html", "content", 422 if fault else 200, **context)
