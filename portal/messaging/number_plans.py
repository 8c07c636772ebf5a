"""What a country's numbering plan says of dialled digits: valid or not, mobile or not, too short or too long.

The plans are those of libphonenumber (`phonenumbers`), with what we know better written down here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberType

from portal.messaging.dialled import Reason, Rejection


class Kind(StrEnum):
    """What its country's plan says of a number. Where mobiles look like landlines (USA, Canada) it cannot tell."""

    MOBILE = "mobile"
    FIXED_LINE_OR_MOBILE = "fixed_line_or_mobile"
    FIXED_LINE = "fixed_line"
    OTHER = "other"


REACHABLE = frozenset((Kind.MOBILE, Kind.FIXED_LINE_OR_MOBILE))


@dataclass(frozen=True, slots=True)
class Number:
    """A valid number: E.164 with `+`, and the ISO 3166 code of its country."""

    e164: str
    country: str
    kind: Kind


_KINDS = {
    PhoneNumberType.MOBILE: Kind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.FIXED_LINE: Kind.FIXED_LINE,
}
_PARSE_FAULTS = {
    NumberParseException.INVALID_COUNTRY_CODE: Reason.NOT_A_NUMBER,
    NumberParseException.TOO_LONG: Reason.TOO_LONG,
}
# South African mobiles have 9 digits; libphonenumber lets truncated 08x numbers of 5 to 8 pass as well.
_MOBILE_LENGTHS = {"ZA": (9,)}
# What the library looks for before it looks for a mobile.
_EARLIER_KINDS = ["premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail"]


def judge(number: str, country: str | None = None) -> Number | Rejection:
    """The library's word on ASCII digits; without `country` they must start with +."""
    try:
        parsed = phonenumbers.parse(number, country)
    except NumberParseException as error:
        return Rejection(_PARSE_FAULTS.get(error.error_type, Reason.TOO_SHORT))
    region = phonenumbers.region_code_for_number(parsed)
    if region is None or not phonenumbers.is_valid_number(parsed):
        main = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
        return Rejection(_length_fault(parsed, main) or Reason.NOT_A_NUMBER)
    kind = _KINDS.get(phonenumbers.number_type(parsed), Kind.OTHER)
    if kind is Kind.MOBILE and (fault := _length_fault(parsed, region)):
        return Rejection(fault)
    return Number(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164), region, kind)


def plain_mobile(text: str) -> Number | None:
    """The fast path for E.164 as systems write it: `judge`'s answer a tenth as dear, or None for "ask `judge`"."""
    if text[:1] != "+" or not text.isascii():
        return None
    for end in (2, 3, 4):  # no calling code is the beginning of another
        plan = _mobile_plan(text[1:end])
        if plan and plan[1].match(text, end):
            return Number(text, plan[0], Kind.MOBILE)
    return None


@cache
def mobile_lengths(region: str) -> tuple[int, ...]:
    """How many digits mobiles of a region have, without the country code; () for what is no country."""
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.mobile is None or metadata.general_desc is None:
        return ()
    return _MOBILE_LENGTHS.get(region) or metadata.mobile.possible_length or metadata.general_desc.possible_length


def calls_abroad_with(number: str, country: str) -> bool:
    """Do these digits start with what people of a country dial before a foreign number (00, Thailand 001, USA 011)?"""
    metadata = PhoneMetadata.metadata_for_region(country)
    prefix = metadata.international_prefix if metadata else None
    return bool(prefix and re.match(prefix, number))


def _length_fault(parsed: PhoneNumber, region: str) -> Reason | None:
    digits, lengths = len(phonenumbers.national_significant_number(parsed)), mobile_lengths(region)
    if lengths and digits < min(lengths):
        return Reason.TOO_SHORT
    return Reason.TOO_LONG if lengths and digits > max(lengths) else None


@cache
def _mobile_plan(calling_code: str) -> tuple[str, re.Pattern[str]] | None:
    """The one country of a calling code, and the national numbers there that can be nothing but a mobile."""
    shared_by = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(calling_code), ()) if calling_code.isdigit() else ()
    metadata = PhoneMetadata.metadata_for_region(shared_by[0]) if len(shared_by) == 1 else None
    if metadata is None or calling_code.startswith("0") or not (metadata.mobile and metadata.general_desc):
        return None
    lengths = "|".join(f"\\d{{{length}}}" for length in mobile_lengths(metadata.id))
    general, mobile = metadata.general_desc.national_number_pattern, metadata.mobile.national_number_pattern
    doubts = "|".join(f"(?:{pattern})" for pattern in _doubts(metadata))
    return metadata.id, re.compile(f"(?!{doubts})(?=(?:{lengths})$)(?=(?:{general})$)(?:{mobile})\\Z")


def _doubts(metadata: PhoneMetadata) -> Iterator[str]:
    """What is left to the library: a leading zero, a prefix that it may strip, a number that is of another kind too."""
    yield "0"
    if metadata.national_prefix_for_parsing:
        yield metadata.national_prefix_for_parsing
    for name in [*_EARLIER_KINDS, "fixed_line"]:
        kind = getattr(metadata, name)
        if kind and kind.national_number_pattern:
            yield f"(?:{kind.national_number_pattern})$"
