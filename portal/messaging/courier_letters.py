"""courier's letters for what became of a message: P, Q, W, S, D, R, F. Pure.

Its E (failed, and tried again) is our `queued`: until then a message is not lost.
"""

from collections.abc import Mapping
from types import MappingProxyType

from portal.channels.base import Outcome
from portal.models import Status

_STATUSES: Mapping[str, str] = MappingProxyType(
    {
        Status.HELD: "P",
        Status.QUEUED: "Q",
        Status.SENDING: "Q",
        Status.UNKNOWN: "W",
        Status.ACCEPTED: "W",
        Status.SENT: "S",
        Status.DELIVERED: "D",
        Status.READ: "R",
        Status.FAILED: "F",
        Status.EXPIRED: "F",
        Status.CANCELLED: "F",
        Status.RECEIVED: "H",
    }
)
_OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        Outcome.ACCEPTED: "W",
        Outcome.SENT: "S",
        Outcome.DELIVERED: "D",
        Outcome.READ: "R",
        Outcome.PLAYED: "R",
        Outcome.EXPIRED: "F",
        Outcome.FAILED: "F",
    }
)


def of_status(status: str) -> str:
    """The letter of a message's status; H (handled) for one that came in."""
    return _STATUSES[status]


def of_outcome(outcome: Outcome) -> str:
    """The letter of a provider's word."""
    return _OUTCOMES[outcome]
