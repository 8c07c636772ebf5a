"""What Cast's words mean: error codes, statuses, the carriers' raw words (Cast API v1: Error Code Reference, §16)."""

from portal.channels.base import Outcome, Scope

# error_code → whose fault it is, whether waiting or a repair can help, and the sentence for a person.
ERRORS: dict[str, tuple[Scope, bool, str]] = {
    "INVALID_REQUEST": (Scope.MESSAGE, False, "Cast could not read the message."),
    "VALIDATION_ERROR": (Scope.MESSAGE, False, "Cast does not accept this number or this text."),
    "ALREADY_UNSUBSCRIBED": (Scope.MESSAGE, False, "This number has unsubscribed at Cast."),
    "INVALID_API_KEY": (Scope.SENDER, True, "Cast does not know the API key: enter the right one."),
    "API_KEY_REVOKED": (Scope.SENDER, True, "The Cast API key was revoked: enter a new one."),
    "API_KEY_EXPIRED": (Scope.SENDER, True, "The Cast API key has expired: enter a new one."),
    "USER_INACTIVE": (Scope.SENDER, True, "The Cast account is not active: ask Cast."),
    "IP_NOT_WHITELISTED": (
        Scope.SENDER,
        True,
        "The Cast account does not allow this server's IP address: add it there.",
    ),
    "CHANNEL_NOT_ALLOWED": (Scope.SENDER, True, "The Cast account may not send SMS: ask Cast."),
    "INSUFFICIENT_CREDITS": (Scope.SENDER, True, "The Cast account has no credits left: top it up."),
    "CREDIT_LIMIT_REACHED": (Scope.SENDER, True, "The Cast account has reached its credit limit: settle it with Cast."),
    "NOT_FOUND": (Scope.SENDER, True, "Cast's API is not at this address: check the sender's API address."),
    "METHOD_NOT_ALLOWED": (Scope.SENDER, True, "Cast's API is not at this address: check the sender's API address."),
    "RATE_LIMIT_EXCEEDED": (Scope.SENDER, True, "Cast asks to send more slowly."),
    "INTERNAL_ERROR": (Scope.SENDER, True, "Cast had an error of its own."),
    "PROVIDER_ERROR": (Scope.SENDER, True, "The carrier behind Cast had an error."),
    "SERVICE_UNAVAILABLE": (Scope.SENDER, True, "Cast is not available now."),
}

# HTTP status → the code that stands for it when the answer names none, or one that is not in the table.
BY_HTTP_STATUS = {
    401: "INVALID_API_KEY",
    402: "INSUFFICIENT_CREDITS",
    403: "USER_INACTIVE",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    429: "RATE_LIMIT_EXCEEDED",
}

# `pending` is left out: the carrier has it (ACCEPTD) and tries, which its raw word tells when there is one.
STATUSES = {
    "sent": Outcome.SENT,
    "delivered": Outcome.DELIVERED,
    "undelivered": Outcome.FAILED,
    "failed": Outcome.FAILED,
}

DELIVERY_WORDS = {
    "ACCEPTD": Outcome.SENT,
    "DELIVRD": Outcome.DELIVERED,
    "UNDELIV": Outcome.FAILED,
    "REJECTD": Outcome.FAILED,
    "EXPIRED": Outcome.EXPIRED,
}

FAILURES = {
    "UNDELIV": "The carrier could not deliver it: the number may be wrong, switched off or out of reach.",
    "REJECTD": "The carrier rejected it: most often the sender id is not approved for this network.",
    "EXPIRED": "The carrier gave up: the phone was not reached in time.",
    "undelivered": "The carrier could not deliver it.",
    "failed": "The carrier did not take it from Cast.",
}
