"""A sender: one configured line at a provider, owned by one location."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId, one_of
from portal.models.tenants import Location


class SenderState(StrEnum):
    """A removed sender keeps its row, because its messages name it."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Sender(Base):
    """`key` is the unguessable part of its webhook address; `credentials` are sealed.

    `account_key` is what senders of one provider account share (`ProviderAccount.key`), "" where each has its own.
    `sandbox`: its key sends nothing. `balance_low_at` and `rejecting_since` say since when it has been warned of so.

    `webhook_name` is what names it in a webhook that all senders of its channel share (`channels.OneWebhook`), as long
    as it is not removed: one live sender of the whole portal has it. `webhook_at` is when its provider's settings were
    last found right, `next_webhook_at` when they are looked at again. `webhook_group` names the account above it
    (`channels.AppWebhook.groups`); with an app of its own (`own_app`) it has a webhook address of its own.

    `windowed`: only templates go out when a customer has not written lately (`channels.HasWindow`, `ServiceWindow`).
    From `window_known_from` on we have listened for long enough to know so of those of whom there is no row.
    `mark_read` is when customers see that they were read: replied, received, never; "" where the provider cannot.
    `resumed_at` is when a person said last that it may send again: what is told of calls before that is old.

    `line_state` is "" for channels whose lines do not fail, else the provider's last word (`channels.base.LineState`)
    with its `line_code` and `line_detail`. `line_at` is when it was asked last, `line_changed_at` when the state began,
    `line_since` since when a phone has been linked (what is older is history), `line_unlinked_at` when it was last
    seen without one, `line_down_at` since when it is not ready, `line_told_at` when a person was told of that.
    `line_address` is the number that may write to these customers; `line_other_address` another one that was linked
    and waits for a person. `line_failure` says why the provider could not be asked, `line_failures` times in a row.

    `templates_at` is when its provider listed its templates last, `next_templates_at` when it is asked again (None
    where there are none); `templates_failure` says why it could not be asked, `templates_failures` times in a row.
    """

    __tablename__ = "sender"
    __table_args__ = (
        one_of("state", SenderState),
        CheckConstraint(
            "line_state IN ('', 'ready', 'starting', 'asleep', 'limited', 'signed_out', 'blocked', 'gone')",
            name="line_state_known",
        ),
        Index("uq_sender_webhook", "channel", "webhook_name", unique=True),
        Index("ix_sender_address", "channel", "address"),
        Index("ix_sender_group", "channel", "webhook_group"),
        Index("ix_sender_location", "location_id", "state"),
        Index("ix_sender_account", "account_key"),
        Index(
            "uq_sender_default",
            "location_id",
            unique=True,
            postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    channel: Mapped[str] = mapped_column(String(32))
    family: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(128), default="")
    credentials: Mapped[str] = mapped_column(Text)
    api_url: Mapped[str] = mapped_column(String(500), default="")
    private_hosts: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(16), default=SenderState.ACTIVE)
    state_reason: Mapped[str] = mapped_column(Text, default="")
    is_default: Mapped[bool] = mapped_column(Boolean, default=False)
    acceptance_counts: Mapped[bool] = mapped_column(Boolean, default=False)
    position: Mapped[int] = mapped_column(Integer, default=0)
    account_key: Mapped[str] = mapped_column(String(32), default="")
    sandbox: Mapped[bool] = mapped_column(Boolean, default=False)
    balance_low_at: Mapped[datetime | None]
    rejecting_since: Mapped[datetime | None]
    webhook_name: Mapped[str | None] = mapped_column(String(128))
    webhook_at: Mapped[datetime | None]
    next_webhook_at: Mapped[datetime | None] = mapped_column(index=True)
    webhook_group: Mapped[str] = mapped_column(String(128), default="", server_default="")
    own_app: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    windowed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    window_known_from: Mapped[datetime | None]
    mark_read: Mapped[str] = mapped_column(String(12), default="", server_default="")
    resumed_at: Mapped[datetime | None]
    line_state: Mapped[str] = mapped_column(String(12), default="")
    line_code: Mapped[str] = mapped_column(String(64), default="")
    line_detail: Mapped[str] = mapped_column(Text, default="")
    line_at: Mapped[datetime | None]
    line_changed_at: Mapped[datetime | None]
    line_since: Mapped[datetime | None]
    line_unlinked_at: Mapped[datetime | None]
    line_down_at: Mapped[datetime | None]
    line_told_at: Mapped[datetime | None]
    line_address: Mapped[str] = mapped_column(String(64), default="")
    line_other_address: Mapped[str] = mapped_column(String(64), default="")
    line_failure: Mapped[str] = mapped_column(Text, default="")
    line_failures: Mapped[int] = mapped_column(Integer, default=0)
    next_line_check_at: Mapped[datetime | None] = mapped_column(index=True)
    templates_at: Mapped[datetime | None]
    next_templates_at: Mapped[datetime | None] = mapped_column(index=True)
    templates_failure: Mapped[str] = mapped_column(Text, default="", server_default="")
    templates_failures: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    created_at: Mapped[datetime]

    location: Mapped[Location] = relationship()


