"""notes on conversations, and the indexes that the list of conversations reads"""

import sqlalchemy as sa
from alembic import op

revision = "0017_since_0001"
down_revision = "0016_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conversation_note",
        sa.Column("id", big_id, nullable=False),
        sa.Column("conversation_id", big_id, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("author_id", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversation.id"], name=op.f("fk_conversation_note_conversation_id_conversation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_note")),
        sa.UniqueConstraint("conversation_id", "key", name=op.f("uq_conversation_note_conversation_id")),
    )
    op.create_index("ix_conversation_note_thread", "conversation_note", ["conversation_id", "position"])
    unread = sa.text("unread > 0")
    op.create_index(
        "ix_conversation_unread",
        "conversation",
        ["location_id", "last_position"],
        postgresql_where=unread,
        sqlite_where=unread,
    )
    op.create_index("ix_address_value", "address", ["value"])


def downgrade() -> None:
    op.drop_index("ix_address_value", "address")
    op.drop_index("ix_conversation_unread", "conversation")
    op.drop_table("conversation_note")
