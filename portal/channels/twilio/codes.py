"""What Twilio's words mean (its error dictionary; "Outbound message status in status callbacks")."""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, invalid, later, opted_out, stopped, throttled

NAME = "Twilio"
NO_ORIGIN = "no_origin"

_NOT_A_NUMBER = invalid("Twilio does not take this number: it is none, or none that can get SMS.")
_NOT_FROM = config("Twilio cannot send from this number or name: check From, or the Messaging Service.")
_REGION = config("The Twilio account may not send to this country: allow it under Messaging > Geo permissions.")
_TOO_FAST = throttled("Twilio asks to send more slowly: the account waits by itself.")

# The API's `code` → what it means. What is not here is judged by the HTTP status.
ERRORS: dict[str, Refusal] = {
    NO_ORIGIN: config("The sender names nobody to send as: enter From or a Messaging Service SID."),
    "20003": config("Twilio does not know the Account SID with this auth token: enter the right ones."),
    "20005": stopped("The Twilio account is not active: look into the Twilio console, then resume the sender."),
    "20006": config("Twilio does not allow this account to do that: check its permissions."),
    "20008": config("These are Twilio's test credentials: enter the live ones."),
    "20404": config("Twilio does not know this account: check the Account SID and the API address."),
    "20429": _TOO_FAST,
    "14107": _TOO_FAST,
    "63018": _TOO_FAST,
    "30001": throttled("Twilio's queue for this number is full: the sender waits by itself.", 60),
    "30022": throttled("The campaign's limit at the carriers is used up: the sender waits by itself.", 60),
    "30002": stopped("Twilio has suspended the account: look into the Twilio console, then resume the sender."),
    "21211": _NOT_A_NUMBER,
    "21214": _NOT_A_NUMBER,
    "21217": _NOT_A_NUMBER,
    "21265": invalid("Twilio does not send SMS to short codes."),
    "21266": invalid("Recipient and sender are the same number."),
    "21401": _NOT_A_NUMBER,
    "21407": _NOT_A_NUMBER,
    "21421": _NOT_A_NUMBER,
    "21604": invalid("Twilio was given no recipient."),
    "21614": invalid("This number is no mobile phone: it cannot get SMS."),
    "21635": invalid("This number is a landline: it cannot get SMS."),
    "21212": _NOT_FROM,
    "21603": _NOT_FROM,
    "21606": _NOT_FROM,
    "21611": throttled("Twilio's queue for this number is full: the sender waits by itself.", 60),
    "21659": _NOT_FROM,
    "21660": _NOT_FROM,
    "21661": _NOT_FROM,
    "21701": config("Twilio does not know this Messaging Service: check its SID."),
    "21703": config("The Messaging Service has no sender: add a number to it in the Twilio console."),
    "21704": config("The Messaging Service has no sender: add a number to it in the Twilio console."),
    "21408": _REGION,
    "21215": _REGION,
    "21612": invalid("Twilio has no way from this sender to this number: choose another sender."),
    "21267": config("A Twilio trial account cannot send under a name: use a number, or upgrade the account."),
    "21608": invalid("A Twilio trial account writes to verified numbers alone: verify it, or upgrade the account."),
    "21602": invalid("The message is empty: write a text or attach a file."),
    "21605": invalid("The text is too long for Twilio: 1600 characters are the most."),
    "21617": invalid("The text is too long for Twilio: 1600 characters are the most."),
    "21609": config("Twilio cannot call this portal's address: APP_URL must be public."),
    "21610": opted_out("This person has told Twilio to stop (STOP): they must write START before they get anything."),
    "21619": invalid("The message is empty: write a text or attach a file."),
    "21620": invalid("Twilio cannot use the address of a file."),
    "21623": invalid("Twilio takes at most 10 files a message."),
    "30038": invalid("Twilio refused it because it looks like a one-time password."),
    "30034": config("The number is not registered for A2P 10DLC: register it in the Twilio console."),
    "30450": later("Twilio was too busy for this message: it is tried again.", 30),
}

# `sent`: the carrier has it. `partially_delivered` is no evidence for the whole of it.
STATUSES: dict[str, Outcome] = {
    "accepted": Outcome.ACCEPTED,
    "queued": Outcome.ACCEPTED,
    "scheduled": Outcome.ACCEPTED,
    "sending": Outcome.ACCEPTED,
    "sent": Outcome.SENT,
    "partially_delivered": Outcome.SENT,
    "delivered": Outcome.DELIVERED,
    "read": Outcome.READ,
    "undelivered": Outcome.FAILED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
}

# `ErrorCode` of a message that was lost → the sentence, and the class of the loss.
LOSSES: dict[str, tuple[str, Loss]] = {
    "21610": ("This person has told Twilio to stop (STOP).", Loss.OPTED_OUT),
    "30001": ("Twilio's queue for this number was full: send it anew, more slowly.", Loss.REJECTED),
    "30002": ("Twilio suspended the account before it went out: look into the Twilio console.", Loss.REJECTED),
    "30003": ("The phone cannot be reached: it is off, or out of reach.", Loss.UNREACHABLE),
    "30004": ("The recipient's phone or carrier blocks messages of this sender.", Loss.REJECTED),
    "30005": ("The number is not in use.", Loss.UNREACHABLE),
    "30006": ("The number is a landline, or its carrier cannot be reached.", Loss.UNREACHABLE),
    "30007": (
        "The carrier, or Twilio, filtered it as unwanted: change the text or register the sender.",
        Loss.REJECTED,
    ),
    "30008": ("The carrier could not deliver it and does not say why.", Loss.NONE),
    "30009": ("A part of the message was lost on the way.", Loss.NONE),
    "30010": ("It costs more than the account allows a message to cost.", Loss.REJECTED),
    "30011": ("The carrier takes no MMS: send the file as a link.", Loss.REJECTED),
    "30019": ("The file is too large for the recipient's carrier.", Loss.REJECTED),
    "30022": ("The campaign's limit at the carriers was used up: send it anew, more slowly.", Loss.REJECTED),
    "30023": ("The brand's limit of the day at the carrier is used up.", Loss.REJECTED),
    "30024": ("The name is not registered for this country.", Loss.REJECTED),
    "30027": ("The brand's limit of the day at the carrier is used up.", Loss.REJECTED),
    "30032": ("The toll-free number is not verified: verify it in the Twilio console.", Loss.REJECTED),
    "30034": ("The number is not registered for A2P 10DLC: register it in the Twilio console.", Loss.REJECTED),
    "30035": ("The number's registration for A2P 10DLC is still being set up.", Loss.REJECTED),
    "30036": ("It could not be delivered in the time that it was good for.", Loss.NONE),
    "30044": ("A trial account's messages are limited in length.", Loss.REJECTED),
    "30410": ("The carrier did not answer Twilio in time: it may arrive all the same.", Loss.NONE),
    "30453": ("Twilio refused it as likely fraud.", Loss.REJECTED),
    "30454": ("Twilio's limit for messages to one number is used up.", Loss.REJECTED),
    "30500": ("Twilio had an error of its own.", Loss.NONE),
    "63018": ("The carrier's limit was exceeded: send it anew, more slowly.", Loss.REJECTED),
}
EXPIRED = frozenset({"30036"})
LOST = "Twilio could not deliver it and gives no reason."
LOST_FOR = "Twilio could not deliver it: see error {code} in Twilio's error dictionary."
CANCELED = "It was cancelled at Twilio before it was sent."
REFUSED_FOR = "Twilio refused it: see error {code} in Twilio's error dictionary."
# A message that Twilio does not know (any more).
NOT_FOUND = "20404"
