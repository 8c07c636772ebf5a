"""Reading what Africa's Talking posts: a customer's text, its word on one of ours, who has opted out. Forms, unsigned.

It calls the addresses that are entered in its dashboard, so nothing in them can name a call of ours.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from portal.channels.africastalking.codes import LATE, LOSSES, LOST, REJECTED, STATUSES
from portal.channels.base import (
    ChannelError,
    ChannelEvent,
    Inbound,
    Loss,
    Outcome,
    Preference,
    Receipt,
    Unread,
    WebhookRequest,
)
from portal.channels.callbacks import RECEIVE, STATUS, e164, status_lane, told
from portal.channels.content import AddressKind, Peer
from portal.channels.values import identifier, text


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """The one text, report or opt-out of a request. Raises `ChannelError` when it is none of them."""
    if request.action not in (RECEIVE, STATUS):
        raise ChannelError("Africa's Talking posts to the actions receive and status alone.")
    said = told(request)
    if _is_opt_out(said):
        person = Peer(AddressKind.PHONE, e164(text(said.get("phoneNumber"))))
        return [Preference(person, marketing=False, everything=True)]
    if said.get("updateType"):
        return [Unread("A subscription to a premium service has changed: the portal sells none.", dict(said))]
    return [_receipt(said) if request.action == STATUS else _inbound(said)]


def lane(request: WebhookRequest) -> str:
    """The customer's number, or the lane of a message's reports."""
    try:
        said = told(request)
    except ChannelError:
        return ""
    if request.action == STATUS and not _is_opt_out(said):
        return status_lane(identifier(said.get("id")))
    return text(said.get("from") or said.get("phoneNumber"))[:40]


def _is_opt_out(said: Mapping[str, object]) -> bool:
    """“Bulk SMS opt out” has the name that was left and the number, and nothing that a report or a text has."""
    named = identifier(said.get("phoneNumber")) and identifier(said.get("senderId"))
    return bool(named) and not any(said.get(name) for name in ("id", "status", "text", "from"))


def _receipt(said: Mapping[str, object]) -> ChannelEvent:
    external_id, word = identifier(said.get("id")), text(said.get("status"))[:40]
    if not external_id:
        raise ChannelError("Africa's Talking's report names no message.")
    outcome = STATUSES.get(word.lower())
    if outcome is None:
        return Unread(f"Africa's Talking's status “{word}” is not known here.", dict(said))
    reason = text(said.get("failureReason"))[:40]
    detail, loss = _why(outcome, word, reason)
    return Receipt(
        external_id,
        outcome,
        code=reason if detail and reason else word,
        detail=detail,
        recipient=e164(text(said.get("phoneNumber"))),
        loss=loss,
    )


def _why(outcome: Outcome, word: str, reason: str) -> tuple[str, Loss]:
    if outcome is Outcome.EXPIRED:
        return LATE
    if outcome is not Outcome.FAILED:
        return "", Loss.NONE
    return LOSSES.get(reason.lower()) or (REJECTED if word.lower() == "rejected" else LOST)


def _inbound(said: Mapping[str, object]) -> Inbound:
    sender = text(said.get("from")).strip()
    if not sender:
        raise ChannelError("Africa's Talking's message names no sender.")
    return Inbound(
        e164(sender),
        text(said.get("text")),
        external_id=identifier(said.get("id")),
        recipient=e164(text(said.get("to"))),
        at=_moment(said.get("date")),
    )


def _moment(value: object) -> datetime | None:
    """A date with its zone; one without is not believed, since nobody says which zone it would be."""
    try:
        found = datetime.fromisoformat(text(value).strip())
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):  # of the first or the last day that there is
        return None
