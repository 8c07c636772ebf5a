"""credits made whole: buckets that expire, wallets of agencies, plans, dated prices, and a ledger that is only added to"""

import sqlalchemy as sa
from alembic import op

revision = "0011_since_0001"
down_revision = "0010_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

LEDGERS = {
    "ledger_entry": ("available", "held", "spent", "outside"),
    "agency_entry": ("available", "given", "outside"),
    "price_list": (),
    "price_rule": (),
    "provider_rate": (),
}
_REFUSED = "append-only: write an entry that corrects"
_POSTGRESQL = (
    "CREATE TRIGGER {table}_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
_SQLITE = (
    "CREATE TRIGGER {table}_is_not_changed BEFORE UPDATE ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{{table}} is {_REFUSED}'); END",
    "CREATE TRIGGER {table}_is_not_removed BEFORE DELETE ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{{table}} is {_REFUSED}'); END",
)
_BALANCED = {
    # Not valid: what is there adds up, and nobody waits while it is looked at.
    "postgresql": "ALTER TABLE {table} ADD CONSTRAINT ck_{table}_balanced CHECK ({sum} = 0) NOT VALID",
    "sqlite": "CREATE TRIGGER {table}_is_balanced BEFORE INSERT ON {table} WHEN {sum} <> 0 "
    "BEGIN SELECT RAISE(ABORT, '{table} does not add up to zero'); END",
}


def upgrade() -> None:
    # Defaults that are no expressions: neither engine rewrites a table.
    op.add_column("ledger_entry", sa.Column("outside", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("ledger_entry", sa.Column("bucket_id", big_id, nullable=True))
    op.add_column("ledger_entry", sa.Column("corrects_id", big_id, nullable=True))
    op.add_column("ledger_entry", sa.Column("who", sa.String(length=128), server_default="", nullable=False))
    op.add_column("wallet", sa.Column("bucket_id", big_id, nullable=True))
    op.add_column("wallet", sa.Column("bucket_until", moment, nullable=True))
    op.add_column("wallet", sa.Column("later", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("wallet", sa.Column("overdraft", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("wallet", sa.Column("plan_id", big_id, nullable=True))
    op.add_column("wallet", sa.Column("next_grant_at", moment, nullable=True))
    op.add_column("wallet", sa.Column("day_cap", sa.BigInteger(), nullable=True))
    op.add_column("wallet", sa.Column("day", sa.String(length=10), server_default="", nullable=False))
    op.add_column("wallet", sa.Column("day_used", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("wallet", sa.Column("bulk_cap", sa.BigInteger(), nullable=True))
    op.add_column("wallet", sa.Column("fails_when_empty", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("wallet", sa.Column("settles_on_delivery", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("wallet", sa.Column("filled", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("wallet", sa.Column("alert_level", sa.Integer(), server_default=sa.text("100"), nullable=False))
    op.create_table(
        "provider_rate",
        sa.Column("id", big_id, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("category", sa.String(length=24), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("starts_at", moment, nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_rate")),
    )
    op.create_table(
        "agency_wallet",
        sa.Column("id", big_id, nullable=False),
        sa.Column("agency_id", big_id, nullable=False),
        sa.Column("unlimited", sa.Boolean(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("filled", sa.BigInteger(), nullable=False),
        sa.Column("alert_level", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_agency_wallet_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency_wallet")),
        sa.UniqueConstraint("agency_id", name=op.f("uq_agency_wallet_agency_id")),
    )
    op.create_table(
        "credit_plan",
        sa.Column("id", big_id, nullable=False),
        sa.Column("agency_id", big_id, nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("monthly_credits", sa.BigInteger(), nullable=False),
        sa.Column("inbound_free", sa.Boolean(), nullable=False),
        sa.Column("credit_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_credit_plan_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_plan")),
        sa.UniqueConstraint("name", name=op.f("uq_credit_plan_name")),
    )
    op.create_table(
        "agency_entry",
        sa.Column("id", big_id, nullable=False),
        sa.Column("wallet_id", big_id, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.Column("outside", sa.BigInteger(), nullable=False),
        sa.Column("entry_key", sa.String(length=80), nullable=False),
        sa.Column("corrects_id", big_id, nullable=True),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.CheckConstraint("kind IN ('top_up', 'gift', 'give', 'correction')", name=op.f("ck_agency_entry_kind_known")),
        sa.ForeignKeyConstraint(
            ["wallet_id"], ["agency_wallet.id"], name=op.f("fk_agency_entry_wallet_id_agency_wallet")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency_entry")),
        sa.UniqueConstraint("key", name=op.f("uq_agency_entry_key")),
    )
    op.create_table(
        "price_list",
        sa.Column("id", big_id, nullable=False),
        sa.Column("plan_id", big_id, nullable=True),
        sa.Column("starts_at", moment, nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["credit_plan.id"], name=op.f("fk_price_list_plan_id_credit_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_list")),
    )
    op.create_table(
        "campaign_use",
        sa.Column("bulk", sa.String(length=36), nullable=False),
        sa.Column("wallet_id", big_id, nullable=False),
        sa.Column("taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name=op.f("fk_campaign_use_wallet_id_wallet")),
        sa.PrimaryKeyConstraint("bulk", name=op.f("pk_campaign_use")),
    )
    op.create_table(
        "credit_bucket",
        sa.Column("id", big_id, nullable=False),
        sa.Column("wallet_id", big_id, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("granted_at", moment, nullable=False),
        sa.Column("closed_at", moment, nullable=True),
        sa.CheckConstraint(
            "source IN ('plan', 'top_up', 'gift', 'grant', 'opening')", name=op.f("ck_credit_bucket_source_known")
        ),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name=op.f("fk_credit_bucket_wallet_id_wallet")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_bucket")),
        sa.UniqueConstraint("key", name=op.f("uq_credit_bucket_key")),
    )
    op.create_table(
        "price_rule",
        sa.Column("id", big_id, nullable=False),
        sa.Column("list_id", big_id, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.Column("per_segment", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["price_list.id"], name=op.f("fk_price_rule_list_id_price_list")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_rule")),
        sa.UniqueConstraint("list_id", "channel", "direction", "kind", "country", name=op.f("uq_price_rule_list_id")),
    )
    op.create_table(
        "wallet_day",
        sa.Column("wallet_id", big_id, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallet.id"], name=op.f("fk_wallet_day_wallet_id_wallet")),
        sa.PrimaryKeyConstraint("wallet_id", "day", name=op.f("pk_wallet_day")),
    )
    op.create_index("ix_provider_rate_channel", "provider_rate", ["channel", "starts_at"], unique=False)
    op.create_index("ix_agency_entry_wallet", "agency_entry", ["wallet_id", "id"], unique=False)
    op.create_index("ix_price_list_plan", "price_list", ["plan_id", "starts_at"], unique=False)
    op.create_index(
        "ix_credit_bucket_expiry",
        "credit_bucket",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL AND expires_at IS NOT NULL"),
        sqlite_where=sa.text("closed_at IS NULL AND expires_at IS NOT NULL"),
    )
    op.create_index("ix_credit_bucket_wallet", "credit_bucket", ["wallet_id", "closed_at"], unique=False)
    _guard()


def _guard() -> None:
    """Every row of these tables stays as it was written; `portal.models.append_only` does the same for new tables."""
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '% is {_REFUSED}', TG_TABLE_NAME; END $$"
        )
    prefix = "NEW." if dialect == "sqlite" else ""
    for table, amounts in LEDGERS.items():
        total = " + ".join(f"{prefix}{amount}" for amount in amounts)
        statements = _POSTGRESQL if dialect == "postgresql" else _SQLITE
        for statement in (*statements, _BALANCED[dialect]) if amounts else statements:
            op.execute(statement.format(table=table, sum=total))


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE ledger_entry DROP CONSTRAINT ck_ledger_entry_balanced")
        op.execute("DROP TRIGGER ledger_entry_is_kept ON ledger_entry")
    else:
        for what in ("not_changed", "not_removed", "balanced"):
            op.execute(f"DROP TRIGGER ledger_entry_is_{what}")
    for table in (
        "wallet_day",
        "price_rule",
        "credit_bucket",
        "campaign_use",
        "price_list",
        "agency_entry",
        "credit_plan",
        "agency_wallet",
        "provider_rate",
    ):
        op.drop_table(table)
    for table, name in (
        ("wallet", "alert_level"),
        ("wallet", "filled"),
        ("wallet", "settles_on_delivery"),
        ("wallet", "fails_when_empty"),
        ("wallet", "bulk_cap"),
        ("wallet", "day_used"),
        ("wallet", "day"),
        ("wallet", "day_cap"),
        ("wallet", "next_grant_at"),
        ("wallet", "plan_id"),
        ("wallet", "overdraft"),
        ("wallet", "later"),
        ("wallet", "bucket_until"),
        ("wallet", "bucket_id"),
        ("ledger_entry", "who"),
        ("ledger_entry", "corrects_id"),
        ("ledger_entry", "bucket_id"),
        ("ledger_entry", "outside"),
    ):
        op.drop_column(table, name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
