"""The JSON that programs send to routes without a shape of their own."""

from json import dumps, loads
from typing import Any


def decoded(raw: bytes) -> Any:
    """What a body says. Raises `ValueError` for no JSON, and for half of an emoji, which nothing can store or hash.

    Raises `RecursionError` for what is nested too deep.
    """
    said: Any = loads(raw)
    dumps(said, ensure_ascii=False).encode()
    return said
