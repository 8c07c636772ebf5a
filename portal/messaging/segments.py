"""How a text becomes SMS parts: the arithmetic that decides what a message costs.

Alphabet and escape table: 3GPP TS 23.038 §6.2.1 and §6.2.1.1. Part sizes: 3GPP TS 23.040 §9.2.3.24.1, where every part
of a longer message gives 6 of its 140 octets to the header that joins the parts again.
"""

from dataclasses import dataclass
from enum import StrEnum

from portal.channels.alphabet import GSM7, GSM7_EXTENSION


class Encoding(StrEnum):
    """One character outside GSM-7, a curly quote say, makes the whole message UCS-2: 70 characters, not 160."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"

    @property
    def single(self) -> int:
        """Units in a message of one part."""
        return 160 if self is Encoding.GSM7 else 70

    @property
    def joined(self) -> int:
        """Units in each part of a longer message."""
        return 153 if self is Encoding.GSM7 else 67

    def width(self, character: str) -> int:
        """Units of one character: 2 for a GSM-7 escape pair or a UTF-16 surrogate pair, else 1."""
        if self is Encoding.GSM7:
            return 2 if character in GSM7_EXTENSION else 1
        return 2 if character > "\uffff" else 1

    def units(self, text: str) -> int:
        """Septets of GSM-7, or UTF-16 code units of UCS-2."""
        if self is Encoding.GSM7:
            return len(text) + sum(map(text.count, GSM7_EXTENSION))
        return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class Segments:
    """A text as it travels. `units` counts the text alone, without headers; the parts joined are the text again."""

    encoding: Encoding
    units: int
    parts: tuple[str, ...]


def split(text: str) -> Segments:
    """The parts that a handset joins again; an empty text is one empty part, because a provider bills one."""
    encoding = Encoding.GSM7 if GSM7.issuperset(text) else Encoding.UCS2
    units = encoding.units(text)
    if units <= encoding.single:
        parts = [text]
    elif units == len(text):
        parts = [text[start : start + encoding.joined] for start in range(0, units, encoding.joined)]
    else:
        parts = _pack(text, encoding)
    return Segments(encoding, units, tuple(parts))


def count(text: str) -> int:
    """How many parts a text is billed as."""
    return len(split(text).parts)


def _pack(text: str, encoding: Encoding) -> list[str]:
    """Fills each part as far as whole characters go: a pair may not straddle two parts, so a part may end a unit short.

    Dividing the units by the part size is wrong here: 152 letters, a euro sign and 152 letters are 306 septets, two
    times 153, and three parts.
    """
    parts, start, room = [], 0, encoding.joined
    for position, character in enumerate(text):
        width = encoding.width(character)
        if width > room:
            parts.append(text[start:position])
            start, room = position, encoding.joined
        room -= width
    return [*parts, text[start:]]
