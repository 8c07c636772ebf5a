"""What countries do to sender ids and to marketing: the data file, and its quiet hours."""

from datetime import UTC, date, datetime

import pytest

from portal.messaging import country_rules
from portal.messaging.country_rules import Form, form_of, french_holidays, of_message, of_sender, quiet_until

NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sender_id", "form"),
    [
        ("MYNAME", Form.ALPHANUMERIC),
        ("Salon 24", Form.ALPHANUMERIC),
        ("+63 917 123 4567", Form.NUMERIC),
        ("27821234567", Form.NUMERIC),
        ("31000", Form.SHORT_CODE),
        ("+31000", Form.NUMERIC),
        ("", Form.UNKNOWN),
        ("٣١٠٠٠", Form.ALPHANUMERIC),
    ],
)
def test_what_a_sender_id_looks_like(sender_id: str, form: Form) -> None:
    assert form_of(sender_id) is form


@pytest.mark.parametrize(
    ("country", "sender_id", "code", "words"),
    [
        ("PH", "MYNAME", "sender_registered", "registered"),
        ("PH", "+639171234567", "sender_converted", "InfoText instead of +639171234567"),
        ("ZA", "MYNAME", "sender_converted", "a long number instead of MYNAME"),
        ("FR", "+33612345678", "sender_converted", "instead of"),
    ],
)
def test_what_becomes_of_it(country: str, sender_id: str, code: str, words: str) -> None:
    caution = of_sender(country, sender_id)
    assert caution is not None and caution.code == code and words in caution.text


@pytest.mark.parametrize(
    ("country", "sender_id"),
    [
        ("BW", "MYNAME"),
        ("BW", "+26771234567"),
        ("BW", "31000"),
        ("FR", "MYNAME"),
        ("DE", "MYNAME"),
        ("PH", ""),
        ("PH", "2488"),
    ],
)
def test_what_arrives_as_it_is_or_is_not_known(country: str, sender_id: str) -> None:
    assert of_sender(country, sender_id) is None


def test_every_country_of_the_file_can_be_asked() -> None:
    assert set(country_rules.countries()) == {"PH", "ZA", "BW", "FR"}
    for country in country_rules.countries():
        assert {each.code for each in of_message(country, "MYNAME", "Hello", NOON)} <= {
            "sender_registered",
            "sender_converted",
            "forbidden",
            "opt_out_missing",
            "quiet_hours",
        }
    assert of_message("BW", "MYNAME", "Hello", NOON) == [] == of_message("DE", "MYNAME", "Hello", NOON)


def test_marketing_to_france_names_its_end() -> None:
    assert [each.code for each in of_message("FR", "MYNAME", "Soldes !", NOON)] == ["opt_out_missing"]
    assert of_message("FR", "MYNAME", "Soldes ! stop au 36111", NOON) == []
    assert [each.code for each in of_message("FR", "MYNAME", "nonstop", NOON)] == ["opt_out_missing"]


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-06-03T08:00+02:00", None),
        ("2026-06-03T21:59+02:00", None),
        ("2026-06-03T22:00+02:00", "2026-06-04T08:00+02:00"),
        ("2026-06-03T07:59+02:00", "2026-06-03T08:00+02:00"),
        ("2026-06-05T22:30+02:00", "2026-06-08T08:00+02:00"),
        ("2026-06-07T12:00+02:00", "2026-06-08T08:00+02:00"),
        ("2026-07-13T23:00+02:00", "2026-07-15T08:00+02:00"),
        ("2026-12-24T22:00+01:00", "2026-12-28T08:00+01:00"),
        ("2026-03-27T22:00+01:00", "2026-03-30T08:00+02:00"),
        ("2026-04-03T22:00+02:00", "2026-04-07T08:00+02:00"),
        ("2026-06-03T20:00+00:00", "2026-06-04T06:00+00:00"),
    ],
)
def test_quiet_hours_by_the_countrys_own_clock(at: str, until: str | None) -> None:
    found = quiet_until("FR", datetime.fromisoformat(at))
    assert found == (datetime.fromisoformat(until) if until else None)
    assert quiet_until("PH", datetime.fromisoformat(at)) is None


def test_the_caution_says_until_when() -> None:
    at = datetime.fromisoformat("2026-06-05T22:30+02:00")
    [caution] = of_message("FR", "MYNAME", "STOP 36111", at)
    assert "Monday 8 June, 08:00" in caution.text and caution.until == datetime(2026, 6, 8, 6, tzinfo=UTC)


def test_holidays_that_move() -> None:
    assert {date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)} <= french_holidays(2026)
    assert {date(2025, 4, 21), date(2025, 5, 29), date(2025, 6, 9)} <= french_holidays(2025)
    assert len(french_holidays(2026)) == 11
