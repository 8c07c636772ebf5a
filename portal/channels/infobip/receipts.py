"""Infobip's word on a message, in a report or in its logs: pure functions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.callbacks import e164
from portal.channels.infobip.codes import BY_GROUP, DELIVERED, ERROR_NAMES, LOSSES, LOST, LOST_FOR, REJECTED, STATUSES
from portal.channels.infobip.wire import group_of, id_of
from portal.channels.values import block, identifier, number, text


def key_of(message_id: str) -> str:
    """Our key of the call that gave a message this id, see `id_for`; whatever else stands there is no key."""
    return message_id.replace("_", ":")


def id_for(key: str) -> str:
    """The id under which a call sends: ids are in addresses, where a colon is best left out."""
    return key.replace(":", "_")


def of_report(said: Mapping[str, Any], our_key: str = "") -> Receipt | None:
    """A report or a line of the logs; None for a status that has no meaning here."""
    message_id, status = identifier(said.get("messageId")), block(said.get("status"))
    group, found = group_of(status), id_of(status)
    outcome = STATUSES.get(found) if group is not None else None
    if outcome is Outcome.DELIVERED and group != DELIVERED:
        outcome = None  # it contradicts itself: no delivery is shown for that
    outcome = outcome or BY_GROUP.get(-1 if group is None else group)
    if outcome is None or not message_id:
        return None
    code, detail, loss = text(status.get("name"))[:60] or text(status.get("groupName"))[:60], "", Loss.NONE
    if outcome in (Outcome.FAILED, Outcome.EXPIRED):
        name = text(block(said.get("error")).get("name"))[:60]
        detail, loss = _why(found, group, name)
        code = name if name and name.upper() in ERROR_NAMES else code
    return Receipt(
        message_id,
        outcome,
        code=code or str(found),
        detail=detail,
        recipient=e164(text(said.get("to") or said.get("destination"))),
        at=moment(said.get("doneAt")),
        loss=loss,
        our_key=our_key or key_of(message_id),
        billing=_bill(said),
    )


def moment(value: object) -> datetime | None:
    """`2019-11-09T16:00:00.000+0000`; None for what is none."""
    try:
        found = datetime.fromisoformat(text(value))
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):  # of the first or the last day that there is
        return None


def _why(status: int, group: int | None, name: str) -> tuple[str, Loss]:
    """The error says why; where it says nothing, the status does."""
    known = ERROR_NAMES.get(name.upper()) or LOSSES.get(status)
    if known is not None:
        return known
    loss = Loss.REJECTED if group == REJECTED else Loss.NONE
    return (LOST_FOR.format(name=name) if name and name.upper() != "NO_ERROR" else LOST), loss


def _bill(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it costs: `price` of one segment, `currency`, `segments`."""
    price = block(said.get("price"))
    each, count = number(price.get("pricePerMessage")), number(said.get("messageCount") or said.get("smsCount"))
    if each is None:
        return {}
    told = {"price": f"{each:g}", "currency": text(price.get("currency"))[:8]}
    return told | ({"segments": str(int(count))} if count else {})
