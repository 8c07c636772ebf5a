"""Single values out of HighLevel's JSON, whose types are not to be relied on: a text, an id, a moment, or nothing."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

# Printable ASCII without the colon, which separates the ids of a dedupe key, and the "?" that `repairing` puts in.
_ID = re.compile(r"[!-9;->@-~]{1,128}")


def text(value: object) -> str:
    """A text, without NUL (PostgreSQL keeps none). A whole number becomes its digits, anything else ""."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def identifier(value: object) -> str:
    """An id of at most 128 characters, "" for anything else."""
    candidate = value if isinstance(value, str) else text(value)
    return candidate if _ID.fullmatch(candidate) else ""


def number(value: object) -> int | None:
    """A whole number, also when it is spelled as a text (headers, `expires_in`)."""
    digits = text(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else None


def moment(value: object) -> datetime | None:
    """ISO 8601, or milliseconds since 1970; a time without zone is UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
    except (ValueError, OverflowError, OSError):
        return None


def mapping(value: object) -> Mapping[str, Any]:
    """A JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list, without what is none."""
    return tuple(filter(None, map(text, value))) if isinstance(value, list) else ()


def repairing(decode: Callable[[bytes], T], raw: bytes) -> T:
    """Decodes JSON. A text cut in the middle of an emoji leaves half of a surrogate pair, which msgspec refuses: it
    becomes "?" and the rest is kept. Raises ValueError or RecursionError.
    """
    try:
        return decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return decode(json.dumps(json.loads(raw.decode()), ensure_ascii=False).encode("utf-8", "replace"))
