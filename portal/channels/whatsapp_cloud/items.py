"""Reading a webhook item by item, so that one that cannot be read costs none of the others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, ChannelEvent, Unread

# Reads one item; the second argument is the `value` that it stands in.
Reader = Callable[[Mapping[str, Any], Mapping[str, Any]], Sequence[ChannelEvent]]


def guarded(read: Reader, item: Any, value: Mapping[str, Any]) -> Sequence[ChannelEvent]:
    """What the item says, or that it could not be read."""
    if not isinstance(item, dict):
        return [Unread("An item of the webhook is no JSON object.", item)]
    try:
        return read(item, value)
    except ChannelError as error:
        return [Unread(error.message, item)]
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # A fault of ours in reading one item is the item's alone.
        return [Unread(f"It could not be read ({type(error).__name__}).", item)]


def listed(holder: Mapping[str, Any], name: str) -> list[Any]:
    """A list; a value that stands where a list should be is its one item, so that it is not lost."""
    found = holder.get(name)
    if found is None:
        return []
    return found if isinstance(found, list) else [found]
