"""Text from outside as a database takes it: no NUL, no half of an emoji."""

import math
from typing import Any

# What a provider nests deeper than this is no message any more.
_DEEPEST = 12


def storable(text: str, longest: int | None = None) -> str:
    """The text with what no engine stores replaced, cut to a length."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]


def storable_data(data: Any, depth: int = 0) -> Any:
    """Data as a JSON column takes it: every text storable, what JSON has no word for as text."""
    if isinstance(data, str):
        return storable(data)
    if isinstance(data, dict) and depth < _DEEPEST:
        return {storable(str(name)): storable_data(value, depth + 1) for name, value in data.items()}
    if isinstance(data, list | tuple) and depth < _DEEPEST:
        return [storable_data(value, depth + 1) for value in data]
    if data is None or isinstance(data, bool | int) or (isinstance(data, float) and math.isfinite(data)):
        return data
    return storable(str(data), 1000)
