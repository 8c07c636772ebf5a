"""What a message costs, in whole credits: the default price list (text 1, image or video 2, document 2, …), and how
the rules of a price list of one's own are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from portal.channels.base import Family

PRICES: Mapping[str, int] = MappingProxyType(
    {
        "text": 1,
        "image": 2,
        "video": 2,
        "document": 2,
        "interactive": 1,
        "template": 1,
        "sticker": 1,
        "audio": 1,
        "reaction": 0,
        # These change or announce another message, or say nothing that could be read.
        "edit": 0,
        "deletion": 0,
        "call": 0,
        "vote": 0,
        "system": 0,
        "unreadable": 0,
        "unsupported": 0,
    }
)
# A type that the list does not name is priced like a text.
UNLISTED = 1
INBOUND_A_DAY = 20


def price(family: str, kind: str, segments: int) -> int:
    """Credits for one part by the default list: SMS by its segments, everything else by its kind."""
    unit = PRICES.get(kind, UNLISTED)
    return unit * max(segments, 1) if family == Family.SMS else unit


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to be priced: one part that goes out, or one message that comes in.

    `channel` is the kind of the sender; `country` ISO 3166 of the customer's number, "" for an address that has none.
    """

    channel: str
    family: str
    direction: str
    kind: str
    segments: int = 1
    country: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One price of a list; "" fits all. `channel` is a kind of sender or a family of channels."""

    credits: int
    channel: str = ""
    direction: str = ""
    kind: str = ""
    country: str = ""
    per_segment: bool = True

    def fits(self, ask: Ask) -> bool:
        """Is it about that?"""
        return (
            self.channel in ("", ask.channel, ask.family)
            and self.direction in ("", ask.direction)
            and self.kind in ("", ask.kind)
            and self.country in ("", ask.country)
        )

    def weight(self, ask: Ask) -> tuple[int, ...]:
        """How much it says: by the number of things it names, then in this order: channel, country, kind, direction."""
        channel = (self.channel != "") + (self.channel == ask.channel)
        named = (bool(self.country), bool(self.kind), bool(self.direction))
        return (bool(channel) + sum(named), channel, *map(int, named))

    def price(self, ask: Ask) -> int:
        """Credits for it. Only SMS have segments."""
        times = max(ask.segments, 1) if self.per_segment and ask.family == Family.SMS else 1
        return self.credits * times


def rule_for(rules: Sequence[Rule], ask: Ask) -> Rule | None:
    """The rule that says most about it; None where none fits and the default list holds."""
    return max((rule for rule in rules if rule.fits(ask)), key=lambda rule: rule.weight(ask), default=None)


def priced(rules: Sequence[Rule], ask: Ask) -> int:
    """Credits by the rule that says most about it, by the default list where none fits."""
    rule = rule_for(rules, ask)
    return price(ask.family, ask.kind, ask.segments) if rule is None else rule.price(ask)
