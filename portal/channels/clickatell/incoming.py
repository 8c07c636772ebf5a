"""A customer's text as Clickatell tells it, in both shapes: pure functions."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from portal.channels.base import Inbound
from portal.channels.callbacks import e164
from portal.channels.content import Piece
from portal.channels.values import identifier, moment, text

# A user data header that joins: its length, element 00 (one octet of reference) or 08 (two), reference, total, number.
_JOINED = re.compile(r"(?:[0-9A-F]{2})(?:0003([0-9A-F]{2})|0804([0-9A-F]{4}))([0-9A-F]{2})([0-9A-F]{2})")
_ESCAPED = {"UTF-16BE": "utf-16-be", "ISO-8859-1": "latin-1"}


def of_event(said: Mapping[str, Any]) -> Inbound | None:
    """One of the One API's `moText`; None when it names no sender."""
    return _inbound(said, said.get("from"), said.get("to"), text(said.get("content")))


def of_flat(said: Mapping[str, Any]) -> Inbound | None:
    """A flat request's text; None when it names no sender."""
    sender, to = said.get("fromNumber") or said.get("from"), said.get("toNumber") or said.get("to")
    return _inbound(said, sender, to, _decoded(text(said.get("text")), text(said.get("charset")).upper()))


def _inbound(said: Mapping[str, Any], sender: object, to: object, words: str) -> Inbound | None:
    if not text(sender).strip():
        return None
    return Inbound(
        e164(text(sender)),
        words,
        external_id=identifier(said.get("messageId")),
        recipient=e164(text(to)),
        at=moment(said.get("timestamp")),
        piece=_piece(text(said.get("udh")).upper()),
    )


def _decoded(words: str, charset: str) -> str:
    """Other alphabets come as escaped octets: `%04%1F` is one letter of UTF-16."""
    encoding = _ESCAPED.get(charset)
    if encoding is None or "%" not in words:
        return words
    octets = unquote_to_bytes(
        words.replace("+", "%00%20" if encoding == "utf-16-be" else "%20").encode("latin-1", "replace")
    )
    return text(octets.decode(encoding, "replace"))


def _piece(header: str) -> Piece | None:
    """What the header says of a longer text."""
    found = _JOINED.fullmatch(header)
    if found is None:
        return None
    reference, total, place = found[1] or found[2], int(found[3], 16), int(found[4], 16)
    return Piece(reference, place, total) if 1 <= place <= total and total > 1 else None
