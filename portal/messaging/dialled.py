"""What stands in a cell or a form field, reduced to the digits one would dial, or the reason why nobody could."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a text is no number to send to."""

    EMPTY = "empty"
    SCIENTIFIC = "scientific_notation"
    EXTENSION = "extension"
    SEVERAL = "several_numbers"
    LETTERS = "letters"
    NOT_A_NUMBER = "not_a_number"
    NO_COUNTRY = "no_country"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_MOBILE = "not_mobile"
    WRONG_COUNTRY = "wrong_country"


SENTENCES = {
    Reason.EMPTY: "There is no number here.",
    Reason.SCIENTIFIC: "A spreadsheet has shortened this number (9.17E+09) and digits are lost: make the column text.",
    Reason.EXTENSION: "A number with an extension cannot receive messages: give the mobile number alone.",
    Reason.SEVERAL: "There is more than one number here: give each a row of its own.",
    Reason.LETTERS: "There are letters in this number: write it in digits.",
    Reason.NOT_A_NUMBER: "This is not a phone number of any country: check its digits.",
    Reason.NO_COUNTRY: "The country of this number is not known: write it with + and the country code.",
    Reason.TOO_SHORT: "Digits are missing: a mobile number of this country is longer.",
    Reason.TOO_LONG: "There are too many digits: a mobile number of this country is shorter.",
    Reason.NOT_MOBILE: "This is a landline or a service number: messages reach mobile numbers only.",
    Reason.WRONG_COUNTRY: "This number belongs to a country that is not allowed here.",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """A text that is no number to send to."""

    reason: Reason

    @property
    def sentence(self) -> str:
        """What a person reads."""
        return SENTENCES[self.reason]


_SCIENTIFIC = re.compile(r"\d+(?:[.,]\d+)?e[+-]?\d+", re.IGNORECASE)
_EXTENSION = re.compile(r"\d\W*(?:e?xt\w*|x|poste|loc(?:al)?|#)\W*\d{1,7}\W*$", re.IGNORECASE)
_BETWEEN_NUMBERS = re.compile(r"[+,;/|\\&\n]|[^\W\d_]+")
_EXPORTED_AS_FLOAT = re.compile(r"(\d{7,})\.0")
_PUNCTUATION = frozenset("().,/\\;:'\"=·•_")
_IGNORED_CATEGORIES = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Pd"))


def dialled(text: str) -> str | Rejection:
    """ASCII digits, after a + when the number is international. Digits of any script are read.

    What would need a guess is refused before any digit is looked at: a reader that skips what it does not know makes
    a wrong number out of two numbers, an extension or a word.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if reason := _refusal(text):
        return Rejection(reason)
    if exported := _EXPORTED_AS_FLOAT.fullmatch(text):
        text = exported[1]
    kept = "".join(_dialled_character(character) for character in text)
    kept = re.sub(r"^0+\+|^\+00", "+", kept)  # 0+44…, +0044…
    kept = re.sub(r"^\+0", "0", kept)  # no country code starts with 0, so the + is a stray one
    return kept if re.fullmatch(r"\+?\d+", kept) else Rejection(Reason.NOT_A_NUMBER)


def _refusal(text: str) -> Reason | None:
    if not text:
        return Reason.EMPTY
    if not any(map(str.isdecimal, text)):
        return Reason.NOT_A_NUMBER
    if _SCIENTIFIC.fullmatch(text.lstrip("'+")):
        return Reason.SCIENTIFIC
    if _several(text):
        return Reason.SEVERAL
    if _EXTENSION.search(text):
        return Reason.EXTENSION
    return Reason.LETTERS if any(map(str.isalpha, text)) else None


def _several(text: str) -> bool:
    return any(sum(map(_long_enough, chunks)) > 1 for chunks in (_BETWEEN_NUMBERS.split(text), text.split()))


def _long_enough(chunk: str) -> bool:
    """Seven digits: the shortest number that stands alone, and two of them are more than E.164's fifteen at most."""
    return sum(map(str.isdecimal, chunk)) >= 7


def _dialled_character(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if character in _PUNCTUATION or unicodedata.category(character) in _IGNORED_CATEGORIES:
        return ""
    return character
