"""The JSON bodies of these routes, and the fields in them."""

from collections.abc import Mapping
from typing import Any

from flask import request

from portal.web.api.blueprint import Unreadable
from portal.web.json_bodies import decoded
from portal.web.webhooks.intake import read_body

LARGEST = 256 * 1024


def body_of(*, required: bool = True) -> Mapping[str, Any]:
    """The request's JSON object. Raises `Unreadable` for anything else, also where it only says that it is JSON."""
    raw = read_body(LARGEST)
    if not raw and not required:
        return {}
    try:
        said: Any = decoded(raw) if request.mimetype == "application/json" else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Unreadable("Send a JSON object, as Content-Type: application/json.")
    return said


def text_of(said: Mapping[str, Any], name: str) -> str:
    """A text or a number, without blanks around it; "" where there is none."""
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip()


def object_of(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in it, an empty one where there is none."""
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def objects_of(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a list in it."""
    value = said.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
