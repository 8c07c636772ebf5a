"""roles and chosen locations, sessions, second factors, one-use links, and a log of what people did"""

import sqlalchemy as sa
from alembic import op

revision = "0012_since_0001"
down_revision = "0011_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

USER = (
    sa.Column("all_locations", sa.Boolean(), server_default=sa.true(), nullable=False),
    sa.Column("invited", sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column("totp_secret", sa.Text(), nullable=True),
    sa.Column("totp_since", moment, nullable=True),
    sa.Column("totp_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("totp_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
)
_GUARDS = {
    "postgresql": (
        "CREATE OR REPLACE FUNCTION keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE TRIGGER audit_entry_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_entry()",
    ),
    "sqlite": (
        "CREATE TRIGGER audit_entry_is_not_changed BEFORE UPDATE ON audit_entry "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
        "CREATE TRIGGER audit_entry_is_not_removed BEFORE DELETE ON audit_entry "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    ),
}


def upgrade() -> None:
    op.add_column("agency", sa.Column("asks_second_factor", sa.Boolean(), server_default=sa.false(), nullable=False))
    for column in USER:
        op.add_column("portal_user", column)
    # With its CHECK in one statement: SQLite adds a constraint to a table in no other way.
    op.execute(
        "ALTER TABLE portal_user ADD COLUMN role VARCHAR(16) DEFAULT 'owner' NOT NULL CONSTRAINT "
        "ck_portal_user_role_known CHECK (role IN ('owner', 'admin', 'agent', 'viewer', 'client'))"
    )
    _ways_in()
    _audit()


def _ways_in() -> None:
    op.create_table(
        "user_location",
        sa.Column("user_id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_user_location_location_id_location")),
        sa.ForeignKeyConstraint(["user_id"], ["portal_user.id"], name=op.f("fk_user_location_user_id_portal_user")),
        sa.PrimaryKeyConstraint("user_id", "location_id", name=op.f("pk_user_location")),
    )
    op.create_table(
        "user_session",
        sa.Column("id", big_id, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("user_id", big_id, nullable=False),
        sa.Column("began_at", moment, nullable=False),
        sa.Column("used_at", moment, nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["portal_user.id"], name=op.f("fk_user_session_user_id_portal_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        sa.UniqueConstraint("name", name=op.f("uq_user_session_name")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", big_id, nullable=False),
        sa.Column("user_id", big_id, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("used_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["portal_user.id"], name=op.f("fk_recovery_code_user_id_portal_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("code", name=op.f("uq_recovery_code_code")),
    )
    op.create_table(
        "access_link",
        sa.Column("id", big_id, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user_id", big_id, nullable=False),
        sa.Column("made_by", sa.String(length=128), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("used_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('invitation', 'reset')", name=op.f("ck_access_link_kind_known")),
        sa.ForeignKeyConstraint(["user_id"], ["portal_user.id"], name=op.f("fk_access_link_user_id_portal_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_link")),
        sa.UniqueConstraint("key", name=op.f("uq_access_link_key")),
    )
    for table, column in (
        ("user_location", "location_id"),
        ("user_session", "user_id"),
        ("user_session", "began_at"),
        ("recovery_code", "user_id"),
        ("access_link", "user_id"),
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _audit() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", big_id, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("agency_id", sa.BigInteger(), nullable=True),
        sa.Column("location_id", sa.BigInteger(), nullable=True),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("who_id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_agency", "audit_entry", ["agency_id", "id"])
    op.create_index("ix_audit_entry_location", "audit_entry", ["location_id", "id"])
    op.create_index("ix_audit_entry_subject", "audit_entry", ["kind", "subject_id", "id"])
    op.create_index("ix_audit_entry_who", "audit_entry", ["who_id", "id"])
    for statement in _GUARDS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in ("audit_entry", "access_link", "recovery_code", "user_session", "user_location"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION keep_audit_entry()")
    # Both engines do this in place; a copy of the table would not know what to do with its CHECK.
    for name in ("role", *(column.name for column in reversed(USER))):
        op.execute(f"ALTER TABLE portal_user DROP COLUMN {name}")
    op.drop_column("agency", "asks_second_factor")
