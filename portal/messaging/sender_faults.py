"""What is wrong with a sender as somebody typed it: sentences by field, so that a form can say each in its place."""

import re
from collections.abc import Mapping

from portal.channels.base import Channel, CredentialField
from portal.channels.setup import API_URL
from portal.errors import InvalidInput
from portal.http import AddressRefused, host_of
from portal.messaging.accounts import is_private

MOST_ADDRESS = 500
LONGEST_VALUE = 10_000
FASTEST = 10_000
PACE = "pace"
BAD_PACE = f"The pace is in messages a second: more than 0, at most {FASTEST}."


class FieldFault(InvalidInput):
    """`faults` says by field what is wrong: the name of a credential, `API_URL`, `PACE` or `name`."""

    def __init__(self, message: str, faults: Mapping[str, str]) -> None:
        super().__init__(message)
        self.faults = faults


class Unanswered(InvalidInput):
    """The provider did not answer, so nobody knows whether the credentials are good."""


def refuse_faulty(
    channel: Channel, credentials: Mapping[str, str], api_url: str, pace: float | None, *, operator: bool
) -> None:
    """Raises `FieldFault` with everything that is wrong, `InvalidInput` for fields that the channel does not know."""
    unknown = sorted(set(credentials) - {field.name for field in channel.fields})
    if unknown:
        takes = ", ".join(field.name for field in channel.fields) or "none"
        raise InvalidInput(f"{channel.name} knows no {', '.join(unknown)}: it takes {takes}.")
    missing = [field for field in channel.fields if field.required and not credentials.get(field.name)]
    faults = {field.name: f"{field.label} is needed." for field in missing}
    for field in channel.fields:
        if fault := _of_field(field, credentials.get(field.name, "")):
            faults[field.name] = fault
    if pace is not None and not 0 < pace <= FASTEST:
        faults[PACE] = BAD_PACE
    if fault := _of_address(api_url, operator=operator):
        faults[API_URL] = fault
    if missing:
        raise FieldFault(f"{channel.name} needs {', '.join(field.name for field in missing)}.", faults)
    if faults:
        raise FieldFault(next(iter(faults.values())), faults)


def _of_field(field: CredentialField, value: str) -> str:
    if len(value) > LONGEST_VALUE:
        return f"{field.label} has at most {LONGEST_VALUE} characters."
    if value and field.choices and value not in field.choices:
        return f"{field.label} must be one of {', '.join(field.choices)}."
    if value and field.pattern and not re.fullmatch(field.pattern, value):
        return f"{field.label} cannot be used as it stands. {field.help}"
    return ""


def _of_address(url: str, *, operator: bool) -> str:
    if not url:
        return ""
    if len(url) > MOST_ADDRESS:
        return f"The API address has at most {MOST_ADDRESS} characters."
    try:
        host = host_of(url)
    except AddressRefused as error:
        return f"The API address cannot be used. {error.message}"
    return "The API address must be a public one." if not operator and is_private(host) else ""
