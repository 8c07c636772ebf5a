"""Clickatell's word on a message, in both shapes: pure functions."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.callbacks import e164
from portal.channels.clickatell.codes import FLAT, FLAT_LOSSES, LOSSES, NUMBERS, STATUSES
from portal.channels.values import identifier, moment, number, text


def of_update(said: Mapping[str, Any], external_id: str = "") -> Receipt | None:
    """One of the One API's updates, or its answer to a question; None for a status that has no meaning here."""
    word = word_of(said)
    outcome = STATUSES.get(word)
    found = identifier(said.get("messageId")) or identifier(said.get("apiMessageId")) or external_id
    if outcome is None or not found:
        return None
    lost = outcome in (Outcome.FAILED, Outcome.EXPIRED)
    return _receipt(said, found, outcome, word, LOSSES[word] if lost else ("", Loss.NONE))


def of_flat(said: Mapping[str, Any]) -> Receipt | None:
    """A flat request's status; None for a code that has no meaning here. A word of the One API goes first."""
    if text(said.get("status")).upper() in STATUSES:
        return of_update(said)
    code, found = int(number(said.get("statusCode")) or 0), identifier(said.get("messageId"))
    outcome = FLAT.get(code)
    if outcome is None or not found:
        return None
    return _receipt(said, found, outcome, str(code), FLAT_LOSSES.get(code, ("", Loss.NONE)))


def word_of(said: Mapping[str, Any]) -> str:
    """The One API's name of the status, also where only its number is told."""
    return text(said.get("status")).upper()[:60] or NUMBERS.get(int(number(said.get("statusCode")) or 0), "")


def _receipt(said: Mapping[str, Any], external_id: str, outcome: Outcome, code: str, why: tuple[str, Loss]) -> Receipt:
    return Receipt(
        external_id,
        outcome,
        code=code,
        detail=why[0],
        recipient=e164(text(said.get("to"))),
        at=moment(said.get("timestamp")),
        loss=why[1],
        our_key=identifier(said.get("clientMessageId")),
    )
