"""What GREEN-API's words mean: refusals, states of a line, statuses of a message, calls, and its error markers.

Sources: GREEN-API's pages "Common errors", GetStateInstance, OutgoingMessageStatus, IncomingCall and OutgoingCall.
"""

from dataclasses import dataclass

from portal.channels.base import LineState, Loss, Outcome, Scope
from portal.channels.content import CallState


@dataclass(frozen=True, slots=True)
class Refusal:
    """Whose fault it is, whether time or a repair helps, and the sentence. `doubt`: the call may have been made."""

    scope: Scope
    retry: bool
    sentence: str
    stops: bool = False
    doubt: bool = False


_SENDER, _MESSAGE = Scope.SENDER, Scope.MESSAGE

STARTING, NOT_LINKED, EXPIRED, DELETED = "starting", "not_authorized", "expired", "deleted"
CHATS_USED_UP, CALLS_USED_UP, QUOTA = "correspondents_quota", "method_quota", "quota"
TOO_LARGE, INVALID = "too_large", "invalid"

REFUSALS: dict[str, Refusal] = {
    STARTING: Refusal(_SENDER, True, "The GREEN-API instance is starting: it is asked again by itself."),
    NOT_LINKED: Refusal(
        _SENDER, True, "The GREEN-API instance is starting, or its phone is not linked: link it if this stays so."
    ),
    EXPIRED: Refusal(
        _SENDER,
        True,
        "The GREEN-API instance has expired: pay for it in the GREEN-API console, then resume.",
        stops=True,
    ),
    DELETED: Refusal(
        _SENDER, True, "The GREEN-API instance was deleted: add a sender with another instance.", stops=True
    ),
    INVALID: Refusal(_MESSAGE, False, "GREEN-API does not accept the message: correct it and send it anew."),
    TOO_LARGE: Refusal(_MESSAGE, False, "GREEN-API takes files of at most 100 MB: send a smaller one, or a link."),
    "401": Refusal(_SENDER, True, "GREEN-API does not know the API token: enter the right one."),
    "403": Refusal(_SENDER, True, "GREEN-API does not know the instance id at this address: check both."),
    "beta": Refusal(_MESSAGE, False, "GREEN-API has not enabled buttons for this instance: send a text instead."),
    "404": Refusal(_SENDER, True, "GREEN-API's API is not at this address: check the sender's API address."),
    "429": Refusal(_SENDER, True, "GREEN-API asks to call more slowly: the sender waits by itself."),
    CHATS_USED_UP: Refusal(
        _MESSAGE,
        False,
        "The GREEN-API plan allows only the chats already used this month: change the plan, then send it anew.",
    ),
    CALLS_USED_UP: Refusal(
        _SENDER,
        True,
        "The GREEN-API plan's monthly quota is used up: change the plan in the GREEN-API console, then resume.",
        stops=True,
    ),
    QUOTA: Refusal(_SENDER, True, "A quota of the GREEN-API plan is used up: look into the GREEN-API console."),
    "499": Refusal(_SENDER, False, "GREEN-API gave the call up before it was done: it may have gone out.", doubt=True),
    "500": Refusal(_SENDER, False, "GREEN-API had an error of its own: it may have gone out.", doubt=True),
    "502": Refusal(
        _SENDER, False, "GREEN-API could not be reached behind its gateway: it may have gone out.", doubt=True
    ),
}

# Words in the text of an answer → the refusal they stand for, the first that is found. Compared in lower case.
WORDS: tuple[tuple[str, str], ...] = (
    # Its details may repeat what was sent, with any of the words below.
    ("validation failed", INVALID),
    ("is starting or not authorized", NOT_LINKED),
    ("starting process", STARTING),
    ("is starting", STARTING),
    ("not authorized", NOT_LINKED),
    ("expired", EXPIRED),
    ("is deleted", DELETED),
    ("entity too large", TOO_LARGE),
    ("file size", TOO_LARGE),
    ("100 mb", TOO_LARGE),
)

