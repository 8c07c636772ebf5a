"""People and groups a location talks to, their addresses, and the one conversation with each."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.models.base import Base, BigId


class Contact(Base):
    """A HighLevel contact as we know it. `ghl_contact_id` is empty until HighLevel has told or been told of it.

    `ghl_at` is the moment of HighLevel's last word on it. `merged_into_id` is the contact that it proved to be. `tags`
    are known once `tags_at` is set.
    """

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("location_id", "ghl_contact_id"),
        Index("ix_contact_location", "location_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    ghl_contact_id: Mapped[str | None] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(200), default="")
    tags: Mapped[list[Any]] = mapped_column(JSON, default=list)
    ghl_at: Mapped[datetime | None]
    tags_at: Mapped[datetime | None]
    merged_into_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime]


class Address(Base):
    """One way to reach a contact. `conversation_id` is where the last message over it went, so replies find it."""

    __tablename__ = "address"
    __table_args__ = (
        UniqueConstraint("location_id", "kind", "value"),
        Index("ix_address_contact", "contact_id"),
        # Whoever looks a number up has it whole, but not always its sub-account.
        Index("ix_address_value", "value"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(160))
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id"))
    created_at: Mapped[datetime]


class Conversation(Base):
    """One location, one contact. Carries its last message, so that lists never group or sort the messages.

    `merged_into_id` is the conversation that its messages are in, since its contact proved to be another one.
    `marked_read_id` is the message up to which the customer has been shown that they were read.
    """

    __tablename__ = "conversation"
    __table_args__ = (
        UniqueConstraint("location_id", "contact_id"),
        Index("ix_conversation_recent", "location_id", "last_position"),
        Index(
            "ix_conversation_unread",
            "location_id",
            "last_position",
            postgresql_where=text("unread > 0"),
            sqlite_where=text("unread > 0"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    ghl_conversation_id: Mapped[str | None] = mapped_column(String(128))
    sticky_sender_id: Mapped[int | None] = mapped_column(ForeignKey("sender.id"))
    sticky_address: Mapped[str] = mapped_column(String(160), default="")
    last_position: Mapped[int] = mapped_column(BigInteger, default=0)
    last_text: Mapped[str] = mapped_column(String(200), default="")
    last_direction: Mapped[str] = mapped_column(String(8), default="")
    last_message_at: Mapped[datetime | None]
    last_inbound_at: Mapped[datetime | None]
    unread: Mapped[int] = mapped_column(Integer, default=0)
    held_reason: Mapped[str] = mapped_column(Text, default="")
    merged_into_id: Mapped[int | None] = mapped_column(BigId)
    marked_read_id: Mapped[int | None] = mapped_column(BigId)
    created_at: Mapped[datetime]

    contact: Mapped[Contact] = relationship()


class ConversationNote(Base):
    """What people of the portal write beside a conversation. It goes nowhere: neither to the customer nor to HighLevel.

    `position` is that of the newest message when it was written: the note stands below it. `key` makes a form that is
    sent twice one note. `author` is the person's name as histories have it, `author_id` tells them from a namesake.
    """

    __tablename__ = "conversation_note"
    __table_args__ = (
        UniqueConstraint("conversation_id", "key"),
        Index("ix_conversation_note_thread", "conversation_id", "position"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    position: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(36))
    author: Mapped[str] = mapped_column(String(128))
    author_id: Mapped[str] = mapped_column(String(128))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Origin(StrEnum):
    """Where an opt-out comes from. EARLIER: an older portal wrote it down, in the words of its source alone."""

    EARLIER = ""
    WORDS = "words"
    PROVIDER = "provider"
    HIGHLEVEL = "highlevel"
    IMPORT = "import"
    PERSON = "person"


class OptOut(Base):
    """An address that must not be written to by one family of channels. Lifted, never deleted.

    It silences the other addresses of its contact too. `source` says in words where it comes from. The evidence:
    `message_id` is the message that said it or that the provider refused, `words` what the contact wrote, `code` and
    `detail` what the provider said, `by` the person, `since` the moment that a list names.
    """

    __tablename__ = "opt_out"
    __table_args__ = (
        Index("ix_opt_out_address", "location_id", "family", "address"),
        Index("ix_opt_out_contact", "contact_id"),
        Index("ix_opt_out_number", "address"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    family: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(160))
    contact_id: Mapped[int | None] = mapped_column(BigId)
    origin: Mapped[str] = mapped_column(String(16), default=Origin.EARLIER, server_default="")
    source: Mapped[str] = mapped_column(String(200))
    message_id: Mapped[int | None] = mapped_column(BigId)
    words: Mapped[str] = mapped_column(String(200), default="", server_default="")
    code: Mapped[str] = mapped_column(String(64), default="", server_default="")
    detail: Mapped[str] = mapped_column(Text, default="", server_default="")
    by: Mapped[str] = mapped_column(String(128), default="", server_default="")
    since: Mapped[datetime | None]
    created_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str] = mapped_column(String(200), default="")
    lifted_message_id: Mapped[int | None] = mapped_column(BigId)
    lift_reason: Mapped[str] = mapped_column(Text, default="", server_default="")


class ContactMerge(Base):
    """An address proved to be one more of a contact: on whose word, by which event, and what was moved for it.

    `kind` and `value` are the address, `by_kind` and `by_value` the one that it was told together with. `from_id` is
    the contact that it belonged to, None for an address that was new. `moved_addresses` and `moved_messages` are the
    rows' ids. Undoing sets `undone_at`; the two addresses are then never put together again by themselves.
    """

    __tablename__ = "contact_merge"
    __table_args__ = (Index("ix_contact_merge_value", "location_id", "kind", "value"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    location_id: Mapped[int] = mapped_column(ForeignKey("location.id"))
    from_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id"))
    into_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(160))
    by_kind: Mapped[str] = mapped_column(String(16))
    by_value: Mapped[str] = mapped_column(String(160))
    who: Mapped[str] = mapped_column(String(200))
    event_id: Mapped[int | None] = mapped_column(BigId)
    moved_addresses: Mapped[list[int]] = mapped_column(JSON, default=list)
    moved_messages: Mapped[list[int]] = mapped_column(JSON, default=list)
    unread: Mapped[int] = mapped_column(Integer, default=0)
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str] = mapped_column(String(200), default="")


class ContactDnd(Base):
    """What HighLevel's DND says of a contact for one family of channels, and what we still have to write there.

    `known` is the last we know of it (on, off, all: on for every channel at once; "" when we never heard), `wanted` is
    on or off while it waits to be written, else "".
    """

    __tablename__ = "contact_dnd"
    __table_args__ = (UniqueConstraint("contact_id", "family"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    family: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[str] = mapped_column(String(8), default="")
    known: Mapped[str] = mapped_column(String(8), default="")
    note: Mapped[str] = mapped_column(String(200), default="")
    told_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(Text, default="")
