"""Every table, in one place to import from."""

from portal.models.base import Base
from portal.models.contacts import (
    Address,
    Contact,
    ContactDnd,
    ContactMerge,
    Conversation,
    ConversationNote,
    OptOut,
    Origin,
)
from portal.models.credits import EntryKind, LedgerEntry, Wallet
from portal.models.events import Event, EventState
from portal.models.failover import AccountHealth, SenderSwitch
from portal.models.jobs import Job
from portal.models.media import MediaFile, MediaState
from portal.models.messages import Attempt, BulkCall, Direction, Message, Part, ReceiptRow, Status, StatusChange
from portal.models.people import Alert, EndedSession, LoginCount, User
from portal.models.pieces import InboundPiece
from portal.models.senders import (
    Gate,
    MarketingPause,
    ProviderAccount,
    RoutingRule,
    Sender,
    SenderState,
    ServiceWindow,
)
from portal.models.templates import TemplateRow
from portal.models.tenants import (
    Agency,
    FailoverPolicy,
    Grant,
    GrantKind,
    GrantState,
    InstallEvent,
    InstallState,
    Location,
)

__all__ = [
    "AccountHealth",
    "Address",
    "Agency",
    "Alert",
    "Attempt",
    "Base",
    "BulkCall",
    "Contact",
    "ContactDnd",
    "ContactMerge",
    "Conversation",
    "ConversationNote",
    "Direction",
    "EndedSession",
    "EntryKind",
    "Event",
    "EventState",
    "FailoverPolicy",
    "Gate",
    "Grant",
    "GrantKind",
    "GrantState",
    "InboundPiece",
    "InstallEvent",
    "InstallState",
    "Job",
    "LedgerEntry",
    "Location",
    "LoginCount",
    "MarketingPause",
    "MediaFile",
    "MediaState",
    "Message",
    "OptOut",
    "Origin",
    "Part",
    "ProviderAccount",
    "ReceiptRow",
    "RoutingRule",
    "Sender",
    "SenderState",
    "SenderSwitch",
    "ServiceWindow",
    "Status",
    "StatusChange",
    "TemplateRow",
    "User",
    "Wallet",
]