NO_PHONE = "No phone is linked to the line: link one by its QR code or a pairing code."
STATES: dict[str, tuple[LineState, str]] = {
    "authorized": (LineState.READY, ""),
    "notAuthorized": (LineState.SIGNED_OUT, NO_PHONE),
    "blocked": (
        LineState.BLOCKED,
        "WhatsApp has banned the number: ask WhatsApp on the phone to lift the ban, or link another number.",
    ),
    "starting": (LineState.STARTING, "GREEN-API starts the line: this passes within five minutes."),
    "yellowCard": (
        LineState.LIMITED,
        "WhatsApp holds the line's messages back, most often because many strangers were written to: "
        "write less, wait, then restart the line.",
    ),
    "suspended": (
        LineState.LIMITED,
        "WhatsApp holds the line's messages back, most often because many strangers were written to: wait.",
    ),
    "sleepMode": (LineState.ASLEEP, "The phone is switched off or has no network: switch it on."),
    EXPIRED: (LineState.GONE, "The GREEN-API instance has expired: pay for it in the GREEN-API console."),
    DELETED: (LineState.GONE, "The GREEN-API instance was deleted: add a sender with another instance."),
}
# `statusInstanceChanged` is deprecated, and tells of the phone only.
PHONE_STATES = {"online": "authorized", "offline": "sleepMode"}

STATUSES = {
    "sent": Outcome.SENT,
    "delivered": Outcome.DELIVERED,
    "read": Outcome.READ,
    "played": Outcome.PLAYED,
    "failed": Outcome.FAILED,
    "noAccount": Outcome.FAILED,
    "notInGroup": Outcome.FAILED,
    # Held back, and sent within 24 hours if the line is freed meanwhile: nothing is lost yet.
    "yellowCard": Outcome.ACCEPTED,
}
STATUS_WORDS = {
    "failed": "WhatsApp did not take the message: send it anew.",
    "noAccount": "The number has no WhatsApp: write by SMS, or correct the number.",
    "notInGroup": "The line's number is not a member of the group: have it added there.",
    "yellowCard": "WhatsApp holds the line's messages back: it goes out within 24 hours if that ends, or not at all.",
}
LOSSES = {"failed": Loss.REJECTED, "noAccount": Loss.UNREACHABLE, "notInGroup": Loss.UNREACHABLE}

# `hungUp` is today's word, `hangUp` the earlier one; `missed` has become `declined`: the caller gave up, or nobody
# answered. Of an outgoing call `hungUp` says that nobody answered, `invalid` that the number could not be called.
INCOMING_CALLS = {
    "offer": CallState.RINGING,
    "pickUp": CallState.ANSWERED,
    "hungUp": CallState.DECLINED,
    "hangUp": CallState.DECLINED,
    "missed": CallState.MISSED,
    "declined": CallState.MISSED,
}
OUTGOING_CALLS = {
    "offer": CallState.RINGING,
    "pickUp": CallState.ANSWERED,
    "declined": CallState.DECLINED,
}

# They stand where a text or a file's address should be.
MARKERS = {
    "SWE001": "This message could not be received: ask the sender to send it again.",
    "SWE002": "The file is larger than 100 MB, which GREEN-API does not pass on: ask for it another way.",
    "SWE003": "This message could not be decrypted: ask for it again; if that happens often, link the phone anew.",
    "SWE004": "This message of the group could not be received: ask its author to send it again.",
}
UNKNOWN_MARKER = "GREEN-API could not receive this ({code}): ask the sender to send it again."
NO_FILE = "GREEN-API gave no address for this file: ask the sender to send it again."

QUOTAS = {
    "correspondents": "The GREEN-API plan's chats are used up for this month: others can be written to, and write in, "
    "after a change of plan in the GREEN-API console.",
    "": "A quota of the GREEN-API plan is used up for this month: change the plan in the GREEN-API console.",
}
