"""What each kind of alert means for whoever reads it, and the page that repairs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flask import url_for

from portal.accounts.permissions import Permission
from portal.alarms.outcomes import sender_of
from portal.alarms.topics import TOPICS, Topic, topic_of
from portal.alerts import notices as n
from portal.models import Alert, Location
from portal.web.viewer import viewer

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        n.UNAUTHENTIC: "Many webhooks did not prove who sent them. They changed nothing; somebody may be trying, "
        "or HighLevel has a new key.",
        n.NO_MESSAGE_ID: "HighLevel sent a delivery without an id. It was not sent: nobody could tell a repeat of it.",
        n.CHOOSE_DEFAULT: "There are several senders and no rule says which one to take. Messages are held until one "
        "is the default.",
        n.NOT_INSTALLED: "The app is not installed there, so nothing is sent. What waits goes out once it is.",
        n.DEAD_TOKEN: "HighLevel's permission has ended. Messages still go out; HighLevel hears of them once it is "
        "connected again.",
        n.SCOPES_MISSING: "Some permissions were not given when the app was connected. Connect it again, allow all.",
        n.LOCATION_INACTIVE: "HighLevel has paused the sub-account. Nothing is sent, and it comes back by itself.",
        n.LOCATION_GONE: "HighLevel does not show the sub-account any more. Disconnect it here if it is gone.",
        n.LOCATION_MOVED: "Another agency has it now. Its senders are paused until somebody has looked at them.",
        n.UNLISTED: "Its agency's list in HighLevel does not name it. Look there whether the app is still installed.",
        n.WEBHOOK_LEFT: "A provider's settings could not be changed: our webhook address is still, or not, in them.",
        n.NOT_TOLD: "It was disconnected here and HighLevel does not know: uninstall the app there too.",
        n.PARKED: "Webhooks could not be applied and wait. Nothing is lost: mend the cause, then replay them.",
        n.SENDER_FAULT: "Its provider refuses every call. Its messages wait, and go out in order once it takes them.",
        n.STATUS_REFUSED: "HighLevel refused for days what it was told, so its conversations lack some statuses.",
        n.GHL_WAITS: "HighLevel does not answer. Customers get their messages; HighLevel hears of them later.",
        n.RESTORED: "A backup was restored: a person has to say what became of messages that nobody knows of.",
        n.SPOOL_DAMAGED: "Webhooks of an outage are in a file that cannot be read. The file is kept.",
        n.LOW_BALANCE: "The provider's own account runs low: once it is empty nothing goes out over it.",
        n.REJECTIONS: "Carriers turn away what the provider took. Most often a sender id is not approved.",
        n.LINE_DOWN: "Its line does not work. Its messages are held, and go out in order once it is back.",
        n.LINE_UNKNOWN: "Its provider cannot be asked how the line is: most often its token is wrong.",
        n.LINE_CHANGED: "Another phone number was linked. Nothing is sent until somebody says that it may.",
        n.SENDER_NOTICE: "The provider itself says this of the sender.",
        n.UNREAD_ITEMS: "A part of a provider's webhook could not be understood; the rest of it counts.",
        n.WEBHOOK_DRIFT: "Somebody had changed our webhook settings at the provider. They were put right.",
        n.MEDIA_STORE: "Files that customers sent cannot be stored: the disk is full, or the store refuses.",
        n.TEMPLATE_STOPPED: "A template that was in use cannot be sent any more, until its provider allows it again.",
        n.TEMPLATES_UNREAD: "The provider does not tell which templates there are. What was known goes on to count.",
        n.ACCOUNT_SLOW: "Messages reach phones much later than usual. Another sender may be quicker.",
        n.ACCOUNT_FAILING: "Many calls to the provider fail. They are repeated; another sender may do better.",
        n.CREDITS_LOW: "Once the credits are used up, messages are held or fail, as the wallet says.",
        n.CREDITS_BURN: "Today costs far more than the days before: look whether that is meant.",
        n.CREDITS_AGENCY: "The agency's own credits do not cover what its plan gives each month.",
        n.WALLET_EMPTY: "HighLevel takes no charge from the sub-account's wallet: it is topped up there. What waited "
        "is charged within two minutes of that.",
        n.CHARGES_WAIT: "What was used is not charged in HighLevel yet. It is tried on until it is; the text says what "
        "is in the way.",
        n.CALLBACK_GIVEN_UP: "A program that is to be told of messages has not answered for two days.",
        n.DEAF: "It can send, but replies and receipts do not come in. Most often the webhook at its provider is "
        "switched off or points elsewhere.",
        n.FAILURES: "Far more messages fail than usual. The reasons stand with the messages.",
        n.QUEUE_AGE: "Messages are not handed to a provider in time: a sender is held back, or too slow for so many.",
    }
)


@dataclass(frozen=True, slots=True)
class Repair:
    """The button that helps: its words and its address."""

    text: str
    path: str


def meaning(alert: Alert) -> str:
    """What an alert means, in a sentence or two."""
    return MEANINGS.get(alert.kind, TOPICS[topic_of(alert.kind)].means)


def repair(alert: Alert, place: Location | None) -> Repair | None:
    """Where it is repaired; None where the text alone says what to do, or somebody else may."""
    sender_id = sender_of(alert.subject)
    if sender_id is not None:
        return Repair("Open the sender", url_for("admin.sender", sender_id=sender_id))
    if alert.kind in (n.PARKED, n.NO_MESSAGE_ID):
        return Repair("See what was set aside", url_for("admin.event_list", state="parked"))
    if alert.kind == n.UNAUTHENTIC:
        return Repair("See what was refused", url_for("admin.event_list", state="refused"))
    if alert.kind == n.RESTORED:
        return Repair("Decide", url_for("admin.message_list", status="unknown"))
    hook = alert.subject.removeprefix("hook:")
    if alert.kind == n.CALLBACK_GIVEN_UP and hook.isdigit() and viewer().may(Permission.PEOPLE):
        return Repair("Open the webhook", url_for("admin.callback", webhook_id=int(hook)))
    return _of_place(alert, place) if place is not None else None


def _of_place(alert: Alert, place: Location) -> Repair | None:
    if alert.kind == n.CHOOSE_DEFAULT:
        return Repair("Choose the default", url_for("admin.sender_list", location=place.ghl_id))
    if alert.kind == n.QUEUE_AGE:
        return Repair("See what waits", url_for("admin.message_list", location=place.ghl_id, status="queued"))
    if alert.kind in (n.FAILURES, n.STATUS_REFUSED):
        return Repair("See what failed", url_for("admin.message_list", location=place.ghl_id, status="failed"))
    if topic_of(alert.kind) is Topic.CONNECTION or alert.kind == n.GHL_WAITS:
        return Repair("Repair the connection", url_for("admin.installation", location_id=place.id))
    if topic_of(alert.kind) is Topic.CREDITS:
        return Repair("Open its credits", url_for("admin.location_credits", location_id=place.id))
    return None
