"""Reading Cast's word on a message: a pure function from its answer to a receipt."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.cast.codes import (
    DELIVERY_WORDS,
    FAILURES,
    LOSSES,
    NOT_ON_VIBER,
    STATUSES,
    VIBER_DELIVERED,
    VIBER_FAILED,
    VIBER_FAILURES,
)
from portal.channels.cast.wire import moment

LOST = (Outcome.FAILED, Outcome.EXPIRED)


def of_sms(external_id: str, said: Mapping[str, Any]) -> Receipt | None:
    """Cast's own status first when that is final, then the carrier's raw word. None when there is no news."""
    status, word = str(said.get("status") or "").lower(), str(said.get("dlr_status") or "").upper()
    outcome = STATUSES.get(status)
    if status not in ("delivered", "failed"):
        outcome = DELIVERY_WORDS.get(word, outcome)
    if outcome is None:
        return None
    at = moment(said.get({Outcome.SENT: "sent_at", Outcome.DELIVERED: "delivered_at"}.get(outcome, "")))
    if outcome not in LOST:
        return Receipt(external_id, outcome, code=word or status, at=at)
    detail = FAILURES.get(word) or FAILURES[status]
    loss = LOSSES.get(word) or LOSSES.get(status, Loss.NONE)
    return Receipt(external_id, outcome, code=word or status, detail=detail, at=at, loss=loss)


def of_viber(external_id: str, said: Mapping[str, Any]) -> Receipt | None:
    """`delivery_status` when there is one that is explained, else Cast's own status."""
    number, status = said.get("delivery_status"), str(said.get("status") or "").lower()
    if number == VIBER_DELIVERED:
        return Receipt(external_id, Outcome.DELIVERED, code=str(number), at=moment(said.get("delivered_at")))
    if number == NOT_ON_VIBER:
        detail = VIBER_FAILURES[NOT_ON_VIBER]
        return Receipt(external_id, Outcome.FAILED, code=str(number), detail=detail, loss=Loss.UNREACHABLE)
    code = status if number is None else str(number)[:20]
    if status == "failed":
        return Receipt(external_id, Outcome.FAILED, code=code, detail=VIBER_FAILED, loss=Loss.REJECTED)
    if status == "sent":
        return Receipt(external_id, Outcome.SENT, code=code, at=moment(said.get("sent_at")))
    return None
