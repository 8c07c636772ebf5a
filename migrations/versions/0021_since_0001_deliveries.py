"""deeds upon many messages, what a person holds back, HighLevel's own retries, calls as they were made"""

import sqlalchemy as sa
from alembic import op

revision = "0021_since_0001"
down_revision = "0020_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "message_deed",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("who_id", sa.String(length=128), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("overrule", sa.Boolean(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("more", sa.Boolean(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("begun_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('resend', 'cancel', 'hold', 'release')", name=op.f("ck_message_deed_kind_known")),
        sa.CheckConstraint("state IN ('draft', 'underway', 'done')", name=op.f("ck_message_deed_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_deed")),
        sa.UniqueConstraint("uuid", name=op.f("uq_message_deed_uuid")),
    )
    underway = sa.text("state = 'underway'")
    op.create_index(
        "ix_message_deed_underway", "message_deed", ["id"], postgresql_where=underway, sqlite_where=underway
    )
    op.create_index("ix_message_deed_created", "message_deed", ["created_at"])
    op.create_table(
        "message_deed_item",
        sa.Column("id", big_id, nullable=False),
        sa.Column("deed_id", big_id, nullable=False),
        sa.Column("message_id", big_id, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("made", sa.String(length=36), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'done', 'refused')", name=op.f("ck_message_deed_item_state_known")),
        sa.ForeignKeyConstraint(
            ["deed_id"],
            ["message_deed.id"],
            name=op.f("fk_message_deed_item_deed_id_message_deed"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_message_deed_item_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_deed_item")),
        sa.UniqueConstraint("deed_id", "message_id", name=op.f("uq_message_deed_item_deed_id")),
    )
    op.create_index("ix_message_deed_item_state", "message_deed_item", ["deed_id", "state", "id"])
    op.add_column("message", sa.Column("held_by", sa.String(length=128), server_default="", nullable=False))
    op.add_column("message", sa.Column("retry_of_id", big_id, nullable=True))
    retried = sa.text("retry_of_id IS NOT NULL")
    op.create_index("ix_message_retry_of", "message", ["retry_of_id"], postgresql_where=retried, sqlite_where=retried)
    op.add_column("attempt", sa.Column("request", sa.Text(), nullable=True))
    op.add_column("attempt", sa.Column("response", sa.Text(), nullable=True))
    recorded = sa.text("request IS NOT NULL")
    op.create_index("ix_attempt_recorded", "attempt", ["id"], postgresql_where=recorded, sqlite_where=recorded)


def downgrade() -> None:
    op.drop_index("ix_attempt_recorded", "attempt")
    op.drop_column("attempt", "response")
    op.drop_column("attempt", "request")
    op.drop_index("ix_message_retry_of", "message")
    op.drop_column("message", "retry_of_id")
    op.drop_column("message", "held_by")
    op.drop_table("message_deed_item")
    op.drop_table("message_deed")
