"""What Infobip's codes mean ("Message status codes", "Error codes" of its developer pages)."""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, in_doubt, invalid, later, stopped, throttled

NAME = "Infobip"
PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED = 1, 2, 3, 4, 5
# Reports may name the group alone.
GROUPS = {
    "OK": 0,
    "PENDING": PENDING,
    "UNDELIVERABLE": UNDELIVERABLE,
    "DELIVERED": DELIVERED,
    "EXPIRED": EXPIRED,
    "REJECTED": REJECTED,
}
TAKEN = (0, PENDING, DELIVERED)
TO_OPERATOR, TO_HANDSET = 2, 5

# `status.id` of an answer that took nothing.
ERRORS: dict[int, Refusal] = {
    6: invalid("Infobip has no way to this network for the account: ask its support to set it up."),
    8: invalid("Infobip does not know the number's prefix: check it."),
    10: invalid("The number is on its country's do-not-disturb list."),
    11: config("The name or number in From is not registered on the Infobip account: register it."),
    12: config("The Infobip account has no credit left: top it up."),
    13: config("The name or number in From is blocked on the Infobip account: lift that there."),
    14: invalid("Infobip has the number on a list of those that get nothing."),
    17: config("The Infobip account's credit has expired: top it up."),
    18: invalid("The Infobip account is a trial: it writes to its own test number alone."),
    19: stopped("The Infobip account has no route yet: ask its support, then resume the sender."),
    20: invalid("Infobip refused it: this number gets too many messages, or this text too often, within an hour."),
    21: later("Infobip had an error of its own and refused it: it is tried again.", 30),
    23: in_doubt("Infobip has a message of ours with this id already: it may have gone out."),
    24: invalid("Infobip could not read the message."),
    25: invalid("The text is too long for Infobip: shorten it."),
    51: invalid("Infobip was given no recipient."),
    52: invalid("Infobip does not take this number: check it."),
    87: invalid("Infobip refused it as likely fraud."),
    100: invalid("Infobip could not read the message, or could not take it just now: send it anew."),
}
REFUSED_FOR = "Infobip refused it: see status {code} in Infobip's list of status codes."

# `violations[].property` of a call that could not be read → whose fault that is.
VIOLATIONS: tuple[tuple[str, Refusal], ...] = (
    ("sender", config("Infobip cannot send from this name or number: check From.")),
    ("from", config("Infobip cannot send from this name or number: check From.")),
    ("webhooks", config("Infobip cannot call this portal's address: APP_URL must be public.")),
    ("destinations", ERRORS[52]),
    ("text", invalid("Infobip does not take this text: it is empty or too long.")),
)
UNREAD = invalid("Infobip could not read the message.")
# Words in place of a status, of the older shape of errors.
EXCEPTIONS: dict[str, Refusal] = {
    "UNAUTHORIZED": config("Infobip does not know this API key: enter the right one."),
    "FORBIDDEN": config("The Infobip API key may not do that: give it the scope sms:manage, and allow this address."),
    "TOO_MANY_REQUESTS": throttled("Infobip asks to send more slowly: the account waits by itself."),
}

# `status.id` of a report.
STATUSES: dict[int, Outcome] = {
    26: Outcome.ACCEPTED,
    3: Outcome.SENT,
    7: Outcome.SENT,
    TO_OPERATOR: Outcome.SENT,
    TO_HANDSET: Outcome.DELIVERED,
    87: Outcome.FAILED,
}
BY_GROUP: dict[int, Outcome] = {
    0: Outcome.ACCEPTED,
    PENDING: Outcome.ACCEPTED,
    UNDELIVERABLE: Outcome.FAILED,
    # A group that is called so holds what only the carrier has, too.
    DELIVERED: Outcome.SENT,
    EXPIRED: Outcome.EXPIRED,
    REJECTED: Outcome.FAILED,
}

# `status.id` and `error.name` of a message that was lost → the sentence, and the class of the loss.
LOSSES: dict[int, tuple[str, Loss]] = {
    4: ("The carrier refused it.", Loss.REJECTED),
    15: ("It could not be delivered in the time that it was good for.", Loss.NONE),
    29: ("The carrier never said what became of it: it may have arrived all the same.", Loss.NONE),
    10: (ERRORS[10].sentence, Loss.WITHHELD),
    14: (ERRORS[14].sentence, Loss.WITHHELD),
    87: (ERRORS[87].sentence, Loss.REJECTED),
}
ERROR_NAMES: dict[str, tuple[str, Loss]] = {
    "EC_UNKNOWN_SUBSCRIBER": ("The number is not in use.", Loss.UNREACHABLE),
    "EC_UNIDENTIFIED_SUBSCRIBER": ("The number is not in use.", Loss.UNREACHABLE),
    "EC_ABSENT_SUBSCRIBER_SM": ("The phone cannot be reached: it is off, or out of reach.", Loss.UNREACHABLE),
    "EC_ABSENT_SUBSCRIBER": ("The phone cannot be reached: it is off, or out of reach.", Loss.UNREACHABLE),
    "EC_SUBSCRIBER_BUSY_FOR_MT_SMS": ("The phone was busy.", Loss.UNREACHABLE),
    "EC_CALL_BARRED": ("The recipient's line does not take messages.", Loss.UNREACHABLE),
    "EC_TELESERVICE_NOT_PROVISIONED": ("The recipient's line cannot get messages.", Loss.UNREACHABLE),
    "EC_ILLEGAL_SUBSCRIBER": ("The recipient's line is barred by its carrier.", Loss.UNREACHABLE),
    "EC_SM_DF_MEMORYCAPACITYEXCEEDED": ("The phone has no room for another message.", Loss.UNREACHABLE),
    "EC_DEST_ADDRESS_BLACKLISTED": (ERRORS[14].sentence, Loss.WITHHELD),
    "EC_DESTINATION_FLOODING": ("The number got too many messages within an hour.", Loss.REJECTED),
    "EC_DESTINATION_TXT_FLOODING": ("The number got this text too often within an hour.", Loss.REJECTED),
}
LOST_FOR = "Infobip could not deliver it: see {name} in Infobip's list of error codes."
LOST = "Infobip could not deliver it and gives no reason."
