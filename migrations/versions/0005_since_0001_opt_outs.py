"""opt-outs: their evidence, words of a sub-account, and what HighLevel's DND says"""

import sqlalchemy as sa
from alembic import op

revision = "0005_since_0001"
down_revision = "0004_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# What the first portal wrote as the source of an opt-out tells where it came from.
ORIGINS = {
    "words": "the contact wrote %",
    "provider": "% said % to message %",
    "import": "on the list of %",
}


def upgrade() -> None:
    # A default that is no expression: neither engine rewrites the table.
    empty = {"server_default": "", "nullable": False}
    op.add_column("location", sa.Column("start_words", sa.Text(), nullable=True))
    op.add_column("opt_out", sa.Column("contact_id", big_id, nullable=True))
    op.add_column("opt_out", sa.Column("origin", sa.String(length=16), **empty))
    op.add_column("opt_out", sa.Column("message_id", big_id, nullable=True))
    op.add_column("opt_out", sa.Column("words", sa.String(length=200), **empty))
    op.add_column("opt_out", sa.Column("code", sa.String(length=64), **empty))
    op.add_column("opt_out", sa.Column("detail", sa.Text(), **empty))
    op.add_column("opt_out", sa.Column("by", sa.String(length=128), **empty))
    op.add_column("opt_out", sa.Column("since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("opt_out", sa.Column("lifted_message_id", big_id, nullable=True))
    op.add_column("opt_out", sa.Column("lift_reason", sa.Text(), **empty))
    op.create_index("ix_opt_out_contact", "opt_out", ["contact_id"])
    op.create_index("ix_opt_out_number", "opt_out", ["address"])
    opt_out = sa.table("opt_out", sa.column("origin", sa.String), sa.column("source", sa.String))
    for origin, source in ORIGINS.items():
        op.execute(opt_out.update().where(opt_out.c.source.like(source)).values(origin=origin))
    op.create_table(
        "contact_dnd",
        sa.Column("id", big_id, nullable=False),
        sa.Column("contact_id", big_id, nullable=False),
        sa.Column("family", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.String(length=8), nullable=False),
        sa.Column("known", sa.String(length=8), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_contact_dnd_contact_id_contact")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_dnd")),
        sa.UniqueConstraint("contact_id", "family", name=op.f("uq_contact_dnd_contact_id")),
    )


def downgrade() -> None:
    op.drop_table("contact_dnd")
    op.drop_index("ix_opt_out_number", "opt_out")
    op.drop_index("ix_opt_out_contact", "opt_out")
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        for name in ("contact_id", "origin", "message_id", "words", "code", "detail", "by", "since"):
            batch_op.drop_column(name)
        batch_op.drop_column("lifted_message_id")
        batch_op.drop_column("lift_reason")
    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.drop_column("start_words")
