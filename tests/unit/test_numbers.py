"""Numbers as people write them: known spellings, whole lists, and what must hold for any text."""

import json
import re
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.messaging.dialled import SENTENCES
from portal.messaging.number_plans import judge, plain_mobile
from portal.messaging.numbers import Kind, Number, Reason, Rejection, mask, normalise, normalise_many

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = json.loads((REPOSITORY / "tests" / "vectors" / "numbers.json").read_text(encoding="utf-8"))["cases"]
SHARED_FILE = REPOSITORY.parent / "shared" / "vectors" / "imqs-normalize.json"
SHARED = json.loads(SHARED_FILE.read_text(encoding="utf-8"))["normalize"] if SHARED_FILE.exists() else []


def outcome_of(found: Number | Rejection) -> str:
    return found.e164 if isinstance(found, Number) else found.reason


@pytest.mark.parametrize(("text", "country", "expected"), OWN)
def test_known_spellings(text: str, country: str, expected: str) -> None:
    assert outcome_of(normalise(text, country)) == expected


@pytest.mark.parametrize("case", SHARED, ids=lambda case: case["name"])
def test_shared_lists(case: dict[str, Any]) -> None:
    batch = normalise_many(case["body"]["msisdns"], case["countries"])
    assert [number.e164 for number in batch.numbers] == [f"+{digits}" for digits in case["suggested_rebuild_ordered"]]
    assert [row.text for row in batch.rejected] == case["suggested_rebuild_rejected"]


def test_a_number_tells_its_country_and_kind() -> None:
    assert normalise("0917 123 4567", "PH") == Number("+639171234567", "PH", Kind.MOBILE)
    assert normalise("(202) 555-0123", "US") == Number("+12025550123", "US", Kind.FIXED_LINE_OR_MOBILE)


def test_landlines_pass_where_they_can_be_reached() -> None:
    assert normalise("02 8123 4567", "PH", mobile_only=False) == Number("+63281234567", "PH", Kind.FIXED_LINE)


def test_only_allowed_countries_pass() -> None:
    assert normalise("+639171234567", "ZA", allowed=["za", "BW"]) == Rejection(Reason.WRONG_COUNTRY)
    assert normalise("639171234567", "ZA", allowed=["ZA"]) == Rejection(Reason.WRONG_COUNTRY)
    assert normalise("+639171234567", "ZA", allowed=["nowhere"]) == Rejection(Reason.WRONG_COUNTRY)
    assert outcome_of(normalise("+639171234567", "ZA", allowed=["ZA", "PH"])) == "+639171234567"


def test_a_list_keeps_its_order_and_counts_repeats_apart() -> None:
    texts = ["0840000000", "nobody", "+27840000000", "71234567", "0830000000", "0026771234567", "nobody"]
    batch = normalise_many(texts, ["ZA", "BW"])
    assert [number.e164 for number in batch.numbers] == ["+27840000000", "+26771234567", "+27830000000"]
    assert [row.text for row in batch.duplicates] == ["+27840000000", "0026771234567"]
    assert [row.text for row in batch.rejected] == ["nobody", "nobody"]
    assert [row.text for row in batch.rows] == texts


@pytest.mark.parametrize("countries", [["ZA", "BW"], ["BW", "ZA"]])
def test_every_country_of_a_list_counts(countries: list[str]) -> None:
    numbers = normalise_many(["0830000000", "71234567"], countries).numbers
    assert [number.country for number in numbers] == ["ZA", "BW"]


def test_every_reason_has_a_sentence_for_a_person() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in SENTENCES.values())
    assert Rejection(Reason.NOT_MOBILE).sentence == SENTENCES[Reason.NOT_MOBILE]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+639171234567", "+63917•••4567"),
        ("+26771234567", "+2677•••4567"),
        ("639171234567@c.us", "63917•••4567@c.us"),
        ("12345", "•••"),
        ("", "•••"),
    ],
)
def test_logs_show_too_little_to_call(number: str, shown: str) -> None:
    assert mask(number) == shown


@given(st.from_regex(r"\+[0-9]{8,15}", fullmatch=True))
def test_a_mask_hides_three_digits_or_more(number: str) -> None:
    assert len(mask(number).replace("•••", "")) <= len(number) - 3


@given(st.text(max_size=40), st.sampled_from(["", "PH", "ZA", "BW", "FR", "US", "XX"]))
def test_any_text_gives_an_answer(text: str, country: str) -> None:
    found = normalise(text, country)
    assert isinstance(found, Rejection) or re.fullmatch(r"\+[1-9][0-9]{6,14}", found.e164)


@given(
    st.text(alphabet="0123456789+-() .x/,", max_size=24),
    st.lists(st.sampled_from(["PH", "ZA", "BW", "US"]), max_size=3),
)
def test_what_was_normalised_stays_as_it_is(text: str, countries: list[str]) -> None:
    for number in normalise_many([text], countries).numbers:
        assert normalise(number.e164) == number
        assert not countries or number.country in countries


def example_numbers() -> list[str]:
    """A number of every kind in every region that the library knows."""
    kinds = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
    kinds += [phonenumbers.PhoneNumberType.VOIP, phonenumbers.PhoneNumberType.PAGER]
    found = [
        phonenumbers.example_number_for_type(region, kind)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for kind in kinds
    ]
    return [phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) for number in found if number]


EXAMPLES = example_numbers()


def test_the_fast_path_is_taken_for_mobiles() -> None:
    assert all(plain_mobile(number) for number in ("+639171234567", "+27830000000", "+26771234567", "+33612345678"))


@given(st.data())
def test_the_fast_path_agrees_with_the_library(data: st.DataObject) -> None:
    number = data.draw(st.sampled_from(EXAMPLES))
    tail = data.draw(st.text(alphabet="0123456789", max_size=6))
    changed = number[: len(number) - len(tail) + data.draw(st.integers(-1, 1))] + tail
    assert plain_mobile(changed) in (None, judge(changed))


def test_the_fast_path_agrees_on_every_example() -> None:
    assert [number for number in EXAMPLES if plain_mobile(number) not in (None, judge(number))] == []
    assert plain_mobile("+0917123456789") is None
