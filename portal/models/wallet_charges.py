"""What use of credits is charged to the sub-account's wallet in HighLevel: one charge for each entry of the ledger."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.models.base import Base, BigId, one_of


class WalletPolicy(StrEnum):
    """Whether a sub-account's use is charged to its wallet in HighLevel, and what happens while that is empty.

    `go_on`: messages go out, their charges wait for funds. `hold`: what is written meanwhile waits as well.
    """

    OFF = "off"
    GO_ON = "go_on"
    HOLD = "hold"


class ChargeState(StrEnum):
    """`asked` and `refunding` are written before the call, so that a lost answer is looked up, never guessed."""

    WAITING = "waiting"
    ASKED = "asked"
    CHARGED = "charged"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    DROPPED = "dropped"


class WalletCharge(Base):
    """One charge in HighLevel: `units` credits at `unit_micros` (millionths of a US dollar; 0 where the meter has its
    own price) for the ledger's entry `entry_key` of the moment `at`.

    `event_id` is our id of it there, `charge_id` HighLevel's. `amount_micros` is what HighLevel took, None as long as
    that is not known. `refund_wanted`: the credits were given back, so the charge is too, or is never made (`dropped`).
    `failure` is why it waits, in words.
    """

    __tablename__ = "wallet_charge"
    __table_args__ = (
        one_of("state", ChargeState),
        UniqueConstraint("entry_key"),
        Index("ix_wallet_charge_wallet", "wallet_id", "id"),
        Index("ix_wallet_charge_message", "message_id"),
        Index(
            "ix_wallet_charge_open",
            "wallet_id",
            "id",
            postgresql_where=text("state IN ('waiting', 'asked', 'refunding')"),
            sqlite_where=text("state IN ('waiting', 'asked', 'refunding')"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallet.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    part: Mapped[int] = mapped_column(Integer)
    entry_key: Mapped[str] = mapped_column(String(80))
    units: Mapped[int] = mapped_column(BigInteger)
    unit_micros: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), default=ChargeState.WAITING)
    event_id: Mapped[str] = mapped_column(String(80), default="")
    charge_id: Mapped[str] = mapped_column(String(128), default="")
    amount_micros: Mapped[int | None] = mapped_column(BigInteger)
    asked_at: Mapped[datetime | None]
    charged_at: Mapped[datetime | None]
    refund_wanted: Mapped[bool] = mapped_column(Boolean, default=False)
    refunded_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    failure: Mapped[str] = mapped_column(Text, default="")
