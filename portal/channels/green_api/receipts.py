"""A status of GREEN-API as a receipt, out of a webhook or out of the journal."""

from collections.abc import Mapping
from typing import Any

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.green_api.chats import peer
from portal.channels.green_api.codes import LOSSES, STATUS_WORDS, STATUSES
from portal.channels.values import identifier, moment, text


def receipt(said: Mapping[str, Any], status: Any) -> Receipt | None:
    """The receipt; None for a status that says nothing (`pending`), that is not known, or that names no message."""
    external_id, word = identifier(said.get("idMessage")), text(status)
    outcome = STATUSES.get(word)
    if outcome is None or not external_id:
        return None
    chat = peer(said.get("chatId"))
    return Receipt(
        external_id,
        outcome,
        code=_code(word, said) if outcome is Outcome.FAILED else word,
        detail=STATUS_WORDS.get(word, ""),
        recipient=chat.value if chat is not None else "",
        at=moment(said.get("timestamp")),
        loss=LOSSES.get(word, Loss.NONE),
    )


def _code(word: str, said: Mapping[str, Any]) -> str:
    """The status with GREEN-API's own description behind it (`noAccount: SWE004: 1000`), as evidence."""
    description = " ".join(text(said.get("description")).split())
    return f"{word}: {description}"[:120] if description else word
