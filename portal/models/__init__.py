"""Every table, in one place to import from."""

from portal.models.access import AccessLink, LinkKind, RecoveryCode, UserLocation, UserSession
from portal.models.alarms import AlertLetter, AlertNotice, AlertRecipient, AlertRule, NoticeKind, NoticeState, Way
from portal.models.api import ApiAnswer, ApiBulk, ApiKey, ApiKeyLocation, ApiUse, TestMessage
from portal.models.audit import AuditEntry
from portal.models.base import Base
from portal.models.callbacks import Delivery, DeliveryAttempt, DeliveryState, Subscription
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
from portal.models.custom_page import ClientLink, PageSession, UsedLink
from portal.models.deeds import Deed, DeedItem, DeedKind, DeedState, ItemState
from portal.models.events import Event, EventState
from portal.models.failover import AccountHealth, SenderSwitch
from portal.models.figures import CountMark, MessageDay, MessageHour, PlaceStanding
from portal.models.funds import AgencyEntry, AgencyKind, AgencyWallet, Bucket, CampaignUse, Source, WalletDay
from portal.models.jobs import Job
from portal.models.media import MediaFile, MediaState
from portal.models.messages import Attempt, BulkCall, Direction, Message, Part, ReceiptRow, Status, StatusChange
from portal.models.people import Alert, EndedSession, LoginCount, Role, User
from portal.models.pieces import InboundPiece
from portal.models.plans import CreditPlan, PriceList, PriceRule, ProviderRate
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
from portal.models.wallet_charges import ChargeState, WalletCharge, WalletPolicy

__all__ = [
    "AccessLink",
    "AccountHealth",
    "Address",
    "Agency",
    "AgencyEntry",
    "AgencyKind",
    "AgencyWallet",
    "Alert",
    "AlertLetter",
    "AlertNotice",
    "AlertRecipient",
    "AlertRule",
    "ApiAnswer",
    "ApiBulk",
    "ApiKey",
    "ApiKeyLocation",
    "ApiUse",
    "Attempt",
    "AuditEntry",
    "Base",
    "Bucket",
    "BulkCall",
    "CampaignUse",
    "ChargeState",
    "ClientLink",
    "Contact",
    "ContactDnd",
    "ContactMerge",
    "Conversation",
    "ConversationNote",
    "CountMark",
    "CreditPlan",
    "Deed",
    "DeedItem",
    "DeedKind",
    "DeedState",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
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
    "ItemState",
    "Job",
    "LedgerEntry",
    "LinkKind",
    "Location",
    "LoginCount",
    "MarketingPause",
    "MediaFile",
    "MediaState",
    "Message",
    "MessageDay",
    "MessageHour",
    "NoticeKind",
    "NoticeState",
    "OptOut",
    "Origin",
    "PageSession",
    "Part",
    "PlaceStanding",
    "PriceList",
    "PriceRule",
    "ProviderAccount",
    "ProviderRate",
    "ReceiptRow",
    "RecoveryCode",
    "Role",
    "RoutingRule",
    "Sender",
    "SenderState",
    "SenderSwitch",
    "ServiceWindow",
    "Source",
    "Status",
    "StatusChange",
    "Subscription",
    "TemplateRow",
    "TestMessage",
    "UsedLink",
    "User",
    "UserLocation",
    "UserSession",
    "Wallet",
    "WalletCharge",
    "WalletDay",
    "WalletPolicy",
    "Way",
]
