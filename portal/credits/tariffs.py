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
MOST_RULES = 500
# As `PriceRule.kind`: cut off, it would be about other messages, or about the same ones as another price.
LONGEST_KIND = 24
_FIELDS = ("channel", "direction", "kind", "country")


def add(
    session: Session, plan_id: int | None, rules: Sequence[Rule], starts_at: datetime, who: str, note: str = ""
) -> int:
    """Writes a list and returns its id. Raises `InvalidInput`."""
    if starts_at < clock.now() + SOONEST:
        raise InvalidInput("A price list begins in a minute or later: what was sent keeps its price.")
    check(rules)
    row = PriceList(plan_id=plan_id, starts_at=starts_at, who=who[:128], note=note[:200], created_at=clock.now())
    session.add(row)
    session.flush()
    for rule in rules:
        session.add(
            PriceRule(
                list_id=row.id,
                channel=rule.channel,
                direction=rule.direction,
                kind=rule.kind,
                country=rule.country,
                credits=rule.credits,
                per_segment=rule.per_segment,
            )
        )
    session.flush()
    terms.forget(session)
    return row.id


def check(rules: Sequence[Rule]) -> None:
    """Raises `InvalidInput` for prices that cannot be, or that contradict one another."""
    channels = {"", *(family.value for family in Family), *(channel.kind for channel in registry.all())}
    for rule in rules:
        if not 0 <= rule.credits <= DEAREST:
            raise InvalidInput(f"A price is a whole number of credits from 0 to {DEAREST}.")
        if rule.channel not in channels:
            raise InvalidInput(f"There is no channel {rule.channel[:32]}.")
        if len(rule.kind) > LONGEST_KIND:
            raise InvalidInput(f"There is no type {rule.kind[:LONGEST_KIND]}….")
        if rule.direction not in ("", *Direction):
            raise InvalidInput("A direction is in or out.")
        if rule.country and not (len(rule.country) == 2 and rule.country.isascii() and rule.country.isupper()):
            raise InvalidInput("A country is two letters, as PH.")
    if len({(rule.channel, rule.direction, rule.kind, rule.country) for rule in rules}) < len(rules):
        raise InvalidInput("Two prices are for the same messages.")


def parse(prices: Sequence[str]) -> list[Rule]:
    """Prices as people write them: CHANNEL/DIRECTION/TYPE/COUNTRY=CREDITS, `*` for all of them, a `!` behind the
    number for the whole text instead of each of its segments. Raises `InvalidInput`."""
    if len(prices) > MOST_RULES:
        raise InvalidInput(f"A list has at most {MOST_RULES} prices.")
    found = []
    for written in prices:
        named, _, cost = written.partition("=")
        fields = ["" if each in ("*", "") else each for each in named.split("/")]
        number = cost.removesuffix("!")
        if len(fields) != len(_FIELDS) or not (number.isascii() and number.isdigit()) or len(number) > 9:
            raise InvalidInput(f"{written[:60]} is no price: write it as sms/out/text/FR=4.")
        channel, direction, kind, country = fields
        found.append(Rule(int(number), channel, direction, kind, country, per_segment=not cost.endswith("!")))
    return found


def written(rule: PriceRule | Rule) -> str:
    """A price as people write it, without its credits."""
    return "/".join(getattr(rule, name) or "*" for name in _FIELDS) + ("" if rule.per_segment else "!")
