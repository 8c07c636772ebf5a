"""How a number stands at Meta (`status` of a phone number), and what befalls its account, in our words.

FLAGGED, RESTRICTED and RATE_LIMITED are no states of ours: such a number still answers its customers, and Meta itself
refuses what it may not begin. Taking it for broken would keep replies back too.
"""

from portal.channels.base import LineState

_REGISTER = "Register it in Meta's WhatsApp manager."

STATES: dict[str, tuple[LineState, str]] = {
    "CONNECTED": (LineState.READY, ""),
    "FLAGGED": (LineState.READY, ""),
    "RESTRICTED": (LineState.READY, ""),
    "RATE_LIMITED": (LineState.READY, ""),
    "PENDING": (LineState.SIGNED_OUT, f"The number is not registered for the Cloud API yet. {_REGISTER}"),
    "UNVERIFIED": (LineState.SIGNED_OUT, f"The number is not verified. {_REGISTER}"),
    "DISCONNECTED": (LineState.SIGNED_OUT, f"The number is disconnected from the Cloud API. {_REGISTER}"),
    "OFFLINE": (LineState.ASLEEP, "WhatsApp cannot reach the number for now: this passes by itself."),
    "PAUSED": (LineState.LIMITED, "Meta has paused the number: look into WhatsApp manager."),
    "BANNED": (LineState.BLOCKED, "Meta has banned the number: ask for a review in WhatsApp manager."),
    "MIGRATED": (LineState.GONE, "The number was moved to another account or provider: add it from there."),
    "DELETED": (LineState.GONE, "The number was deleted at Meta: add a sender with another number."),
}
# What still sends, and wants to be known.
WARNINGS: dict[str, str] = {
    "FLAGGED": "Its quality is low: write only to people who expect it, or Meta lowers its limit.",
    "RESTRICTED": "It has reached Meta's limit of people a day: it answers, and begins nothing new until tomorrow.",
    "RATE_LIMITED": "It has reached Meta's limit of people a day: it answers, and begins nothing new until tomorrow.",
}

_LOOK = "look into Meta's business settings."
# Events of an account: the sentence, and what it makes likely of every line, so that each is asked about at once.
ACCOUNT_EVENTS: dict[str, tuple[str, LineState | None]] = {
    "DISABLED_UPDATE": (f"Meta has disabled the WhatsApp Business account: {_LOOK}", LineState.BLOCKED),
    "ACCOUNT_RESTRICTION": (f"Meta has restricted the WhatsApp Business account: {_LOOK}", LineState.LIMITED),
    "ACCOUNT_VIOLATION": ("Meta says that the account has broken its rules: look into its quality page.", None),
    "ACCOUNT_DELETED": ("The WhatsApp Business account was deleted: nothing can be sent with it.", LineState.GONE),
    "ACCOUNT_OFFBOARDED": ("The number was taken off the Cloud API: connect it anew.", LineState.SIGNED_OUT),
    "ACCOUNT_RECONNECTED": ("The number is connected to the Cloud API again.", LineState.READY),
    "PARTNER_REMOVED": (f"The account is not shared with the app any more: {_LOOK}", LineState.SIGNED_OUT),
    "PARTNER_APP_UNINSTALLED": (
        "The app was taken off the account: give it its permissions back.",
        LineState.SIGNED_OUT,
    ),
    "PHONE_NUMBER_REMOVED": ("A number was taken off the account.", LineState.GONE),
}
# Prices, terms and partners: nothing that a person here would have to do.
QUIET_EVENTS = frozenset(
    (
        "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE",
        "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE",
        "MM_LITE_TERMS_SIGNED",
        "PARTNER_ADDED",
        "PARTNER_APP_INSTALLED",
        "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
        "PHONE_NUMBER_ADDED",
        "VERIFIED_ACCOUNT",
        "VOLUME_BASED_PRICING_TIER_UPDATE",
    )
)
REINSTATED = "REINSTATE"

# Events of a number (`phone_number_quality_update`); the others are good news of more room.
NUMBER_EVENTS: dict[str, str] = {
    "FLAGGED": WARNINGS["FLAGGED"],
    "DOWNGRADE": "Meta has lowered how many people a day it may write to first.",
}
QUIET_NUMBER_EVENTS = frozenset(("ONBOARDING", "UNFLAGGED", "UPGRADE", "THROUGHPUT_UPGRADE"))
