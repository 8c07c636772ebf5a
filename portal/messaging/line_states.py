"""What a line's state means: whether it sends, how people call it, and what brings it back. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from portal.channels.base import LineState
from portal.models import Sender, SenderState

# "" is the state of every sender whose channel has no line that could fail.
SENDING = ("", LineState.READY.value)
# These pass by themselves: a person is told only when they last.
PASSING = (LineState.STARTING, LineState.ASLEEP)
# In these no phone is linked any more: what a line tells after them of the time before is history.
UNLINKED = (LineState.SIGNED_OUT, LineState.BLOCKED, LineState.GONE)
GRACE = timedelta(minutes=5)
# Once is nothing: two questions may meet, and providers take few of them a second.
IN_VAIN = 2

# What such a sender is, and what has to happen, where its provider has no sentence of its own.
_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        LineState.STARTING: ("is starting", "It goes on by itself as soon as the line is up."),
        LineState.ASLEEP: (
            "is asleep",
            "It goes on by itself when the line wakes: see that the phone is on and online.",
        ),
        LineState.LIMITED: (
            "is held back by the network for now",
            "Too many strangers were written to: write less for a day. It goes on by itself.",
        ),
        LineState.SIGNED_OUT: ("has no phone linked", "Link the phone on the sender's page, and this goes out."),
        LineState.BLOCKED: ("is blocked by the network", "Appeal there, or link another number to a new sender."),
        LineState.GONE: (
            "is gone at its provider",
            "Pay or set up the line there, then check it on the sender's page.",
        ),
    }
)
PAUSED = "is paused"


def may_send(sender: Sender) -> bool:
    """Is nothing known that keeps the sender from sending? The fence asks the same of the row."""
    return sender.state == SenderState.ACTIVE and sender.line_state in SENDING


def phrase(sender: Sender) -> str:
    """What a sender that may not send is: "is paused", "has no phone linked"."""
    paused = sender.state != SenderState.ACTIVE or sender.line_state in SENDING
    return PAUSED if paused else _WORDS[sender.line_state][0]


def sentence(sender: Sender) -> str:
    """The same with the remedy, to be put after the sender's name."""
    return f"{PAUSED}: resume it, and this goes out." if phrase(sender) == PAUSED else line_sentence(sender)


def line_sentence(sender: Sender) -> str:
    """What the line alone is, with the remedy; "" when it is ready."""
    if sender.line_state in SENDING:
        return ""
    return f"{_WORDS[sender.line_state][0]}. {remedy(sender)}"


def remedy(sender: Sender) -> str:
    """What brings a line back that is not ready, in the provider's words where it has some."""
    return sender.line_detail or _WORDS[sender.line_state][1]
