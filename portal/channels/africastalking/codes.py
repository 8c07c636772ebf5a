"""What Africa's Talking's words mean (its "Sending SMS" and "SMS notifications", and answers seen by its users)."""

from portal.channels.base import Loss, Outcome
from portal.channels.refusals import Refusal, config, in_doubt, invalid, later, throttled

NAME = "Africa's Talking"

# `statusCode` of a recipient. 100: processed, 101: sent, 102: queued. 401, RiskHold, is held back for a check and may
# still go out: it counts as taken where it has an id.
TAKEN = frozenset({"100", "101", "102"})
RISK_HOLD = "401"

_BALANCE = config("The Africa's Talking account has no credit left: top it up.")
_FROM = config("Africa's Talking does not let this app send as From: check it, or leave it out.")
_NUMBER = invalid("Africa's Talking does not take this number: it is none, or none that can get SMS.")
_BLOCKED = invalid(
    "The number is on the block list for From: its owner has opted out there, or the network blocks promotional names "
    "until its owner allows them."
)
_NOBODY = invalid("Africa's Talking took it for nobody and does not say why: check number and text.")

# A recipient's `statusCode` → what it means.
ERRORS: dict[str, Refusal] = {
    RISK_HOLD: in_doubt("Africa's Talking holds it back for a check and gives no id: it may still go out."),
    "402": _FROM,
    "403": _NUMBER,
    "404": invalid("Africa's Talking cannot write to this kind of number."),
    "405": _BALANCE,
    "406": _BLOCKED,
    "407": invalid("Africa's Talking has no way from this sender to this number's network: choose another sender."),
    "409": invalid("The number is on the network's do-not-disturb list: its owner must leave it first."),
    "500": in_doubt("Africa's Talking had an error of its own: it may have gone out."),
    "501": in_doubt("The network's gateway failed: it may have gone out."),
    "502": later("The network's gateway rejected it: it is tried again.", 60),
}

# `SMSMessageData.Message` when it lists no recipient, or `status` of one → the code above.
WORDS: dict[str, str] = {
    "RiskHold": RISK_HOLD,
    "InvalidSenderId": "402",
    "InvalidPhoneNumber": "403",
    "UnsupportedNumberType": "404",
    "InsufficientBalance": "405",
    "UserInBlacklist": "406",
    "UserInBlackList": "406",
    "CouldNotRoute": "407",
    "DoNotDisturbRejection": "409",
    "InternalServerError": "500",
    "GatewayError": "501",
    "RejectedByGateway": "502",
}
# An answer that lists nobody at all: nothing was taken.
NOBODY, TAKEN_FOR_NOBODY = "no_recipient", _NOBODY
TOO_FAST = throttled("Africa's Talking asks to send more slowly: the account waits by itself.")

# A delivery report's `status`. Sent, Submitted and Buffered: on its way with the network.
STATUSES: dict[str, Outcome] = {
    "sent": Outcome.SENT,
    "submitted": Outcome.SENT,
    "buffered": Outcome.SENT,
    "queued": Outcome.ACCEPTED,
    "success": Outcome.DELIVERED,
    "delivered": Outcome.DELIVERED,
    "rejected": Outcome.FAILED,
    "failed": Outcome.FAILED,
    "expired": Outcome.EXPIRED,
}

# `failureReason` → the sentence, and the class of the loss.
LOSSES: dict[str, tuple[str, Loss]] = {
    "insufficientcredit": ("The recipient has not enough credit for a premium message.", Loss.UNREACHABLE),
    "invalidlinkid": ("The network does not know what it answers (linkId).", Loss.REJECTED),
    "userisinactive": ("The number is not active, or its network has shut it off.", Loss.UNREACHABLE),
    "userinblacklist": (_BLOCKED.sentence, Loss.WITHHELD),
    "useraccountsuspended": ("The network has suspended the recipient's number.", Loss.UNREACHABLE),
    "notnetworksubscriber": ("The number is not with this network (any more).", Loss.UNREACHABLE),
    "notnetworksubcriber": ("The number is not with this network (any more).", Loss.UNREACHABLE),
    "usernotsubscribedtoproduct": ("The recipient has not subscribed to this premium service.", Loss.WITHHELD),
    "userdoesnotexist": ("The number is not in use.", Loss.UNREACHABLE),
    "absentsubscriber": ("The phone cannot be reached: it is off, or out of reach.", Loss.UNREACHABLE),
    "donotdisturbrejection": ("The number is on the network's do-not-disturb list.", Loss.WITHHELD),
    "invalidsenderid": ("The network does not take From: check it at Africa's Talking.", Loss.REJECTED),
    "couldnotroute": ("There is no way from this sender to the number's network.", Loss.REJECTED),
    "rejectedbygateway": ("The network's gateway rejected it.", Loss.REJECTED),
    "deliveryfailure": ("The network could not deliver it and does not say why.", Loss.NONE),
}
REJECTED = ("The network rejected it and does not say why.", Loss.REJECTED)
LOST = ("Africa's Talking could not deliver it and gives no reason.", Loss.NONE)
LATE = ("It could not be delivered in the time that it was good for.", Loss.NONE)
