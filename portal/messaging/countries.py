"""Which country a number is of."""

from functools import lru_cache

import phonenumbers


@lru_cache(maxsize=10_000)
def country_of(number: str) -> str:
    """ISO 3166 code of an E.164 number, "" where none can be told."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except phonenumbers.NumberParseException:
        return ""
