"""What words mean: those that a person has entered, and those that most gateways use (SMPP 3.4 and plain English)."""

import re
from collections.abc import Mapping
from typing import TypeVar

from portal.channels.base import Loss, Outcome
from portal.channels.generic_http.templates import Faulty
from portal.channels.refusals import Refusal, config, invalid, later, opted_out, stopped, throttled

NAME = "The gateway"
T = TypeVar("T")

# What a person may say of a word in an answer that refuses.
REFUSALS: Mapping[str, Refusal] = {
    "invalid": invalid("The gateway refuses this message: “{word}”. Correct the number or the text."),
    "config": config("The gateway refuses the sender: “{word}”. Correct its settings."),
    "stop": stopped(
        "The gateway sends nothing until a person helps (no credit, say): “{word}”. Then resume the sender."
    ),
    "slow": throttled("The gateway asks to send more slowly: “{word}”. The sender waits by itself."),
    "later": later("The gateway cannot take this message now: “{word}”. It is tried again.", 60),
    "opted_out": opted_out("The gateway writes to this number no more: “{word}”."),
}
LOST = ("The gateway reports that it was lost.", Loss.NONE)
LATE = ("It could not be delivered in the time that it was good for.", Loss.NONE)
# What a person may say of a status, with the sentence and the class of a loss.
STATUSES: Mapping[str, tuple[Outcome, tuple[str, Loss]]] = {
    "accepted": (Outcome.ACCEPTED, ("", Loss.NONE)),
    "sent": (Outcome.SENT, ("", Loss.NONE)),
    "delivered": (Outcome.DELIVERED, ("", Loss.NONE)),
    "read": (Outcome.READ, ("", Loss.NONE)),
    "expired": (Outcome.EXPIRED, LATE),
    "failed": (Outcome.FAILED, LOST),
    "rejected": (Outcome.FAILED, ("The carrier or the gateway refused it.", Loss.REJECTED)),
    "unreachable": (Outcome.FAILED, ("The phone could not be reached.", Loss.UNREACHABLE)),
    "opted_out": (Outcome.FAILED, ("This person has asked for silence.", Loss.OPTED_OUT)),
}
# In small letters → a name of `STATUSES`. What a person enters goes before them; what means one thing here and another
# there (success, unknown, error) is not among them.
USUAL: Mapping[str, str] = {
    **dict.fromkeys(("accepted", "queued", "pending", "submitted", "buffered", "scheduled"), "accepted"),
    **dict.fromkeys(("sent", "acceptd", "enroute", "sending", "dispatched"), "sent"),
    **dict.fromkeys(("delivered", "delivrd"), "delivered"),
    **dict.fromkeys(("read", "seen"), "read"),
    "expired": "expired",
    **dict.fromkeys(("failed", "undelivered", "undeliv", "deleted", "canceled", "cancelled"), "failed"),
    **dict.fromkeys(("rejected", "rejectd", "blocked"), "rejected"),
}


def table(written: str, meanings: Mapping[str, T]) -> dict[str, T]:
    """`WORD=meaning; WORD=meaning`, words in small letters. Raises `Faulty`."""
    found = {}
    for each in filter(None, (one.strip() for one in re.split(r"[;\n]", written))):
        word, equals, meaning = (part.strip() for part in each.rpartition("="))
        if not equals or not word or meaning not in meanings:
            raise Faulty(f"“{each[:40]}” is not WORD=MEANING, where the meaning is one of {', '.join(meanings)}.")
        found[word.lower()] = meanings[meaning]
    return found


def status(word: str, own: Mapping[str, tuple[Outcome, tuple[str, Loss]]]) -> tuple[Outcome, tuple[str, Loss]] | None:
    """What a status word means; None for one that nobody knows."""
    lower = word.strip().lower()
    usual = USUAL.get(lower)
    return own.get(lower) or (STATUSES[usual] if usual else None)
