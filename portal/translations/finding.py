"""Finds the translation of an English sentence, also of one that names and numbers were put into before it was kept.

`HighLevel was told: delivered.` is in no catalogue, `HighLevel was told: {status}.` is. The sentence is laid over the
patterns of the catalogue; what stands where a value stood goes into the translation as it is.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from gettext import c2py

from babel.messages.catalog import Catalog

# Longer texts are no sentences of ours, and laying patterns over them takes time.
LONGEST = 400
# A value of so many words that is in the catalogue as it stands is no name or text of a customer.
_CLAUSE = 5
_VALUE = re.compile(r"\{(\w*)\}")
# How sentences name a stretch of time that was counted before they were kept.
_COUNT = re.compile(r"([0-9]{1,9}) ([a-z]+)")
_COUNTED = "%(num)d "
_ENDS = re.compile(r"(?<=[.!?]) (?=[A-Z“])")


@dataclass(frozen=True, slots=True)
class _Pattern:
    shape: re.Pattern[str]
    names: tuple[str, ...]
    said: str

    def filled(self, values: list[str]) -> str:
        """The translation with these values, in the order of the English sentence."""
        named = dict(zip(self.names, values, strict=True))
        return _VALUE.sub(lambda place: named.get(place[1], ""), self.said).strip()


@dataclass
class Sentences:
    """The translated sentences of one language."""

    fixed: dict[str, str] = field(default_factory=dict)
    patterns: dict[str, list[_Pattern]] = field(default_factory=lambda: defaultdict(list))
    counted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    form: Callable[[int], int] = lambda _: 0

    def __post_init__(self) -> None:
        self.find = lru_cache(4096)(self._find)

    @classmethod
    def of(cls, catalogue: Catalog) -> "Sentences":
        """Those of a catalogue that have a translation."""
        made = cls(form=c2py(catalogue.plural_expr))
        for message in catalogue:
            if not isinstance(message.id, str) and message.string and all(message.string):
                units = [each.removeprefix(_COUNTED) for each in message.id if each.startswith(_COUNTED)]
                made.counted |= dict.fromkeys(units, tuple(message.string))
            if isinstance(message.id, str) and message.id and isinstance(message.string, str) and message.string:
                made.fixed[message.id] = message.string
                if _VALUE.search(message.id) and "{{" not in message.id:
                    pattern = _pattern(message.id, message.string)
                    made.patterns[_first_word(message.id)].append(pattern)
        return made

    def _find(self, text: str) -> str:
        """The translation; the text itself, in so far as there is none."""
        if text in self.fixed:
            return self.fixed[text]
        if len(text) > LONGEST:
            return text
        count = _COUNT.fullmatch(text)
        if count and count[2] in self.counted:
            number = int(count[1])
            return self.counted[count[2]][self.form(number)] % {"num": number}
        whole = next(self._filled(text), None)
        if whole is not None:
            return whole
        each = _ENDS.split(text)
        return " ".join(self.find(one) for one in each) if len(each) > 1 else text

    def _filled(self, text: str) -> Iterator[str]:
        for pattern in (*self.patterns.get(_first_word(text), ()), *self.patterns.get("", ())):
            found = pattern.shape.fullmatch(text)
            if found and not any(_ENDS.search(value) and not _ended(value) for value in found.groups("")):
                yield pattern.filled([self._value(value) for value in found.groups("")])

    def _value(self, value: str) -> str:
        """A name or a number stays. "12 minutes", a whole sentence inside of another and a clause of the catalogue's
        have their own translation."""
        if _COUNT.fullmatch(value) or (_ended(value) and " " in value):
            return self.find(value.strip())
        return self.fixed.get(value, value) if len(value.split()) >= _CLAUSE else value


def _pattern(sentence: str, said: str) -> _Pattern:
    pieces = _VALUE.split(sentence)  # text, name, text, name, …, text
    shape = "".join("(.*?)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces))
    # A reason that follows on the sentence may be missing, and with it the space before it.
    shape = re.sub(r"\\ \(\.\*\?\)$", r"(?:\\ (.*?))?", shape)
    return _Pattern(re.compile(shape, re.DOTALL), tuple(pieces[1::2]), said)


def _first_word(text: str) -> str:
    """By which a pattern is looked up; "" for one that begins with a value."""
    word = text.split(" ", 1)[0]
    return "" if _VALUE.search(word) else word


def _ended(text: str) -> bool:
    return text.rstrip().endswith((".", "!", "?"))
