"""Texts in plain letters: known ones, and what must hold for every text."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.messaging import segments
from portal.messaging.plain_letters import offer, plain
from portal.messaging.segments import GSM7, Encoding

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "plain_letters.json"
CASES = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]


def text_of(case: dict[str, Any], name: str, runs: str) -> str:
    return case[name] if name in case else "".join(characters * times for characters, times in case[runs])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_known_texts(case: dict[str, Any]) -> None:
    text, wanted = text_of(case, "text", "runs"), text_of(case, "plain", "plain_runs")
    found = offer(text, "sms")
    assert (found.text, found.parts, found.parts_then) == (wanted, case["parts"], case["then"])
    assert (found.credits, found.credits_then) == (case["parts"], case["then"])
    assert found.saves == case["parts"] - case["then"]


@given(st.text(max_size=300))
def test_what_is_replaced_is_named_and_nothing_else_changes(text: str) -> None:
    found = offer(text, "sms")
    by_character = {each.character: each.plain for each in found.changes}
    if by_character:
        whole = unicodedata.normalize("NFC", text)
        said = (by_character.get(each, each) for each in whole)
        assert found.text == "".join(each if new is None else new for each, new in zip(whole, said, strict=True))
    assert plain(found.text) == found.text, "twice is once"


@given(st.text(alphabet=sorted(GSM7), max_size=300))
def test_plain_letters_stay(text: str) -> None:
    assert plain(text) == text and offer(text, "sms").changes == ()


@given(st.text(alphabet="aéáçœ’“–…\u00a0\u200b", max_size=300))
def test_the_usual_culprits_all_have_plain_letters(text: str) -> None:
    assert segments.split(plain(text)).encoding is Encoding.GSM7


def test_the_offer_says_what_is_saved_and_why_not() -> None:
    assert offer("’" * 80, "sms").sentence == "Plain letters save 1 part of 2: 1 credit for a recipient instead of 2."
    assert offer("😀" * 40, "sms").sentence == "Plain letters save nothing: 😀 cannot be replaced."
    assert offer("’", "sms").sentence == "" and offer("plain", "sms").sentence == ""
    assert offer("’" * 80, "whatsapp").saves == 0, "nothing is cut there"
    first = offer("\u200b’’", "sms").changes
    assert [(each.name, each.plain, each.times) for each in first] == [
        ("zero width space", "", 1),
        ("right single quotation mark", "'", 2),
    ]


def test_the_addresses_of_files_count_too() -> None:
    link = "https://pictures.example/" + "x" * 50
    assert (offer("’", "sms", [link]).parts, offer("’", "sms", [link]).parts_then) == (2, 1)
