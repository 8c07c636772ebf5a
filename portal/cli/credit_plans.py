"""`flask credits`, plans and prices: what a sub-account gets every month, and what its messages cost."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.cli.answers import highlevel_id, say, services
from portal.cli.credits import WHO, credits, location_of, place
from portal.credits import grants, margins, pricing, tariffs
from portal.errors import InvalidInput, NotFound
from portal.installations.lifecycle import ensure_agency
from portal.messaging import funding
from portal.models import CreditPlan, Location, PriceList, PriceRule


@credits.command("plan")
@click.argument("name")
@click.option("--monthly", type=click.IntRange(0, grants.MOST), help="Credits a month; they expire at its end.")
@click.option("--inbound", type=click.Choice(["priced", "free"]), help="Does what comes in cost anything?")
@click.option("--credit-price", help="What a credit is sold for, as 0.01: for the margin.")
@click.option("--currency", help="Of that price, as USD.")
@click.option("--agency", "company_id", callback=highlevel_id, help="The HighLevel company id whose plan it is.")
def write_plan(
    name: str,
    monthly: int | None,
    inbound: str | None,
    credit_price: str | None,
    currency: str | None,
    company_id: str | None,
) -> None:
    """Makes a plan, or changes one from its next month on."""
    with services().database.write() as session:
        row = session.scalar(select(CreditPlan).where(CreditPlan.name == name))
        if row is None:
            row = CreditPlan(name=name[:80], monthly_credits=0, inbound_free=False, created_at=clock.now())
            row.credit_micros, row.currency = 0, "USD"
            session.add(row)
        if company_id:
            agency = ensure_agency(session, company_id)
            session.flush()
            row.agency_id = agency.id
        row.monthly_credits = row.monthly_credits if monthly is None else monthly
        row.inbound_free = inbound == "free" if inbound else row.inbound_free
        row.credit_micros = margins.micros_of(credit_price) if credit_price else row.credit_micros
        row.currency = margins.currency_of(currency) if currency else row.currency
        session.flush()
        say(_plan(row))


@credits.command("plans")
def show_plans() -> None:
    """Prints all plans, one JSON object a line."""
    with services().database.read() as session:
        for row in session.scalars(select(CreditPlan).order_by(CreditPlan.name)):
            say(_plan(row))


def _plan(row: CreditPlan) -> dict[str, object]:
    return {"plan": row.name, "monthly": row.monthly_credits, "inbound": "free" if row.inbound_free else "priced"}


@credits.command("assign")
@place
@click.option("--plan", "name", required=True, help="The plan's name; - for none.")
def assign(location_id: str, name: str) -> None:
    """Gives a sub-account a plan. The first month begins at once, a change of plan with the next month."""
    with services().database.write() as session:
        location = location_of(session, location_id)
        plan = _named(session, name) if name != "-" else None
        if plan is not None and plan.agency_id not in (None, location.agency_id):
            raise InvalidInput("The plan is another agency's.")
        funding.set_policies(session, location, plan_id=plan.id if plan else None)
    funding.begin_months(services().database)
    say({"location": location_id, "plan": name})


@credits.command("prices")
@click.option("--plan", "name", help="The plan's name; without it the lists that are everybody's.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="In force then (UTC); without it all.")
def show_prices(name: str | None, at: datetime | None) -> None:
    """Prints price lists, the newest first, and the default that holds where they say nothing."""
    with services().database.read() as session:
        plan_id = _named(session, name).id if name else None
        mine = PriceList.plan_id.is_(None) if plan_id is None else PriceList.plan_id == plan_id
        lists = session.scalars(
            select(PriceList).where(mine).order_by(PriceList.starts_at.desc(), PriceList.id.desc())
        ).all()
        if at is not None:
            lists = [each for each in lists if each.starts_at <= at.replace(tzinfo=UTC)][:1]
        for each in lists:
            rules = session.scalars(select(PriceRule).where(PriceRule.list_id == each.id).order_by(PriceRule.id))
            prices = {tariffs.written(rule): rule.credits for rule in rules}
            told = {"starts_at": each.starts_at, "prices": prices, "who": each.who, "note": each.note}
            say({"list": each.id, "plan": name or "", **told})
    say({"list": "default", "prices": dict(pricing.PRICES), "else": pricing.UNLISTED})


@credits.command("price-list")
@click.option("--plan", "name", help="The plan's name; without it everybody's who has no list of their own.")
@click.option("--from", "starts", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="UTC; else in a minute.")
@click.option("--note", default="", help="Why.")
@click.argument("prices", nargs=-1, required=True)
def add_price_list(name: str | None, starts: datetime | None, note: str, prices: tuple[str, ...]) -> None:
    """Writes a price list: CHANNEL/DIRECTION/TYPE/COUNTRY=CREDITS, * for all of them, as sms/out/*/FR=4.

    A channel is a kind of sender or a family (sms, whatsapp). SMS cost so much for each segment; with a ! behind the
    number the whole text costs that.
    """
    rules = tariffs.parse(prices)
    begins = starts.replace(tzinfo=UTC) if starts else clock.now() + tariffs.SOONEST + timedelta(seconds=1)
    with services().database.write() as session:
        plan_id = _named(session, name).id if name else None
        number = tariffs.add(session, plan_id, rules, begins, WHO, note)
    say({"list": number, "plan": name or "", "starts_at": begins, "prices": len(rules)})


@credits.command("rate")
@click.option("--channel", required=True, type=click.Choice([each.kind for each in registry.all()]))
@click.option("--price", required=True, help="For one SMS or one message, as 0.0075.")
@click.option("--currency", required=True, help="As USD.")
@click.option("--category", default="", help="Meta's, as marketing; without it all that have no rate of their own.")
@click.option("--from", "starts", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="UTC; else now.")
def set_rate(channel: str, price: str, currency: str, category: str, starts: datetime | None) -> None:
    """Writes what a provider asks, for those that do not tell it themselves."""
    begins = starts.replace(tzinfo=UTC) if starts else clock.now()
    with services().database.write() as session:
        number = margins.set_rate(session, channel, price, currency, begins, WHO, category)
    say({"rate": number, "channel": channel, "starts_at": begins})


@credits.command("margin")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all of them.")
@click.option("--days", "count", type=click.IntRange(1, 400), default=30, show_default=True)
def show_margin(location_id: str | None, count: int) -> None:
    """Prints what each sender earned and cost, in millionths, one JSON object a line."""
    with services().database.read() as session:
        if location_id:
            places = [location_of(session, location_id)]
        else:
            places = list(session.scalars(select(Location).order_by(Location.id)))
        for each in places:
            for margin in margins.of(session, each, clock.now() - timedelta(days=count), clock.now()):
                say(asdict(margin) | {"left": margin.left})


def _named(session: Session, name: str) -> CreditPlan:
    found = session.scalar(select(CreditPlan).where(CreditPlan.name == name))
    if found is None:
        raise NotFound(f"There is no plan {name[:80]}.")
    return found
