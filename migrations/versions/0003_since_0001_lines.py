"""lines that fail and come back, shared webhooks, parts of other kinds"""

import sqlalchemy as sa
from alembic import op

revision = "0003_since_0001"
down_revision = "0002_since_0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
SENDER = (
    sa.Column("webhook_name", sa.String(128), nullable=True),
    sa.Column("webhook_at", MOMENT, nullable=True),
    sa.Column("next_webhook_at", MOMENT, nullable=True),
    sa.Column("line_code", sa.String(64), nullable=False, server_default=""),
    sa.Column("line_detail", sa.Text(), nullable=False, server_default=""),
    sa.Column("line_at", MOMENT, nullable=True),
    sa.Column("line_since", MOMENT, nullable=True),
    sa.Column("line_changed_at", MOMENT, nullable=True),
    sa.Column("line_unlinked_at", MOMENT, nullable=True),
    sa.Column("line_down_at", MOMENT, nullable=True),
    sa.Column("line_told_at", MOMENT, nullable=True),
    sa.Column("line_address", sa.String(64), nullable=False, server_default=""),
    sa.Column("line_other_address", sa.String(64), nullable=False, server_default=""),
    sa.Column("line_failure", sa.Text(), nullable=False, server_default=""),
    sa.Column("line_failures", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("next_line_check_at", MOMENT, nullable=True),
)
PART = (
    sa.Column("kind", sa.String(24), nullable=False, server_default="text"),
    sa.Column("details", sa.JSON(), nullable=False, server_default="{}"),
)


def upgrade() -> None:
    for table, columns in (("sender", SENDER), ("part", PART)):
        for column in columns:
            op.add_column(table, column)
    # With its CHECK in one statement: SQLite adds a constraint to a table in no other way.
    op.execute(
        "ALTER TABLE sender ADD COLUMN line_state VARCHAR(12) DEFAULT '' NOT NULL "
        "CONSTRAINT ck_sender_line_state_known CHECK "
        "(line_state IN ('', 'ready', 'starting', 'asleep', 'limited', 'signed_out', 'blocked', 'gone'))"
    )
    op.create_index("uq_sender_webhook", "sender", ["channel", "webhook_name"], unique=True)
    op.create_index("ix_sender_address", "sender", ["channel", "address"])
    op.create_index("ix_sender_next_webhook_at", "sender", ["next_webhook_at"])
    op.create_index("ix_sender_next_line_check_at", "sender", ["next_line_check_at"])


def downgrade() -> None:
    for name in ("ix_sender_next_line_check_at", "ix_sender_next_webhook_at", "ix_sender_address", "uq_sender_webhook"):
        op.drop_index(name, "sender")
    # Both engines do this in place; a copy of the table would not know what to do with its CHECK.
    for table, columns in (("sender", (*SENDER, sa.Column("line_state"))), ("part", PART)):
        for column in columns:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column.name}")
