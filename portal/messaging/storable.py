"""Text from outside as a database takes it: no NUL, no half of an emoji."""

import math
from collections.abc import Mapping
from typing import Any

# What a provider nests deeper than this is no message any more.
_DEEPEST = 12


def storable(text: str, longest: int | None = None) -> str:
    """The text with what no engine stores replaced, cut to a length."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]


def storable_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """The same for all of a message's details (`channels.content.Kind`), as a JSON column takes them."""
    return {storable(str(name)): _storable(value, 1) for name, value in details.items()}


def _storable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {storable(str(name)): _storable(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [_storable(each, depth + 1) for each in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    # JSON has no word for it (not a number, a moment), or it is nested deeper than any message is.
    return storable(str(value), 1000)
