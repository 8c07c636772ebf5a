"""Twilio's word on a message, in a callback or asked for, as a receipt: pure functions."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.twilio.codes import CANCELED, EXPIRED, LOSSES, LOST, LOST_FOR, STATUSES
from portal.channels.values import identifier, text

# Words of a message that came in: it has no receipts.
INBOUND = frozenset({"receiving", "received"})


def of_callback(said: Mapping[str, str], our_key: str) -> Receipt | None:
    """A status callback; None for a word that has no meaning here."""
    external_id = identifier(said.get("MessageSid") or said.get("SmsSid"))
    word = text(said.get("MessageStatus") or said.get("SmsStatus")).lower()
    return of_word(external_id, word, text(said.get("ErrorCode")), text(said.get("To")), our_key)


def of_message(external_id: str, said: Mapping[str, Any]) -> Receipt | None:
    """A message as Twilio has it, with its price once that is known."""
    return of_word(
        external_id,
        text(said.get("status")).lower(),
        text(said.get("error_code")),
        text(said.get("to")),
        "",
        bill(said),
    )


def of_word(
    external_id: str, word: str, code: str, recipient: str, our_key: str, billing: Mapping[str, Any] | None = None
) -> Receipt | None:
    """A receipt from Twilio's word and error code."""
    outcome = STATUSES.get(word)
    if outcome is None or not external_id:
        return None
    detail, loss = "", Loss.NONE
    if outcome is Outcome.FAILED:
        unknown = LOST_FOR.format(code=code[:10]) if code.isdigit() else CANCELED if word == "canceled" else LOST
        detail, loss = LOSSES.get(code, (unknown, Loss.NONE))
        outcome = Outcome.EXPIRED if code in EXPIRED else outcome
    return Receipt(
        external_id,
        outcome,
        code=code if code.isdigit() and detail else word,
        detail=detail,
        recipient=recipient,
        loss=loss,
        our_key=our_key,
        billing=billing or {},
    )


def bill(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Twilio says of the price: `price` (a negative decimal, as a text), `currency`, `segments`."""
    named = (("price", "price"), ("currency", "price_unit"), ("segments", "num_segments"))
    found = {ours: text(said.get(theirs))[:40] for ours, theirs in named}
    return {name: value for name, value in found.items() if value} if found["price"] else {}
