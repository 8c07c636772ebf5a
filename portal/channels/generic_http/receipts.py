"""A gateway's word on a message as a receipt: a pure function."""

from collections.abc import Mapping

from portal.channels.base import Loss, Outcome, Receipt
from portal.channels.generic_http.codes import status

Meanings = Mapping[str, tuple[Outcome, tuple[str, Loss]]]


def receipt(external_id: str, word: str, error: str, our_key: str, own: Meanings) -> Receipt | None:
    """None for a word that nobody knows. The gateway's own error code goes before its word."""
    meaning = status(word, own)
    if meaning is None:
        return None
    outcome, (detail, loss) = meaning
    code = error if detail and error.strip("0") else word
    return Receipt(external_id, outcome, code=code.strip()[:60], detail=detail, loss=loss, our_key=our_key)
