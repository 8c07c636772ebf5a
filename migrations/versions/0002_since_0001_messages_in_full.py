"""messages in full: kinds, relations, authors, lines mirrored from the phone; contacts that prove to be one"""

import sqlalchemy as sa
from alembic import op

revision = "0002_since_0001"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
TEXT: dict[str, object] = {"nullable": False, "server_default": ""}
FLAG: dict[str, object] = {"nullable": False, "server_default": sa.false()}


def message_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("details", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("about_relation", sa.String(length=12), **TEXT),
        sa.Column("about_external_id", sa.String(length=200), nullable=True),
        sa.Column("about_id", BIG_ID, nullable=True),
        sa.Column("about_text", sa.Text(), **TEXT),
        sa.Column("author_name", sa.String(length=200), **TEXT),
        sa.Column("author_address", sa.String(length=160), **TEXT),
        sa.Column("edited_at", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("marker", sa.String(length=64), **TEXT),
        sa.Column("from_us", sa.Boolean(), **FLAG),
        sa.Column("by_api", sa.Boolean(), **FLAG),
        sa.Column("backfilled", sa.Boolean(), **FLAG),
        sa.Column("address_kind", sa.String(length=16), nullable=False, server_default="phone"),
    )


def upgrade() -> None:
    # A constant default is kept in the catalogue: no engine rewrites the table for any of these.
    for column in message_columns():
        op.add_column("message", column)
    _partial_index("ix_message_about", ["about_id"], "about_id IS NOT NULL")
    unlinked = "about_id IS NULL AND about_external_id IS NOT NULL"
    _partial_index("ix_message_unlinked", ["sender_id", "about_external_id"], unlinked)
    op.add_column("contact", sa.Column("tags_at", MOMENT, nullable=True))
    op.add_column("contact", sa.Column("merged_into_id", BIG_ID, nullable=True))
    op.add_column("conversation", sa.Column("merged_into_id", BIG_ID, nullable=True))
    _contact_merge()


def _partial_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "message", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def _contact_merge() -> None:
    op.create_table(
        "contact_merge",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("location_id", BIG_ID, nullable=False),
        sa.Column("from_id", BIG_ID, nullable=True),
        sa.Column("into_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=160), nullable=False),
        sa.Column("by_kind", sa.String(length=16), nullable=False),
        sa.Column("by_value", sa.String(length=160), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("event_id", BIG_ID, nullable=True),
        sa.Column("moved_addresses", sa.JSON(), nullable=False),
        sa.Column("moved_messages", sa.JSON(), nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["from_id"], ["contact.id"], name=op.f("fk_contact_merge_from_id_contact")),
        sa.ForeignKeyConstraint(["into_id"], ["contact.id"], name=op.f("fk_contact_merge_into_id_contact")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_contact_merge_location_id_location")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_merge")),
    )
    op.create_index("ix_contact_merge_value", "contact_merge", ["location_id", "kind", "value"])


def downgrade() -> None:
    op.drop_table("contact_merge")
    op.drop_column("conversation", "merged_into_id")
    op.drop_column("contact", "merged_into_id")
    op.drop_column("contact", "tags_at")
    op.drop_index("ix_message_unlinked", "message")
    op.drop_index("ix_message_about", "message")
    for column in message_columns():
        op.drop_column("message", column.name)
