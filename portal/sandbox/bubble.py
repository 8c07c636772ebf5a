"""A message as the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as HighLevel has it: a picture is shown, anything else is a link."""

    url: str
    name: str
    is_picture: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A button or a row of a message. What is not `tappable` (a link) is shown alone."""

    title: str
    tappable: bool


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message as shown, `mine` on the right. `mark` is its status in words, `tone` plain, good, wait or bad.

    `options` can be tapped on the message `about`; `reaction` is the other side's emoji on it.
    """

    at: float
    time: str
    text: str
    mine: bool
    mark: str
    tone: str
    sign: str = ""
    title: str = ""
    files: Sequence[Attached] = ()
    options: Sequence[Choice] = ()
    reaction: str = ""
    about: str = ""
