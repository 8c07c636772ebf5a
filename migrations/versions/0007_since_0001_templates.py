"""templates of a sender, and when its provider was asked for them"""

import sqlalchemy as sa
from alembic import op

revision = "0007_since_0001"
down_revision = "0006_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    # A default that is no expression: neither engine rewrites the table.
    op.add_column("sender", sa.Column("templates_at", moment, nullable=True))
    op.add_column("sender", sa.Column("next_templates_at", moment, nullable=True))
    op.add_column("sender", sa.Column("templates_failure", sa.Text(), server_default="", nullable=False))
    op.add_column("sender", sa.Column("templates_failures", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_sender_next_templates_at", "sender", ["next_templates_at"])
    op.create_table(
        "template",
        sa.Column("id", big_id, nullable=False),
        sa.Column("sender_id", big_id, nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("language", sa.String(length=32), nullable=False),
        sa.Column("external_id", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("components", sa.JSON(), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("approved_at", moment, nullable=True),
        sa.Column("said", sa.String(length=64), nullable=False),
        sa.Column("said_detail", sa.Text(), nullable=False),
        sa.Column("said_at", moment, nullable=True),
        sa.Column("first_seen_at", moment, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("synced_at", moment, nullable=False),
        sa.Column("gone_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["sender_id"], ["sender.id"], name=op.f("fk_template_sender_id_sender")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template")),
        sa.UniqueConstraint("sender_id", "name", "language", name=op.f("uq_template_sender_id")),
    )


def downgrade() -> None:
    op.drop_table("template")
    op.drop_index("ix_sender_next_templates_at", "sender")
    with op.batch_alter_table("sender", schema=None) as batch_op:
        for name in ("templates_at", "next_templates_at", "templates_failure", "templates_failures"):
            batch_op.drop_column(name)
