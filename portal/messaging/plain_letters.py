"""What a text would be in the letters of GSM-7, and what that saves: an offer, never done to a text by itself.

One letter outside that alphabet (a curly quote, an accent) makes the whole message UCS-2, 70 characters to a part
instead of 160. Dashes, quotes, dots and spaces have plain ones that say the same; of an accented letter the first
letter of its decomposition stays (á → a), as in GOV.UK Notify's `sanitise_text`. What has no plain letter stays.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from portal.channels.alphabet import GSM7
from portal.credits import pricing
from portal.messaging import parts

_PLAIN = {
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    "…": "...",
    "•": "*",
    # Nobody sees these; each of them makes the message UCS-2.
    **dict.fromkeys("\u180e\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    **dict.fromkeys(
        "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "
    ),
    "œ": "oe",
    "Œ": "OE",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One costly character, what would stand for it (None where nothing can), and how often it stands in the text."""

    character: str
    plain: str | None
    times: int

    @property
    def name(self) -> str:
        """What people call it: some of them cannot be seen."""
        return unicodedata.name(self.character, f"U+{ord(self.character):04X}").lower()


@dataclass(frozen=True, slots=True)
class Offer:
    """Either way: the `text` in plain letters, and the parts and credits that the message takes now and `then`."""

    text: str
    changes: tuple[Change, ...]
    parts: int
    parts_then: int
    credits: int
    credits_then: int

    @property
    def saves(self) -> int:
        """Parts; 0 when nothing is gained."""
        return max(self.parts - self.parts_then, 0)

    @property
    def sentence(self) -> str:
        """The offer as people read it; "" when there is nothing to offer."""
        if not self.saves:
            stays = [each.character for each in self.changes if each.plain is None]
            return f"Plain letters save nothing: {' '.join(stays)} cannot be replaced." if stays else ""
        parts = "1 part" if self.saves == 1 else f"{self.saves} parts"
        then = "1 credit" if self.credits_then == 1 else f"{self.credits_then} credits"
        return f"Plain letters save {parts} of {self.parts}: {then} for a recipient instead of {self.credits}."


def plain(text: str) -> str:
    """The text with every costly character that has a plain one replaced. It may be UCS-2 still."""
    if GSM7.issuperset(text):
        return text
    return "".join(_plain_or_itself(each) for each in unicodedata.normalize("NFC", text))


def offer(text: str, family: str, attachments: Sequence[str] = ()) -> Offer:
    """What plain letters would change, for one recipient of a sender of this family. Files go as links in the text."""
    shorter = plain(text)
    counts = [parts.segment_count(family, parts.with_links(each, attachments)) for each in (text, shorter)]
    prices = [pricing.price(family, "text", count) for count in counts]
    return Offer(shorter, _changes(text), counts[0], counts[1], prices[0], prices[1])


def _changes(text: str) -> tuple[Change, ...]:
    """The characters outside the alphabet, in the order in which they first stand."""
    whole = unicodedata.normalize("NFC", text)
    return tuple(Change(each, _replaced(each), whole.count(each)) for each in dict.fromkeys(whole) if each not in GSM7)


def _plain_or_itself(character: str) -> str:
    if character in GSM7:
        return character
    found = _replaced(character)
    return character if found is None else found


def _replaced(character: str) -> str | None:
    if (known := _PLAIN.get(character)) is not None:
        return known
    first = unicodedata.normalize("NFD", character)[0]
    return first if first in GSM7 else None
