"""The parts of an SMS: known texts, and what must hold for every text."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.channels.alphabet import GSM7, GSM7_BASIC, GSM7_EXTENSION
from portal.messaging.segments import Encoding, count, split

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = json.loads((REPOSITORY / "tests" / "vectors" / "segments.json").read_text(encoding="utf-8"))["cases"]
SHARED_FILE = REPOSITORY.parent / "shared" / "vectors" / "sms-segments.json"
SHARED = json.loads(SHARED_FILE.read_text(encoding="utf-8")) if SHARED_FILE.exists() else {"cases": []}

texts = st.one_of(
    st.text(max_size=500),
    st.text(alphabet=sorted(GSM7), max_size=700),
    st.text(alphabet="a€", min_size=150, max_size=500),
    st.text(alphabet="ж😀", min_size=60, max_size=300),
)


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["name"])
def test_known_texts(case: dict[str, Any]) -> None:
    text = "".join(characters * times for characters, times in case["runs"])
    segments = split(text)
    assert (segments.encoding, segments.units) == (case["encoding"], case["units"])
    assert [len(part) for part in segments.parts] == case["parts"]
    assert "".join(segments.parts) == text


@pytest.mark.parametrize("case", SHARED["cases"], ids=lambda case: case["name"])
def test_shared_texts(case: dict[str, Any]) -> None:
    text = case["text"] or constructed(case["construct"])
    segments = split(text)
    assert (segments.encoding, segments.units, count(text)) == (case["encoding"], case["units"], case["parts"])


def constructed(expression: str) -> str:
    """A Python expression for a text; the one that is a description means 150 letters and a curly quote."""
    try:
        return str(eval(expression, {"__builtins__": {}}))
    except SyntaxError:
        return "a" * 150 + "’"


def test_the_alphabet_is_the_standards() -> None:
    assert len(GSM7_BASIC) == 127, "the escape character is the 128th"
    assert len(GSM7_EXTENSION) == 10
    assert not GSM7_BASIC & GSM7_EXTENSION
    if SHARED["cases"]:
        assert set(SHARED["basic"]) == GSM7_BASIC
        assert set(SHARED["extension"]) == GSM7_EXTENSION


@given(texts)
def test_the_parts_joined_are_the_text(text: str) -> None:
    segments = split(text)
    assert "".join(segments.parts) == text
    assert segments.units == sum(map(segments.encoding.units, segments.parts))


@given(texts)
def test_every_part_fits_and_none_could_take_one_character_more(text: str) -> None:
    encoding, parts = split(text).encoding, split(text).parts
    room = encoding.single if len(parts) == 1 else encoding.joined
    assert all(encoding.units(part) <= room for part in parts)
    assert all(encoding.units(part + after[0]) > room for part, after in pairwise(parts))


@given(texts)
@example("a" * 152 + "€" + "a" * 152)
def test_never_fewer_parts_than_the_units_need(text: str) -> None:
    segments = split(text)
    if segments.units > segments.encoding.single:
        assert len(segments.parts) >= -(-segments.units // segments.encoding.joined) >= 2
    else:
        assert len(segments.parts) == 1


@given(texts)
def test_one_character_outside_the_alphabet_decides_the_encoding(text: str) -> None:
    assert split(text).encoding is (Encoding.GSM7 if set(text) <= GSM7 else Encoding.UCS2)


def test_half_a_surrogate_pair_is_one_unit_and_no_crash() -> None:
    assert split("\ud83d").units == 1
