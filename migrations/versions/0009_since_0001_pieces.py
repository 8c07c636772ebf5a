"""SMS of long texts that wait to be put together"""

import sqlalchemy as sa
from alembic import op

revision = "0009_since_0001"
down_revision = "0008_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "inbound_piece",
        sa.Column("id", big_id, nullable=False),
        sa.Column("sender_id", big_id, nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=160), nullable=False),
        sa.Column("recipient", sa.String(length=160), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("said_at", moment, nullable=True),
        sa.Column("event_id", big_id, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("joined_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["sender_id"], ["sender.id"], name=op.f("fk_inbound_piece_sender_id_sender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_piece")),
        sa.UniqueConstraint("sender_id", "external_id", name=op.f("uq_inbound_piece_sender_id")),
    )
    op.create_index("ix_inbound_piece_text", "inbound_piece", ["sender_id", "address", "reference"])
    waiting = sa.text("joined_at IS NULL")
    op.create_index(
        "ix_inbound_piece_waiting",
        "inbound_piece",
        ["received_at"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )


def downgrade() -> None:
    op.drop_table("inbound_piece")
