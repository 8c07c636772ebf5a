"""What Semaphore's words mean (its documentation; the shapes of its errors are known from its users' answers alone)."""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, invalid, stopped

NAME = "Semaphore"
NO_CREDIT, INACTIVE = "insufficient_balance", "inactive"
DROPPED, ABROAD = "starts_with_test", "abroad"
NOT_FOUND = "not_found"

# The field that Semaphore finds fault with (`{"sendername": ["The selected sendername is invalid."]}`), or our own name
# for what it says otherwise → what it means.
ERRORS: dict[str, Refusal] = {
    "apikey": config("Semaphore does not accept the API key: enter the right one."),
    "sendername": config("Semaphore has not approved this sender name: check it, or leave it out."),
    "number": invalid("Semaphore does not take this number: it is none, or none of a Philippine mobile phone."),
    "message": invalid("Semaphore does not take this text: it is empty, or too long."),
    NO_CREDIT: config("The Semaphore account has no credit left: top it up."),
    INACTIVE: stopped("The Semaphore account is not active: look into its settings, then resume the sender."),
    DROPPED: invalid(
        "Semaphore silently drops texts that start with the word “test”: it was not sent. Begin it otherwise."
    ),
    ABROAD: invalid("Semaphore writes to Philippine numbers alone: choose another sender."),
}
# What stands in a sentence of its own instead, in lower case.
SENTENCES: tuple[tuple[str, str], ...] = (
    ("not sufficient", NO_CREDIT),
    ("insufficient", NO_CREDIT),
    ("sender name", "sendername"),
    ("sendername", "sendername"),
    ("api key", "apikey"),
    ("apikey", "apikey"),
)
FAULT_FOR = "Semaphore finds fault with “{field}”."

# Sent: "successfully delivered to the network"; there is no word for the phone. Failed waits for its refund.
STATUSES: dict[str, Outcome] = {
    "queued": Outcome.ACCEPTED,
    "pending": Outcome.ACCEPTED,
    "sent": Outcome.SENT,
    "success": Outcome.SENT,
    "failed": Outcome.FAILED,
    "refunded": Outcome.FAILED,
}
FAILURES: dict[str, str] = {
    "failed": "The network rejected it; Semaphore gives its credits back.",
    "refunded": "The network rejected it; Semaphore has given its credits back.",
}
LOSS = Loss.REJECTED
# An account's status that lets nothing out.
SHUT = frozenset({"pending", "inactive", "suspended", "disabled", "blocked", "banned"})
APPROVED = frozenset({"active", "approved", "success"})
