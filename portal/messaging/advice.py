"""What whoever writes a message should know before: its price in other letters, and the rules of its country."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.base import Family
from portal.channels.content import Content
from portal.messaging import country_rules
from portal.messaging.country_rules import Caution
from portal.messaging.plain_letters import Offer, offer
from portal.models import Sender, SenderState


@dataclass(frozen=True, slots=True)
class Advice:
    """For messages through one sender, as far as it can be told beforehand which one that is."""

    family: str = ""
    sender_id: str = ""

    @classmethod
    def of(cls, session: Session, location_id: int, sender_id: int | None) -> "Advice":
        """The sender that is named, or else the default or the only one: what the routing most often chooses."""
        own = select(Sender).where(Sender.location_id == location_id, Sender.state != SenderState.REMOVED)
        found = session.scalars(own.order_by(Sender.is_default.desc(), Sender.position, Sender.id)).all()
        if sender_id is not None:
            found = [each for each in found if each.id == sender_id]
        if not found or not (found[0].is_default or len(found) == 1):
            families = {each.family for each in found}
            return cls(families.pop()) if len(families) == 1 else cls()
        return cls(found[0].family, found[0].address)

    def offer(self, text: str, attachments: Sequence[str], content: Content | None) -> Offer | None:
        """What plain letters would save; None where no SMS of a plain text goes out."""
        return offer(text, self.family, attachments) if self.family == Family.SMS and content is None else None

    def cautions(self, country: str, text: str, at: datetime | None) -> Sequence[Caution]:
        """What the country's networks do to such an SMS, at a time or now."""
        if self.family != Family.SMS:
            return ()
        return tuple(country_rules.of_message(country, self.sender_id, text, at or clock.now()))


def of_sender_id(sender: Sender) -> Sequence[Caution]:
    """What becomes of an SMS sender's own id in the countries that rules are known of."""
    if sender.family != Family.SMS:
        return ()
    found = (country_rules.of_sender(country, sender.address) for country in country_rules.countries())
    return tuple(each for each in found if each is not None)
