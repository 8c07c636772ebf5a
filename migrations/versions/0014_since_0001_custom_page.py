"""who looks at the custom page, links that work once, and links for a customer's own device"""

import sqlalchemy as sa
from alembic import op

revision = "0014_since_0001"
down_revision = "0013_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "page_session",
        sa.Column("id", big_id, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("agency_id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=True),
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("chooses", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("used_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_page_session_agency_id_agency")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_page_session_location_id_location")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_page_session_token_hash")),
    )
    op.create_index(op.f("ix_page_session_location_id"), "page_session", ["location_id"])
    op.create_index(op.f("ix_page_session_expires_at"), "page_session", ["expires_at"])
    op.create_index("ix_page_session_user", "page_session", ["agency_id", "user_id"])
    op.create_table(
        "used_link",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_used_link")),
    )
    op.create_index(op.f("ix_used_link_until"), "used_link", ["until"])
    op.create_table(
        "client_link",
        sa.Column("id", big_id, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("sender_id", big_id, nullable=False),
        sa.Column("made_by", sa.String(length=128), nullable=False),
        sa.Column("device_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("opened_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("end", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["sender_id"], ["sender.id"], name=op.f("fk_client_link_sender_id_sender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_client_link_token_hash")),
    )
    op.create_index(op.f("ix_client_link_expires_at"), "client_link", ["expires_at"])
    op.create_index("ix_client_link_sender", "client_link", ["sender_id", "id"])


def downgrade() -> None:
    for table in ("client_link", "used_link", "page_session"):
        op.drop_table(table)
