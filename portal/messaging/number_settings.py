"""How a location's numbers are read: its country, which HighLevel tells unless a person chooses another one."""

from dataclasses import dataclass

import phonenumbers

from portal.errors import WrongField
from portal.messaging import numbers
from portal.messaging.country_names import names
from portal.messaging.numbers import Number
from portal.models import Location


@dataclass(frozen=True, slots=True)
class Example:
    """What somebody types, and what is made of it: a number as E.164, or why it is none."""

    typed: str
    becomes: str
    good: bool


def set_country(location: Location, code: str) -> None:
    """Reads numbers without + as this country's from now on; "" as those of the one that HighLevel tells.

    Raises `WrongField`.
    """
    if code and code not in names():
        raise WrongField("country", "Choose one of the countries.")
    location.country_chosen = bool(code)
    location.country = code or location.country_told


def read(typed: str, country: str) -> Example:
    """One number as a message to it would read it."""
    outcome = numbers.normalise(typed, country or None)
    good = isinstance(outcome, Number)
    return Example(typed, outcome.e164 if isinstance(outcome, Number) else outcome.sentence, good)


def examples(country: str) -> list[Example]:
    """A mobile number of the country, in each of the ways in which people write it."""
    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE) if country else None
    if number is None:
        return []
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    plain = "".join(filter(str.isdigit, national))
    ways = dict.fromkeys((national, plain, abroad, abroad.replace("+", "00", 1)))
    return [read(way, country) for way in ways]