class ServiceWindow(Base):
    """Until when a customer may be written to freely over one of their addresses, because they wrote to the sender.

    `opened_at` is when they did, by the provider's clock; None where all we know is that the provider refused.
    `refused_at`: what they wrote before that opens nothing, for the provider has said since that it was closed.
    """

    __tablename__ = "service_window"
    __table_args__ = (UniqueConstraint("sender_id", "kind", "value"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(160))
    opened_at: Mapped[datetime | None]
    closes_at: Mapped[datetime]
    refused_at: Mapped[datetime | None]


class MarketingPause(Base):
    """Until when a person gets no marketing from a location, because the provider withholds it from them.

    A row for each of their addresses; `code` is the provider's own. It is over by itself.
    """

    __tablename__ = "marketing_pause"
    __table_args__ = (UniqueConstraint("location_id", "kind", "value"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(160))
    until: Mapped[datetime] = mapped_column(index=True)
    code: Mapped[str] = mapped_column(String(64))


class ProviderAccount(Base):
    """An account at a provider, which several senders may share, of several locations too.

    `key` is a digest of what tells the account apart: the credentials are its senders'. The balance is in the
    provider's own units; it stays when the provider cannot be asked, with the reason in `balance_failure`.
    """

    __tablename__ = "provider_account"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    channel: Mapped[str] = mapped_column(String(32))
    balance: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(8), default="")
    postpaid: Mapped[bool] = mapped_column(Boolean, default=False)
    balance_at: Mapped[datetime | None]
    balance_failure: Mapped[str] = mapped_column(Text, default="")
    next_balance_at: Mapped[datetime]
    opt_outs_at: Mapped[datetime | None]
    opt_outs_failure: Mapped[str] = mapped_column(Text, default="")
    next_opt_outs_at: Mapped[datetime]
    created_at: Mapped[datetime]


class Gate(Base):
    """What holds a sender (`sender:<id>`), the senders of one provider account (`account:<key>`) or a location's
    HighLevel budget (`ghl:<id>`) back, across processes.

    `next_at` is the pace: the earliest start of the next call. `blocked_until` is a fault: nothing starts before.
    `failures` counts faults in a row: it lengthens the next block, and from the third on only one call at a time is
    let through, until one succeeds. `own_pace`: a person has set it, so it does not follow what the provider tells.
    """

    __tablename__ = "gate"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    pace: Mapped[float] = mapped_column(Float, default=0.0)
    burst: Mapped[float] = mapped_column(Float, default=1.0)
    own_pace: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    next_at: Mapped[datetime | None]
    blocked_until: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, default="")
    failures: Mapped[int] = mapped_column(Integer, default=0)


class RoutingRule(Base):
    """A location's own rule: contacts with this tag, numbers with this prefix or this user's messages use a sender."""

    __tablename__ = "routing_rule"
    __table_args__ = (Index("ix_routing_rule_location", "location_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    position: Mapped[int] = mapped_column(Integer, default=0)
    kind: Mapped[str] = mapped_column(String(8))
    value: Mapped[str] = mapped_column(String(160))
    sender_id: Mapped[int] = mapped_column(ForeignKey("sender.id"))
