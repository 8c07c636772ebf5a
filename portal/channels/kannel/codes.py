"""What the gateways' words mean: Kannel's `smsbox.c` and user guide (delivery reports), Jasmin's pages on its HTTP API.

Both answer in plain words, of which a part is looked for: the rest names the user or the number.
"""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, invalid, throttled

NAMES = {"kannel": "Kannel", "jasmin": "Jasmin"}
# Our names of the refusals that speak of user name and password.
NO_ENTRY = ("authorization", "authentication", "username", "password")
NO_ADDRESS = config("The sender has no API address: enter that of the gateway, like http://host:13013.")
TOO_LONG = "The text takes more than {parts} parts, and the gateway would cut it: shorten it, or raise “Most parts”."

_NO_ACCESS = config("The gateway does not accept the user name and password, or not from this machine: correct them.")
_NO_MONEY = config("The user's credit at the gateway is used up: raise it.")
_NOT_A_NUMBER = invalid("The gateway does not take this number.")
_NOT_FROM = config("The gateway does not let this user send from this number or name: check From.")
_NO_ROUTE = invalid("The gateway has no route to this number: add one, then send it again.")
_CARRIER_AWAY = throttled("The gateway cannot pass messages on at the moment: the sender waits by itself.", 60)

# A part of the answer, in small letters → our name for it, and what it means.
REFUSALS: dict[str, tuple[tuple[str, str, Refusal], ...]] = {
    "kannel": (
        ("authorization failed", "authorization", _NO_ACCESS),
        ("not routable", "not_routable", _NO_ROUTE),
        ("temporal failure", "temporal_failure", _CARRIER_AWAY),
        ("queue full", "queue_full", throttled("The gateway's queue is full: the sender waits by itself.", 60)),
        ("denied by white- and/or black-lists", "denied", invalid("The gateway's lists forbid this number.")),
        ("missing receiver", "no_receiver", _NOT_A_NUMBER),
        ("empty receiver", "no_receiver", _NOT_A_NUMBER),
        ("sender missing", "no_sender", _NOT_FROM),
        ("dlr-url field misformed", "dlr_url", config("The gateway cannot call this portal: APP_URL is no address.")),
        ("charset or body misformed", "charset", invalid("The gateway cannot read the text.")),
        ("rejected", "rejected", invalid("The gateway refuses a field of the message: see its log.")),
        ("unknown request", "unknown_request", config("The gateway's sendsms is not at this address: correct it.")),
    ),
    "jasmin": (
        ("authentication failure", "authentication", _NO_ACCESS),
        ("throughput exceeded", "throughput", throttled("The user sends faster than Jasmin allows: it waits.", 1)),
        ("cannot charge", "charging", _NO_MONEY),
        ("not enough balance", "charging", _NO_MONEY),
        ("not enough submit_sm_count", "charging", _NO_MONEY),
        ("no bound connector", "no_connector", _CARRIER_AWAY),
        ("interceptorpb not", "interceptor", _CARRIER_AWAY),
        ("no route found", "no_route", _NO_ROUTE),
        ("destination_address", "destination", invalid("Jasmin does not let this user write to this number.")),
        ("(destination", "destination", invalid("Jasmin does not let this user write to this number.")),
        ("source_address", "source", _NOT_FROM),
        ("(source", "source", _NOT_FROM),
        ("(content", "content", invalid("Jasmin does not let this user send such a text.")),
        ("mandatory argument", "argument", config("Jasmin misses a field: check the sender's settings.")),
        ("argument [username]", "username", _NO_ACCESS),
        ("argument [password]", "password", _NO_ACCESS),
        ("argument [tags]", "tags", config("Jasmin takes letters, digits and - in tags: correct “Carrier link”.")),
        ("argument [to]", "to", _NOT_A_NUMBER),
        ("argument [from]", "from", _NOT_FROM),
        # A right that some messages need must not stop those that do not.
        ("long content not", "long_content", invalid("Jasmin lets this user send no long texts (http_long_content).")),
        ("hex content not", "hex_content", invalid("Jasmin lets this user send no Unicode (hex_content): allow it.")),
        ("authorization failed", "authorization", config("Jasmin does not let this user do that: check its rights.")),
        ("argument", "argument", invalid("Jasmin refuses a field of the message: see its log.")),
    ),
}

# Kannel's delivery report value (`%d`). 34 and 66 are 2 with the carrier's EXPIRED and UNKNOWN (`gw/dlr.h`).
KANNEL_REPORTS: dict[str, Outcome] = {
    "1": Outcome.DELIVERED,
    "2": Outcome.FAILED,
    "4": Outcome.ACCEPTED,
    "8": Outcome.SENT,
    "16": Outcome.FAILED,
    "34": Outcome.EXPIRED,
    "66": Outcome.SENT,
}
# The carrier's words (SMPP 3.4, Appendix B), as Jasmin gives them and as they stand in Kannel's `%A`.
WORDS: dict[str, Outcome] = {
    "DELIVRD": Outcome.DELIVERED,
    "ACCEPTD": Outcome.SENT,
    "ENROUTE": Outcome.SENT,
    "SCHEDULED": Outcome.ACCEPTED,
    "ESME_ROK": Outcome.SENT,
    # The carrier does not know what became of it: it has had it, and no more is certain.
    "UNKNOWN": Outcome.SENT,
    "UNDELIV": Outcome.FAILED,
    "REJECTD": Outcome.FAILED,
    "DELETED": Outcome.FAILED,
    "SKIPPED": Outcome.FAILED,
    "EXPIRED": Outcome.EXPIRED,
}
LOSSES: dict[str, tuple[str, Loss]] = {
    "2": ("The carrier could not deliver it.", Loss.NONE),
    "16": ("The carrier refused it.", Loss.REJECTED),
    "34": ("It could not be delivered in the time that it was good for.", Loss.NONE),
    "UNDELIV": ("The carrier could not deliver it: the phone is off or out of reach.", Loss.UNREACHABLE),
    "REJECTD": ("The carrier refused it.", Loss.REJECTED),
    "DELETED": ("The carrier deleted it before it was delivered.", Loss.REJECTED),
    "SKIPPED": ("The carrier left it out.", Loss.REJECTED),
    "EXPIRED": ("It could not be delivered in the time that it was good for.", Loss.NONE),
    "ESME_RINVDSTADR": ("The carrier does not take this number.", Loss.REJECTED),
    "ESME_RINVSRCADR": ("The carrier does not let this number or name send.", Loss.REJECTED),
    "ESME_RTHROTTLED": ("The carrier was sent too much at once: send it anew, more slowly.", Loss.REJECTED),
    "ESME_RMSGQFUL": ("The carrier's queue was full: send it anew later.", Loss.REJECTED),
}
ESME = "ESME_"
ESME_REFUSED = "The carrier refused it with {word}."
