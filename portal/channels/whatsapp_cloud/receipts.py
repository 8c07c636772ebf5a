"""A status of Meta as a receipt, with our own key and what Meta says of the price."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Loss, Outcome, Receipt, Setback
from portal.channels.values import block, blocks, identifier, moment, text
from portal.channels.whatsapp_cloud import codes
from portal.channels.whatsapp_cloud.addresses import group, person, phone
from portal.channels.whatsapp_cloud.fields import LONGEST_KEY

Data = Mapping[str, Any]

STATUSES = {
    "accepted": Outcome.ACCEPTED,
    "sent": Outcome.SENT,
    "delivered": Outcome.DELIVERED,
    "read": Outcome.READ,
    "played": Outcome.PLAYED,
    "failed": Outcome.FAILED,
}
# Legacy: the customer has deleted it on their side, which undoes nothing.
SILENT = ("deleted",)
PRICES = ("billable", "pricing_model", "type", "category")


def status(said: Data, value: Data) -> Sequence[ChannelEvent]:
    """The receipt; nothing for words that move nothing, and for statuses of payments. Raises `ChannelError`."""
    external_id, word = identifier(said.get("id")), text(said.get("status"))
    if word in SILENT or said.get("type") == "payment":
        return []
    outcome = STATUSES.get(word)
    if outcome is None:
        raise ChannelError(f"This status is not known here: {word[:40]!r}.", code="status")
    if not external_id:
        raise ChannelError("The status names no message.", code="status")
    failure = _failure(said) if outcome is Outcome.FAILED else (word, "", Loss.NONE, None)
    return [
        Receipt(
            external_id,
            outcome,
            code=failure[0],
            detail=failure[1],
            recipient=_recipient(said),
            at=moment(said.get("timestamp")),
            loss=failure[2],
            our_key=text(said.get("biz_opaque_callback_data"))[:LONGEST_KEY],
            billing=_billing(said),
            setback=failure[3],
        )
    ]


def _failure(said: Data) -> tuple[str, str, Loss, Setback | None]:
    """Code, sentence and class of the first error, and what it asks for besides the message.

    Meta names more than one only for one and the same fault. In a group each member has a status: what failed for one
    of them has reached others, and is not sent again.
    """
    first = next(iter(blocks(said.get("errors"))), {})
    code = text(first.get("code"))
    found = codes.of(code)
    told = codes.words(first)
    setback = codes.setback(code, told)
    if setback is not None and said.get("recipient_type") == "group":
        setback = replace(setback, retry=False)
    return code or "failed", codes.lost(code, told), found.loss, setback


def _recipient(said: Data) -> str:
    """Whom it was for: in a group the group, else the number, else Meta's id of the person."""
    told = said.get("recipient_id")
    if said.get("recipient_type") == "group":
        return group(told)
    found = person((told, said.get("recipient_user_id")), (None, told))
    return found[0].value if found else phone(told) or identifier(told)


def _billing(said: Data) -> dict[str, Any]:
    """`billable`, `pricing_model`, `type`, `category`; and `origin` of the conversation, where Meta still tells one."""
    price = block(said.get("pricing"))
    told = {name: price[name] for name in PRICES if isinstance(price.get(name), bool | str)}
    found = {name: value if isinstance(value, bool) else text(value)[:60] for name, value in told.items()}
    origin = text(block(block(said.get("conversation")).get("origin")).get("type"))
    return found | ({"origin": origin[:60]} if origin else {})
