"""What Clickatell's codes mean ("One API: Error messages", "Message status table"; "Message status codes" of old).

The two tables of statuses use the same numbers for other things: 4 is "with the carrier" in the one and "on the phone"
in the other. Which of them it is, the shape of the request tells.
"""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, in_doubt, invalid, opted_out, stopped, throttled

NAME = "Clickatell"

# `error.code` → what it means. Clickatell gives them "during a validation phase": nothing was taken then.
ERRORS: dict[str, Refusal] = {
    "1": config("Clickatell does not know this API key: enter that of the integration."),
    "2": stopped("The Clickatell account is not active: look into the Clickatell portal, then resume the sender."),
    "3": stopped("The integration is not active at Clickatell: activate it there, then resume the sender."),
    "7": config("Clickatell does not take calls from this portal's address: allow it in the account."),
    "18": in_doubt("Clickatell had an error of its own: it may have gone out."),
    "19": throttled("Clickatell had an error of its own and took nothing: it is tried again.", 5),
    "20": config("The Clickatell account has no credit left: top it up."),
    "21": invalid("Clickatell could not read the message."),
    "22": invalid("Clickatell could not take so many messages at once."),
    "23": invalid("Clickatell misses a part of the message, or does not take it: check number and text."),
    "24": invalid("The text is too long for Clickatell: shorten it."),
    "25": invalid("Clickatell does not take this number: check it."),
    "26": opted_out("This person has told Clickatell to stop: they must opt in again before they get anything."),
    "27": invalid("This number cannot get SMS through Clickatell."),
    "28": invalid("The integration is a sandbox: it writes to its test numbers alone."),
    "30": invalid("Clickatell does not take this kind of message."),
    "38": config("SMS is not active on the integration: switch it on in the Clickatell portal."),
    "39": config("The integration has no SMS: choose another one in the Clickatell portal."),
    "40": invalid("Clickatell does not take these characters."),
    "41": config("Clickatell's API is not at this address: check the API address."),
    "42": config("Clickatell's API is not at this address: check the API address."),
    "43": throttled("Clickatell asks to send more slowly: the account waits by itself."),
    "44": config("Clickatell has suspended the number in From: look into the Clickatell portal."),
    "45": config("The number in From does not belong to the integration: enter its own, or none."),
    "46": stopped("The Clickatell demo has ended: buy credit, then resume the sender."),
    "100": invalid("The text is too long for Clickatell: shorten it."),
    "101": invalid("This number's carrier takes no messages from a two-way number: send from another integration."),
    "110": config("Numbers in the USA need a two-way integration: enter its API key and number."),
    "111": config("Numbers in the USA need STOP and SUBSCRIBE switched on for the integration."),
}
REFUSED_FOR = "Clickatell refused it: see error {code} in Clickatell's list of error messages."

# The One API's `status`, and its `statusCode` where that stands alone.
STATUSES: dict[str, Outcome] = {
    "QUEUED": Outcome.ACCEPTED,
    "SCHEDULED": Outcome.ACCEPTED,
    "SENT_TO_SUPPLIER": Outcome.SENT,
    "EMULATED": Outcome.SENT,
    "DEVICE_ACK": Outcome.DELIVERED,
    "READ": Outcome.READ,
    "EXPIRED": Outcome.EXPIRED,
    "STOPPED_BY_USER": Outcome.FAILED,
    "STOPPED_BY_ADMIN": Outcome.FAILED,
    "DELIVERY_FAILURE": Outcome.FAILED,
    "INSUFFICIENT_ACCOUNT_BALANCE": Outcome.FAILED,
    "VOLUME_LIMIT": Outcome.FAILED,
    "VOLUME_LIMIT_DAILY": Outcome.FAILED,
    "VOLUME_LIMIT_MONTHLY": Outcome.FAILED,
    "RECIPIENT_DOES_NOT_EXIST": Outcome.FAILED,
    "ROUTING_ERROR": Outcome.FAILED,
}
NUMBERS: dict[int, str] = {
    2: "QUEUED",
    3: "SCHEDULED",
    4: "SENT_TO_SUPPLIER",
    5: "DEVICE_ACK",
    6: "READ",
    20: "EXPIRED",
    21: "STOPPED_BY_USER",
    22: "STOPPED_BY_ADMIN",
    23: "DELIVERY_FAILURE",
    24: "EMULATED",
    25: "INSUFFICIENT_ACCOUNT_BALANCE",
    26: "VOLUME_LIMIT",
    27: "VOLUME_LIMIT_DAILY",
    28: "VOLUME_LIMIT_MONTHLY",
    29: "RECIPIENT_DOES_NOT_EXIST",
    100: "ROUTING_ERROR",
}
UNKNOWN = ("UNKNOWN", 1)
_MONEY = "The Clickatell account had no credit left for it: top it up."
_LIMIT = "The account's limit at Clickatell was used up: raise it there."
LOSSES: dict[str, tuple[str, Loss]] = {
    "EXPIRED": ("It could not be delivered in the time that it was good for.", Loss.NONE),
    "STOPPED_BY_USER": ("It was stopped at Clickatell by the account's user.", Loss.NONE),
    "STOPPED_BY_ADMIN": ("It was stopped by Clickatell: ask its support.", Loss.REJECTED),
    "DELIVERY_FAILURE": ("The carrier could not deliver it and does not say why.", Loss.NONE),
    "INSUFFICIENT_ACCOUNT_BALANCE": (_MONEY, Loss.REJECTED),
    "VOLUME_LIMIT": (_LIMIT, Loss.REJECTED),
    "VOLUME_LIMIT_DAILY": (_LIMIT, Loss.REJECTED),
    "VOLUME_LIMIT_MONTHLY": (_LIMIT, Loss.REJECTED),
    "RECIPIENT_DOES_NOT_EXIST": ("The number is not in use.", Loss.UNREACHABLE),
    "ROUTING_ERROR": ("Clickatell has no way to this number.", Loss.REJECTED),
}

# `statusCode` of the platform's other integrations (SMS HTTP and REST), whose requests are flat.
FLAT: dict[int, Outcome] = {
    2: Outcome.ACCEPTED,
    3: Outcome.SENT,
    4: Outcome.DELIVERED,
    8: Outcome.ACCEPTED,
    11: Outcome.ACCEPTED,
    1: Outcome.FAILED,
    5: Outcome.FAILED,
    6: Outcome.FAILED,
    7: Outcome.FAILED,
    9: Outcome.FAILED,
    10: Outcome.EXPIRED,
    12: Outcome.FAILED,
    14: Outcome.FAILED,
}
FLAT_LOSSES: dict[int, tuple[str, Loss]] = {
    1: ("Clickatell does not know the message.", Loss.NONE),
    5: ("The carrier could not read it: check the text.", Loss.REJECTED),
    6: ("It was stopped at Clickatell by the account's user.", Loss.NONE),
    7: ("The phone could not be reached.", Loss.UNREACHABLE),
    9: ("Clickatell has no way to this number.", Loss.REJECTED),
    10: LOSSES["EXPIRED"],
    12: (_MONEY, Loss.REJECTED),
    14: ("It costs more than the account allows a message to cost.", Loss.REJECTED),
}
