"""What people call the countries that numbers are read of."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("country_names.toml")


@cache
def names() -> Mapping[str, str]:
    """By ISO 3166 code, in the order of the names."""
    return dict(sorted(tomllib.loads(_FILE.read_text("utf-8")).items(), key=lambda each: str(each[1])))
