"""What Vonage's codes mean ("Troubleshooting SMS", "Delivery receipts" of its developer pages)."""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, in_doubt, invalid, stopped, throttled

NAME = "Vonage"
TAKEN = "0"
INCOMPLETE = "incomplete"

# `messages[].status` → what it means. What is not here is judged by the HTTP status.
ERRORS: dict[str, Refusal] = {
    "1": throttled("Vonage asks to send more slowly: the account waits by itself."),
    "2": invalid("Vonage misses a recipient, a sender or a text."),
    "3": invalid("Vonage does not take this number or text."),
    "4": config("Vonage does not know this API key with this secret: enter the right ones."),
    "5": in_doubt("Vonage had an error of its own: it may have gone out."),
    "6": invalid("Vonage has no way to this number: check it."),
    "7": invalid("Vonage has this number on a list of those that get nothing."),
    "8": stopped("The Vonage account is suspended: ask Vonage's support, then resume the sender."),
    "9": config("The Vonage account has no credit left: top it up."),
    "10": throttled("The Vonage account has too many connections: the sender waits by itself.", 10),
    "11": stopped("The Vonage account may not use the SMS API: ask Vonage's support, then resume the sender."),
    "12": invalid("The text is too long for Vonage: shorten it."),
    "13": in_doubt("Vonage could not hand it on: it may have gone out."),
    "14": config("Vonage wants signed calls and does not take ours: let the account take the API secret."),
    "15": config("Vonage cannot send from this number or name to this country: check From."),
    "16": invalid("Vonage does not take the time that the message is good for."),
    "19": config("The Vonage account may not do that: ask Vonage's support."),
    "20": invalid("Vonage does not take this class of message."),
    "22": invalid("Vonage does not know the recipient's network."),
    "23": config("Vonage cannot call this portal's address: APP_URL must be public."),
    "29": invalid("A Vonage trial account writes to its test numbers alone: add this one, or upgrade the account."),
    "32": config("Vonage wants signed calls and no API secret: let the account take the API secret."),
    "33": invalid("This number is not in use any more."),
}
REFUSED_FOR = "Vonage refused it: see status {code} in Vonage's list of SMS errors."
PARTLY = "Vonage took {taken} of the {all} SMS of this text and refused the rest: {why}"

# `unknown`: the carrier gave a receipt that says nothing, so all that is known is that it had the message.
STATUSES: dict[str, Outcome] = {
    "submitted": Outcome.ACCEPTED,
    "accepted": Outcome.SENT,
    "buffered": Outcome.SENT,
    "unknown": Outcome.SENT,
    "delivered": Outcome.DELIVERED,
    "failed": Outcome.FAILED,
    "rejected": Outcome.FAILED,
    "deleted": Outcome.FAILED,
    "expired": Outcome.EXPIRED,
}

# `err-code` of a message that was lost → the sentence, and the class of the loss.
LOSSES: dict[str, tuple[str, Loss]] = {
    "1": ("The carrier could not deliver it and does not say why.", Loss.NONE),
    "2": ("The phone cannot be reached: it is off, or out of reach.", Loss.UNREACHABLE),
    "3": ("The number is not in use any more.", Loss.UNREACHABLE),
    "4": ("The recipient's line does not take messages.", Loss.UNREACHABLE),
    "5": ("The number has moved to another carrier, and it could not be found there: try again later.", Loss.NONE),
    "6": ("The carrier took it for spam: change the text, or register the sender.", Loss.REJECTED),
    "7": ("The phone was busy.", Loss.UNREACHABLE),
    "8": ("The carrier's network failed: try again later.", Loss.NONE),
    "9": ("The number cannot get messages.", Loss.UNREACHABLE),
    "10": ("The carrier could not read it: check the text.", Loss.REJECTED),
    "11": ("Vonage has no way to this number.", Loss.REJECTED),
    "12": ("The number cannot be reached.", Loss.UNREACHABLE),
    "13": ("The recipient's age does not allow messages of this kind.", Loss.REJECTED),
    "14": ("The carrier blocks messages to this number.", Loss.REJECTED),
    "15": ("The recipient's prepaid line has no credit left.", Loss.UNREACHABLE),
    "16": ("The carrier's quota for this sender is used up: try again later.", Loss.REJECTED),
    "39": ("Numbers in the USA need a number of the account, or a short code, as the sender.", Loss.REJECTED),
    "41": ("The carrier does not take it from this sender: register it.", Loss.REJECTED),
    "50": ("The carrier's filter refused the sender's company: register it.", Loss.REJECTED),
    "51": ("The carrier's filter refused the sender's name: register it.", Loss.REJECTED),
    "52": ("The carrier's filter refused the text.", Loss.REJECTED),
    "53": ("The carrier knows of no consent of the recipient.", Loss.REJECTED),
    "54": ("The country's rules do not allow it.", Loss.REJECTED),
    "99": ("The carrier could not deliver it and does not say why.", Loss.NONE),
}
LOST = {
    "rejected": ("The carrier refused it and does not say why.", Loss.REJECTED),
    "deleted": ("It was deleted before it was delivered.", Loss.NONE),
    "expired": ("It could not be delivered in the time that it was good for.", Loss.NONE),
}
LOST_ELSE = "Vonage could not deliver it and gives no reason."
LOST_FOR = "Vonage could not deliver it: see err-code {code} in Vonage's list of delivery receipts."
