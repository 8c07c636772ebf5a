"""Reading what a location's routing is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.messaging import choosing, routing, routing_rules, switching
from portal.models import Location, Message, RoutingRule, Sender

# So many of the newest messages are looked through for the people who wrote in HighLevel.
LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Line:
    """A rule with its sender, None when that one is not there any more: then the rule is passed over."""

    row: RoutingRule
    sender: routing.Candidate | None


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows. `senders` stand in the order in which they stand in for each other."""

    senders: Sequence[routing.Candidate]
    rules: Sequence[Line]
    default: routing.Candidate | None
    policy: str
    switched: dict[int, routing.Switch]
    names: dict[int, str]


def of(session: Session, location: Location) -> View:
    """All of one location."""
    senders = choosing.candidates(session, location)
    by_id = {each.id: each for each in senders}
    rows = routing_rules.of(session, location.id)
    return View(
        senders=senders,
        rules=[Line(row, by_id.get(row.sender_id)) for row in rows],
        default=next((each for each in senders if each.is_default), None),
        policy=switching.policy_of(location),
        switched=choosing.switches(session, location.id),
        names={each.id: each.name for each in senders},
    )


def users(session: Session, location_id: int) -> list[str]:
    """The ids of HighLevel's users who wrote lately."""
    newest = (
        select(Message.user_id)
        .where(Message.location_id == location_id)
        .order_by(Message.position.desc(), Message.id.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    return sorted(session.scalars(select(newest.c.user_id).where(newest.c.user_id != "").distinct()))


def senders_of(session: Session, location_id: int) -> Sequence[Sender]:
    """The location's senders that are not removed, in their order."""
    return session.scalars(choosing.SENDERS, {"location": location_id}).all()
