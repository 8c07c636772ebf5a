"""What Cast's words mean: error codes, statuses, the carriers' raw words (Cast API v1: Error Code Reference, §16)."""

from portal.channels.base import Loss, Outcome, Scope

# error_code → whose fault it is, whether waiting or a repair can help, and the sentence for a person.
ERRORS: dict[str, tuple[Scope, bool, str]] = {
    "INVALID_REQUEST": (Scope.MESSAGE, False, "Cast could not read the request: tell the portal's operator."),
    "VALIDATION_ERROR": (
        Scope.MESSAGE,
        False,
        "Cast does not accept the number, the text or the sender id: correct it and send it anew.",
    ),
    "ALREADY_UNSUBSCRIBED": (
        Scope.MESSAGE,
        False,
        "This number has unsubscribed from this sender id at Cast: only Cast can lift that.",
    ),
    "INVALID_API_KEY": (Scope.SENDER, True, "Cast does not know the API key: enter the right one."),
    "API_KEY_REVOKED": (Scope.SENDER, True, "The Cast API key was revoked: enter a new one."),
    "API_KEY_EXPIRED": (Scope.SENDER, True, "The Cast API key has expired: enter a new one."),
    "USER_INACTIVE": (Scope.SENDER, True, "The Cast account is not active: ask Cast."),
    "IP_NOT_WHITELISTED": (
        Scope.SENDER,
        True,
        "The Cast account does not allow this server's IP address: ask Cast to add it.",
    ),
    "CHANNEL_NOT_ALLOWED": (
        Scope.SENDER,
        True,
        "The Cast account may not send {product}: ask Cast to enable it, then resume the sender.",
    ),
    "INSUFFICIENT_CREDITS": (Scope.SENDER, True, "The Cast account has no credits left: top it up."),
    "CREDIT_LIMIT_REACHED": (Scope.SENDER, True, "The Cast account has reached its credit limit: settle it with Cast."),
    "NOT_FOUND": (Scope.SENDER, True, "Cast's API is not at this address: check the sender's API address."),
    "METHOD_NOT_ALLOWED": (Scope.SENDER, True, "Cast's API is not at this address: check the sender's API address."),
    "RATE_LIMIT_EXCEEDED": (Scope.SENDER, True, "Cast asks to send more slowly: the account waits by itself."),
    "INTERNAL_ERROR": (Scope.SENDER, True, "Cast had an error of its own: it is asked again by itself."),
    "PROVIDER_ERROR": (Scope.SENDER, True, "The carrier behind Cast had an error: it is asked again by itself."),
    "SERVICE_UNAVAILABLE": (Scope.SENDER, True, "Cast is not available now: it is asked again by itself."),
}
OPTED_OUT = frozenset({"ALREADY_UNSUBSCRIBED"})
# Only Cast can enable a product: trying on and on with customers' messages would not.
STOPS = frozenset({"CHANNEL_NOT_ALLOWED"})

# HTTP status → the code that stands for it when the answer names none, or one that is not in the table.
BY_HTTP_STATUS = {
    401: "INVALID_API_KEY",
    402: "INSUFFICIENT_CREDITS",
    403: "USER_INACTIVE",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    429: "RATE_LIMIT_EXCEEDED",
}

# `pending` is further than `sent`: the carrier has said ACCEPTD and tries to reach the phone.
STATUSES = {
    "sent": Outcome.SENT,
    "pending": Outcome.SENT,
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
LOSSES = {"REJECTD": Loss.REJECTED, "failed": Loss.REJECTED, "UNDELIV": Loss.UNREACHABLE}

# Viber's `delivery_status` (Messaggio's numbers). Cast explains these two; any other leaves the message on its way.
VIBER_DELIVERED, NOT_ON_VIBER = 70, 91
VIBER_FAILURES = {
    NOT_ON_VIBER: "The recipient is not on Viber: write to them by SMS.",
}
VIBER_FAILED = "Viber did not take it from Cast."
