"""WhatsApp Cloud: accounts above senders, windows to write in, receipts by our own key, what providers bill"""

import sqlalchemy as sa
from alembic import op

revision = "0006_since_0001"
down_revision = "0005_since_0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
WAITING = "part_id IS NULL AND our_key <> ''"
COLUMNS = {
    "sender": ("webhook_group", "own_app", "windowed", "window_known_from", "mark_read"),
    "receipt": ("our_key", "billing"),
    "part": ("billing",),
    "message": ("marketing",),
    "conversation": ("marked_read_id",),
}


def upgrade() -> None:
    # Constant defaults: neither engine rewrites a table for them.
    empty = {"nullable": False, "server_default": ""}
    nothing = {"nullable": False, "server_default": "{}"}
    no = {"nullable": False, "server_default": sa.false()}
    op.add_column("sender", sa.Column("webhook_group", sa.String(length=128), **empty))
    op.add_column("sender", sa.Column("own_app", sa.Boolean(), **no))
    op.add_column("sender", sa.Column("windowed", sa.Boolean(), **no))
    op.add_column("sender", sa.Column("window_known_from", MOMENT, nullable=True))
    op.add_column("sender", sa.Column("mark_read", sa.String(length=12), **empty))
    op.add_column("conversation", sa.Column("marked_read_id", BIG_ID, nullable=True))
    op.create_index("ix_sender_group", "sender", ["channel", "webhook_group"])
    op.add_column("receipt", sa.Column("our_key", sa.String(length=64), **empty))
    op.add_column("receipt", sa.Column("billing", sa.JSON(), **nothing))
    op.create_index(
        "ix_receipt_key", "receipt", ["our_key"], postgresql_where=sa.text(WAITING), sqlite_where=sa.text(WAITING)
    )
    op.add_column("part", sa.Column("billing", sa.JSON(), **nothing))
    op.add_column("message", sa.Column("marketing", sa.Boolean(), **no))
    op.create_table(
        "service_window",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("sender_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=160), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("closes_at", MOMENT, nullable=False),
        sa.Column("refused_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["sender_id"], ["sender.id"], name=op.f("fk_service_window_sender_id_sender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_window")),
        sa.UniqueConstraint("sender_id", "kind", "value", name=op.f("uq_service_window_sender_id")),
    )


def downgrade() -> None:
    op.drop_table("service_window")
    op.drop_index("ix_receipt_key", "receipt")
    op.drop_index("ix_sender_group", "sender")
    for table, names in COLUMNS.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for name in names:
                batch_op.drop_column(name)
