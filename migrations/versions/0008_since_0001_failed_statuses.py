"""what follows when a provider takes a message and says later that it did not go out"""

import sqlalchemy as sa
from alembic import op

revision = "0008_since_0001"
down_revision = "0007_since_0001"
branch_labels = None
depends_on = None

big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Defaults that are no expressions: neither engine rewrites a table.
    op.add_column("part", sa.Column("lost", sa.Integer(), server_default="0", nullable=False))
    op.add_column("receipt", sa.Column("setback", sa.JSON(), nullable=True))
    op.add_column("sender", sa.Column("resumed_at", moment, nullable=True))
    op.add_column("gate", sa.Column("own_pace", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "marketing_pause",
        sa.Column("id", big_id, nullable=False),
        sa.Column("location_id", big_id, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=160), nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_marketing_pause_location_id_location")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketing_pause")),
        sa.UniqueConstraint("location_id", "kind", "value", name=op.f("uq_marketing_pause_location_id")),
    )
    op.create_index("ix_marketing_pause_until", "marketing_pause", ["until"])


def downgrade() -> None:
    op.drop_table("marketing_pause")
    for table, name in (("gate", "own_pace"), ("sender", "resumed_at"), ("receipt", "setback"), ("part", "lost")):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column(name)
