"""files of messages"""

import sqlalchemy as sa
from alembic import op

revision = "0004_since_0001"
down_revision = "0003_since_0001"
branch_labels = None
depends_on = None

_STATES = "'wanted', 'kept', 'refused', 'failed', 'removed', 'looked'"


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "media",
        sa.Column("id", big, nullable=False),
        sa.Column("key", sa.String(length=48), nullable=False),
        sa.Column("location_id", big, nullable=False),
        sa.Column("message_id", big, nullable=False),
        sa.Column("sender_id", big, nullable=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_digest", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("claimed_type", sa.String(length=120), nullable=False),
        sa.Column("type", sa.String(length=120), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("store", sa.String(length=300), nullable=False),
        sa.Column("stored", sa.String(length=300), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("echo_state", sa.String(length=8), nullable=False),
        sa.Column("ghl_message_id", sa.String(length=128), nullable=False),
        sa.Column("ghl_url", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("ck_media_state_known")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_media_location_id_location")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_media_message_id_message")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("key", name=op.f("uq_media_key")),
        sa.UniqueConstraint("message_id", "place", name=op.f("uq_media_message_id")),
    )
    for name, columns, on_postgresql, on_sqlite in (
        ("ix_media_wanted", ["id"], "state = 'wanted'", "state = 'wanted'"),
        ("ix_media_late", ["message_id"], "late AND ghl_message_id = ''", "late = 1 AND ghl_message_id = ''"),
        ("ix_media_recent", ["location_id", "id"], None, None),
        ("ix_media_failed", ["created_at"], "state = 'failed' AND source <> ''", "state = 'failed' AND source <> ''"),
        ("ix_media_told", ["location_id", "ghl_message_id"], "ghl_message_id <> ''", "ghl_message_id <> ''"),
        ("ix_media_stored", ["kept_at"], "stored <> ''", "stored <> ''"),
    ):
        partial = {}
        if on_postgresql and on_sqlite:
            partial = {"postgresql_where": sa.text(on_postgresql), "sqlite_where": sa.text(on_sqlite)}
        op.create_index(name, "media", columns, unique=False, **partial)


def downgrade() -> None:
    op.drop_table("media")
