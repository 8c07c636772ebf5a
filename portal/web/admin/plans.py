"""`/admin/wallets/<agency>/plans`: what sub-accounts get every month, and what their messages cost, by dated lists.

A list is drafted, tried on the last month's messages, and published for a moment to come; then it is never changed.
Where the agency's own wallet counts, only the operator sets prices: a price of 0 would give away what was not bought.
"""

import logging
from datetime import timedelta
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.channels import registry
from portal.credits import grants, tariffs
from portal.credits.pricing import Rule
from portal.errors import Forbidden, InvalidInput, NotFound
from portal.messaging.storable import storable
from portal.models import CreditPlan
from portal.web.admin import amounts, routes
from portal.web.admin.queries import plans as queries
from portal.web.admin.queries import wallets
from portal.web.context import services
from portal.web.pages.queries import credit_prices
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such agency, or it is not yours to see."
NO_PLAN = "There is no such plan, or it is not yours to see."
BOUND = "The agency's credits are counted, so only the operator sets its plans and prices."
EVERYBODYS = "This plan is everybody's: the operator changes it at the command line."
TAKEN = "There is a plan of this name already: choose another."
LONGEST_NAME, LONGEST_LIST = 80, 20_000
A_MONTH = timedelta(days=30)


@routes.get("/wallets/<int:agency_id>/plans", Permission.CREDITS)
def plan_list(agency_id: int) -> ResponseReturnValue:
    """The agency's plans and everybody's."""
    return _list(agency_id)


@routes.post("/wallets/<int:agency_id>/plans", Permission.CREDITS)
def make_plan(agency_id: int) -> ResponseReturnValue:
    """Makes a plan of the agency's."""
    name = " ".join(storable(request.form.get("name", "")).split())
    try:
        with services().database.write() as session:
            house = _house(session, agency_id)
            _may_set(session, agency_id)
            if not 1 <= len(name) <= LONGEST_NAME:
                raise InvalidInput(f"A plan's name has 1 to {LONGEST_NAME} characters.")
            if session.scalar(select(CreditPlan.id).where(CreditPlan.name == name)) is not None:
                raise InvalidInput(TAKEN)
            row = CreditPlan(name=name, agency_id=agency_id, created_at=clock.now(), credit_micros=0, currency="USD")
            _fill(row)
            session.add(row)
            session.flush()
            plan_id = row.id
            audit.note(session, viewer(), "made a plan of", house.agency, after=_told(row))
    except (InvalidInput, Forbidden) as error:
        return _list(agency_id, error)
    except IntegrityError:  # somebody else has made it in the same moment
        return _list(agency_id, InvalidInput(TAKEN))
    flash("The plan is made. Choose it for sub-accounts on their page Credits, Give and set.", "ok")
    return redirect(url_for("admin.plan", agency_id=agency_id, plan_id=plan_id), 303)


@routes.get("/wallets/<int:agency_id>/plans/<int:plan_id>", Permission.CREDITS)
def plan(agency_id: int, plan_id: int) -> ResponseReturnValue:
    """One plan, with the prices that hold and those to come."""
    return _page(agency_id, plan_id)


@routes.post("/wallets/<int:agency_id>/plans/<int:plan_id>", Permission.CREDITS)
def change_plan(agency_id: int, plan_id: int) -> ResponseReturnValue:
    """Other monthly credits, from the next month on; whether what comes in costs anything, from now on."""
    try:
        with services().database.write() as session:
            house = _house(session, agency_id)
            row = _own(session, agency_id, plan_id)
            before = _told(row)
            _fill(row)
            session.flush()
            audit.note(session, viewer(), "changed a plan of", house.agency, before, _told(row))
    except (InvalidInput, Forbidden) as error:
        return _page(agency_id, plan_id, "plan", error)
    flash("It is kept. Other monthly credits count from the next month on.", "ok")
    return redirect(url_for("admin.plan", agency_id=agency_id, plan_id=plan_id), 303)


