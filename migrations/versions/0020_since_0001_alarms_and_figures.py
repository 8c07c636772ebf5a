"""who is told of alerts and what they were told; messages by hour and day, and how each sub-account stands"""

import sqlalchemy as sa
from alembic import op

revision = "0020_since_0001"
down_revision = "0019_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alert_rule",
        sa.Column("agency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency_id", "topic", name=op.f("pk_alert_rule")),
    )
    op.create_table(
        "count_mark",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("horizon", sa.BigInteger(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_count_mark")),
    )
    op.create_table(
        "message_day",
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("written", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_message_day_location_id_location")),
        sa.PrimaryKeyConstraint("location_id", "day", name=op.f("pk_message_day")),
    )
    op.create_index("ix_message_day_day", "message_day", ["day"], unique=False)
    op.create_table(
        "message_hour",
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("written", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_message_hour_location_id_location")),
        sa.PrimaryKeyConstraint("location_id", "hour", name=op.f("pk_message_hour")),
    )
    op.create_index("ix_message_hour_hour", "message_hour", ["hour"], unique=False)
    op.create_table(
        "place_standing",
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("need", sa.Integer(), nullable=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("troubled", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("oldest_at", moment, nullable=True),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=True),
        sa.Column("credits_low", sa.Integer(), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("unseen", sa.Integer(), nullable=False),
        sa.Column("ghl_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_place_standing_location_id_location")),
        sa.PrimaryKeyConstraint("location_id", name=op.f("pk_place_standing")),
    )
    op.create_table(
        "alert_recipient",
        sa.Column("id", big_id, nullable=False),
        sa.Column("agency_id", big_id, nullable=True),
        sa.Column("location_id", big_id, nullable=True),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("shown", sa.String(length=300), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subscription_id", big_id, nullable=True),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("quiet_until", moment, nullable=True),
        sa.Column("told_at", moment, nullable=True),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("removed_at", moment, nullable=True),
        sa.CheckConstraint("way IN ('email', 'webhook')", name=op.f("ck_alert_recipient_way_known")),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_alert_recipient_agency_id_agency")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_alert_recipient_location_id_location")),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["webhook_subscription.id"],
            name=op.f("fk_alert_recipient_subscription_id_webhook_subscription"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_recipient")),
    )
    op.create_index("ix_alert_recipient_agency", "alert_recipient", ["agency_id"], unique=False)
    op.create_table(
        "alert_letter",
        sa.Column("id", big_id, nullable=False),
        sa.Column("recipient_id", big_id, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("notices", sa.JSON(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["alert_recipient.id"], name=op.f("fk_alert_letter_recipient_id_alert_recipient")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_letter")),
    )
    op.create_index("ix_alert_letter_recipient", "alert_letter", ["recipient_id", "id"], unique=False)
    op.create_table(
        "alert_notice",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("alert_id", big_id, nullable=True),
        sa.Column("recipient_id", big_id, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('began', 'over', 'test')", name=op.f("ck_alert_notice_kind_known")),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'handed', 'given_up', 'dropped')", name=op.f("ck_alert_notice_state_known")
        ),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_notice_alert_id_alert")),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["alert_recipient.id"], name=op.f("fk_alert_notice_recipient_id_alert_recipient")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_notice")),
        sa.UniqueConstraint("alert_id", "recipient_id", "kind", name=op.f("uq_alert_notice_alert_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_alert_notice_uuid")),
    )
    op.create_index("ix_alert_notice_recipient", "alert_notice", ["recipient_id", "id"], unique=False)
    op.create_index(
        "ix_alert_notice_waiting",
        "alert_notice",
        ["recipient_id", "next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.add_column("alert", sa.Column("closed_by", sa.String(length=128), server_default="", nullable=False))
    op.add_column("alert", sa.Column("began_text", sa.Text(), server_default="", nullable=False))
    op.add_column("alert", sa.Column("outcome", sa.Text(), server_default="", nullable=False))
    op.add_column("alert", sa.Column("returns", sa.Integer(), server_default="0", nullable=False))
    op.add_column("alert", sa.Column("told_at", moment, nullable=True))
    op.add_column("alert", sa.Column("settled_at", moment, nullable=True))
    op.add_column("alert", sa.Column("acknowledged_at", moment, nullable=True))
    op.add_column("alert", sa.Column("acknowledged_by", sa.String(length=128), server_default="", nullable=False))
    op.add_column("alert", sa.Column("muted_until", moment, nullable=True))
    op.create_index("ix_alert_location", "alert", ["location_id", "id"], unique=False)
    op.create_index(
        "ix_alert_unsettled",
        "alert",
        ["kind", "subject"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
        sqlite_where=sa.text("settled_at IS NULL"),
    )
    # What is over already is not told.
    op.execute("UPDATE alert SET settled_at = closed_at WHERE closed_at IS NOT NULL")


def downgrade() -> None:
    op.drop_index(
        "ix_alert_unsettled",
        table_name="alert",
        postgresql_where=sa.text("settled_at IS NULL"),
        sqlite_where=sa.text("settled_at IS NULL"),
    )
    op.drop_index("ix_alert_location", table_name="alert")
    op.drop_column("alert", "muted_until")
    op.drop_column("alert", "acknowledged_by")
    op.drop_column("alert", "acknowledged_at")
    op.drop_column("alert", "settled_at")
    op.drop_column("alert", "told_at")
    op.drop_column("alert", "returns")
    op.drop_column("alert", "outcome")
    op.drop_column("alert", "began_text")
    op.drop_column("alert", "closed_by")
    op.drop_index(
        "ix_alert_notice_waiting",
        table_name="alert_notice",
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.drop_index("ix_alert_notice_recipient", table_name="alert_notice")
    op.drop_table("alert_notice")
    op.drop_index("ix_alert_letter_recipient", table_name="alert_letter")
    op.drop_table("alert_letter")
    op.drop_index("ix_alert_recipient_agency", table_name="alert_recipient")
    op.drop_table("alert_recipient")
    op.drop_table("place_standing")
    op.drop_index("ix_message_hour_hour", table_name="message_hour")
    op.drop_table("message_hour")
    op.drop_index("ix_message_day_day", table_name="message_day")
    op.drop_table("message_day")
    op.drop_table("count_mark")
    op.drop_table("alert_rule")
