"""Vonage's word on one SMS of a text: pure functions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.callbacks import e164
from portal.channels.values import identifier, text
from portal.channels.vonage.codes import LOSSES, LOST, LOST_ELSE, LOST_FOR, STATUSES


def message_id(said: Mapping[str, Any]) -> str:
    """The id of the SMS that it speaks of."""
    return identifier(said.get("messageId") or said.get("message-id"))


def of_callback(said: Mapping[str, Any], our_key: str) -> Receipt | None:
    """A delivery receipt; None for a word that has no meaning here. `msisdn` is the recipient, `to` the sender."""
    word, code = text(said.get("status")).lower(), text(said.get("err-code"))
    outcome = STATUSES.get(word)
    if outcome is None or not message_id(said):
        return None
    detail, loss = "", Loss.NONE
    if outcome in (Outcome.FAILED, Outcome.EXPIRED):
        known = code.isdigit() and code != "0"
        detail, loss = _why(word, code if known else "")
        word = code if known else word
    return Receipt(
        message_id(said),
        outcome,
        code=word,
        detail=detail,
        recipient=e164(text(said.get("msisdn"))),
        at=moment(said.get("message-timestamp")),
        loss=loss,
        our_key=our_key,
        billing=_bill(said),
    )


def moment(value: object) -> datetime | None:
    """`2020-01-01 12:00:00`, in UTC; None for what is none."""
    try:
        return datetime.strptime(text(value)[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _why(word: str, code: str) -> tuple[str, Loss]:
    if code:
        return LOSSES.get(code, (LOST_FOR.format(code=code[:6]), Loss.NONE))
    return LOST.get(word, (LOST_ELSE, Loss.NONE))


def _bill(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What one SMS costs, in euros as Vonage bills."""
    price = text(said.get("price"))[:40]
    return {"price": price, "currency": "EUR"} if price else {}