@routes.post("/wallets/<int:agency_id>/plans/<int:plan_id>/prices", Permission.CREDITS)
def publish_prices(agency_id: int, plan_id: int) -> ResponseReturnValue:
    """Tries a list of prices on the last month's messages, or publishes it."""
    try:
        rules, trial = _draft(), request.form.get("do") != "publish"
        with services().database.write() as session:
            house = _house(session, agency_id)
            row = _own(session, agency_id, plan_id)
            if not trial:
                begins = amounts.moment("starts", clock.now() + tariffs.SOONEST + timedelta(seconds=1))
                note = storable(request.form.get("note", "")).strip()
                tariffs.add(session, row.id, rules, begins, viewer().name, note)
                told = {tariffs.written(rule): rule.credits for rule in rules}
                more = {"plan": row.name, "from": begins.isoformat(), "why": note}
                audit.note(session, viewer(), "published prices of", house.agency, after=more | told)
    except (InvalidInput, Forbidden) as error:
        return _page(agency_id, plan_id, "prices", error)
    if trial:
        return _page(agency_id, plan_id, "prices", tried=rules)
    log.info("prices published", extra={"user": viewer().id, "decided": str(plan_id)})
    flash("The list is published. Messages that were written before it begins keep their price.", "ok")
    return redirect(url_for("admin.plan", agency_id=agency_id, plan_id=plan_id), 303)


def _draft() -> list[Rule]:
    text = request.form.get("prices", "")
    if len(text) > LONGEST_LIST:
        raise InvalidInput(f"A list has at most {LONGEST_LIST} characters.")
    rules = tariffs.parse(text.split())
    tariffs.check(rules)
    if not rules:
        raise InvalidInput("Write one price a line, as sms/out/*/FR=4.")
    return rules


def _fill(row: CreditPlan) -> None:
    row.monthly_credits = amounts.number("monthly", "What it gives a month")
    row.inbound_free = request.form.get("inbound") == "free"


def _told(row: CreditPlan) -> dict[str, Any]:
    return {"plan": row.name, "credits a month": row.monthly_credits, "what comes in is free": row.inbound_free}


def _house(session: Session, agency_id: int) -> wallets.House:
    found = wallets.house(session, viewer().scope, agency_id)
    if found is None:
        raise NotFound(NOT_YOURS)
    return found


def _may_set(session: Session, agency_id: int) -> None:
    if not viewer().may(Permission.OPERATE) and wallets.counts(session, agency_id):
        raise Forbidden(BOUND)


def _own(session: Session, agency_id: int, plan_id: int) -> CreditPlan:
    """The agency's own plan, to be changed. Raises `NotFound`, `Forbidden`."""
    row = queries.plan(session, agency_id, plan_id)
    if row is None:
        raise NotFound(NO_PLAN)
    if row.agency_id is None:
        raise Forbidden(EVERYBODYS)
    _may_set(session, agency_id)
    return row


def _list(agency_id: int, error: InvalidInput | Forbidden | None = None) -> ResponseReturnValue:
    with services().database.read() as session:
        house = _house(session, agency_id)
        context: dict[str, Any] = {"house": house, "plans": queries.plans(session, agency_id), "most": grants.MOST}
        bound = not viewer().may(Permission.OPERATE) and wallets.counts(session, agency_id)
    context |= {"fault": error.message if error else "", "typed": amounts.typed() if error else {}, "bound": bound}
    return htmx.render("admin/plans.html", "content", error.http_status if error else 200, **context)


def _page(
    agency_id: int,
    plan_id: int,
    form: str = "",
    error: InvalidInput | Forbidden | None = None,
    tried: list[Rule] | None = None,
) -> ResponseReturnValue:
    moment = clock.now()
    with services().database.read() as session:
        house = _house(session, agency_id)
        row = queries.plan(session, agency_id, plan_id)
        if row is None:
            raise NotFound(NO_PLAN)
        now = credit_prices.in_force(session, row, moment)
        preview = queries.preview(session, agency_id, row, tried, moment - A_MONTH) if tried is not None else None
        later = credit_prices.coming(session, row, moment)
        bound = row.agency_id is None or (not viewer().may(Permission.OPERATE) and wallets.counts(session, agency_id))
    sent = {name: value for name, value in request.form.items() if name != "csrf_token"}
    draft = sent.get("prices", "") or "\n".join(_line(rule) for rule in now.rules if now.own)
    context: dict[str, Any] = {"house": house, "plan": row, "now": now, "later": later, "preview": preview}
    context |= {"form": form, "fault": error.message if error else "", "typed": sent, "bound": bound}
    context |= {"draft": draft[:LONGEST_LIST], "channels": {each.kind: each.name for each in registry.all()}}
    return htmx.render("admin/plan.html", "content", error.http_status if error else 200, **context)


def _line(rule: Rule) -> str:
    name, mark = tariffs.written(rule), "" if rule.per_segment else "!"
    return f"{name.removesuffix('!')}={rule.credits}{mark}"
