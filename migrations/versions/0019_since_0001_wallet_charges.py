"""charges to the wallets of sub-accounts in HighLevel"""

import sqlalchemy as sa
from alembic import op

revision = "0019_since_0001"
down_revision = "0018_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("wallet", sa.Column("ghl_policy", sa.String(length=8), server_default="", nullable=False))
    op.add_column("wallet", sa.Column("ghl_stops", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("wallet", sa.Column("ghl_empty_since", moment, nullable=True))
    op.add_column("wallet", sa.Column("ghl_looked_at", moment, nullable=True))
    op.add_column("agency_wallet", sa.Column("ghl_policy", sa.String(length=8), server_default="", nullable=False))
    op.create_table(
        "wallet_charge",
        sa.Column("id", big_id, nullable=False),
        sa.Column("wallet_id", big_id, nullable=False),
        sa.Column("message_id", big_id, nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("entry_key", sa.String(length=80), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("unit_micros", sa.BigInteger(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=80), nullable=False),
        sa.Column("charge_id", sa.String(length=128), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=True),
        sa.Column("asked_at", moment, nullable=True),
        sa.Column("charged_at", moment, nullable=True),
        sa.Column("refund_wanted", sa.Boolean(), nullable=False),
        sa.Column("refunded_at", moment, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'asked', 'charged', 'refunding', 'refunded', 'dropped')",
            name=op.f("ck_wallet_charge_state_known"),
        ),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_wallet_charge_message_id_message")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name=op.f("fk_wallet_charge_wallet_id_wallet")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallet_charge")),
        sa.UniqueConstraint("entry_key", name=op.f("uq_wallet_charge_entry_key")),
    )
    op.create_index("ix_wallet_charge_wallet", "wallet_charge", ["wallet_id", "id"])
    op.create_index("ix_wallet_charge_message", "wallet_charge", ["message_id"])
    there = sa.text("state IN ('waiting', 'asked', 'refunding')")
    partial = {"postgresql_where": there, "sqlite_where": there}
    op.create_index("ix_wallet_charge_open", "wallet_charge", ["wallet_id", "id"], **partial)


def downgrade() -> None:
    op.drop_table("wallet_charge")
    op.drop_column("agency_wallet", "ghl_policy")
    for name in ("ghl_looked_at", "ghl_empty_since", "ghl_stops", "ghl_policy"):
        op.drop_column("wallet", name)
