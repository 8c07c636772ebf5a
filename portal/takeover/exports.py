"""Reading an export: CSV, tab-separated values, JSON lines, or one JSON document. Bad rows say so, the others go on.

Names of columns count without case, `_` and spaces, so that `apiTokenInstance`, `api_token_instance` and `ApiToken
Instance` are one: databases, their tools and people spell them differently.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.errors import InvalidInput
from portal.ghl.fields import identifier

LARGEST = 64 * 1024 * 1024
MOST_ROWS = 100_000
# What the MySQL and PostgreSQL clients write for a value that is not there.
_NOTHING = ("NULL", "\\N")
# MongoDB's Extended JSON: a value that JSON has no type for stands in an object with one such name.
_EXTENDED = ("$oid", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$date")
BROKEN = "From this line on the file is no CSV: a quote may be missing. Nothing after it counts."
_TRUE, _FALSE = ("1", "t", "true", "y", "yes", "on"), ("0", "f", "false", "n", "no", "off")


class Unusable(InvalidInput):
    """A row, or a thing in it, that cannot be brought over; the message is the reason for the report."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of an export. `number` is its line in the file, or its place in a JSON document, from 1.

    `fault` says why it cannot be read; it has no values then. What it holds is secret.
    """

    number: int
    values: Mapping[str, Any] = field(repr=False)
    fault: str = ""

    def has(self, *names: str) -> bool:
        """Does the export have a column of one of these names, filled or not?"""
        return any(folded(name) in self.values for name in names)

    def text(self, *names: str) -> str:
        """The first of these that is filled, trimmed; "" without one. Raises `Unusable` for what is no plain value."""
        for name in names:
            value = self.values.get(folded(name))
            if isinstance(value, dict | list):
                raise Unusable(f"{name} is no plain value.")
            if found := "" if value is None else _said(value).strip():
                return found
        return ""

    def whole(self, *names: str) -> int | None:
        """The first that is filled as a whole number, None without one. Raises `Unusable`."""
        said = self.text(*names)
        if not said:
            return None
        if not re.fullmatch(r"-?[0-9]{1,15}(\.0+)?", said):
            raise Unusable(f"{names[0]} is no whole number.")
        return int(said.partition(".")[0])

    def flag(self, name: str, default: bool) -> bool:
        """A yes or no. Raises `Unusable`."""
        said = self.text(name).lower()
        if said and said not in _TRUE + _FALSE:
            raise Unusable(f"{name} is neither true nor false.")
        return said in _TRUE if said else default

    def place(self, otherwise: str, *names: str) -> str:
        """The sub-account's id in HighLevel. Raises `Unusable` for none, and for what is no id."""
        found = self.text(*names) or otherwise
        if not found:
            raise Unusable("It names no sub-account: add a column location, or give --location.")
        if not identifier(found):
            raise Unusable("What it names as its sub-account is no id of HighLevel's.")
        return found

    def table(self, name: str) -> "Line":
        """A JSON object inside of the row, also one that is written as text. Raises `Unusable`."""
        value = self.values.get(folded(name))
        if isinstance(value, str) and value.strip():
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise Unusable(f"{name} is no JSON object.") from None
        if value in (None, ""):
            value = {}
        if not isinstance(value, dict):
            raise Unusable(f"{name} is no JSON object.")
        return Line(self.number, _row(value))


def folded(name: str) -> str:
    """A column's name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read(data: bytes) -> Iterator[Line]:
    """The rows of an export. Raises `InvalidInput` when the file as a whole is none."""
    if len(data) > LARGEST:
        raise InvalidInput(f"The file is larger than {LARGEST // 1024 // 1024} MiB: bring it over in pieces.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("The file is not UTF-8: export it so, or convert it with iconv.") from None
    found = text.lstrip()
    if not found:
        raise InvalidInput("The file is empty.")
    rows = _json(text) if found[0] in "[{" else _separated(text)
    for count, row in enumerate(rows):
        if count == MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS} rows: bring it over in pieces.")
        yield row


def _json(text: str) -> Iterator[Line]:
    try:
        whole: Any = json.loads(text)
    except (ValueError, RecursionError):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield _of_json(number, line)
        return
    for number, each in enumerate(whole if isinstance(whole, list) else [whole], 1):
        yield _of_value(number, each)


def _of_json(number: int, line: str) -> Line:
    try:
        return _of_value(number, json.loads(line))
    except (ValueError, RecursionError):
        return Line(number, {}, "This line is no JSON.")


def _of_value(number: int, value: Any) -> Line:
    return Line(number, _row(value)) if isinstance(value, dict) else Line(number, {}, "This is no JSON object.")


def _separated(text: str) -> Iterator[Line]:
    head = text.lstrip().partition("\n")[0]
    mark = max("\t,;", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    names: list[str] = []
    while True:
        before = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # What follows cannot be told from what is broken.
            yield Line(
                before, {}, "From this line on the file is no CSV: a quote may be missing. Nothing after it counts."
            )
            return
        if not any(each.strip() for each in cells):
            continue
        if not names:
            names = [folded(each) for each in cells]
            continue
        if len(cells) != len(names):
            yield Line(before, {}, f"It has {len(cells)} fields, and the first line names {len(names)}.")
            continue
        yield Line(before, {name: "" if cell in _NOTHING else cell for name, cell in zip(names, cells, strict=True)})


def _row(value: Mapping[str, Any]) -> dict[str, Any]:
    return {folded(str(name)): _plain(each) for name, each in value.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _EXTENDED:
        return _plain(next(iter(value.values())))
    return value


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
