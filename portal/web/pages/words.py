"""Words for people: what states, kinds and numbers are called on the pages."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext, ngettext
from markupsafe import Markup

from portal import clock
from portal.alerts import notices
from portal.channels import registry
from portal.channels.base import LineState
from portal.channels.content import AddressKind, Relation
from portal.messaging import measuring, telling, template_sending, template_texts
from portal.messaging.silence import MARKETING
from portal.messaging.statuses import SENTENCES
from portal.messaging.template_forms import Blank
from portal.models import (
    AccountHealth,
    AgencyKind,
    EntryKind,
    EventState,
    Gate,
    InstallEvent,
    InstallState,
    MediaState,
    Message,
    Origin,
    SenderState,
    Source,
)
from portal.web.languages import translated
from portal.web.pages import names
from portal.web.pages.names import KIND
from portal.wording import noted

EVENT: Mapping[str, str] = {
    EventState.PENDING: "Waiting to be applied.",
    EventState.APPLIED: "Applied.",
    EventState.IGNORED: "Kept for the record; it changes nothing.",
    EventState.PARKED: "Set aside for a person. Replay it when its cause is gone.",
    EventState.REFUSED: "Refused: it did not prove who sent it. Kept as evidence.",
}
INSTALL: Mapping[str, str] = {
    InstallState.NOT_INSTALLED: "not installed",
    InstallState.INSTALLED: "installed",
    InstallState.INACTIVE: "paused in HighLevel",
    InstallState.UNINSTALLED: "uninstalled",
}
INSTALL_FILTER: Mapping[str, str] = {"attention": "needs somebody", **INSTALL}
INSTALL_EVENT: Mapping[str, str] = {
    "": "nothing was heard yet",
    InstallEvent.INSTALL: "HighLevel said that it was installed",
    InstallEvent.UNINSTALL: "HighLevel said that it was uninstalled",
    InstallEvent.CONSENT: "somebody gave the permission",
    InstallEvent.LISTED: "the agency's list named it",
    InstallEvent.DISCONNECT: "somebody disconnected it here",
}
SENDER: Mapping[str, str] = {
    SenderState.ACTIVE: "active",
    SenderState.PAUSED: "paused",
    SenderState.REMOVED: "removed",
}
ALERT: Mapping[str, str] = {
    notices.UNAUTHENTIC: "Webhooks that did not prove who sent them",
    notices.NO_MESSAGE_ID: "Deliveries without an id",
    notices.CHOOSE_DEFAULT: "Choose a default sender",
    notices.NOT_INSTALLED: "The app is not installed",
    notices.DEAD_TOKEN: "Reconnect HighLevel",
    notices.SCOPES_MISSING: "Permissions are missing",
    notices.LOCATION_INACTIVE: "A sub-account is paused in HighLevel",
    notices.LOCATION_GONE: "HighLevel does not show a sub-account any more",
    notices.LOCATION_MOVED: "A sub-account moved to another agency",
    notices.UNLISTED: "An agency does not list a sub-account any more",
    notices.WEBHOOK_LEFT: "A webhook could not be changed at a provider",
    notices.NOT_TOLD: "HighLevel could not be told of a disconnection",
    notices.PARKED: "Webhooks set aside",
    notices.SENDER_FAULT: "A sender is in trouble",
    notices.RESTORED: "A backup was restored",
    notices.STATUS_REFUSED: "HighLevel refuses what it is told",
    notices.GHL_WAITS: "HighLevel does not take messages",
    notices.SPOOL_DAMAGED: "Webhooks of an outage that could not be read back",
    notices.LOW_BALANCE: "A provider account runs low",
    notices.REJECTIONS: "Carriers reject a sender's messages",
    notices.REJECTIONS_OVER: "A sender's messages get through again",
    notices.LINE_DOWN: "A line does not work",
    notices.LINE_UNKNOWN: "Nobody can say how a line is",
    notices.LINE_CHANGED: "Another number was linked to a sender",
    notices.UNREAD_ITEMS: "A part of a webhook could not be read",
    notices.SENDER_NOTICE: "A provider has something to say",
    notices.WEBHOOK_DRIFT: "A provider's webhook settings had been changed",
    notices.MEDIA_STORE: "Files cannot be kept",
    notices.TEMPLATE_STOPPED: "A template cannot be sent any more",
    notices.TEMPLATES_UNREAD: "A provider does not tell its templates",
    notices.ACCOUNT_SLOW: "A provider is slow",
    notices.ACCOUNT_FAILING: "A provider fails",
    notices.ACCOUNT_WELL: "A provider's incident is over",
    notices.DEAF: "A sender hears nothing from its provider",
    notices.FAILURES: "Many messages of a sub-account fail",
    notices.QUEUE_AGE: "Messages wait too long",
    notices.CREDITS_LOW: "Credits run low",
    notices.CREDITS_BURN: "Credits burn faster than usual",
    notices.CREDITS_AGENCY: "An agency's credits do not cover a plan",
    notices.WALLET_EMPTY: "A wallet in HighLevel is empty",
    notices.CHARGES_WAIT: "HighLevel takes no charges",
    notices.CALLBACK_GIVEN_UP: "A program could not be told",
}
LINE: Mapping[str, str] = {
    "": "has none",
    LineState.READY: "ready",
    LineState.STARTING: "starting",
    LineState.ASLEEP: "asleep",
    LineState.LIMITED: "held back by the network",
    LineState.SIGNED_OUT: "no phone linked",
    LineState.BLOCKED: "blocked by the network",
    LineState.GONE: "gone at the provider",
}
ENTRY: Mapping[str, str] = {
    EntryKind.HOLD: "set aside for this message",
    EntryKind.SETTLE: "spent: the provider took it",
    EntryKind.RELEASE: "given back: it did not go out",
    EntryKind.REFUND: "given back: it failed after the provider took it",
    EntryKind.CHARGE_LATE: "charged late: it proved to have gone out",
    EntryKind.INBOUND: "charged for a message that came in",
    EntryKind.GRANT: "granted",
    EntryKind.EXPIRY: "expired",
    EntryKind.CORRECTION: "corrected by a person",
}
AGENCY_ENTRY: Mapping[str, str] = {
    AgencyKind.TOP_UP: "top-up",
    AgencyKind.GIFT: "gift",
    AgencyKind.GIVE: "given to a sub-account",
    AgencyKind.CORRECTION: "corrected by a person",
}
CREDIT_SOURCE: Mapping[str, str] = {
    Source.PLAN: "the plan's month",
    Source.TOP_UP: "top-up",
    Source.GIFT: "gift",
    Source.GRANT: "granted",
    Source.OPENING: "what was there before",
    "": "granted",
}
JOB: Mapping[str, str] = {
    "send": "It is handed to the provider",
    "check_status": "The provider is asked what became of it",
    "push_status": "HighLevel is told its status",
    "post_message": "It is added to the conversation in HighLevel",
    "tell_call": "HighLevel is told of the call, once it has ended or stopped ringing",
    "push_dnd": "HighLevel is told of an opt-out",
    "silence": "What waits for somebody who opted out is ended",
    "post_files": "A file that came later is added in HighLevel",
    "fetch_media": "A file is fetched from the provider",
}
ORIGIN: Mapping[str, str] = {
    Origin.EARLIER: "earlier portal",
    Origin.WORDS: "their own words",
    Origin.PROVIDER: "provider",
    Origin.HIGHLEVEL: "DND in HighLevel",
    Origin.IMPORT: "list",
    Origin.PERSON: "a person here",
}
CATEGORY: Mapping[str, str] = {
    "MARKETING": "marketing",
    "UTILITY": "utility",
    "AUTHENTICATION": "one-time codes",
}
QUALITY: Mapping[str, str] = {"GREEN": "good", "YELLOW": "medium", "RED": "low", "UNKNOWN": ""}
FAMILY: Mapping[str, str] = {
    "sms": "SMS",
    "whatsapp": "WhatsApp",
    "viber": "Viber",
    MARKETING: "WhatsApp, marketing only",
}
FILE: Mapping[str, str] = {
    MediaState.WANTED: "is being fetched",
    MediaState.KEPT: "kept",
    MediaState.REFUSED: "not taken",
    MediaState.FAILED: "could not be had",
    MediaState.REMOVED: "removed",
    "revoked": "kept, its public address is revoked",
}
POOL: Mapping[str, str] = {
    "apply": "webhooks to apply",
    "send": "calls to providers",
    "ghl": "calls to HighLevel",
    "media": "files to fetch",
    "hook": "webhooks to post",
}
ATTEMPT: Mapping[str, str] = {
    "accepted": "the provider took it",
    "refused": "the provider refused it",
    "unknown": "nobody can say whether the provider took it",
    "": "no answer is known yet",
}
RELATION: Mapping[str, str] = {
    Relation.REPLY: "answers",
    Relation.REACTION: "reacts to",
    Relation.EDIT: "edits",
    Relation.DELETION: "deletes",
    Relation.ANSWER: "chooses in",
}
ADDRESS: Mapping[str, str] = {
    AddressKind.LID: "WhatsApp id",
    AddressKind.BSUID: "WhatsApp user",
    AddressKind.GROUP: "group",
}
STATUS: Mapping[str, str] = {status.value: sentence for status, sentence in SENTENCES.items()}
CHANNEL: Mapping[str, str] = {channel.kind: channel.name for channel in registry.all()}
_TABLES: Mapping[str, Mapping[str, str]] = {
    "address": ADDRESS,
    "agency_entry": AGENCY_ENTRY,
    "alert": ALERT,
    "category": CATEGORY,
    "channel": CHANNEL,
    "credit_source": CREDIT_SOURCE,
    "delivery_state": names.DELIVERY_STATE,
    "entry": ENTRY,
    "event": EVENT,
    "event_state": names.EVENT_STATE,
    "file": FILE,
    "install": INSTALL,
    "install_event": INSTALL_EVENT,
    "install_filter": INSTALL_FILTER,
    "kind": KIND,
    "family": FAMILY,
    "notice": names.NOTICE,
    "notice_state": names.NOTICE_STATE,
    "origin": ORIGIN,
    "pool": POOL,
    "quality": QUALITY,
    "relation": RELATION,
    "role": names.ROLE,
    "sender": SENDER,
    "source": {"ghl": "HighLevel"},
    "status": STATUS,
    "template": template_sending.STATUS,
    "way": names.WAY,
}

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def in_words(value: str, table: str) -> str:
    """What people call it; a value without a word stands for itself."""
    return translated(_TABLES[table].get(value, value))


# Meta's words (Cloud API webhooks, `pricing`). What is not here stands for itself.
PRICE_TYPE: Mapping[str, str] = {
    "free_customer_service": "an answer within the customer's 24 hours",
    "free_entry_point": "within 72 hours of an advertisement",
}


def billed(billing: Mapping[str, Any]) -> str:
    """What a provider says of the price of a part; "" when it has said nothing."""
    if not billing:
        return ""
    category = str(billing.get("category") or "").replace("_", " ")
    kind = str(billing.get("type") or "")
    if billing.get("billable") is False:
        why = translated(PRICE_TYPE.get(kind, kind.replace("_", " ") if kind != "regular" else ""))
        plain = gettext("The provider does not charge it.")
        return str(gettext("The provider does not charge it: %(why)s.", why=why) if why else plain)
    plain = gettext("The provider charges it.")
    return str(gettext("The provider charges it as %(category)s.", category=category) if category else plain)


FREE, NOT_FREE = noted("Free messages may go out until"), noted("Only templates may go out since")


def free_until(closes_at: datetime | None) -> str:
    """What a customer's service window means for what is written to them now."""
    if closes_at is None:
        return translated("It is not known when the customer wrote last.")
    return translated(FREE if closes_at > clock.now() else NOT_FREE)


