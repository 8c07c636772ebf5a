"""Text from outside as a database takes it: no NUL, no half of an emoji."""

from collections.abc import Mapping
from typing import Any


def storable(text: str, longest: int | None = None) -> str:
    """The text with what no engine stores replaced, cut to a length."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]


def storable_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """The same for all texts of a message's details (`channels.content.Kind`), which are JSON."""
    return {storable(str(name)): _storable(value) for name, value in details.items()}


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return storable_details(value)
    return [_storable(each) for each in value] if isinstance(value, list | tuple) else value
