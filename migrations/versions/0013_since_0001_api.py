"""keys of the JSON API, what they have asked for, and our webhooks out"""

import sqlalchemy as sa
from alembic import op

revision = "0013_since_0001"
down_revision = "0012_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("agency_id", big_id, nullable=True),
        sa.Column("whole_agency", sa.Boolean(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("last_used_at", moment, nullable=True),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("revoked_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_api_key_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_key_digest")),
        sa.UniqueConstraint("uuid", name=op.f("uq_api_key_uuid")),
    )
    op.create_index("ix_api_key_agency", "api_key", ["agency_id"], unique=False)
    op.create_table(
        "api_answer",
        sa.Column("id", big_id, nullable=False),
        sa.Column("key_id", big_id, nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_api_answer_key_id_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_answer")),
        sa.UniqueConstraint("key_id", "idempotency_key", name=op.f("uq_api_answer_key_id")),
    )
    op.create_index("ix_api_answer_created", "api_answer", ["created_at"], unique=False)
    op.create_table(
        "api_bulk",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("key_id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_api_bulk_key_id_api_key")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_api_bulk_location_id_location")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_bulk")),
        sa.UniqueConstraint("uuid", name=op.f("uq_api_bulk_uuid")),
    )
    op.create_table(
        "api_key_location",
        sa.Column("key_id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_api_key_location_key_id_api_key")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name=op.f("fk_api_key_location_location_id_location")
        ),
        sa.PrimaryKeyConstraint("key_id", "location_id", name=op.f("pk_api_key_location")),
    )
    op.create_index("ix_api_key_location_location", "api_key_location", ["location_id"], unique=False)
    op.create_table(
        "api_use",
        sa.Column("key_id", big_id, nullable=False),
        sa.Column("begins", moment, nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_api_use_key_id_api_key")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_use")),
    )
    op.create_table(
        "test_message",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("key_id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("bulk", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("sender_id", big_id, nullable=True),
        sa.Column("address", sa.String(length=160), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("begins_at", moment, nullable=False),
        sa.Column("scheduled_at", moment, nullable=True),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("cancelled_at", moment, nullable=True),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_test_message_key_id_api_key")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_test_message_location_id_location")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_message")),
        sa.UniqueConstraint("uuid", name=op.f("uq_test_message_uuid")),
    )
    op.create_index("ix_test_message_bulk", "test_message", ["bulk"], unique=False)
    op.create_index("ix_test_message_created", "test_message", ["created_at"], unique=False)
    op.create_index("ix_test_message_location", "test_message", ["location_id", "id"], unique=False)
    op.create_table(
        "webhook_subscription",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("agency_id", big_id, nullable=True),
        sa.Column("location_id", big_id, nullable=True),
        sa.Column("key_id", big_id, nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("shown", sa.String(length=300), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("paused_at", moment, nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=False),
        sa.Column("removed_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_webhook_subscription_agency_id_agency")),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_webhook_subscription_key_id_api_key")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name=op.f("fk_webhook_subscription_location_id_location")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_subscription")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhook_subscription_uuid")),
    )
    op.create_index("ix_webhook_subscription_agency", "webhook_subscription", ["agency_id"], unique=False)
    op.create_index("ix_webhook_subscription_location", "webhook_subscription", ["location_id"], unique=False)
    op.create_index("uq_webhook_subscription_digest", "webhook_subscription", ["digest"], unique=True)
    op.create_table(
        "webhook_delivery",
        sa.Column("id", big_id, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("subscription_id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("about", sa.String(length=36), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.Column("last_code", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'given_up')", name=op.f("ck_webhook_delivery_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["location_id"], ["location.id"], name=op.f("fk_webhook_delivery_location_id_location")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["webhook_subscription.id"],
            name=op.f("fk_webhook_delivery_subscription_id_webhook_subscription"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhook_delivery_uuid")),
    )
    op.create_index("ix_webhook_delivery_about", "webhook_delivery", ["about"], unique=False)
    op.create_index("ix_webhook_delivery_created", "webhook_delivery", ["created_at"], unique=False)
    op.create_index("ix_webhook_delivery_subscription", "webhook_delivery", ["subscription_id", "id"], unique=False)
    op.create_index(
        "ix_webhook_delivery_waiting",
        "webhook_delivery",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("id", big_id, nullable=False),
        sa.Column("delivery_id", big_id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_delivery.id"], name=op.f("fk_webhook_attempt_delivery_id_webhook_delivery")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_attempt")),
    )
    op.create_index("ix_webhook_attempt_delivery", "webhook_attempt", ["delivery_id", "id"], unique=False)
    op.create_index("ix_contact_location", "contact", ["location_id", "id"], unique=False)
    op.add_column("message", sa.Column("callback_id", big_id, nullable=True))


def downgrade() -> None:
    op.drop_index("ix_contact_location", "contact")
    op.drop_column("message", "callback_id")
    for table in (
        "webhook_attempt",
        "webhook_delivery",
        "webhook_subscription",
        "test_message",
        "api_use",
        "api_key_location",
        "api_bulk",
        "api_answer",
        "api_key",
    ):
        op.drop_table(table)
