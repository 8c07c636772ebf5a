"""how provider accounts do, which sender goes through another, and texts that were made shorter"""

import sqlalchemy as sa
from alembic import op

revision = "0010_since_0001"
down_revision = "0009_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Defaults that are no expressions: neither engine rewrites a table.
    for table, name in (
        ("location", "family_stands_in"),
        ("location", "switches_itself"),
        ("location", "offers_gsm7"),
        ("attempt", "fault"),
    ):
        op.add_column(table, sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("message", sa.Column("written_body", sa.Text(), nullable=True))
    op.create_index("ix_attempt_recent", "attempt", ["sender_id", "ended_at"])
    op.create_table(
        "account_health",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("measured_at", moment, nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("slow", sa.Integer(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("unknowns", sa.Integer(), nullable=False),
        sa.Column("call_ms", sa.Integer(), nullable=False),
        sa.Column("slow_since", moment, nullable=True),
        sa.Column("failing_since", moment, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_account_health")),
    )
    op.create_table(
        "sender_switch",
        sa.Column("id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("from_id", big_id, nullable=False),
        sa.Column("to_id", big_id, nullable=True),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("began_at", moment, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("ended_by", sa.String(length=128), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["from_id"], ["sender.id"], name=op.f("fk_sender_switch_from_id_sender")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_sender_switch_location_id_location")),
        sa.ForeignKeyConstraint(["to_id"], ["sender.id"], name=op.f("fk_sender_switch_to_id_sender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sender_switch")),
    )
    standing = sa.text("ended_at IS NULL")
    for name, columns, unique in (
        ("ix_sender_switch_standing", ["location_id"], False),
        ("uq_sender_switch_standing", ["from_id"], True),
    ):
        partial = {"postgresql_where": standing, "sqlite_where": standing}
        op.create_index(name, "sender_switch", columns, unique=unique, **partial)
    op.create_index("ix_sender_switch_history", "sender_switch", ["from_id", "id"])


def downgrade() -> None:
    op.drop_table("sender_switch")
    op.drop_table("account_health")
    op.drop_index("ix_attempt_recent", "attempt")
    for table, name in (
        ("message", "written_body"),
        ("attempt", "fault"),
        ("location", "offers_gsm7"),
        ("location", "switches_itself"),
        ("location", "family_stands_in"),
    ):
        op.drop_column(table, name)