def said(message: Message) -> str:
    """The message in words, whatever its kind."""
    return telling.heading(message)


NOBODY = noted("Somebody without a number")


def contact_name(row: Any) -> str:
    """What a conversation's contact is called, of the conversation itself or of a row of their list."""
    talk = getattr(row, "conversation", row)
    message = getattr(row, "message", None)
    return talk.contact.name or talk.sticky_address or (message.address if message else "") or translated(NOBODY)


def blank_label(blank: Blank) -> str:
    """What a variable of a template is called."""
    return template_texts.label(blank)


def when(moment: datetime | None) -> Markup:
    """A moment as `<time>`, in UTC; the page's script turns it into the reader's own time."""
    if moment is None:
        return Markup("")
    there = moment.astimezone(UTC)
    shown = there.strftime("%-d %b %H:%M:%S" if there.year == clock.now().year else "%-d %b %Y %H:%M:%S")
    return Markup('<time datetime="{}">{} UTC</time>').format(there.isoformat(timespec="milliseconds"), shown)


def age(moment: datetime) -> str:
    """How long ago, in the largest whole unit."""
    seconds = max(int((clock.now() - moment).total_seconds()), 0)
    if seconds >= 86400:
        return str(ngettext("%(num)d day", "%(num)d days", seconds // 86400))
    if seconds >= 3600:
        return str(ngettext("%(num)d hour", "%(num)d hours", seconds // 3600))
    if seconds >= 60:
        return str(ngettext("%(num)d minute", "%(num)d minutes", seconds // 60))
    return str(ngettext("%(num)d second", "%(num)d seconds", seconds))


def measured(health: AccountHealth) -> str:
    """What was counted of a provider account, with the numbers that it was counted from."""
    numbers = measuring.of_row(health)
    slow = gettext("speed not known")
    if numbers.slow is not None:
        share = f"{numbers.slow_share:.0%}"
        slow = gettext(
            "%(slow)s of %(all)s messages slow (%(share)s)", slow=numbers.slow, all=numbers.messages, share=share
        )
    faults, share = numbers.faults + numbers.unknowns, f"{numbers.fault_share:.0%}"
    failed = gettext("%(faults)s of %(all)s calls failed (%(share)s)", faults=faults, all=numbers.calls, share=share)
    return f"{slow}, {failed}, {gettext('%(time)s ms a call', time=numbers.call_ms)}"


def pace_in_words(gate: Gate | None) -> str:
    """How fast messages go out, and who said so."""
    if gate is None or gate.pace <= 0:
        return translated("As fast as the provider takes them.")
    if gate.pace >= 1:
        speed = gettext("%(number)s a second", number=f"{gate.pace:g}")
    else:
        speed = gettext("one in %(number)s seconds", number=f"{1 / gate.pace:.3g}")
    if gate.own_pace:
        return str(gettext("At most %(speed)s, as set here.", speed=speed))
    return str(gettext("At most %(speed)s, as the provider takes them.", speed=speed))


def took(start: datetime, end: datetime) -> str:
    """How long something took."""
    milliseconds = int((end - start).total_seconds() * 1000)
    return f"{milliseconds} ms" if milliseconds < 10_000 else f"{milliseconds // 1000} s"


def size(count: int) -> str:
    """A number of bytes."""
    if count < 1024:
        return str(ngettext("%(num)d byte", "%(num)d bytes", count))
    return f"{count / 1024:.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text cut at the ids in it: each piece, and whether it is an id."""
    last = 0
    for found in _UUID.finditer(text):
        yield text[last : found.start()], False
        yield found[0], True
        last = found.end()
    yield text[last:], False
