"""What alerts are about, in the words that people choose by: a topic for each kind, and what each kind means."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from portal.alerts import notices as n
from portal.errors import InvalidInput

LONGEST_GRACE = 24 * 3600


class Topic(StrEnum):
    """What an incident is about. Recipients and grace periods are set by these."""

    SENDER = "sender"
    DEAF = "deaf"
    FAILURES = "failures"
    QUEUE = "queue"
    CONNECTION = "connection"
    WEBHOOKS = "webhooks"
    CREDITS = "credits"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class About:
    """A topic in words, and after how many seconds of an incident somebody is told, unless an agency says otherwise."""

    name: str
    means: str
    grace: int


TOPICS: Mapping[Topic, About] = MappingProxyType(
    {
        Topic.SENDER: About("Sender down", "A line or an account that cannot send. Its messages wait.", 120),
        Topic.DEAF: About("Sender deaf", "It sends, but nothing is heard from its provider any more.", 300),
        Topic.FAILURES: About("Failure rate", "Unusually many messages fail, are rejected or are slow.", 300),
        Topic.QUEUE: About("Queue age", "Messages wait longer than they should.", 300),
        Topic.CONNECTION: About("HighLevel connection", "A token, a permission or an installation has ended.", 60),
        Topic.WEBHOOKS: About("Parked events", "Webhooks that could not be applied, or proved nothing.", 300),
        Topic.CREDITS: About("Low credit", "A wallet or a provider account runs low.", 60),
        Topic.OTHER: About("Everything else", "Templates, files, settings: what fits nowhere else.", 300),
    }
)

# These say that an incident is over: the incident's own notice tells that.
GOOD_NEWS = frozenset({n.ACCOUNT_WELL, n.REJECTIONS_OVER})

_KINDS: Mapping[Topic, tuple[str, ...]] = {
    Topic.SENDER: (n.LINE_DOWN, n.LINE_UNKNOWN, n.LINE_CHANGED, n.SENDER_FAULT),
    Topic.DEAF: (n.DEAF,),
    Topic.FAILURES: (n.FAILURES, n.REJECTIONS, n.ACCOUNT_FAILING, n.ACCOUNT_SLOW, n.STATUS_REFUSED),
    Topic.QUEUE: (n.QUEUE_AGE, n.GHL_WAITS),
    Topic.CONNECTION: (
        n.DEAD_TOKEN,
        n.SCOPES_MISSING,
        n.NOT_INSTALLED,
        n.LOCATION_INACTIVE,
        n.LOCATION_GONE,
        n.LOCATION_MOVED,
        n.UNLISTED,
        n.NOT_TOLD,
    ),
    Topic.WEBHOOKS: (n.PARKED, n.UNAUTHENTIC, n.NO_MESSAGE_ID, n.UNREAD_ITEMS, n.WEBHOOK_DRIFT, n.WEBHOOK_LEFT),
    Topic.CREDITS: (n.CREDITS_LOW, n.CREDITS_BURN, n.CREDITS_AGENCY, n.LOW_BALANCE, n.WALLET_EMPTY, n.CHARGES_WAIT),
}
_TOPIC_OF = {kind: topic for topic, kinds in _KINDS.items() for kind in kinds}


def topic_of(kind: str) -> Topic:
    """What an alert of this kind is about."""
    return _TOPIC_OF.get(kind, Topic.OTHER)


def kinds_of(topic: Topic) -> tuple[str, ...]:
    """The kinds of a topic, those of `OTHER` left out: they are all that no topic names."""
    return _KINDS.get(topic, ())


def check(topics: list[str]) -> list[str]:
    """The topics, each once, in their order. Raises `InvalidInput` for one that does not exist."""
    unknown = [each for each in topics if each not in list(Topic)]
    if unknown:
        raise InvalidInput(f"There is no topic {unknown[0][:40]}. Topics: {', '.join(Topic)}.")
    return [topic.value for topic in Topic if topic in topics]
