"""What would happen to what hangs on a sender, were it removed."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.messaging import sender_settings
from portal.models import Conversation, RoutingRule, Sender
from portal.web.pages.queries import sender_figures
from portal.web.pages.queries.pages import LOOKED_AT


@dataclass(frozen=True, slots=True)
class Removal:
    """`sticky` conversations keep to it, among the last `LOOKED_AT`, or more of them when `more`. `rules` name it.

    `others` stay, in their order; `orphans`: it is the default and several others stay, so that one has to be chosen.
    """

    sticky: int
    more: bool
    queued: int
    rules: int
    others: Sequence[Sender]
    orphans: bool


def of(session: Session, sender: Sender) -> Removal:
    """All of it, with a bounded look at the conversations."""
    recent = (
        select(Conversation.sticky_sender_id)
        .where(Conversation.location_id == sender.location_id)
        .order_by(Conversation.last_position.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    mine = func.count().filter(recent.c.sticky_sender_id == sender.id)
    looked_at, sticky = session.execute(select(func.count(), mine).select_from(recent)).one()
    rules = session.scalar(select(func.count()).select_from(RoutingRule).where(RoutingRule.sender_id == sender.id))
    others = [row for row in sender_settings.ordered(session, sender.location_id) if row.id != sender.id]
    return Removal(
        sticky=sticky,
        more=looked_at >= LOOKED_AT,
        queued=sender_figures.waiting_jobs(session, sender),
        rules=rules or 0,
        others=others,
        orphans=sender.is_default and len(others) > 1,
    )
