"""Writing price lists. A list is never changed: another price is another list, from a later moment on."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Family
from portal.credits import terms
from portal.credits.pricing import Rule
from portal.errors import InvalidInput
from portal.models import Direction, PriceList, PriceRule

# Every process knows a list by then (`terms.KEPT`), with what clocks differ by.
SOONEST = timedelta(minutes=1)
DEAREST = 100_000


def add(
    session: Session, plan_id: int | None, rules: Sequence[Rule], starts_at: datetime, who: str, note: str = ""
) -> int:
    """Writes a list and returns its id. Raises `InvalidInput`."""
    if starts_at < clock.now() + SOONEST:
        raise InvalidInput("A price list begins in a minute or later: what was sent keeps its price.")
    channels = {"", *(family.value for family in Family), *(channel.kind for channel in registry.all())}
    for rule in rules:
        if not 0 <= rule.credits <= DEAREST:
            raise InvalidInput(f"A price is a whole number of credits from 0 to {DEAREST}.")
        if rule.channel not in channels:
            raise InvalidInput(f"There is no channel {rule.channel[:32]}.")
        if rule.direction not in ("", *Direction):
            raise InvalidInput("A direction is in or out.")
        if rule.country and not (len(rule.country) == 2 and rule.country.isascii() and rule.country.isupper()):
            raise InvalidInput("A country is two letters, as PH.")
    if len({(rule.channel, rule.direction, rule.kind, rule.country) for rule in rules}) < len(rules):
        raise InvalidInput("Two prices are for the same messages.")
    row = PriceList(plan_id=plan_id, starts_at=starts_at, who=who[:128], note=note[:200], created_at=clock.now())
    session.add(row)
    session.flush()
    for rule in rules:
        session.add(
            PriceRule(
                list_id=row.id,
                channel=rule.channel,
                direction=rule.direction,
                kind=rule.kind[:24],
                country=rule.country,
                credits=rule.credits,
                per_segment=rule.per_segment,
            )
        )
    session.flush()
    terms.forget(session)
    return row.id
