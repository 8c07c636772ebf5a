"""What kinds, statuses, states and roles are called on pages: each in a word or two."""

from collections.abc import Mapping

from portal.channels.content import Kind
from portal.models import DeliveryState, EventState, NoticeKind, NoticeState, Role, Status, Way

KIND: Mapping[str, str] = {
    Kind.TEXT: "",
    Kind.LINK: "link",
    Kind.IMAGE: "image",
    Kind.VIDEO: "video",
    Kind.AUDIO: "voice message",
    Kind.DOCUMENT: "document",
    Kind.STICKER: "sticker",
    Kind.LOCATION: "location",
    Kind.CONTACT: "contact card",
    Kind.POLL: "poll",
    Kind.VOTE: "vote",
    Kind.BUTTONS: "buttons",
    Kind.LIST: "list",
    Kind.TAP: "tap on a button",
    Kind.TEMPLATE: "buttons",
    Kind.INVITE: "invitation",
    Kind.REACTION: "reaction",
    Kind.EDIT: "edit",
    Kind.DELETION: "deletion",
    Kind.CALL: "call",
    Kind.FLOW: "form to fill in",
    Kind.LOCATION_REQUEST: "question for a place",
    Kind.ORDER: "order",
    Kind.FORM: "form",
    Kind.SYSTEM: "system",
    Kind.UNREADABLE: "could not be read",
    Kind.UNSUPPORTED: "unknown kind",
    # Of price lists alone.
    "interactive": "interactive",
}
STATUS: Mapping[str, str] = {
    Status.QUEUED: "queued",
    Status.HELD: "held",
    Status.SENDING: "sending",
    Status.UNKNOWN: "unknown",
    Status.ACCEPTED: "accepted",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.READ: "read",
    Status.FAILED: "failed",
    Status.EXPIRED: "expired",
    Status.CANCELLED: "cancelled",
    Status.RECEIVED: "received",
}
EVENT_STATE: Mapping[str, str] = {
    EventState.PENDING: "pending",
    EventState.APPLIED: "applied",
    EventState.IGNORED: "ignored",
    EventState.PARKED: "parked",
    EventState.REFUSED: "refused",
}
DELIVERY_STATE: Mapping[str, str] = {
    DeliveryState.WAITING: "waiting",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.GIVEN_UP: "given up",
}
# A notice handed to our webhooks out goes by its delivery's state.
NOTICE_STATE: Mapping[str, str] = {
    NoticeState.SENT: "sent",
    NoticeState.HANDED: "handed",
    NoticeState.DROPPED: "dropped",
    **DELIVERY_STATE,
}
NOTICE: Mapping[str, str] = {
    NoticeKind.BEGAN: "began",
    NoticeKind.OVER: "over",
    NoticeKind.TEST: "test",
}
WAY: Mapping[str, str] = {
    Way.EMAIL: "email",
    Way.WEBHOOK: "webhook",
}
ROLE: Mapping[str, str] = {
    Role.OWNER: "owner",
    Role.ADMIN: "admin",
    Role.AGENT: "agent",
    Role.VIEWER: "viewer",
    Role.CLIENT: "client",
}
