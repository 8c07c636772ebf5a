"""What a look found: one line for each thing, with its remedy where something is to be done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from portal.services import Services


class Level(StrEnum):
    """`fault`: something does not work. `warn`: it works, and a person should know."""

    OK = "ok"
    WARN = "warn"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    level: Level
    says: str
    remedy: str = ""


Check = Callable[[Services], Iterator[Finding]]


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, says)


def warn(check: str, says: str, remedy: str) -> Finding:
    """It works, and a person should know."""
    return Finding(check, Level.WARN, says, remedy)


def fault(check: str, says: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Level.FAULT, says, remedy)
