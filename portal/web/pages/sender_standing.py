"""How a sender stands, in words, and the one step that repairs it. Pure."""

from dataclasses import dataclass

from portal import clock
from portal.channels.base import LineState
from portal.messaging import line_states
from portal.models import Gate, Sender, SenderState
from portal.web.pages import words

GOOD, WAIT, BAD = "good", "wait", "bad"


@dataclass(frozen=True, slots=True)
class Standing:
    """`repair` is confirm (another number), resume, link, restart, check or none; `sentence` is "" when all is well."""

    tone: str
    state: str
    sentence: str = ""
    repair: str = "none"


def of(sender: Sender, gate: Gate | None, *, linkable: bool) -> Standing:
    """`gate` is the sender's when a fault keeps it shut; `linkable`: its line is a phone that a person links."""
    if sender.line_other_address:
        return Standing(BAD, "another number is linked", sender.state_reason, "confirm")
    if sender.state == SenderState.PAUSED:
        return Standing(WAIT, "paused", sender.state_reason, "resume")
    if sender.line_state not in line_states.SENDING:
        tone = WAIT if sender.line_state in line_states.PASSING else BAD
        shown = words.LINE.get(sender.line_state, sender.line_state)
        return Standing(tone, shown, line_states.remedy(sender), _repair(sender) if linkable else "check")
    if sender.line_failures >= line_states.IN_VAIN:
        return Standing(WAIT, "not asked of late", f"Its provider cannot be asked: {sender.line_failure}", "check")
    if gate is not None:
        return Standing(WAIT, "held back", gate.reason, "resume")
    return Standing(GOOD, "active")


def _repair(sender: Sender) -> str:
    if sender.line_state == LineState.SIGNED_OUT:
        return "link"
    stuck = clock.now() - (sender.line_down_at or clock.now()) > line_states.GRACE
    return "restart" if sender.line_state in line_states.PASSING and stuck else "check"
